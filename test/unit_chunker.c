/* The chunker: sizes, determinism, and that an insertion moves few cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/chunker.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#define STREAM_BYTES (64u * 1024 * 1024)
#define CUTS_MAX     512

static const uint8_t test_key[32] = "the key of the gear table, 32 b.";

static uint8_t *noise(size_t size, uint8_t seed)
{
    uint8_t key[32] = {seed}, nonce[24] = {0};
    uint8_t *bytes = alloc_zero(size, 1);
    crypto_stream_xchacha20(bytes, size, nonce, key);
    return bytes;
}

static size_t cut_all(const struct chunker *chunker, const uint8_t *bytes, size_t size,
                      size_t ends[CUTS_MAX])
{
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        size_t cut = chunker_cut(chunker, bytes + at, size - at);
        assert_true(cut > 0 && cut <= CHUNK_BYTES_MAX && cut <= size - at);
        at += cut;
        assert_true(count < CUTS_MAX);
        ends[count++] = at;
    }
    return count;
}

static void chunks_are_near_the_average_and_within_the_limits(void **state)
{
    (void)state;
    struct chunker chunker;
    chunker_init(&chunker, test_key);
    uint8_t *bytes = noise(STREAM_BYTES, 1);
    size_t ends[CUTS_MAX];
    size_t count = cut_all(&chunker, bytes, STREAM_BYTES, ends);
    size_t forced = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        size_t size = ends[i] - (i > 0 ? ends[i - 1] : 0);
        assert_true(size > CHUNK_BYTES_MIN);
        forced += size == CHUNK_BYTES_MAX;
    }
    size_t average = STREAM_BYTES / count;
    assert_true(average > CHUNK_BYTES_AVG * 3 / 4 && average < CHUNK_BYTES_AVG * 3 / 2);
    assert_true(forced == 0);
    free(bytes);
}

static void short_streams_are_one_chunk(void **state)
{
    (void)state;
    struct chunker chunker;
    chunker_init(&chunker, test_key);
    uint8_t *bytes = alloc_zero(CHUNK_BYTES_MIN + 1, 1);
    assert_int_equal(chunker_cut(&chunker, bytes, 0), 0);
    assert_int_equal(chunker_cut(&chunker, bytes, 1), 1);
    assert_int_equal(chunker_cut(&chunker, bytes, CHUNK_BYTES_MIN), CHUNK_BYTES_MIN);
    assert_int_equal(chunker_cut(&chunker, bytes, CHUNK_BYTES_MIN + 1), CHUNK_BYTES_MIN + 1);
    free(bytes);
}

static void bytes_without_a_cut_are_cut_at_the_maximum(void **state)
{
    (void)state;
    struct chunker chunker;
    chunker_init(&chunker, test_key);
    uint8_t *bytes = alloc_zero(CHUNK_BYTES_MAX + 100, 1);
    assert_int_equal(chunker_cut(&chunker, bytes, CHUNK_BYTES_MAX + 100), CHUNK_BYTES_MAX);
    free(bytes);
}

static void an_insertion_changes_only_the_chunks_around_it(void **state)
{
    (void)state;
    struct chunker chunker;
    chunker_init(&chunker, test_key);
    uint8_t *bytes = noise(STREAM_BYTES, 2);
    uint8_t *shifted = alloc_zero(STREAM_BYTES + 7, 1);
    size_t place = STREAM_BYTES / 2;
    memcpy(shifted, bytes, place);
    memcpy(shifted + place, "inserts", 7);
    memcpy(shifted + place + 7, bytes + place, STREAM_BYTES - place);
    size_t before[CUTS_MAX], after[CUTS_MAX];
    size_t before_count = cut_all(&chunker, bytes, STREAM_BYTES, before);
    size_t after_count = cut_all(&chunker, shifted, STREAM_BYTES + 7, after);
    size_t same = 0;
    for (size_t i = 0, j = 0; i < before_count && j < after_count;) {
        size_t end = before[i] + (before[i] > place ? 7 : 0);
        if (end == after[j]) {
            same++;
            i++;
            j++;
        } else if (end < after[j]) {
            i++;
        } else {
            j++;
        }
    }
    assert_true(same + 4 >= before_count);
    free(bytes);
    free(shifted);
}

static void another_key_cuts_elsewhere(void **state)
{
    (void)state;
    struct chunker chunker, other;
    uint8_t other_key[32] = {9};
    chunker_init(&chunker, test_key);
    chunker_init(&other, other_key);
    uint8_t *bytes = noise(CHUNK_BYTES_MAX, 3);
    assert_true(chunker_cut(&chunker, bytes, CHUNK_BYTES_MAX) !=
                chunker_cut(&other, bytes, CHUNK_BYTES_MAX));
    free(bytes);
}

static void the_cuts_are_those_of_the_format(void **state)
{
    (void)state;
    static const size_t golden[] = {452997,  1256365, 2346870, 3841801,
                                    5035155, 5540079, 7308245, 8388608};
    struct chunker chunker;
    chunker_init(&chunker, test_key);
    uint8_t *bytes = noise(8u * 1024 * 1024, 4);
    size_t ends[CUTS_MAX];
    size_t count = cut_all(&chunker, bytes, 8u * 1024 * 1024, ends);
    for (size_t i = 0; i < count && i < sizeof(golden) / sizeof(golden[0]); i++)
        assert_int_equal(ends[i], golden[i]);
    assert_int_equal(count, sizeof(golden) / sizeof(golden[0]));
    free(bytes);
}

/* The same rule, byte by byte from its definition: the unrolled scan must agree with it. */
static void the_fast_scan_agrees_with_the_definition(void **state)
{
    (void)state;
    struct chunker chunker;
    chunker_init(&chunker, test_key);
    for (uint8_t seed = 10; seed < 18; seed++) {
        size_t size = CHUNK_BYTES_MAX - seed;
        uint8_t *bytes = noise(size, seed);
        size_t expected = size;
        uint64_t hash = 0;
        for (size_t i = 0; i < size; i++) {
            hash = (hash << 1) + chunker.gear[bytes[i]];
            if (i < CHUNK_BYTES_MIN)
                continue;
            unsigned bits = i < CHUNK_BYTES_AVG ? 22 : 18;
            if (hash >> (64 - bits) == 0) {
                expected = i + 1;
                break;
            }
        }
        assert_int_equal(chunker_cut(&chunker, bytes, size), expected);
        free(bytes);
    }
}

