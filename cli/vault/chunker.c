/* The gear hash of the 64 bytes before a place decides whether it is a cut: hash = (hash << 1) +
 * gear[byte], and a cut is where its top bits are all zero. Top bits, since only those have seen
 * all 64 bytes; a comparison does for the mask. Up to CHUNK_BYTES_AVG two bits more are asked
 * than log2 of the average, beyond it two less ("normalised chunking"): sizes stay near the
 * average, and few chunks are cut by force at CHUNK_BYTES_MAX, which an insertion would shift.
 *
 * The hash is warmed up on the 64 bytes before the first place that may be cut: the decision then
 * depends on those bytes alone, not on where the chunk began, so cuts meet again sooner.
 */
#include "cli/vault/chunker.h"

#include <sodium.h>

#include "coding/base/bytes.h"

#define AVG_BITS     20
#define WINDOW_BYTES 64
/* A hash below the limit has its top bits zero. */
#define LIMIT_STRICT (UINT64_MAX >> (AVG_BITS + 2))
#define LIMIT_LOOSE  (UINT64_MAX >> (AVG_BITS - 2))

_Static_assert(CHUNK_BYTES_AVG == 1u << AVG_BITS, "the limits follow the average");

void chunker_init(struct chunker *chunker, const uint8_t gear_key[32])
{
    static const uint8_t nonce[crypto_stream_xchacha20_NONCEBYTES] = {0};
    uint8_t bytes[sizeof(chunker->gear)];
    crypto_stream_xchacha20(bytes, sizeof(bytes), nonce, gear_key);
    struct reader r;
    reader_init(&r, bytes, sizeof(bytes));
    for (size_t i = 0; i < 256; i++)
        chunker->gear[i] = read_u64(&r);
    sodium_memzero(bytes, sizeof(bytes));
}

#define STEP(i)                                                                                    \
    do {                                                                                           \
        h = (h << 1) + gear[at[i]];                                                                \
        if (__builtin_expect(h <= limit, 0)) {                                                     \
            *hash = h;                                                                             \
            return at + (i) + 1;                                                                   \
        }                                                                                          \
    } while (0)

/* The first cut in at..end: one past its byte; NULL when there is none. */
static const uint8_t *scan(const uint64_t *gear, uint64_t *hash, uint64_t limit, const uint8_t *at,
                           const uint8_t *end)
{
    uint64_t h = *hash;
    for (; end - at >= 8; at += 8) {
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
        STEP(4);
        STEP(5);
        STEP(6);
        STEP(7);
    }
    for (; at < end; at++)
        STEP(0);
    *hash = h;
    return NULL;
}

size_t chunker_cut(const struct chunker *chunker, const uint8_t *bytes, size_t size)
{
    if (size <= CHUNK_BYTES_MIN)
        return size;
    if (size > CHUNK_BYTES_MAX)
        size = CHUNK_BYTES_MAX;
    uint64_t hash = 0;
    for (size_t i = CHUNK_BYTES_MIN - WINDOW_BYTES; i < CHUNK_BYTES_MIN; i++)
        hash = (hash << 1) + chunker->gear[bytes[i]];
    size_t strict_end = size < CHUNK_BYTES_AVG ? size : CHUNK_BYTES_AVG;
    const uint8_t *cut =
        scan(chunker->gear, &hash, LIMIT_STRICT, bytes + CHUNK_BYTES_MIN, bytes + strict_end);
    if (cut == NULL)
        cut = scan(chunker->gear, &hash, LIMIT_LOOSE, bytes + strict_end, bytes + size);
    return cut != NULL ? (size_t)(cut - bytes) : size;
}

void chunk_id(struct chunk_id *id, const uint8_t chunk_id_key[32], const void *bytes, size_t size)
{
    crypto_generichash(id->bytes, ID_SIZE, bytes, size, chunk_id_key, 32);
}
