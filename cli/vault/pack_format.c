/* Header, one slot (a pack may have up to PACK_SLOTS_MAX, so that it can be shared or re-keyed):
 *
 *   offset size
 *   0      8    magic "ecbkpack"
 *   8      1    version, 1
 *   9      1    suite, 1: zstd, XChaCha20-Poly1305, BLAKE2b-256
 *   10     1    slots, 1 to 8
 *   11     5    zero
 *   16     96   slot: 0  1   algorithm, 1: XChaCha20-Poly1305 under the vault's wrap key
 *                     1  3   zero
 *                     4  4   generation of that key, 1
 *                     8  16  recipient: the vault id's first half
 *                     24 24  nonce, random
 *                     48 48  the pack's random key, sealed; bound: bytes 0-15 of the header and
 *                            0-23 of the slot
 *
 * Parts, each sealed under the pack's key with the nonce {number, 20 zeros}, bound: the hash of the
 * whole header and the number. A counter cannot repeat under a key that seals this pack alone.
 *
 *   after the header     segments 0, 1, ...
 *   after them           the directory, number 0xfffffffe, padded
 *   last 32 bytes        the footer, number 0xffffffff: 0 4 size of the sealed directory; 4 12 zero
 *
 * Where the directory begins is said only inside the footer's seal, and the padding is the end of
 * the directory's plaintext: an onlooker sees a header and bytes like noise of a Padmé length, and
 * not one of them can change unnoticed.
 *
 * Directory:
 *
 *   0      1    kind of the pack
 *   1      3    zero
 *   4      4    segments
 *   8      4    chunks
 *   12     4    padding
 *   16     16   each segment: 0 4 sealed size; 4 4 plain size; 8 4 chunks; 12 1 method; 13 3 zero
 *   ...    36   each chunk, as they lie in their segments without gaps: 0 32 id;
 *               32 4 size, and in the top byte its kind
 *   ...         padding, zeros
 */
#include "cli/vault/pack_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"

#define SLOT_ALGORITHM  1
#define SLOT_GENERATION 1
#define SLOT_RECIPIENT  16
#define SLOT_BOUND      24 /* bytes of a slot before its nonce */
#define NONCE_SIZE      24
#define SIZE_BITS       24

static const uint8_t magic[8] = "ecbkpack";

_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == PACK_KEY_SIZE, "key size");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == NONCE_SIZE, "nonce size");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == PACK_TAG_SIZE, "tag size");
_Static_assert(CHUNK_BYTES_MAX < 1u << SIZE_BITS, "a chunk's size leaves room for its kind");

static void bind_header(struct pack_seal *seal, const uint8_t *header, size_t size)
{
    hash_bytes(seal->header, "ecbak pack head", header, size);
}

void pack_header_make(uint8_t header[PACK_HEADER_SIZE], struct pack_seal *seal,
                      const struct vault_keys *keys)
{
    uint8_t nonce[NONCE_SIZE], bound[PACK_HEAD_SIZE + SLOT_BOUND];
    struct writer w;
    randombytes_buf(seal->key, sizeof(seal->key));
    randombytes_buf(nonce, sizeof(nonce));
    writer_init(&w, header, PACK_HEADER_SIZE);
    write_bytes(&w, magic, sizeof(magic));
    write_u8(&w, PACK_VERSION);
    write_u8(&w, PACK_SUITE);
    write_u8(&w, 1);
    write_zero(&w, 5);
    write_u8(&w, SLOT_ALGORITHM);
    write_zero(&w, 3);
    write_u32(&w, SLOT_GENERATION);
    write_bytes(&w, keys->vault.bytes, SLOT_RECIPIENT);
    memcpy(bound, header, sizeof(bound)); /* head and slot are neighbours when there is one slot */
    write_bytes(&w, nonce, sizeof(nonce));
    crypto_aead_xchacha20poly1305_ietf_encrypt(w.at, NULL, seal->key, sizeof(seal->key), bound,
                                               sizeof(bound), NULL, nonce, keys->wrap_key);
    bind_header(seal, header, PACK_HEADER_SIZE);
}

