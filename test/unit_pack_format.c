/* The bytes of a pack: the golden one, and what a writer with a bug, or a thief with the key, may
 * seal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "cli/vault/pack.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/pack_id.h"
#include "test/vault_sample.h"

static struct pack_segment lines[2] = {{100, 84, 1, SEGMENT_RAW, 0},
                                       {60, 4000, 2, SEGMENT_ZSTD, 0}};
static struct pack_entry chunks[3] = {{.kind = CHUNK_DATA, .size = 84},
                                      {.kind = CHUNK_TREE, .size = 1000},
                                      {.kind = CHUNK_INDEX, .size = 3000}};

static int decode_with(size_t at, uint8_t value, size_t start, size_t area)
{
    struct pack_directory directory = {PACK_DATA, lines, 2, chunks, 3};
    size_t size = pack_directory_size(2, 3) + 5;
    uint8_t *bytes = alloc_zero(size, 1);
    pack_directory_encode(&directory, 5, bytes);
    if (at != SIZE_MAX)
        bytes[at] = value;
    struct pack_directory decoded;
    struct err err = ERR_INIT;
    int result = pack_directory_decode(&decoded, bytes, size, start, area, &err);
    if (result == 0) {
        assert_int_equal(decoded.segments[1].offset, start + 100);
        assert_int_equal(decoded.entries[2].offset, 1000);
        assert_int_equal(decoded.entries[2].segment, 1);
        pack_directory_release(&decoded);
    } else {
        assert_int_equal(err.code, ERR_FORMAT);
    }
    free(bytes);
    return result;
}

static void a_directory_that_lies_is_refused(void **state)
{
    (void)state;
    size_t line = PACK_DIRECTORY_FIXED, chunk = line + 2 * PACK_SEGMENT_LINE;
    assert_int_equal(decode_with(SIZE_MAX, 0, 112, 160), 0);
    assert_int_equal(decode_with(SIZE_MAX, 0, 112, 161), -1); /* a gap before the directory */
    assert_int_equal(decode_with(SIZE_MAX, 0, 112, 159), -1);
    assert_int_equal(decode_with(0, 0, 112, 160), -1); /* kind */
    assert_int_equal(decode_with(0, 5, 112, 160), -1);
    assert_int_equal(decode_with(1, 1, 112, 160), -1);    /* reserved */
    assert_int_equal(decode_with(7, 0xff, 112, 160), -1); /* segments */
    assert_int_equal(decode_with(11, 1, 112, 160), -1);   /* chunks */
    assert_int_equal(decode_with(12, 6, 112, 160), -1);   /* padding */
    assert_int_equal(decode_with(line, 101, 112, 160), -1);
    assert_int_equal(decode_with(line + 4, 85, 112, 160), -1);
    assert_int_equal(decode_with(line + 8, 2, 112, 160), -1);
    assert_int_equal(decode_with(line + 12, 2, 112, 160), -1);
    assert_int_equal(decode_with(line + 13, 1, 112, 160), -1);
    assert_int_equal(decode_with(line + PACK_SEGMENT_LINE + 7, 1, 112, 160), -1);
    assert_int_equal(decode_with(chunk + 32, 83, 112, 160), -1);
    assert_int_equal(decode_with(chunk + 35, 0, 112, 160), -1);
    assert_int_equal(decode_with(chunk + 35, 4, 112, 160), -1);
    assert_int_equal(decode_with(chunk + 3 * PACK_ENTRY_LINE, 1, 112, 160), -1); /* padding */
}

/* Opens a pack of nothing whose footer says `sealed` and holds `reserved`. */
static int open_with_footer(uint32_t sealed, uint32_t reserved)
{
    size_t bare = PACK_HEADER_SIZE + pack_directory_size(0, 0) + PACK_TAG_SIZE + PACK_FOOTER_SIZE;
    size_t size = padme(bare);
    struct pack_directory nothing = {.kind = PACK_DATA};
    uint8_t *bytes = alloc_zero(size, 1), *at = bytes + PACK_HEADER_SIZE;
    uint8_t footer[PACK_FOOTER_SIZE - PACK_TAG_SIZE] = {0};
    size_t directory = pack_directory_size(0, 0) + size - bare;
    struct pack_seal seal;
    struct writer w;
    struct err err = ERR_INIT;
    pack_header_make(bytes, &seal, keys);
    pack_directory_encode(&nothing, size - bare, at);
    pack_part_seal(&seal, PACK_NUMBER_DIRECTORY, at, at, directory);
    writer_init(&w, footer, sizeof(footer));
    write_u32(&w, sealed != 0 ? sealed : (uint32_t)directory + PACK_TAG_SIZE);
    write_zero(&w, 8);
    write_u32(&w, reserved);
    pack_part_seal(&seal, PACK_NUMBER_FOOTER, at + directory + PACK_TAG_SIZE, footer,
                   sizeof(footer));
    struct pack_reader *reader = open_copy(bytes, size, keys, &err);
    bool opened = reader != NULL;
    pack_reader_destroy(&reader);
    free(bytes);
    return opened ? 0 : -1;
}

