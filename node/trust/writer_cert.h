/* writer_cert.h - a vault's key says who may write into the vault.
 *
 * Statements are durable: made once, kept and passed on as they were signed. Each is checked once,
 * when it enters (*_open), into a plain value; nothing is ever encoded again before its signature is
 * checked. grant.h, record.h, pin.h and receipt.h are the others.
 *
 *   Limits   WRITER_CERT_BYTES_MAX encoded
 *   Errors   of all statements: ERR_FORMAT, ERR_VERSION, ERR_DAMAGED (signature), ERR_DENIED (a right
 *            is missing), ERR_FOREIGN (another cluster, or a certificate of another vault or writer);
 *            ERR_INVALID too large to be sealed
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; what *_open returns
 *            points into nothing of the caller's
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_WRITER_CERT_H
#define ECBAK_NODE_TRUST_WRITER_CERT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define WRITER_CERT_BYTES_MAX 512

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

#endif
