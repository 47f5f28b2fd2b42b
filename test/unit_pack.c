/* Packs: round trips, nothing shows, and nothing that was changed is ever taken for the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/pack.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"
#include "coding/pack_id.h"
#include "test/vault_sample.h"

static void add_chunk(struct segment *segment, enum chunk_kind kind, const void *bytes, size_t size)
{
    struct chunk_id id;
    chunk_id(&id, keys->chunk_id_key, bytes, size);
    segment_add(segment, &id, kind, bytes, size);
}

static void add_segment(struct pack_writer *writer, struct segment *segment)
{
    struct err err = ERR_INIT;
    assert_int_equal(segment_compress(segment, &err), 0);
    assert_true(pack_writer_has_room(writer, segment));
    assert_int_equal(pack_writer_add(writer, segment, &err), 0);
    segment_reset(segment);
}

static struct pack_writer *new_writer(enum pack_kind kind)
{
    struct pack_writer *writer = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(pack_writer_new(&writer, kind, PACK_BYTES, keys, &err), 0);
    return writer;
}

static struct sealed_pack finish(struct pack_writer *writer)
{
    struct sealed_pack made;
    pack_writer_finish(&writer, &made);
    assert_null(writer);
    assert_int_equal(made.size, padme(made.size));
    return made;
}

/* Three chunks, two segments: the second of noise. */
static struct sealed_pack small_pack(void)
{
    struct segment *segment = segment_new(3);
    struct pack_writer *writer = new_writer(PACK_MIXED);
    uint8_t text[400], noise[40];
    memset(text, 'x', sizeof(text));
    randombytes_buf(noise, sizeof(noise));
    add_chunk(segment, CHUNK_DATA, text, sizeof(text));
    add_chunk(segment, CHUNK_TREE, "a tree", 6);
    add_segment(writer, segment);
    add_chunk(segment, CHUNK_INDEX, noise, sizeof(noise));
    add_segment(writer, segment);
    segment_destroy(&segment);
    return finish(writer);
}

/* 0 when the pack opens and every chunk in it has the bytes of its id. */
static int check_all(const uint8_t *bytes, size_t size, const struct vault_keys *with,
                     struct err *err)
{
    struct pack_reader *reader = open_copy(bytes, size, with, err);
    if (reader == NULL)
        return -1;
    size_t count, plain_size = 0;
    const struct pack_entry *entries = pack_entries(reader, &count);
    uint8_t *plain = NULL;
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (i == 0 || entries[i].segment != entries[i - 1].segment) {
            free(plain);
            result = pack_read_segment(reader, entries[i].segment, &plain, &plain_size, err);
        }
        if (result == 0) {
            struct chunk_id id;
            assert_true((size_t)entries[i].offset + entries[i].size <= plain_size);
            chunk_id(&id, with->chunk_id_key, plain + entries[i].offset, entries[i].size);
            assert_memory_equal(id.bytes, entries[i].id.bytes, sizeof(id));
        }
    }
    free(plain);
    pack_reader_destroy(&reader);
    return result;
}