static void a_footer_that_lies_is_refused(void **state)
{
    (void)state;
    assert_int_equal(open_with_footer(0, 0), 0);
    assert_int_equal(open_with_footer(0, 1), -1);
    assert_int_equal(open_with_footer(1, 0), -1);
    assert_int_equal(open_with_footer(PACK_TAG_SIZE, 0), -1);
    assert_int_equal(open_with_footer(10000, 0), -1);
    assert_int_equal(open_with_footer(UINT32_MAX, 0), -1);
}

static void a_segment_never_expands_beyond_what_it_declares(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    uint8_t *zeros = alloc_zero(2 * size, 1), packed[1024], *plain = NULL;
    struct err err = ERR_INIT;
    size_t one = ZSTD_compress(packed, sizeof(packed), zeros, size, 3);
    struct pack_segment line = {.plain_size = 1 << 20, .method = SEGMENT_ZSTD};
    assert_int_equal(segment_expand(&plain, &line, packed, one, &err), 0);
    free(plain);
    line.plain_size--;
    assert_int_equal(segment_expand(&plain, &line, packed, one, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_null(plain);
    line.plain_size += 2;
    assert_int_equal(segment_expand(&plain, &line, packed, one, &err), -1);
    line.plain_size = 1 << 20;
    assert_int_equal(segment_expand(&plain, &line, packed, one - 1, &err), -1);
    packed[one] = 0;
    assert_int_equal(segment_expand(&plain, &line, packed, one + 1, &err), -1);
    size_t two = ZSTD_compress(packed + one, sizeof(packed) - one, zeros, size, 3);
    assert_int_equal(segment_expand(&plain, &line, packed, one + two, &err), -1);
    static const uint8_t skipped[] = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'};
    memcpy(packed + one, skipped, sizeof(skipped)); /* a frame that a decompressor passes over */
    assert_int_equal(segment_expand(&plain, &line, packed, one + sizeof(skipped), &err), -1);
    line.plain_size = SEGMENT_PLAIN_MAX + 1;
    assert_int_equal(segment_expand(&plain, &line, packed, one, &err), -1);
    free(zeros);
}

static const char golden_pack[] =
    "6563626b7061636b01010100000000000100000001000000263fe288e9c374603b1153d672088a2727d0695f"
    "2afdb909ec276f9e3851b9077b62969c22a8c60c0fc6c75cbd98ef97abfe19155d24d109e8576fd62edffa6b"
    "072717042a5fbcb50b2c43f35f8cf65a33f79959c1b910ab457869b347b77349d2ab4721868ad0711c95e70c"
    "4ffd5b04509ff0766c30da5003ad6593c6ee8dfe690fc6e1cd3c9cd3bf872228f0e7ae4fa29cb4ea12950ed8"
    "f68a7c2a932dd60cd5d0705a6744f3b46848b26a5f1437e59b10c656be3fa16848096b612b4a1aa230c7bceb"
    "f326af1e836663d1ac9efce08ae6df645ec739551fd7b245064ebe8e19239c9a322b1ab736986dd77c1f207d"
    "8731484a8d546179562a6d4af80379875458365ecfd2b61a799b8cb7670a5ee8884fe714e1dd7766f72fcd93"
    "117c02f20a1563a8392dd6051fabf847ebade6e932aa5e8494054b13";

static void the_pack_of_the_format_opens(void **state)
{
    (void)state;
    uint8_t bytes[(sizeof(golden_pack) - 1) / 2];
    struct pack_id id;
    uint8_t *plain = NULL;
    char text[2 * ID_SIZE + 1];
    struct err err = ERR_INIT;
    assert_int_equal(hex_decode(bytes, sizeof(bytes), golden_pack), 0);
    pack_id(&id, bytes, sizeof(bytes));
    assert_string_equal(hex_encode(text, id.bytes, sizeof(id)),
                        "69c497154f99e965641f7099c7355f622342ff947ba11557b016847046dd2e3e");
    struct pack_reader *reader = open_copy(bytes, sizeof(bytes), keys, &err);
    assert_non_null(reader);
    size_t count, size;
    const struct pack_entry *entries = pack_entries(reader, &count);
    assert_int_equal(pack_reader_kind(reader), PACK_MIXED);
    assert_int_equal(count, 2);
    assert_int_equal(entries[0].kind, CHUNK_DATA);
    assert_int_equal(entries[1].kind, CHUNK_TREE);
    assert_int_equal(pack_read_segment(reader, 0, &plain, &size, &err), 0);
    assert_int_equal(size, 200);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(plain[i], 'g');
    free(plain);
    assert_int_equal(pack_read_segment(reader, 1, &plain, &size, &err), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(plain, "tree", 4);
    free(plain);
    assert_int_equal(pack_read_segment(reader, 2, &plain, &size, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    pack_reader_destroy(&reader);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_that_lies_is_refused),
        cmocka_unit_test(a_footer_that_lies_is_refused),
        cmocka_unit_test(a_segment_never_expands_beyond_what_it_declares),
        cmocka_unit_test(the_pack_of_the_format_opens),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
