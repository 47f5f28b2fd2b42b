/* Index chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/vault/compact.h"
#include "cli/vault/index.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"

static struct pack_entry lines[] = {
    {.id = {"one"}, .kind = CHUNK_DATA, .segment = 0, .offset = 0, .size = 100},
    {.id = {"two"}, .kind = CHUNK_TREE, .segment = 0, .offset = 100, .size = 0},
    {.id = {"three"}, .kind = CHUNK_INDEX, .segment = 0, .offset = 300, .size = 5},
    {.id = {"four"}, .kind = CHUNK_DATA, .segment = 7, .offset = 0, .size = CHUNK_BYTES_MAX},
};
static const struct pack_id packs[3] = {{"pack a"}, {"pack b"}, {"pack c"}};
static const size_t counts[3] = {4, 0, 2};

static struct buffer three_packs(void)
{
    struct buffer index = {0};
    for (size_t i = 0; i < 3; i++)
        index_append(&index, &packs[i], lines, counts[i]);
    return index;
}

static int check_pack(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                      size_t count, struct err *err)
{
    (void)err;
    size_t *seen = ctx;
    assert_memory_equal(pack->bytes, packs[*seen].bytes, ID_SIZE);
    assert_int_equal(count, counts[*seen]);
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(entries[i].id.bytes, lines[i].id.bytes, ID_SIZE);
        assert_int_equal(entries[i].kind, lines[i].kind);
        assert_int_equal(entries[i].segment, lines[i].segment);
        assert_int_equal(entries[i].offset, lines[i].offset);
        assert_int_equal(entries[i].size, lines[i].size);
    }
    (*seen)++;
    return 0;
}

static int ignore_pack(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                       size_t count, struct err *err)
{
    (void)ctx, (void)pack, (void)entries, (void)count, (void)err;
    return 0;
}

static int stop_at_first(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                         size_t count, struct err *err)
{
    (void)pack, (void)entries, (void)count;
    (*(size_t *)ctx)++;
    return err_set(err, ERR_CANCELLED, "enough");
}

static void packs_and_their_chunks_come_back_in_order(void **state)
{
    (void)state;
    struct buffer index = three_packs();
    struct err err = ERR_INIT;
    size_t seen = 0;
    assert_int_equal(index_read(index.bytes, index.size, check_pack, &seen, &err), 0);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_int_equal(index_read(index.bytes, index.size, stop_at_first, &seen, &err), -1);
    assert_int_equal(seen, 1);
    assert_int_equal(err.code, ERR_CANCELLED);
    free(index.bytes);
}

static void an_index_cut_inside_a_pack_is_an_error(void **state)
{
    (void)state;
    struct buffer index = three_packs();
    size_t whole = 0;
    for (size_t size = 0; size < index.size; size++) {
        struct err err = ERR_INIT;
        if (index_read(index.bytes, size, ignore_pack, NULL, &err) == 0)
            whole++;
        else
            assert_int_equal(err.code, ERR_FORMAT);
    }
    assert_int_equal(whole, 3); /* after the head, the first and the second pack */
    free(index.bytes);
}