static void a_chunk_id_depends_on_the_key_and_every_byte(void **state)
{
    (void)state;
    struct chunk_id id, other;
    char text[2 * ID_SIZE + 1];
    uint8_t other_key[32] = {9};
    chunk_id(&id, test_key, "hello", 5);
    assert_string_equal(hex_encode(text, id.bytes, sizeof(id)),
                        "dafff396b1fcc78fa2769113b579dcda93bf648063ce1620a3bac06a4660375b");
    chunk_id(&other, other_key, "hello", 5);
    assert_memory_not_equal(id.bytes, other.bytes, sizeof(id));
    chunk_id(&other, test_key, "hellp", 5);
    assert_memory_not_equal(id.bytes, other.bytes, sizeof(id));
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_near_the_average_and_within_the_limits),
        cmocka_unit_test(short_streams_are_one_chunk),
        cmocka_unit_test(bytes_without_a_cut_are_cut_at_the_maximum),
        cmocka_unit_test(an_insertion_changes_only_the_chunks_around_it),
        cmocka_unit_test(another_key_cuts_elsewhere),
        cmocka_unit_test(the_cuts_are_those_of_the_format),
        cmocka_unit_test(the_fast_scan_agrees_with_the_definition),
        cmocka_unit_test(a_chunk_id_depends_on_the_key_and_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
