/* revocation.h - the authority's word that a node is a member no more.
 *
 * Signed once by the operator, then carried by the members themselves. It names the node's id and
 * CURVE key, so that neither comes back under another name or in another certificate; or, with a
 * serial, one certificate alone, when the node goes on with a newer one.
 *
 *   Units    seconds since 1970 (UTC)
 *   Limits   encoded REVOCATION_BYTES; reason at most REVOCATION_REASON_MAX bytes, none of them a
 *            control character
 *   Errors   ERR_FORMAT malformed; ERR_VERSION unknown version; ERR_DAMAGED bad signature;
 *            ERR_FOREIGN another cluster
 *   Memory   plain values
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_REVOCATION_H
#define ECBAK_NODE_TRUST_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/trust/cert.h"

#define REVOCATION_BYTES      320
#define REVOCATION_ARMOR_MAX  512
#define REVOCATION_REASON_MAX 95
#define REVOCATION_ARMOR      "ecbak-revocation-" /* how every line of them begins */

struct revocation {
    struct cluster_id cluster;
    struct node_id node;
    uint8_t curve[32]; /* zeros: not known */
    uint64_t serial;   /* 0: every certificate of this node */
    int64_t at_s;
    int64_t until_s; /* when the last certificate that it is about has expired by itself */
    char name[CERT_NAME_MAX + 1];
    char reason[REVOCATION_REASON_MAX + 1]; /* may be empty */
    uint8_t signature[64];
};

int revocation_encode(const struct revocation *r, uint8_t bytes[REVOCATION_BYTES],
                      struct err *err) MUST_CHECK;
/* Structure only: nothing about who signed it. */
int revocation_decode(struct revocation *r, const uint8_t *bytes, size_t size,
                      struct err *err) MUST_CHECK;
/* Signed by this authority, and of its cluster. */
int revocation_check(const struct revocation *r, const uint8_t authority_public[32],
                     struct err *err) MUST_CHECK;
/* Fills cluster and signature. */
int revocation_sign(struct revocation *r, const uint8_t authority_secret[64],
                    struct err *err) MUST_CHECK;

/* One line of text: "ecbak-revocation-1:BASE64". */
int revocation_armor(char line[REVOCATION_ARMOR_MAX], const struct revocation *r,
                     struct err *err) MUST_CHECK;
int revocation_unarmor(struct revocation *r, const char *line, struct err *err) MUST_CHECK;

/* Is this certificate one that it is about? */
bool revocation_covers(const struct revocation *r, const struct node_id *node,
                       const uint8_t curve[32], uint64_t serial);

#endif
