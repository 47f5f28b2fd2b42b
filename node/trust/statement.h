/* statement.h - durable signed statements: writer certificates, grants, records, receipts.
 *
 * A statement is checked once, when it enters (*_open), into a plain value. The bytes as
 * signed are kept and passed on unchanged; nothing is ever re-encoded before its signature is
 * checked.
 *
 *   Limits   a grant GRANT_BYTES_MAX, a record RECORD_BYTES_MAX, each encoded with its writer
 *            certificate
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_DAMAGED (signature), ERR_DENIED (a right is missing),
 *            ERR_FOREIGN (another cluster, or a certificate of another vault or writer); ERR_INVALID
 *            too large to be sealed
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; what *_open returns
 *            points into nothing of the caller's
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_STATEMENT_H
#define ECBAK_NODE_TRUST_STATEMENT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define GRANT_BYTES_MAX       1024
#define RECORD_BYTES_MAX      (256 * 1024)
#define WRITER_CERT_BYTES_MAX 512
#define RECEIPT_BYTES_MAX     512

/* Append only. Who keeps and carries records checks who signed them, and takes kinds that it does not
 * know: members of several versions must end up with the same set. Readers check the kind. */
enum record_kind {
    RECORD_SNAPSHOT = 1,
};

enum writer_rights {
    RIGHT_ADD = 1,
    RIGHT_READ = 2,
    RIGHT_FORGET = 4,
    RIGHT_PRUNE = 8,
};

struct writer_cert {
    uint8_t vault_key[32];
    struct vault_id vault; /* derived: BLAKE2b-256 of vault_key */
    struct writer_id writer;
    uint8_t writer_key[32];
    uint32_t rights;
    uint32_t generation;
};

struct grant {
    struct cluster_id cluster;
    struct vault_id vault;
    struct writer_id writer;
    struct pack_id pack;
    uint64_t pack_bytes;
    struct node_id sponsor;
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

struct receipt {
    struct cluster_id cluster;
    struct object_id object;
    uint32_t index;
    struct node_id holder;
    struct writer_id writer;
    uint64_t number;
};

void vault_id(struct vault_id *vault, const uint8_t vault_key[32]);

/* The encoded Signed writer certificate. vault and vault_key of c are not read: both follow from
 * the secret. */
int writer_cert_seal(const struct writer_cert *c, const uint8_t vault_secret[64], uint8_t **bytes,
                     size_t *size, struct err *err) MUST_CHECK;
int writer_cert_open(struct writer_cert *c, const uint8_t *bytes, size_t size,
                     struct err *err) MUST_CHECK;

/* A writer: its secret, and its certificate as writer_cert_seal made it. Borrows both. */
struct signer {
    const uint8_t *secret; /* 64 bytes */
    const uint8_t *cert;
    size_t cert_size;
};

/* The encoded SignedGrant. */
int grant_seal(const struct grant *g, const struct signer *signer, uint8_t **bytes, size_t *size,
               struct err *err) MUST_CHECK;
/* Checks both signatures, that the certificate is of the grant's vault and writer, and RIGHT_ADD.
 */
int grant_open(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
               const struct cluster_id *cluster, struct err *err) MUST_CHECK;

/* hash of r is not read: it goes to `hash`. */
int record_seal(const struct record *r, const struct signer *signer, uint8_t **bytes, size_t *size,
                struct record_id *hash, struct err *err) MUST_CHECK;
/* Checks what grant_open checks. Where the record stands in its writer's chain is not looked at. */
int record_open(struct record *r, struct writer_cert *c, const uint8_t *bytes, size_t size,
                const struct cluster_id *cluster, struct err *err) MUST_CHECK;
void record_release(struct record *r);

/* holder of r is not read: it follows from the secret. */
int receipt_seal(const struct receipt *r, const uint8_t node_secret[64], uint8_t **bytes,
                 size_t *size, struct err *err) MUST_CHECK;
/* Signed by the holder that it names; whether cluster, object and pin are what was asked for is the
 * caller's to compare. */
int receipt_open(struct receipt *r, const uint8_t *bytes, size_t size, struct err *err) MUST_CHECK;

#endif
