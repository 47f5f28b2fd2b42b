/* record.h - a writer's durable word to everybody: a snapshot, and kinds to come.
 *
 * A record says where it stands in its writer's chain (number, the record before by hash), which run
 * made it (attempt), what of the vault that run knew (heads) and relies on (index packs), and which
 * runs before it were given up (voids). Only what a snapshot is of is sealed. The node that brings it
 * into the cluster countersigns it; its id is the hash of what the writer signed, so that is the same
 * whoever brings it.
 *
 *   Limits   RECORD_BYTES_MAX, encoded with all that goes along; RECORD_NUMBER_MAX; the others below
 *   Errors   those of writer_cert.h
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; what *_open fills points
 *            into nothing of the caller's: record_release
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_RECORD_H
#define ECBAK_NODE_TRUST_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/node_keys.h"
#include "node/trust/writer_cert.h"

#define RECORD_SEALED_MAX (128 * 1024)
#define RECORD_INDEX_MAX  4096 /* index packs that one relies on */
#define RECORD_HEADS_MAX  512
#define RECORD_VOIDS_MAX  256
#define RECORD_BYTES_MAX  (320 * 1024)
/* The largest number of a record, and so of a pin and a receipt: what a column of SQLite holds. A store
 * a second reaches it in 292 billion years, so a larger one is none that a writer came to. */
#define RECORD_NUMBER_MAX ((uint64_t)INT64_MAX)

/* Append only. Who keeps and carries records checks who signed them, and takes kinds that it does not
 * know: members of several versions must end up with the same set. Readers check the kind. */
enum record_kind {
    RECORD_SNAPSHOT = 1,
    RECORD_FORGET = 2,
    RECORD_CANCEL = 3, /* says nothing but which attempts are void */
    RECORD_ORDER = 4,
    RECORD_CHECKPOINT = 5,
    RECORD_CLOSED = 6, /* by the vault's key: see record_open */
};

struct record_head {
    struct writer_id writer;
    struct record_id hash;
};

struct record {
    struct cluster_id cluster;
    struct vault_id vault;
    struct writer_id writer;
    uint64_t number;
    struct attempt_id attempt;
    struct record_id previous; /* zeros for the writer's first */
    uint64_t previous_number;  /* 0 for the writer's first */
    uint32_t kind;
    struct record_head *heads; /* ascending by writer, each once */
    size_t head_count;
    struct pack_id *index_packs;
    size_t index_pack_count;
    struct attempt_id *voids; /* of this writer, given up; not its own */
    size_t void_count;
    uint8_t *sealed;
    size_t sealed_size;
    struct record_id hash; /* BLAKE2b-256 of the signed body: the record's id */
};

/* Without a countersignature; hash of r is not read: it goes to `hash`. */
int record_seal(const struct record *r, const struct signer *signer, uint8_t **bytes, size_t *size,
                struct record_id *hash, struct err *err) MUST_CHECK;
/* Puts this node's countersignature in the place of any that is there. */
int record_countersign(const uint8_t *bytes, size_t size, const struct credentials *node,
                       uint8_t **with, size_t *with_size, struct err *err) MUST_CHECK;
/* Checks what grant_open checks, for readers: who brought it is not looked at, nor where it stands in
 * its writer's chain.
 *
 * A record of kind RECORD_CLOSED is a WriterClosed, signed by the vault's key: `previous` and
 * `previous_number` are the writer's last record that counts (zeros: none does), `number` is 0. */
int record_open(struct record *r, const uint8_t *bytes, size_t size,
                const struct cluster_id *cluster, struct err *err) MUST_CHECK;
/* The same for holders, and that a member of the authority's cluster countersigned it: the sponsor. */
int record_open_held(struct record *r, struct node_id *sponsor, const uint8_t *bytes, size_t size,
                     const uint8_t authority_public[32], struct err *err) MUST_CHECK;
void record_release(struct record *r);

#endif