/* 1: opened; 0: not for these keys; -1: it is, but the seal does not hold. */
static int slot_open(const uint8_t *head, const uint8_t *slot, const struct vault_keys *keys,
                     struct pack_seal *seal)
{
    uint8_t bound[PACK_HEAD_SIZE + SLOT_BOUND];
    struct reader r;
    reader_init(&r, slot, PACK_SLOT_SIZE);
    uint8_t algorithm = read_u8(&r);
    read_zero(&r, 3);
    uint32_t generation = read_u32(&r);
    const uint8_t *recipient = read_view(&r, SLOT_RECIPIENT);
    if (algorithm != SLOT_ALGORITHM || generation != SLOT_GENERATION ||
        memcmp(recipient, keys->vault.bytes, SLOT_RECIPIENT) != 0)
        return 0;
    memcpy(bound, head, PACK_HEAD_SIZE);
    memcpy(bound + PACK_HEAD_SIZE, slot, SLOT_BOUND);
    const uint8_t *nonce = read_view(&r, NONCE_SIZE);
    if (r.failed ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(seal->key, NULL, NULL, r.at, r.left, bound,
                                                   sizeof(bound), nonce, keys->wrap_key) != 0)
        return -1;
    return 1;
}

int pack_header_open(const uint8_t *bytes, size_t size, const struct vault_keys *keys,
                     struct pack_seal *seal, size_t *header_size, struct err *err)
{
    struct reader r;
    reader_init(&r, bytes, size);
    const uint8_t *found = read_view(&r, sizeof(magic));
    if (found == NULL || memcmp(found, magic, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "this is not a pack");
    unsigned version = read_u8(&r), suite = read_u8(&r), slots = read_u8(&r);
    if (!r.failed && version != PACK_VERSION)
        return err_set(err, ERR_VERSION, "a pack of version %u; this program knows version %d",
                       version, PACK_VERSION);
    if (!r.failed && suite != PACK_SUITE)
        return err_set(err, ERR_VERSION, "a pack of cipher suite %u; this program knows suite %d",
                       suite, PACK_SUITE);
    read_zero(&r, 5);
    const uint8_t *slot = read_view(&r, slots * (size_t)PACK_SLOT_SIZE);
    if (r.failed || slots == 0 || slots > PACK_SLOTS_MAX)
        return err_set(err, ERR_FORMAT, "a pack with a malformed header");
    bool damaged = false;
    for (unsigned i = 0; i < slots; i++) {
        int opened = slot_open(bytes, slot + (size_t)i * PACK_SLOT_SIZE, keys, seal);
        if (opened == 1) {
            *header_size = PACK_HEAD_SIZE + slots * (size_t)PACK_SLOT_SIZE;
            bind_header(seal, bytes, *header_size);
            return 0;
        }
        damaged = damaged || opened < 0;
    }
    if (damaged)
        return err_set(err, ERR_DAMAGED, "a pack of this vault whose key slot is damaged");
    return err_set(err, ERR_KEY, "a pack that is not sealed for this vault");
}

static void part_inputs(const struct pack_seal *seal, uint32_t number, uint8_t nonce[NONCE_SIZE],
                        uint8_t bound[sizeof(seal->header) + 4])
{
    struct writer w;
    writer_init(&w, nonce, NONCE_SIZE);
    write_u32(&w, number);
    write_zero(&w, NONCE_SIZE - 4);
    writer_init(&w, bound, sizeof(seal->header) + 4);
    write_bytes(&w, seal->header, sizeof(seal->header));
    write_u32(&w, number);
}

void pack_part_seal(const struct pack_seal *seal, uint32_t number, uint8_t *sealed,
                    const uint8_t *plain, size_t size)
{
    uint8_t nonce[NONCE_SIZE], bound[sizeof(seal->header) + 4];
    part_inputs(seal, number, nonce, bound);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, plain, size, bound, sizeof(bound),
                                               NULL, nonce, seal->key);
}

int pack_part_open(const struct pack_seal *seal, uint32_t number, uint8_t *plain,
                   const uint8_t *sealed, size_t size, struct err *err)
{
    uint8_t nonce[NONCE_SIZE], bound[sizeof(seal->header) + 4];
    part_inputs(seal, number, nonce, bound);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, size, bound,
                                                   sizeof(bound), nonce, seal->key) != 0)
        return err_set(err, ERR_DAMAGED, "a pack's %s is damaged: its seal does not hold",
                       number == PACK_NUMBER_DIRECTORY ? "directory"
                       : number == PACK_NUMBER_FOOTER  ? "footer"
                                                       : "segment");
    return 0;
}

size_t padme(size_t size)
{
    if (size < 2)
        return size;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(size);
    unsigned kept = 32 - (unsigned)__builtin_clz(exponent); /* bits of the exponent */
    size_t mask = ((size_t)1 << (exponent - kept)) - 1;
    return (size + mask) & ~mask;
}
