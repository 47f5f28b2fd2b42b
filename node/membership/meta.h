/* meta.h - what a node says of itself in gossip: its certificate, where its bulk socket is, what it
 * offers.
 *
 *   Limits   META_BYTES_MAX encoded, the gossip core's limit for metadata
 *   Errors   ERR_FORMAT malformed, or of values out of limits
 *   Memory   plain values
 *   Threads  any
 */
#ifndef ECBAK_NODE_MEMBERSHIP_META_H
#define ECBAK_NODE_MEMBERSHIP_META_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/membership/membership.h"
#include "node/trust/cert.h"

#define META_BYTES_MAX   512
#define META_ADDRESS_MAX 72 /* host:port */

struct node_meta {
    uint8_t certificate[CERT_BYTES_MAX];
    size_t certificate_size;
    char bulk[META_ADDRESS_MAX];
    struct membership_offer offer;
    char version[32];
    struct revocation_digest revocations; /* that it knows */
    char rival[META_ADDRESS_MAX];         /* where another machine with its key says that it is */
};

int meta_encode(const struct node_meta *meta, uint8_t bytes[META_BYTES_MAX], size_t *size,
                struct err *err) MUST_CHECK;
int meta_decode(struct node_meta *meta, const uint8_t *bytes, size_t size,
                struct err *err) MUST_CHECK;

#endif
