/* grant.h - a writer's word that bytes may take space, on account of its vault and of the node through
 * which they are stored.
 *
 *   Limits   GRANT_BYTES_MAX, encoded with its writer's certificate
 *   Errors   those of writer_cert.h
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; what *_open returns
 *            points into nothing of the caller's
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_GRANT_H
#define ECBAK_NODE_TRUST_GRANT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/writer_cert.h"

#define GRANT_BYTES_MAX 1024

struct grant {
    struct cluster_id cluster;
    struct vault_id vault;
    struct writer_id writer;
    struct pack_id pack;
    uint64_t pack_bytes;
    struct node_id sponsor;
};

/* The encoded SignedGrant. */
int grant_seal(const struct grant *g, const struct signer *signer, uint8_t **bytes, size_t *size,
               struct err *err) MUST_CHECK;
/* Checks both signatures, that the certificate is of the grant's vault and writer, and RIGHT_ADD.
 */
int grant_open(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
               const struct cluster_id *cluster, struct err *err) MUST_CHECK;

#endif
