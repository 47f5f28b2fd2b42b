/* grant.h - a writer's word that the rows of one object may take space, on account of its vault and of
 * the node through which they are stored; and that node's word that it took the account.
 *
 * The writer names the object, so that nobody can hang other bytes onto its grant; and the object's
 * shape, so that who counts rows need not believe those who claim to have them. The sponsor's node
 * countersigns what it brings in: a writer alone cannot charge a node that never heard of it.
 *
 * A grant is also the first pin of what it grants: record `number` of its writer.
 *
 *   Limits   GRANT_BYTES_MAX, encoded with both certificates
 *   Errors   those of writer_cert.h; ERR_FOREIGN a sponsor's certificate of another node
 *   Memory   what is sealed and countersigned is malloc'd, the caller's to free; what is opened
 *            points into nothing of the caller's
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_GRANT_H
#define ECBAK_NODE_TRUST_GRANT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/node_keys.h"
#include "node/trust/pin.h"
#include "node/trust/writer_cert.h"

#define GRANT_BYTES_MAX 1536

struct grant {
    struct cluster_id cluster;
    struct vault_id vault;
    struct writer_id writer;
    uint64_t number;
    struct attempt_id attempt;
    struct pack_id pack;
    uint64_t pack_bytes;
    struct object_id object;
    uint16_t code, layout;
    uint32_t data, parity; /* k and m: a shape that is possible */
    struct node_id sponsor;
};

/* The writer's part of a SignedGrant, as it goes to the sponsor's node. */
int grant_seal(const struct grant *g, const struct signer *signer, uint8_t **bytes, size_t *size,
               struct err *err) MUST_CHECK;
/* Opens that part, and refuses one that is countersigned. Checks both signatures, that the certificate
 * is of the grant's vault and writer, and RIGHT_ADD. */
int grant_open_writers(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
                       const struct cluster_id *cluster, struct err *err) MUST_CHECK;
/* The whole: what grant_open_writers took, with the sponsor's signature and certificate. That the grant
 * names this node is the caller's to see. */
int grant_countersign(const uint8_t *writers, size_t writers_size, const struct credentials *node,
                      uint8_t **bytes, size_t *size, struct err *err) MUST_CHECK;
/* Opens a whole grant: as above, and that its sponsor signed it, who was a member of the authority's
 * cluster. When that was is not looked at: a grant is as good as it was on its first day. */
int grant_open(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
               const uint8_t authority_public[32], struct err *err) MUST_CHECK;

/* The pin that a grant is. */
struct pin grant_pin(const struct grant *g);

#endif
