/* coding_sample.h - what the tests of coding/ share: bytes that look random and never change. */
#ifndef ECBAK_TEST_CODING_SAMPLE_H
#define ECBAK_TEST_CODING_SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "coding/base/bytes.h"
#include "coding/base/hash.h"

static inline uint32_t sample_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static inline void sample_fill(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)sample_next(&seed);
}

/* `size` bytes from seed 1, released with free(). */
static inline uint8_t *sample_bytes(size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        abort();
    sample_fill(bytes, size, 1);
    return bytes;
}

#define assert_hash_is(hash, golden)                                                               \
    do {                                                                                           \
        char text_[2 * HASH_SIZE + 1];                                                             \
        assert_string_equal(hex_encode(text_, hash, HASH_SIZE), golden);                           \
    } while (0)

#endif