static void chunks_of_all_kinds_and_sizes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, 100, 4096, 70000, 30000, 1000000, 1024 * 1024, CHUNK_BYTES_MAX, 5};
    struct segment *segment = segment_new(3);
    struct pack_writer *writer = new_writer(PACK_DATA);
    uint8_t *bytes = alloc_zero(CHUNK_BYTES_MAX, 1);
    size_t count = sizeof(sizes) / sizeof(sizes[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            bytes[j] = (uint8_t)(j / 3 * (i + 1) >> (j % 3));
        if (!segment_has_room(segment, sizes[i]))
            add_segment(writer, segment);
        add_chunk(segment, (enum chunk_kind)(i % 3 + 1), bytes, sizes[i]);
    }
    assert_true(segment_size(segment) == 5);
    add_segment(writer, segment);
    struct sealed_pack made = finish(writer);
    struct err err = ERR_INIT;
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), 0);
    struct pack_reader *reader = open_copy(made.bytes, made.size, keys, &err);
    size_t read_count;
    const struct pack_entry *entries = pack_entries(reader, &read_count);
    assert_int_equal(read_count, count);
    assert_int_equal(made.entry_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(entries[i].id.bytes, made.entries[i].id.bytes, ID_SIZE);
        assert_int_equal(entries[i].size, sizes[i]);
        assert_int_equal(entries[i].kind, i % 3 + 1);
        assert_int_equal(made.entries[i].kind, i % 3 + 1);
        assert_int_equal(entries[i].segment, made.entries[i].segment);
        assert_int_equal(entries[i].offset, made.entries[i].offset);
    }
    assert_int_equal(pack_reader_kind(reader), PACK_DATA);
    struct pack_id id;
    pack_id(&id, made.bytes, made.size);
    assert_memory_equal(id.bytes, made.id.bytes, ID_SIZE);
    pack_reader_destroy(&reader);
    sealed_pack_release(&made);
    free(bytes);
    segment_destroy(&segment);
}

static void a_pack_of_nothing_is_a_pack(void **state)
{
    (void)state;
    struct sealed_pack made = finish(new_writer(PACK_TREE));
    struct err err = ERR_INIT;
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), 0);
    assert_int_equal(made.entry_count, 0);
    sealed_pack_release(&made);
}

static void every_flipped_byte_is_an_error(void **state)
{
    (void)state;
    struct sealed_pack made = small_pack();
    for (size_t i = 0; i < made.size; i++) {
        static const uint8_t flips[] = {1, 0x80, 0xff};
        for (size_t j = 0; j < sizeof(flips); j++) {
            struct err err = ERR_INIT;
            made.bytes[i] ^= flips[j];
            assert_int_equal(check_all(made.bytes, made.size, keys, &err), -1);
            assert_true(err.code == ERR_FORMAT || err.code == ERR_VERSION || err.code == ERR_KEY ||
                        err.code == ERR_DAMAGED);
            made.bytes[i] ^= flips[j];
        }
    }
    struct err err = ERR_INIT;
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), 0);
    sealed_pack_release(&made);
}

static void every_shorter_or_longer_pack_is_an_error(void **state)
{
    (void)state;
    struct sealed_pack made = small_pack();
    uint8_t *longer = alloc_zero(made.size + 256, 1);
    memcpy(longer, made.bytes, made.size);
    for (size_t size = 0; size < made.size + 256; size++) {
        struct err err = ERR_INIT;
        if (size != made.size)
            assert_int_equal(check_all(longer, size, keys, &err), -1);
    }
    free(longer);
    sealed_pack_release(&made);
}

static void segments_cannot_change_places(void **state)
{
    (void)state;
    struct segment *segment = segment_new(3);
    struct pack_writer *writer = new_writer(PACK_DATA);
    uint8_t noise[64];
    for (int i = 0; i < 2; i++) {
        randombytes_buf(noise, sizeof(noise));
        add_chunk(segment, CHUNK_DATA, noise, sizeof(noise));
        add_segment(writer, segment);
    }
    segment_destroy(&segment);
    struct sealed_pack made = finish(writer);
    uint8_t swap[64 + PACK_TAG_SIZE], *first = made.bytes + PACK_HEADER_SIZE;
    memcpy(swap, first, sizeof(swap));
    memcpy(first, first + sizeof(swap), sizeof(swap));
    memcpy(first + sizeof(swap), swap, sizeof(swap));
    struct err err = ERR_INIT;
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    sealed_pack_release(&made);
}

static void another_vaults_key_is_told_from_damage(void **state)
{
    (void)state;
    struct sealed_pack made = small_pack();
    struct err err = ERR_INIT;
    assert_int_equal(check_all(made.bytes, made.size, other_keys, &err), -1);
    assert_int_equal(err.code, ERR_KEY);
    made.bytes[PACK_HEADER_SIZE - 1] ^= 1; /* the tag of the wrapped key */
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    sealed_pack_release(&made);
}

