/* A phrase is 275 bits, most significant first, in 25 numbers of 11 bits:
 *
 *   bits 0-255    the secret
 *   bits 256-258  version, 0
 *   bits 259-274  checksum: the first 16 bits of BLAKE2b-256 over the version byte and the secret,
 *                 keyed with "ecbak recovery phrase"
 *
 * The checksum covers the version and is checked first, so that a mistyped word is never taken for
 * a phrase of a later version.
 */
#include "cli/vault/keys.h"

#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include "cli/base/edit_distance.h"
#include "cli/vault/phrase_words.h"

#define WORD_BITS      11
#define VERSION_BITS   3
#define CHECKSUM_BITS  16
#define PHRASE_VERSION 0
#define WORD_TYPED_MAX EDIT_WORD_MAX /* a longer "word" is cut in the error's text */

_Static_assert(8 * VAULT_SECRET_SIZE + VERSION_BITS + CHECKSUM_BITS == PHRASE_WORDS * WORD_BITS,
               "a phrase has no spare bits");
_Static_assert(PHRASE_WORDS *PHRASE_WORD_ROOM <= PHRASE_TEXT_MAX, "the text fits");

static unsigned checksum(const uint8_t secret[VAULT_SECRET_SIZE], unsigned version)
{
    static const char key[] = "ecbak recovery phrase";
    uint8_t hash[32];
    uint8_t version_byte = (uint8_t)version;
    crypto_generichash_state state;
    crypto_generichash_init(&state, (const uint8_t *)key, sizeof(key) - 1, sizeof(hash));
    crypto_generichash_update(&state, &version_byte, 1);
    crypto_generichash_update(&state, secret, VAULT_SECRET_SIZE);
    crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_memzero(&state, sizeof(state));
    return (unsigned)hash[0] << 8 | hash[1];
}

void phrase_encode(char text[PHRASE_TEXT_MAX], const uint8_t secret[VAULT_SECRET_SIZE])
{
    uint8_t bits[VAULT_SECRET_SIZE + 3] = {0};
    memcpy(bits, secret, VAULT_SECRET_SIZE);
    unsigned sum = checksum(secret, PHRASE_VERSION);
    uint32_t tail = (uint32_t)PHRASE_VERSION << CHECKSUM_BITS | sum; /* 19 bits */
    tail <<= 24 - VERSION_BITS - CHECKSUM_BITS;
    bits[VAULT_SECRET_SIZE] = (uint8_t)(tail >> 16);
    bits[VAULT_SECRET_SIZE + 1] = (uint8_t)(tail >> 8);
    bits[VAULT_SECRET_SIZE + 2] = (uint8_t)tail;

    size_t used = 0;
    for (size_t word = 0; word < PHRASE_WORDS; word++) {
        unsigned index = 0;
        for (size_t bit = word * WORD_BITS; bit < (word + 1) * WORD_BITS; bit++)
            index = index << 1 | (bits[bit / 8] >> (7 - bit % 8) & 1u);
        size_t length = strlen(phrase_words[index]);
        memcpy(text + used, phrase_words[index], length);
        used += length;
        text[used++] = word + 1 < PHRASE_WORDS ? ' ' : '\0';
    }
    sodium_memzero(bits, sizeof(bits));
}

/* The only word that can be meant: its first four letters decide. -1: none. */
static int find_word(const char *typed, size_t length)
{
    size_t key = length < 4 ? length : 4;
    size_t low = 0, high = PHRASE_WORD_COUNT;
    while (low < high) { /* the first word whose first `key` letters are not below the typed ones */
        size_t middle = low + (high - low) / 2;
        if (strncmp(phrase_words[middle], typed, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == PHRASE_WORD_COUNT || strncmp(phrase_words[low], typed, key) != 0)
        return -1;
    size_t whole = strlen(phrase_words[low]);
    if (length < 4) /* a word of three letters stands before the longer ones that begin with it */
        return whole == length ? (int)low : -1;
    return length <= whole && memcmp(phrase_words[low], typed, length) == 0 ? (int)low : -1;
}

static const char *nearest_word(const char *typed)
{
    size_t nearest = 0, least = SIZE_MAX;
    for (size_t i = 0; i < PHRASE_WORD_COUNT; i++) {
        size_t d = edit_distance(typed, phrase_words[i]);
        if (d < least) {
            least = d;
            nearest = i;
        }
    }
    return phrase_words[nearest];
}

/* The next word in lower case, cut at WORD_TYPED_MAX; its length, 0 at the end of the text. */
static size_t next_word(const char **at, char word[WORD_TYPED_MAX + 1])
{
    size_t length = 0;
    while (isspace((unsigned char)**at))
        (*at)++;
    for (; **at != '\0' && !isspace((unsigned char)**at); (*at)++)
        if (length < WORD_TYPED_MAX)
            word[length++] = (char)tolower((unsigned char)**at);
    word[length] = '\0';
    return length;
}

static int read_words(uint16_t numbers[PHRASE_WORDS], const char *text, struct err *err)
{
    char word[WORD_TYPED_MAX + 1];
    size_t count = 0, length;
    int result = 0;
    while (result == 0 && (length = next_word(&text, word)) != 0) {
        int found = find_word(word, length);
        if (found < 0)
            result = err_set(err, ERR_KEY,
                             "word %zu of the recovery phrase, \"%s\", is not in the list of "
                             "words; is it \"%s\"?",
                             count + 1, word, nearest_word(word));
        else if (count < PHRASE_WORDS)
            numbers[count] = (uint16_t)found;
        count++;
    }
    sodium_memzero(word, sizeof(word));
    if (result == 0 && count != PHRASE_WORDS)
        result = err_set(err, ERR_KEY, "a recovery phrase has %d words, here are %zu", PHRASE_WORDS,
                         count);
    return result;
}

int phrase_decode(uint8_t secret[VAULT_SECRET_SIZE], const char *text, struct err *err)
{
    uint16_t numbers[PHRASE_WORDS];
    uint8_t bits[VAULT_SECRET_SIZE + 3] = {0};
    int result = read_words(numbers, text, err);
    if (result != 0)
        goto done;
    for (size_t bit = 0; bit < (size_t)PHRASE_WORDS * WORD_BITS; bit++)
        if (numbers[bit / WORD_BITS] >> (WORD_BITS - 1 - bit % WORD_BITS) & 1)
            bits[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    uint32_t tail = (uint32_t)bits[VAULT_SECRET_SIZE] << 16 |
                    (uint32_t)bits[VAULT_SECRET_SIZE + 1] << 8 | bits[VAULT_SECRET_SIZE + 2];
    tail >>= 24 - VERSION_BITS - CHECKSUM_BITS;
    unsigned version = tail >> CHECKSUM_BITS;
    if (checksum(bits, version) != (tail & 0xffff)) {
        result = err_set(err, ERR_KEY,
                         "the recovery phrase's checksum differs: every word is in the list, but "
                         "one is not yours or two are swapped; compare with what you wrote down");
        goto done;
    }
    if (version != PHRASE_VERSION) {
        result = err_set(err, ERR_VERSION,
                         "a recovery phrase of version %u; this program knows version %d", version,
                         PHRASE_VERSION);
        goto done;
    }
    memcpy(secret, bits, VAULT_SECRET_SIZE);
done:
    sodium_memzero(numbers, sizeof(numbers));
    sodium_memzero(bits, sizeof(bits));
    return result;
}
