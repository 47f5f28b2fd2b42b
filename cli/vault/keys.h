/* keys.h - a vault's secret, the keys derived from it, and its recovery phrase.
 *
 * One 256-bit secret makes everything: the vault's signing key, the key that wraps pack keys, the
 * keys of chunk ids and of the chunker's gear table, the key that seals records. The phrase is the
 * secret in 25 words: 256 bits secret, 3 bits version, 16 bits checksum.
 *
 *   Errors   ERR_KEY a word that is not in the list (named, with a near one), too few or many
 *            words, or a checksum that differs; ERR_VERSION a phrase of a later version
 *   Memory   struct vault_keys lives in sodium_malloc'd memory and is wiped when destroyed
 *   Threads  any; read-only after it was made
 */
#ifndef ECBAK_CLI_VAULT_KEYS_H
#define ECBAK_CLI_VAULT_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define VAULT_SECRET_SIZE 32
#define PHRASE_WORDS      25
#define PHRASE_TEXT_MAX   256 /* 25 words, spaces, NUL */

struct vault_keys {
    uint8_t secret[VAULT_SECRET_SIZE];
    uint8_t sign_secret[64]; /* Ed25519: certifies writers */
    uint8_t sign_public[32];
    struct vault_id vault;    /* the vault's id */
    uint8_t wrap_key[32];     /* wraps pack keys */
    uint8_t chunk_id_key[32]; /* keyed BLAKE2b of chunks */
    uint8_t gear_key[32];     /* the chunker's table */
    uint8_t record_key[32];   /* seals records */
};

/* secret NULL: a fresh random one. */
int vault_keys_new(struct vault_keys **keys, const uint8_t *secret, struct err *err) MUST_CHECK;
void vault_keys_destroy(struct vault_keys **keys);

void phrase_encode(char text[PHRASE_TEXT_MAX], const uint8_t secret[VAULT_SECRET_SIZE]);
/* Any white space and case; unique four-letter beginnings will do. */
int phrase_decode(uint8_t secret[VAULT_SECRET_SIZE], const char *text, struct err *err) MUST_CHECK;

#endif
