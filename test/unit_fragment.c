/* Fragment files: every flipped byte is found and named; truncated, foreign, wrong-index and future
 * fragments each have their own error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment_bundle.h"
#include "test/coding_sample.h"
#include "test/fragment_set.h"

#define LEAF ((size_t)HASH_TREE_LEAF_SIZE)

/* Offsets of FORMAT.md, written out here on purpose. */
enum {
    AT_VERSION = 8,
    AT_CODE = 10,
    AT_LAYOUT = 12,
    AT_HASH = 14,
    AT_K = 16,
    AT_M = 18,
    AT_INDEX = 20,
    AT_ZERO = 22,
    AT_PACK_SIZE = 24,
    AT_ROW_SIZE = 32,
    AT_OBJECT_ID = 72,
    AT_SPARE = 104,
    AT_DIGEST = 128,
    AT_ROOTS = 160,
};

static void encode(struct fragment_set *set, size_t pack_size, unsigned k, unsigned m)
{
    struct err err = ERR_INIT;
    struct object_shape shape;
    uint8_t *pack = sample_bytes(pack_size);
    assert_int_equal(object_shape_of(&shape, pack_size, k, m, &err), 0);
    assert_int_equal(fragment_set_encode_as(set, &shape, pack, &err), 0);
    free(pack);
}

static int check(const uint8_t *bytes, size_t size, struct err *err)
{
    struct fragment fragment;
    *err = ERR_INIT;
    if (fragment_parse(&fragment, bytes, size, err) != 0)
        return -1;
    return fragment_verify(&fragment, err);
}

/* Makes the header's digest right again, as a liar would. */
static void sign_header(uint8_t *bytes)
{
    hash_bytes(bytes + AT_DIGEST, "ecbak fragment 1", bytes, AT_DIGEST);
}

static void put_number(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void a_fragment_says_all_about_itself(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_set set;
    encode(&set, 300000, 4, 2);
    for (unsigned i = 0; i < set.count; i++) {
        struct fragment fragment;
        size_t total = 0;
        assert_int_equal(fragment_parse(&fragment, set.bytes[i], set.size, &err), 0);
        assert_int_equal(fragment_verify(&fragment, &err), 0);
        assert_int_equal(fragment.index, i);
        assert_memory_equal(fragment.object_id.bytes, set.object_id.bytes, ID_SIZE);
        assert_memory_equal(fragment.object.pack_id.bytes, set.object.pack_id.bytes, ID_SIZE);
        assert_int_equal(fragment.object.shape.k, 4);
        assert_int_equal(fragment.object.shape.m, 2);
        assert_int_equal(fragment.object.shape.pack_size, 300000);
        assert_int_equal((size_t)(fragment.row - set.bytes[i]) % FRAGMENT_ALIGN, 0);
        assert_int_equal(fragment_expect(&fragment, &set.object_id, (int)i, &err), 0);
        assert_int_equal(fragment_expect(&fragment, &set.object_id, -1, &err), 0);
        assert_int_equal(fragment_total_size(set.bytes[i], FRAGMENT_HEADER_SIZE, &total, &err), 0);
        assert_int_equal(total, set.size);
    }
    fragment_set_release(&set);
}

static void fragments_decode_to_the_pack(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_set set;
    struct object_row rows[RS_TOTAL_MAX] = {{NULL, NULL}};
    struct fragment fragment = {0};
    uint8_t *pack = sample_bytes(900000), *rebuilt = NULL;
    encode(&set, 900000, 4, 2);
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(fragment_parse(&fragment, set.bytes[i], set.size, &err), 0);
        rows[fragment.index] = (struct object_row){fragment.row, fragment.leaves};
    }
    uint8_t *out = alloc_large(object_pack_room(&fragment.object.shape), &err);
    assert_int_equal(object_decode(&fragment.object, rows, out, &err), 0);
    assert_memory_equal(out, pack, 900000);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(fragment_rebuild(&fragment.object, rows, i, &rebuilt, &err),
                         i % 5 && i < 5 ? -1 : 0);
        if (rebuilt != NULL)
            assert_memory_equal(rebuilt, set.bytes[i], set.size);
        free(rebuilt);
    }
    free(out);
    free(pack);
    fragment_set_release(&set);
}

