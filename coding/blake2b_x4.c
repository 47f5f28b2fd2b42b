/* Word i of the four states is one vector, and so is word i of the four message blocks: the rounds are
 * those of RFC 7693 with vectors for words, and the only new work is to turn four blocks of 16 words
 * into 16 vectors of four. */
#include "coding/blake2b_x4.h"

#include <assert.h>
#include <string.h>

#include "coding/base/hash.h"

#ifdef __x86_64__

#include <immintrin.h>

#define BLOCK_SIZE 128
#define WORDS      16
#define ROUNDS     12
#define WITH_AVX2  __attribute__((target("avx2")))
#define INLINE     static inline __attribute__((always_inline, target("avx2")))

static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const uint8_t sigma[ROUNDS][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

INLINE __m256i rotate_32(__m256i x)
{
    return _mm256_shuffle_epi32(x, 0xb1);
}

INLINE __m256i rotate_24(__m256i x)
{
    return _mm256_shuffle_epi8(x, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9,
                                                   10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15,
                                                   8, 9, 10));
}

INLINE __m256i rotate_16(__m256i x)
{
    return _mm256_shuffle_epi8(x, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15,
                                                   8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14,
                                                   15, 8, 9));
}

INLINE __m256i rotate_63(__m256i x)
{
    return _mm256_xor_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x));
}

/* The function G of the RFC. */
INLINE void mix(__m256i v[WORDS], int a, int b, int c, int d, __m256i x, __m256i y)
{
    v[a] = _mm256_add_epi64(_mm256_add_epi64(v[a], x), v[b]);
    v[d] = rotate_32(_mm256_xor_si256(v[d], v[a]));
    v[c] = _mm256_add_epi64(v[c], v[d]);
    v[b] = rotate_24(_mm256_xor_si256(v[b], v[c]));
    v[a] = _mm256_add_epi64(_mm256_add_epi64(v[a], y), v[b]);
    v[d] = rotate_16(_mm256_xor_si256(v[d], v[a]));
    v[c] = _mm256_add_epi64(v[c], v[d]);
    v[b] = rotate_63(_mm256_xor_si256(v[b], v[c]));
}

/* Four words of each lane in, one vector for each word out. */
INLINE void transpose(__m256i out[4], const uint8_t *const bytes[4], size_t offset)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(bytes[0] + offset));
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(bytes[1] + offset));
    __m256i c = _mm256_loadu_si256((const __m256i *)(const void *)(bytes[2] + offset));
    __m256i d = _mm256_loadu_si256((const __m256i *)(const void *)(bytes[3] + offset));
    __m256i ab_even = _mm256_unpacklo_epi64(a, b), ab_odd = _mm256_unpackhi_epi64(a, b);
    __m256i cd_even = _mm256_unpacklo_epi64(c, d), cd_odd = _mm256_unpackhi_epi64(c, d);
    out[0] = _mm256_permute2x128_si256(ab_even, cd_even, 0x20);
    out[1] = _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20);
    out[2] = _mm256_permute2x128_si256(ab_even, cd_even, 0x31);
    out[3] = _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31);
}

WITH_AVX2 static void compress(__m256i h[8], const uint8_t *const bytes[4], size_t offset,
                               uint64_t counted, bool last)
{
    __m256i m[WORDS], v[WORDS];
    for (int i = 0; i < 4; i++)
        transpose(m + 4 * i, bytes, offset + 32 * (size_t)i);
    for (int i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = _mm256_set1_epi64x((long long)initial[i]);
    }
    v[12] = _mm256_xor_si256(v[12], _mm256_set1_epi64x((long long)counted));
    v[14] = _mm256_xor_si256(v[14], _mm256_set1_epi64x(last ? -1 : 0));
#pragma GCC unroll 12
    for (int r = 0; r < ROUNDS; r++) {
        mix(v, 0, 4, 8, 12, m[sigma[r][0]], m[sigma[r][1]]);
        mix(v, 1, 5, 9, 13, m[sigma[r][2]], m[sigma[r][3]]);
        mix(v, 2, 6, 10, 14, m[sigma[r][4]], m[sigma[r][5]]);
        mix(v, 3, 7, 11, 15, m[sigma[r][6]], m[sigma[r][7]]);
        mix(v, 0, 5, 10, 15, m[sigma[r][8]], m[sigma[r][9]]);
        mix(v, 1, 6, 11, 12, m[sigma[r][10]], m[sigma[r][11]]);
        mix(v, 2, 7, 8, 13, m[sigma[r][12]], m[sigma[r][13]]);
        mix(v, 3, 4, 9, 14, m[sigma[r][14]], m[sigma[r][15]]);
    }
    for (int i = 0; i < 8; i++)
        h[i] = _mm256_xor_si256(h[i], _mm256_xor_si256(v[i], v[i + 8]));
}

bool blake2b_x4_available(void)
{
    return __builtin_cpu_supports("avx2");
}

/* The state that the parameter block leaves: digest of 32 bytes, no key, no tree, the personalisation. */
WITH_AVX2 static void start(__m256i h[8], const char *purpose)
{
    uint64_t words[8], personal[2] = {0};
    size_t length = strlen(purpose);
    assert(length <= sizeof(personal));
    memcpy(personal, purpose, length);
    memcpy(words, initial, sizeof(words));
    words[0] ^= HASH_SIZE | 1u << 16 | 1u << 24;
    words[6] ^= personal[0];
    words[7] ^= personal[1];
    for (int i = 0; i < 8; i++)
        h[i] = _mm256_set1_epi64x((long long)words[i]);
}

WITH_AVX2 void blake2b_x4(uint8_t *const hashes[4], const char *purpose,
                          const uint8_t *const bytes[4], size_t size)
{
    __m256i h[8];
    uint8_t tails[4][BLOCK_SIZE] = {{0}};
    const uint8_t *tail[4];
    size_t offset = 0;
    start(h, purpose);
    for (; size - offset > BLOCK_SIZE; offset += BLOCK_SIZE)
        compress(h, bytes, offset, offset + BLOCK_SIZE, false);
    for (int lane = 0; lane < 4; lane++) {
        if (size > offset)
            memcpy(tails[lane], bytes[lane] + offset, size - offset);
        tail[lane] = tails[lane];
    }
    compress(h, tail, 0, size, true);
    for (int i = 0; i < HASH_SIZE / 8; i++) {
        uint64_t words[4];
        _mm256_storeu_si256((__m256i *)(void *)words, h[i]);
        for (int lane = 0; lane < 4; lane++)
            memcpy(hashes[lane] + 8 * i, &words[lane], 8);
    }
}

#else

bool blake2b_x4_available(void)
{
    return false;
}

void blake2b_x4(uint8_t *const hashes[4], const char *purpose, const uint8_t *const bytes[4],
                size_t size)
{
    for (int lane = 0; lane < 4; lane++)
        hash_bytes(hashes[lane], purpose, bytes[lane], size);
}

#endif