static void later_versions_are_refused_by_name(void **state)
{
    (void)state;
    struct sealed_pack made = small_pack();
    struct err err = ERR_INIT;
    made.bytes[8] = 2;
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "version 2"));
    made.bytes[8] = 1;
    made.bytes[9] = 7;
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "suite 7"));
    sealed_pack_release(&made);
}

static void plaintext_and_ids_never_show(void **state)
{
    (void)state;
    static const char planted[] = "the planted words that nobody may read";
    struct segment *segment = segment_new(3);
    struct pack_writer *writer = new_writer(PACK_DATA);
    uint8_t noise[4096]; /* so that the segment is kept raw */
    randombytes_buf(noise, sizeof(noise));
    memcpy(noise + 1000, planted, sizeof(planted));
    add_chunk(segment, CHUNK_DATA, noise, sizeof(noise));
    add_segment(writer, segment);
    add_chunk(segment, CHUNK_DATA, planted, sizeof(planted));
    add_segment(writer, segment);
    struct sealed_pack made = finish(writer);
    assert_null(memmem(made.bytes, made.size, planted, 8));
    for (size_t i = 0; i < made.entry_count; i++)
        assert_null(memmem(made.bytes, made.size, made.entries[i].id.bytes, 8));
    assert_null(memmem(made.bytes, made.size, keys->wrap_key, 8));
    sealed_pack_release(&made);
    segment_destroy(&segment);
}

static void two_packs_of_the_same_chunks_share_no_bytes(void **state)
{
    (void)state;
    struct segment *segment = segment_new(3);
    struct sealed_pack made[2];
    for (int i = 0; i < 2; i++) {
        struct pack_writer *writer = new_writer(PACK_DATA);
        add_chunk(segment, CHUNK_DATA, "the same chunk", 14);
        add_segment(writer, segment);
        made[i] = finish(writer);
    }
    assert_int_equal(made[0].size, made[1].size);
    size_t same = 0;
    for (size_t i = 64; i < made[0].size; i++)
        same += made[0].bytes[i] == made[1].bytes[i];
    assert_true(same < made[0].size / 8);
    sealed_pack_release(&made[0]);
    sealed_pack_release(&made[1]);
    segment_destroy(&segment);
}

static void sizes_tell_only_their_padme_class(void **state)
{
    (void)state;
    assert_int_equal(padme(0), 0);
    assert_int_equal(padme(1), 1);
    assert_int_equal(padme(8), 8);
    assert_int_equal(padme(9), 10);
    assert_int_equal(padme(1000), 1024);
    assert_int_equal(padme(1024), 1024);
    assert_int_equal(padme(1025), 1088);
    assert_int_equal(padme(1000001), 1015808);
    assert_int_equal(padme(PACK_BYTES), PACK_BYTES);
    assert_true(padme(PACK_BYTES + 1) <= PACK_BYTES_MAX);
    for (size_t size = 2; size < 100000; size += 7) {
        assert_true(padme(size) >= size && padme(size) - size <= size * 12 / 100);
        assert_int_equal(padme(padme(size)), padme(size));
    }
    struct segment *segment = segment_new(3);
    uint8_t *noise = alloc_zero(1000000, 1);
    randombytes_buf(noise, 1000000);
    size_t first = 0;
    for (size_t more = 0; more < 8; more++) {
        struct pack_writer *writer = new_writer(PACK_DATA);
        add_chunk(segment, CHUNK_DATA, noise, 990000 + more * 1000);
        add_segment(writer, segment);
        struct sealed_pack made = finish(writer);
        assert_int_equal(made.size, padme(made.size));
        if (first == 0)
            first = made.size;
        assert_int_equal(made.size, first);
        sealed_pack_release(&made);
    }
    free(noise);
    segment_destroy(&segment);
}

