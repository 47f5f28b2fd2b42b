/* record.h - a writer's durable word to everybody: one snapshot, and kinds to come.
 *
 *   Limits   RECORD_BYTES_MAX, encoded with its writer's certificate; RECORD_NUMBER_MAX
 *   Errors   those of writer_cert.h
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; what *_open returns
 *            points into nothing of the caller's
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_RECORD_H
#define ECBAK_NODE_TRUST_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/writer_cert.h"

#define RECORD_BYTES_MAX (256 * 1024)
/* The largest number of a record, and so of a pin and a receipt: what a column of SQLite holds. A store
 * a second reaches it in 292 billion years, so a larger one is none that a writer came to. */
#define RECORD_NUMBER_MAX ((uint64_t)INT64_MAX)

/* Append only. Who keeps and carries records checks who signed them, and takes kinds that it does not
 * know: members of several versions must end up with the same set. Readers check the kind. */
enum record_kind {
    RECORD_SNAPSHOT = 1,
};

struct record {
    struct cluster_id cluster;
    struct vault_id vault;
    struct writer_id writer;
    uint64_t number;
    struct record_id previous; /* zeros for number 1 */
    uint32_t kind;
    uint8_t *sealed; /* malloc'd by record_open; release with record_release */
    size_t sealed_size;
    struct record_id hash; /* BLAKE2b-256 of the signed body: the record's id */
};

/* hash of r is not read: it goes to `hash`. */
int record_seal(const struct record *r, const struct signer *signer, uint8_t **bytes, size_t *size,
                struct record_id *hash, struct err *err) MUST_CHECK;
/* Checks what grant_open checks. Where the record stands in its writer's chain is not looked at. */
int record_open(struct record *r, struct writer_cert *c, const uint8_t *bytes, size_t size,
                const struct cluster_id *cluster, struct err *err) MUST_CHECK;
void record_release(struct record *r);

#endif
