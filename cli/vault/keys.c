/* Every key comes from the one secret by crypto_kdf (BLAKE2b) under a number of its own, so that a
 * key that leaks tells nothing of another, and the phrase is all that must be kept. The numbers are
 * a format: append only.
 *
 *   sub-key  use
 *   1        seed of the vault's Ed25519 signing key
 *   2        wraps pack keys (XChaCha20-Poly1305)
 *   3        chunk ids (keyed BLAKE2b-256)
 *   4        gear table of the chunker (XChaCha20)
 *   5        seals snapshots (XChaCha20-Poly1305)
 */
#include "cli/vault/keys.h"
#include "node/trust/writer_cert.h"

#include <string.h>

#include <sodium.h>

static const char kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "ecbakvlt";

enum {
    SUBKEY_SIGN = 1,
    SUBKEY_WRAP = 2,
    SUBKEY_CHUNK_ID = 3,
    SUBKEY_GEAR = 4,
    SUBKEY_RECORD = 5,
};

_Static_assert(VAULT_SECRET_SIZE == crypto_kdf_KEYBYTES, "the secret is the key of the derivation");

static void derive(uint8_t key[32], uint64_t number, const uint8_t secret[VAULT_SECRET_SIZE])
{
    crypto_kdf_derive_from_key(key, 32, number, kdf_context, secret);
}

int vault_keys_new(struct vault_keys **keys, const uint8_t *secret, struct err *err)
{
    *keys = NULL;
    if (sodium_init() < 0)
        return err_set(err, ERR_IO, "the cryptographic library cannot start (no randomness?)");
    struct vault_keys *k = sodium_malloc(sizeof(*k));
    if (k == NULL)
        return err_set(err, ERR_MEMORY, "no protected memory for the vault's keys");
    if (secret != NULL)
        memcpy(k->secret, secret, VAULT_SECRET_SIZE);
    else
        randombytes_buf(k->secret, VAULT_SECRET_SIZE);

    /* The seed lives in the record key's place until that is derived: no copy on the stack. */
    derive(k->record_key, SUBKEY_SIGN, k->secret);
    crypto_sign_seed_keypair(k->sign_public, k->sign_secret, k->record_key);
    vault_id(&k->vault, k->sign_public);
    derive(k->wrap_key, SUBKEY_WRAP, k->secret);
    derive(k->chunk_id_key, SUBKEY_CHUNK_ID, k->secret);
    derive(k->gear_key, SUBKEY_GEAR, k->secret);
    derive(k->record_key, SUBKEY_RECORD, k->secret);
    *keys = k;
    return 0;
}

void vault_keys_destroy(struct vault_keys **keys)
{
    sodium_free(*keys); /* wipes */
    *keys = NULL;
}