/* Which words the error must have for a flip at this byte. */
static const char *words_for(size_t at, size_t leaves_at, size_t pad_at, size_t row_at)
{
    if (at < AT_VERSION)
        return "not a fragment";
    if (at < AT_CODE)
        return "is not known here";
    if (at < AT_ROOTS)
        return "the header is damaged";
    if (at < leaves_at)
        return "the roots are damaged";
    if (at < pad_at)
        return "the leaf hashes are damaged";
    if (at < row_at)
        return "before the row are not zero";
    return "leaf 0 of 1 of fragment";
}

static void every_flipped_byte_is_found_and_named(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    static const unsigned step = 51; /* five of the 255 wrong values: sanitizers are slow */
#else
    static const unsigned step = 1;
#endif
    struct fragment_set set;
    struct err err;
    encode(&set, 100, 3, 2);
    size_t leaves_at = fragment_leaves_offset(&set.object.shape);
    size_t row_at = fragment_head_size(&set.object.shape);
    for (unsigned f = 0; f < set.count; f += 4) {
        uint8_t *bytes = set.bytes[f];
        for (size_t at = 0; at < set.size; at++) {
            for (unsigned flip = 1; flip < 256; flip += step) {
                bytes[at] ^= (uint8_t)flip;
                assert_int_equal(check(bytes, set.size, &err), -1);
                if (strstr(err.text, words_for(at, leaves_at, leaves_at + HASH_SIZE, row_at)) ==
                    NULL)
                    fail_msg("byte %zu ^ %u: %s", at, flip, err.text);
                bytes[at] ^= (uint8_t)flip;
            }
        }
        assert_int_equal(check(bytes, set.size, &err), 0);
    }
    fragment_set_release(&set);
}