static void a_full_pack_stays_below_its_limit(void **state)
{
    (void)state;
    struct segment *segment = segment_new(1);
    struct pack_writer *writer = new_writer(PACK_DATA);
    uint8_t *noise = alloc_zero(SEGMENT_BYTES, 1);
    struct err err = ERR_INIT;
    size_t added = 0;
    for (;; added++) {
        randombytes_buf(noise, SEGMENT_BYTES);
        add_chunk(segment, CHUNK_DATA, noise, SEGMENT_BYTES);
        assert_int_equal(segment_compress(segment, &err), 0);
        if (!pack_writer_has_room(writer, segment))
            break;
        assert_int_equal(pack_writer_add(writer, segment, &err), 0);
        segment_reset(segment);
    }
    assert_int_equal(added, 15);
    assert_int_equal(pack_writer_add(writer, segment, &err), -1);
    struct sealed_pack made = finish(writer);
    assert_true(made.size <= PACK_BYTES);
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), 0);
    sealed_pack_release(&made);
    free(noise);
    segment_destroy(&segment);
}

static void many_tiny_chunks_stay_within_the_counts(void **state)
{
    (void)state;
    struct segment *segment = segment_new(1);
    struct pack_writer *writer = new_writer(PACK_DATA);
    struct err err = ERR_INIT;
    bool full = false;
    for (uint32_t i = 0; !full; i++) {
        if (!segment_has_room(segment, sizeof(i))) {
            assert_int_equal(segment_compress(segment, &err), 0);
            full = !pack_writer_has_room(writer, segment);
            if (!full)
                assert_int_equal(pack_writer_add(writer, segment, &err), 0);
            segment_reset(segment);
        }
        add_chunk(segment, CHUNK_DATA, &i, sizeof(i));
    }
    struct sealed_pack made = finish(writer);
    assert_int_equal(made.entry_count, PACK_ENTRIES_MAX);
    assert_int_equal(check_all(made.bytes, made.size, keys, &err), 0);
    sealed_pack_release(&made);
    segment_destroy(&segment);
}

static void noise_is_kept_as_it_is_and_text_shrinks(void **state)
{
    (void)state;
    struct segment *segment = segment_new(3);
    uint8_t bytes[8192];
    struct err err = ERR_INIT;
    randombytes_buf(bytes, sizeof(bytes));
    add_chunk(segment, CHUNK_DATA, bytes, sizeof(bytes));
    assert_int_equal(segment_compress(segment, &err), 0);
    assert_int_equal(segment->method, SEGMENT_RAW);
    segment_reset(segment);
    memset(bytes, 'a', sizeof(bytes));
    add_chunk(segment, CHUNK_DATA, bytes, sizeof(bytes));
    assert_int_equal(segment_compress(segment, &err), 0);
    assert_int_equal(segment->method, SEGMENT_ZSTD);
    segment_destroy(&segment);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_of_all_kinds_and_sizes_come_back),
        cmocka_unit_test(a_pack_of_nothing_is_a_pack),
        cmocka_unit_test(every_flipped_byte_is_an_error),
        cmocka_unit_test(every_shorter_or_longer_pack_is_an_error),
        cmocka_unit_test(segments_cannot_change_places),
        cmocka_unit_test(another_vaults_key_is_told_from_damage),
        cmocka_unit_test(later_versions_are_refused_by_name),
        cmocka_unit_test(plaintext_and_ids_never_show),
        cmocka_unit_test(two_packs_of_the_same_chunks_share_no_bytes),
        cmocka_unit_test(sizes_tell_only_their_padme_class),
        cmocka_unit_test(a_full_pack_stays_below_its_limit),
        cmocka_unit_test(many_tiny_chunks_stay_within_the_counts),
        cmocka_unit_test(noise_is_kept_as_it_is_and_text_shrinks),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