static void another_format_and_a_later_version_are_named(void **state)
{
    (void)state;
    struct buffer index = three_packs();
    struct err err = ERR_INIT;
    index.bytes[8] = 2;
    assert_int_equal(index_read(index.bytes, index.size, ignore_pack, NULL, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    index.bytes[0] ^= 1;
    assert_int_equal(index_read(index.bytes, index.size, ignore_pack, NULL, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    free(index.bytes);
}

static int read_line(uint64_t step, uint64_t gap, uint64_t size, uint8_t kind, uint64_t count)
{
    struct buffer b = {0};
    struct err err = ERR_INIT;
    buffer_append(&b, "ecbkindx\1", 9);
    buffer_append(&b, packs[0].bytes, ID_SIZE);
    compact_number(&b, count);
    compact_number(&b, step);
    compact_number(&b, gap);
    compact_number(&b, size);
    compact_u8(&b, kind);
    buffer_append(&b, packs[1].bytes, ID_SIZE);
    int result = index_read(b.bytes, b.size, ignore_pack, NULL, &err);
    if (result != 0)
        assert_int_equal(err.code, ERR_FORMAT);
    free(b.bytes);
    return result;
}

static void places_outside_any_pack_are_refused(void **state)
{
    (void)state;
    assert_int_equal(read_line(0, 0, 1, CHUNK_DATA, 1), 0);
    assert_int_equal(read_line(PACK_SEGMENTS_MAX - 1, SEGMENT_PLAIN_MAX, 0, CHUNK_DATA, 1), 0);
    assert_int_equal(read_line(PACK_SEGMENTS_MAX, 0, 1, CHUNK_DATA, 1), -1);
    assert_int_equal(read_line(UINT64_MAX, 0, 1, CHUNK_DATA, 1), -1);
    assert_int_equal(read_line(0, SEGMENT_PLAIN_MAX, 1, CHUNK_DATA, 1), -1);
    assert_int_equal(read_line(0, UINT64_MAX, 1, CHUNK_DATA, 1), -1);
    assert_int_equal(read_line(0, 0, CHUNK_BYTES_MAX + 1, CHUNK_DATA, 1), -1);
    assert_int_equal(read_line(0, 0, 1, 0, 1), -1);
    assert_int_equal(read_line(0, 0, 1, 4, 1), -1);
    assert_int_equal(read_line(0, 0, 1, CHUNK_DATA, 2), -1);
    assert_int_equal(read_line(0, 0, 1, CHUNK_DATA, UINT64_MAX), -1);
}

static void the_fullest_pack_fits_one_chunk(void **state)
{
    (void)state;
    struct buffer index = {0};
    struct pack_entry *entries = alloc_zero(PACK_ENTRIES_MAX, sizeof(*entries));
    for (uint32_t i = 0; i < PACK_ENTRIES_MAX; i++)
        entries[i] = (struct pack_entry){.kind = CHUNK_DATA, .segment = i, .size = CHUNK_BYTES_MAX};
    index_append(&index, &packs[0], entries, PACK_ENTRIES_MAX);
    assert_true(index.size <= CHUNK_BYTES_MAX);
    free(entries);
    free(index.bytes);
}

static void the_index_of_the_format(void **state)
{
    (void)state;
    struct buffer index = {0};
    index_append(&index, &packs[0], lines + 2, 1);
    uint8_t golden[9 + ID_SIZE + 1 + 5 + ID_SIZE] = "ecbkindx\x01pack a";
    memcpy(golden + 9 + ID_SIZE, "\x01\x00\xac\x02\x05\x03three", 11);
    assert_int_equal(index.size, sizeof(golden));
    assert_memory_equal(index.bytes, golden, sizeof(golden));
    free(index.bytes);
}

static void only_the_shortest_form_of_a_number_is_read(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    struct reader r;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct buffer b = {0};
        compact_number(&b, values[i]);
        compact_signed(&b, (int64_t)values[i]);
        compact_signed(&b, INT64_MIN + (int64_t)(values[i] >> 1));
        reader_init(&r, b.bytes, b.size);
        assert_true(read_compact(&r, UINT64_MAX) == values[i]);
        assert_true(read_compact_signed(&r) == (int64_t)values[i]);
        assert_true(read_compact_signed(&r) == INT64_MIN + (int64_t)(values[i] >> 1));
        assert_true(!r.failed && r.left == 0);
        free(b.bytes);
    }
    static const char *const bad[] = {"\x80", "\x80\x00", "\xff\x80\x00",
                                      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
                                      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
    static const size_t sizes[] = {1, 2, 3, 10, 11};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        reader_init(&r, bad[i], sizes[i]);
        read_compact(&r, UINT64_MAX);
        assert_true(r.failed);
    }
    reader_init(&r, "\x05", 1);
    assert_int_equal(read_compact(&r, 4), 0);
    assert_true(r.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_and_their_chunks_come_back_in_order),
        cmocka_unit_test(an_index_cut_inside_a_pack_is_an_error),
        cmocka_unit_test(another_format_and_a_later_version_are_named),
        cmocka_unit_test(places_outside_any_pack_are_refused),
        cmocka_unit_test(the_fullest_pack_fits_one_chunk),
        cmocka_unit_test(the_index_of_the_format),
        cmocka_unit_test(only_the_shortest_form_of_a_number_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