static void the_damaged_leaf_is_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_set set;
    struct fragment fragment;
    encode(&set, 20 * LEAF, 4, 2);
    assert_int_equal(fragment_parse(&fragment, set.bytes[4], set.size, &err), 0);
    assert_int_equal(fragment.object.shape.leaf_count, 5);
    set.bytes[4][set.size - 2 * LEAF] ^= 0x80;
    assert_int_equal(fragment_verify(&fragment, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_string_equal(err.text, "leaf 3 of 5 of fragment 4 is damaged");
    for (size_t leaf = 0; leaf < 5; leaf++)
        assert_int_equal(fragment_prove_leaf(&fragment, leaf, fragment.row + leaf * LEAF, &err),
                         leaf == 3 ? -1 : 0);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_int_equal(fragment_prove_leaf(&fragment, 5, fragment.row, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    fragment_set_release(&set);
}

static void a_leaf_proves_itself_with_what_goes_before_the_row_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_set set;
    struct fragment whole, head;
    encode(&set, 20 * LEAF, 4, 2);
    assert_int_equal(fragment_parse(&whole, set.bytes[5], set.size, &err), 0);
    size_t size = fragment_head_size(&whole.object.shape);
    uint8_t *bytes = malloc(size);
    memcpy(bytes, set.bytes[5], size);
    assert_int_equal(fragment_parse_head(&head, bytes, size, &err), 0);
    assert_null(head.row);
    assert_int_equal(fragment_expect(&head, &set.object_id, 5, &err), 0);
    for (size_t leaf = 0; leaf < 5; leaf++)
        assert_int_equal(fragment_prove_leaf(&head, leaf, whole.row + leaf * LEAF, &err), 0);
    assert_int_equal(fragment_prove_leaf(&head, 1, whole.row, &err), -1);
    assert_int_equal(fragment_parse_head(&head, bytes, size - 1, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    for (size_t at = 0; at < size; at += 7) {
        bytes[at] ^= 1;
        assert_int_equal(fragment_parse_head(&head, bytes, size, &err), -1);
        bytes[at] ^= 1;
    }
    free(bytes);
    fragment_set_release(&set);
}

static void a_leaf_of_a_fragment_proves_itself_with_its_path(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_set set;
    struct fragment fragment;
    uint8_t path[HASH_TREE_PATH_MAX * HASH_SIZE];
    encode(&set, 20 * LEAF, 4, 2);
    assert_int_equal(fragment_parse(&fragment, set.bytes[5], set.size, &err), 0);
    uint64_t row_size = fragment.object.shape.row_size;
    for (size_t leaf = 0; leaf < 5; leaf++) {
        size_t length = hash_tree_path(path, fragment.leaves, row_size, leaf);
        assert_int_equal(hash_tree_prove(fragment.object.roots[5], row_size,
                                         &(struct leaf_proof){leaf, fragment.row + leaf * LEAF,
                                                              LEAF, path, length},
                                         &err),
                         0);
        assert_int_equal(hash_tree_prove(fragment.object.roots[4], row_size,
                                         &(struct leaf_proof){leaf, fragment.row + leaf * LEAF,
                                                              LEAF, path, length},
                                         &err),
                         -1);
    }
    fragment_set_release(&set);
}

static void a_truncated_or_longer_file_is_said_to_be_so(void **state)
{
    (void)state;
    struct err err;
    struct fragment_set set;
    encode(&set, 100, 4, 2);
    for (size_t size = 0; size < set.size; size++) {
        uint8_t *copy =
            alloc_copy(set.bytes[2], size); /* its own buffer: sanitizers see past its end */
        assert_int_equal(check(copy, size, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        assert_non_null(strstr(err.text, "truncated"));
        free(copy);
    }
    uint8_t *longer = alloc_zero(set.size + 1, 1);
    memcpy(longer, set.bytes[2], set.size);
    assert_int_equal(check(longer, set.size + 1, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.text, "1 bytes follow the end of the fragment");
    free(longer);
    fragment_set_release(&set);
}

static void a_fragment_of_another_object_is_foreign(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_set one, two;
    struct fragment fragment;
    encode(&one, 100000, 4, 2);
    encode(&two, 100001, 4, 2);
    assert_int_equal(fragment_parse(&fragment, two.bytes[3], two.size, &err), 0);
    assert_int_equal(fragment_verify(&fragment, &err), 0);
    assert_int_equal(fragment_expect(&fragment, &one.object_id, 3, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_non_null(strstr(err.text, "of object"));
    assert_int_equal(fragment_expect(&fragment, &two.object_id, 2, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_string_equal(err.text, "wrong index: fragment 3, not 2");
    fragment_set_release(&one);
    fragment_set_release(&two);
}

static void a_row_that_claims_another_index_is_unmasked(void **state)
{
    (void)state;
    struct err err;
    struct fragment_set set;
    encode(&set, 100000, 4, 2);
    put_number(set.bytes[1] + AT_INDEX, 4, 2);
    sign_header(set.bytes[1]);
    assert_int_equal(check(set.bytes[1], set.size, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_string_equal(err.text,
                        "wrong index: it says fragment 4, and its leaf hashes are of fragment 1");
    fragment_set_release(&set);
}

/* A field set to a value, the digest made right again: still an error, with these words. */
static void assert_refused(size_t at, uint64_t value, unsigned size, enum err_code code,
                           const char *words)
{
    struct err err;
    struct fragment_set set;
    size_t total;
    encode(&set, 100000, 4, 2);
    put_number(set.bytes[0] + at, value, size);
    sign_header(set.bytes[0]);
    assert_int_equal(check(set.bytes[0], set.size, &err), -1);
    if (strstr(err.text, words) == NULL)
        fail_msg("field at %zu: %s", at, err.text);
    assert_int_equal(err.code, code);
    assert_int_equal(fragment_total_size(set.bytes[0], set.size, &total, &err),
                     at == AT_OBJECT_ID ? 0 : -1);
    fragment_set_release(&set);
}

static void unknown_versions_and_algorithms_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused(AT_VERSION, 2, 2, ERR_VERSION, "format version 2 is not known");
    assert_refused(AT_VERSION, 0, 2, ERR_VERSION, "format version 0 is not known");
    assert_refused(AT_CODE, 7, 2, ERR_VERSION, "erasure code 7 is not known");
    assert_refused(AT_LAYOUT, 2, 2, ERR_VERSION, "row layout 2 is not known");
    assert_refused(AT_HASH, 3, 2, ERR_VERSION, "hash 3 is not known");
}

static void lying_headers_are_refused(void **state)
{
    (void)state;
    assert_refused(AT_K, 0, 2, ERR_FORMAT, "impossible shape");
    assert_refused(AT_M, 0, 2, ERR_FORMAT, "impossible shape");
    assert_refused(AT_M, 252, 2, ERR_FORMAT, "impossible shape");
    assert_refused(AT_K, 65535, 2, ERR_FORMAT, "impossible shape");
    assert_refused(AT_PACK_SIZE, PACK_SIZE_MAX + 1, 8, ERR_FORMAT, "impossible shape");
    assert_refused(AT_PACK_SIZE, UINT64_MAX, 8, ERR_FORMAT, "impossible shape");
    assert_refused(AT_PACK_SIZE, 1, 8, ERR_FORMAT, "where this shape has");
    assert_refused(AT_ROW_SIZE, UINT64_MAX, 8, ERR_FORMAT, "where this shape has");
    assert_refused(AT_INDEX, 6, 2, ERR_FORMAT, "fragment 6 of an object that has 6");
    assert_refused(AT_ZERO, 1, 2, ERR_FORMAT, "reserved");
    assert_refused(AT_SPARE, 1, 8, ERR_FORMAT, "reserved");
    assert_refused(AT_SPARE + 16, 1u << 31, 8, ERR_FORMAT, "reserved");
    assert_refused(AT_OBJECT_ID, 1, 8, ERR_DAMAGED, "not those of its object");
}

static void the_largest_fragment_keeps_its_limits(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct object_shape shape;
    assert_int_equal(object_shape_of(&shape, PACK_SIZE_MAX, 1, 254, &err), 0);
    assert_true(fragment_size(&shape) <= FRAGMENT_SIZE_MAX);
    assert_true(fragment_head_size(&shape) <= FRAGMENT_HEAD_MAX);
    for (unsigned k = 1; k < 255; k++) {
        assert_int_equal(object_shape_of(&shape, PACK_SIZE_MAX - 1, k, 255 - k, &err), 0);
        assert_true(fragment_size(&shape) <= FRAGMENT_SIZE_MAX);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    return rs_setup(&err);
}

/* Every shape's bundle is the fragments one after the other, with the same object as when each has a
 * buffer of its own. */
static void a_bundle_is_all_fragments_of_an_object(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        unsigned k, m, in_bundle;
    } cases[] = {{1, 1, 1, 1},     {5000, 4, 2, 1},   {65536, 1, 3, 1},
                 {70000, 2, 1, 3}, {300000, 4, 2, 6}, {262144, 4, 8, 12}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct err err = ERR_INIT;
        struct fragment_set set;
        struct fragment_bundle bundle, back;
        uint8_t *bytes, *pack = malloc(cases[c].size);
        for (size_t i = 0; i < cases[c].size; i++)
            pack[i] = (uint8_t)(i * 31 + i / 256 + c);
        assert_int_equal(
            fragment_set_encode(&set, pack, cases[c].size, cases[c].k, cases[c].m, &err), 0);
        assert_int_equal(
            fragment_bundle_encode(&bundle, pack, cases[c].size, cases[c].k, cases[c].m, &err), 0);
        assert_memory_equal(&bundle.object_id, &set.object_id, ID_SIZE);
        assert_int_equal(bundle.size, cases[c].in_bundle * set.size);
        assert_int_equal(bundle.size, fragment_bundle_size(cases[c].size, cases[c].k, cases[c].m));
        if (fragment_bundle_open(&back, bundle.bytes, bundle.size, &err) != 0)
            fail_msg("%s", err.text);
        assert_memory_equal(&back.object_id, &set.object_id, ID_SIZE);
        for (unsigned i = 0; i < set.count; i++) {
            const uint8_t *at = fragment_bundle_at(&back, i);
            if (at != NULL) {
                assert_memory_equal(at, set.bytes[i], set.size);
                continue;
            }
            assert_int_equal(fragment_bundle_make(&back, i, &bytes, &err), 0);
            assert_memory_equal(bytes, set.bytes[i], set.size);
            free(bytes);
        }
        free(bundle.bytes);
        fragment_set_release(&set);
        free(pack);
    }
}

static void expect_no_bundle(const uint8_t *bytes, size_t size, enum err_code code)
{
    struct err err = ERR_INIT;
    struct fragment_bundle bundle;
    uint8_t *copy = malloc(size + 1); /* of exactly that size, for the sanitizers */
    memcpy(copy, bytes, size);
    assert_int_equal(fragment_bundle_open(&bundle, copy, size, &err), -1);
    assert_int_equal(err.code, code);
    free(copy);
}

static void a_bundle_that_is_not_the_whole_of_one_object_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment_bundle b, other, copies;
    uint8_t pack[300000] = {1}, *two = malloc(1 << 20);
    assert_int_equal(fragment_bundle_encode(&b, pack, sizeof(pack), 4, 2, &err), 0);
    pack[9] = 1;
    assert_int_equal(fragment_bundle_encode(&other, pack, sizeof(pack), 4, 2, &err), 0);
    size_t one = b.fragment_size;
    expect_no_bundle(b.bytes, 0, ERR_FORMAT);
    expect_no_bundle(b.bytes, b.size - 1, ERR_FORMAT);
    expect_no_bundle(b.bytes, 5 * one, ERR_FORMAT);        /* one too few */
    expect_no_bundle(b.bytes + one, 5 * one, ERR_FOREIGN); /* the first is missing */
    memcpy(two, b.bytes, b.size);
    memcpy(two + b.size, b.bytes, one);
    expect_no_bundle(two, b.size + one, ERR_FOREIGN); /* one twice */
    memcpy(two + 3 * one, other.bytes + 3 * one, one);
    expect_no_bundle(two, b.size, ERR_FOREIGN); /* one of another object */
    memcpy(two, b.bytes, b.size);
    two[2 * one + 200] ^= 1;
    expect_no_bundle(two, b.size, ERR_DAMAGED); /* a root */
    /* With k = 1 the others are made from the first: roots that differ would be promises that no row
     * keeps. */
    assert_int_equal(fragment_bundle_encode(&copies, pack, 500, 1, 2, &err), 0);
    copies.object.roots[2][0] ^= 1;
    fragment_write_head(copies.bytes, &copies.object, 0, copies.leaves);
    expect_no_bundle(copies.bytes, copies.size, ERR_FORMAT);
    free(two);
    free(b.bytes);
    free(other.bytes);
    free(copies.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fragment_says_all_about_itself),
        cmocka_unit_test(fragments_decode_to_the_pack),
        cmocka_unit_test(every_flipped_byte_is_found_and_named),
        cmocka_unit_test(the_damaged_leaf_is_named),
        cmocka_unit_test(a_leaf_proves_itself_with_what_goes_before_the_row_alone),
        cmocka_unit_test(a_leaf_of_a_fragment_proves_itself_with_its_path),
        cmocka_unit_test(a_truncated_or_longer_file_is_said_to_be_so),
        cmocka_unit_test(a_fragment_of_another_object_is_foreign),
        cmocka_unit_test(a_row_that_claims_another_index_is_unmasked),
        cmocka_unit_test(unknown_versions_and_algorithms_are_refused_by_name),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(the_largest_fragment_keeps_its_limits),
        cmocka_unit_test(a_bundle_is_all_fragments_of_an_object),
        cmocka_unit_test(a_bundle_that_is_not_the_whole_of_one_object_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
