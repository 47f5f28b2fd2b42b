/* Objects: every loss of a pack's rows, recoding, rows that lie, and the proof of the parity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <galois.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/object.h"
#include "test/coding_sample.h"
#include "test/fragment_set.h"

#define LEAF ((size_t)HASH_TREE_LEAF_SIZE)

struct sample {
    struct object_shape shape;
    struct object object;
    uint8_t *pack;
    uint8_t *bytes[RS_TOTAL_MAX];
    uint8_t *leaves[RS_TOTAL_MAX];
    struct object_row rows[RS_TOTAL_MAX];
};

static void sample_init(struct sample *s, size_t pack_size, unsigned k, unsigned m)
{
    struct err err = ERR_INIT;
    struct object_row_out out[RS_TOTAL_MAX];
    *s = (struct sample){.pack = sample_bytes(pack_size)};
    assert_int_equal(object_shape_of(&s->shape, pack_size, k, m, &err), 0);
    for (unsigned i = 0; i < k + m; i++) {
        s->bytes[i] = alloc_large(s->shape.row_size, &err);
        assert_non_null(s->bytes[i]);
        s->leaves[i] = alloc_zero(s->shape.leaf_count, HASH_SIZE);
        out[i] = (struct object_row_out){.bytes = s->bytes[i], .leaves = s->leaves[i]};
        s->rows[i] = (struct object_row){.bytes = s->bytes[i]};
    }
    assert_int_equal(object_encode(&s->object, &s->shape, s->pack, out, &err), 0);
}

static void sample_release(struct sample *s)
{
    for (unsigned i = 0; i < (unsigned)(s->shape.k + s->shape.m); i++) {
        free(s->bytes[i]);
        free(s->leaves[i]);
    }
    free(s->pack);
}

/* Decodes from `rows` and compares; returns the error's code. */
static enum err_code decode(const struct sample *s, const struct object_row rows[], struct err *err)
{
    uint8_t *pack = alloc_large(object_pack_room(&s->shape), err);
    assert_non_null(pack);
    *err = ERR_INIT;
    if (object_decode(&s->object, rows, pack, err) == 0)
        assert_memory_equal(pack, s->pack, s->shape.pack_size);
    else
        assert_int_not_equal(err->code, ERR_NONE);
    free(pack);
    return err->code;
}

static void check_rebuild(struct sample *s, const struct object_row rows[], unsigned index)
{
    struct err err = ERR_INIT;
    struct object_row_out out = {.bytes = alloc_large(s->shape.row_size, &err),
                                 .leaves = alloc_zero(s->shape.leaf_count, HASH_SIZE)};
    assert_int_equal(object_rebuild(&s->object, rows, index, &out, &err), 0);
    assert_memory_equal(out.bytes, s->bytes[index], s->shape.row_size);
    assert_memory_equal(out.leaves, s->leaves[index], (size_t)s->shape.leaf_count * HASH_SIZE);
    free(out.bytes);
    free(out.leaves);
}

/* Every pattern of at most m lost rows; the leaf hashes of some of the others are known. */
static void check_every_loss(size_t pack_size, unsigned k, unsigned m)
{
    struct sample s;
    struct err err;
    sample_init(&s, pack_size, k, m);
    for (unsigned pattern = 0; pattern < 1u << (k + m); pattern++) {
        struct object_row rows[RS_TOTAL_MAX];
        if ((unsigned)__builtin_popcount(pattern) > m)
            continue;
        for (unsigned i = 0; i < k + m; i++) {
            rows[i] = s.rows[i];
            if ((pattern + i) % 3 == 0)
                rows[i].leaves = s.leaves[i];
            if (pattern >> i & 1)
                rows[i] = (struct object_row){NULL, NULL};
        }
        assert_int_equal(decode(&s, rows, &err), ERR_NONE);
        if (pattern != 0)
            check_rebuild(&s, rows, (unsigned)__builtin_ctz(pattern));
    }
    sample_release(&s);
}

static void a_pack_of_any_size_survives_every_loss(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,
                                   1,
                                   3,
                                   4,
                                   5,
                                   63,
                                   64,
                                   65,
                                   255,
                                   256,
                                   257,
                                   4096 * 4 - 1,
                                   LEAF,
                                   LEAF - 1,
                                   LEAF + 1,
                                   4 * LEAF,
                                   4 * LEAF - 1,
                                   4 * LEAF + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_every_loss(sizes[i], 4, 2);
        check_every_loss(sizes[i], 1, 2);
        check_every_loss(sizes[i], 2, 3);
    }
}

static void every_shape_up_to_ten_rows_survives_every_loss(void **state)
{
    (void)state;
    for (unsigned k = 1; k < 10; k++)
        for (unsigned m = 1; k + m <= 10; m++)
            check_every_loss(1000, k, m);
}

static void a_pack_of_many_mebibytes_survives(void **state)
{
    (void)state;
    static const size_t sizes[] = {PACK_SIZE_MAX, (16u << 20) + 1, 5000001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sample s;
        struct err err;
        sample_init(&s, sizes[i], 10, 4);
        struct object_row rows[RS_TOTAL_MAX];
        memcpy(rows, s.rows, sizeof(rows));
        rows[0].bytes = rows[4].bytes = rows[9].bytes = rows[11].bytes = NULL;
        assert_int_equal(decode(&s, rows, &err), ERR_NONE);
        check_rebuild(&s, rows, 11);
        check_rebuild(&s, rows, 0);
        sample_release(&s);
    }
}

static void the_pack_id_does_not_depend_on_the_coding(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 70000, 8 * LEAF, 8 * LEAF + 1, 16 * LEAF, 60 * LEAF - 5};
    static const unsigned shapes[][2] = {{1, 1}, {2, 2}, {4, 2}, {7, 3}, {8, 3}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pack_id id;
        uint8_t *pack = sample_bytes(sizes[i]);
        pack_id(&id, pack, sizes[i]);
        for (size_t j = 0; j < sizeof(shapes) / sizeof(shapes[0]); j++) {
            struct sample s;
            sample_init(&s, sizes[i], shapes[j][0], shapes[j][1]);
            assert_memory_equal(s.object.pack_id.bytes, id.bytes, ID_SIZE);
            sample_release(&s);
        }
        free(pack);
    }
}

static void a_pack_can_be_coded_again_from_its_fragments_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct sample s;
    struct object_row rows[RS_TOTAL_MAX];
    struct fragment_set again;
    sample_init(&s, 700000, 4, 2);
    memcpy(rows, s.rows, sizeof(rows));
    rows[1].bytes = rows[2].bytes = NULL;
    uint8_t *pack = alloc_large(object_pack_room(&s.shape), &err);
    struct object_id id;
    assert_int_equal(object_decode(&s.object, rows, pack, &err), 0);
    assert_int_equal(fragment_set_encode(&again, pack, 700000, 2, 3, &err), 0);
    assert_memory_equal(again.object.pack_id.bytes, s.object.pack_id.bytes, ID_SIZE);
    object_id(&id, &s.object);
    assert_memory_not_equal(again.object_id.bytes, id.bytes, ID_SIZE);
    fragment_set_release(&again);
    free(pack);
    sample_release(&s);
}

static void small_packs_are_whole_copies(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct object_shape shape;
    assert_int_equal(object_shape(&shape, OBJECT_SMALL_SIZE - 1, 4, 2, &err), 0);
    assert_int_equal(shape.k, 1);
    assert_int_equal(shape.m, 2);
    assert_int_equal(shape.row_size, 65536);
    assert_int_equal(object_shape(&shape, OBJECT_SMALL_SIZE, 4, 2, &err), 0);
    assert_int_equal(shape.k, 4);
    assert_int_equal(shape.row_size, 16384);
    assert_int_equal(object_shape(&shape, 0, 4, 2, &err), 0);
    assert_int_equal(shape.row_size, RS_ALIGN);
}

/* Rows of whole leaves, unless that would cost more than a sixteenth. */
static void padding_stays_small(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    for (size_t size = 1; size <= PACK_SIZE_MAX; size += size / 9 + 1) {
        for (unsigned k = 1; k <= 64; k++) {
            struct object_shape shape;
            assert_int_equal(object_shape_of(&shape, size, k, 2, &err), 0);
            assert_true(shape.row_size * k >= size);
            assert_true(shape.row_size * k - size <= size / 16 + (size_t)RS_ALIGN * k);
            assert_true(shape.row_size <= OBJECT_ROW_SIZE_MAX);
            assert_int_equal(shape.row_size % RS_ALIGN, 0);
        }
    }
    struct object_shape shape;
    assert_int_equal(object_shape_of(&shape, 16u << 20, 4, 2, &err), 0);
    assert_int_equal(shape.row_size, 4u << 20);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct object_shape shape;
    assert_int_equal(object_shape(&shape, PACK_SIZE_MAX + 1, 4, 2, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(object_shape(&shape, 100000, 0, 2, &err), -1);
    assert_int_equal(object_shape(&shape, 100000, 2, 0, &err), -1);
    assert_int_equal(object_shape(&shape, 100000, 200, 56, &err), -1);
    assert_int_equal(object_shape(&shape, 100000, ~0u, 2, &err), -1);
    assert_int_equal(object_shape(&shape, 100000, 200, 55, &err), 0);
}

static void too_few_rows_are_said_to_be_too_few(void **state)
{
    (void)state;
    struct sample s;
    struct err err;
    struct object_row rows[RS_TOTAL_MAX];
    sample_init(&s, 100000, 4, 2);
    memcpy(rows, s.rows, sizeof(rows));
    rows[0].bytes = rows[2].bytes = rows[5].bytes = NULL;
    assert_int_equal(decode(&s, rows, &err), ERR_TOO_FEW);
    assert_string_equal(err.text, "3 fragments are there and 4 are needed");
    sample_release(&s);
}

static void a_damaged_row_among_exactly_k_is_noticed(void **state)
{
    (void)state;
    static const size_t sizes[] = {1000, 100000, 8 * LEAF};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned bad = 1; bad < 5; bad++) {
            struct sample s;
            struct err err;
            struct object_row rows[RS_TOTAL_MAX];
            sample_init(&s, sizes[i], 4, 2);
            memcpy(rows, s.rows, sizeof(rows));
            rows[0].bytes = rows[5].bytes = NULL;
            s.bytes[bad][s.shape.row_size / 3] ^= 0x10;
            assert_int_equal(decode(&s, rows, &err), ERR_DAMAGED);
            sample_release(&s);
        }
    }
}

/* An encoder with broken memory hashed a wrong row: it matches its root, and the pack is still there. */
static void other_row_sets_are_tried_when_one_misses_the_pack_id(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 6; bad++) {
        struct sample s;
        struct err err;
        sample_init(&s, 8 * LEAF, 4, 2);
        s.bytes[bad][7] ^= 1;
        hash_tree_leaves(s.leaves[bad], s.bytes[bad], s.shape.row_size);
        hash_tree_root(s.object.roots[bad], s.leaves[bad], s.shape.row_size);
        for (unsigned lost = 0; lost < 6; lost++) {
            struct object_row rows[RS_TOTAL_MAX];
            for (unsigned i = 0; i < 6; i++)
                rows[i] = (struct object_row){s.bytes[i], s.leaves[i]};
            rows[lost] = (struct object_row){NULL, NULL};
            assert_int_equal(decode(&s, rows, &err), ERR_NONE);
            if (lost != bad)
                check_rebuild(&s, rows, lost);
        }
        sample_release(&s);
    }
}

static void a_rebuilt_row_that_misses_its_root_is_refused(void **state)
{
    (void)state;
    struct sample s;
    struct err err = ERR_INIT;
    struct object_row rows[RS_TOTAL_MAX];
    sample_init(&s, 100000, 4, 2);
    memcpy(rows, s.rows, sizeof(rows));
    rows[5].bytes = NULL;
    s.bytes[2][9] ^= 2;
    struct object_row_out out = {.bytes = alloc_large(s.shape.row_size, &err),
                                 .leaves = alloc_zero(s.shape.leaf_count, HASH_SIZE)};
    rows[0].bytes = NULL;
    assert_int_equal(object_rebuild(&s.object, rows, 5, &out, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_int_equal(object_rebuild(&s.object, rows, 6, &out, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    free(out.bytes);
    free(out.leaves);
    sample_release(&s);
}

/* ---- the proof of the parity: a processor that computes one product wrong ---------------------------- */

static void (*true_multiply)(gf_t *, void *, void *, gf_val_32_t, int, int);
static unsigned long multiply_count, multiply_wrong;

static void multiply_once_wrong(gf_t *gf, void *from, void *to, gf_val_32_t by, int size, int add)
{
    true_multiply(gf, from, to, by, size, add);
    if (++multiply_count == multiply_wrong)
        ((uint8_t *)to)[multiply_count * 37 % (unsigned long)size] ^= 1u << multiply_count % 8;
}

static int encode_with_fault(size_t pack_size, unsigned k, unsigned m, unsigned long at,
                             struct err *err)
{
    uint8_t *pack = sample_bytes(pack_size);
    struct object_shape shape;
    struct fragment_set set;
    gf_t *field = galois_get_field_ptr(8);
    true_multiply = field->multiply_region.w32;
    multiply_count = 0;
    multiply_wrong = at;
    assert_int_equal(object_shape_of(&shape, pack_size, k, m, err), 0);
    field->multiply_region.w32 = multiply_once_wrong;
    int result = fragment_set_encode_as(&set, &shape, pack, err);
    field->multiply_region.w32 = true_multiply;
    fragment_set_release(&set);
    free(pack);
    return result;
}

static void a_single_wrong_product_anywhere_stops_the_encoder(void **state)
{
    (void)state;
    static const unsigned shapes[][2] = {{4, 2}, {2, 5}, {5, 3}, {3, 4}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct err err = ERR_INIT;
        unsigned k = shapes[i][0], m = shapes[i][1];
        assert_int_equal(encode_with_fault((size_t)k * 9000, k, m, 0, &err), 0);
        unsigned long all = multiply_count;
        assert_true(all > 0);
        for (unsigned long at = 1; at <= all; at++) {
            err = ERR_INIT;
            assert_int_equal(encode_with_fault((size_t)k * 9000, k, m, at, &err), -1);
            assert_int_equal(err.code, ERR_DAMAGED);
        }
    }
}

static void the_golden_objects_hold(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        unsigned k, m;
        const char *object_id, *fragments;
    } golden[] = {
        {0, 1, 2, "b1ef71d1f255a07c0d389a606e6773ccab501822240a16beca5ac60647e25f98",
         "d4740beec6b7c37b1d8c9fd19b8122ee155531d72573acce93b9ee31eece07d3"},
        {100, 1, 2, "0f2f8ed764291114f0a5c5d5dbb487eb553e3c286d5517e707712da6bbc34523",
         "cbd4eb44a5363c1eb5aec02d89fbad350cc446a8685452db91642a3abe6992a7"},
        {100, 4, 2, "d7c83548dfc9ae33a081da2f64ba994645fd6445015db0d9ac4e6c4dc5a46800",
         "fc35653d0f84ed67bc86bf7f68283020fbeb53d22edf81f0ea300b2758492197"},
        {300000, 4, 2, "674a21424d5ed510e9dd999e74bbdf0b427adaff4dcdb330ec2446e233d22424",
         "e381c524d20805ffd83f9f67fffc6760f084b34efcdaa374024a1d79bd724ab7"},
        {1 << 20, 3, 2, "8b5a884cfa030fe527027dfb5622908ec11cd941e797d019b00a41d2efd77452",
         "bc958ef401d19cb319216f9bb9752ff2b6ab9b1b0ba7f925b8c2dfad86d5d794"},
    };
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        struct err err = ERR_INIT;
        struct object_shape shape;
        struct fragment_set set;
        uint8_t *pack = sample_bytes(golden[i].size), hash[HASH_SIZE];
        assert_int_equal(object_shape_of(&shape, golden[i].size, golden[i].k, golden[i].m, &err),
                         0);
        assert_int_equal(fragment_set_encode_as(&set, &shape, pack, &err), 0);
        assert_hash_is(set.object_id.bytes, golden[i].object_id);
        uint8_t *all = alloc_zero(set.count, set.size);
        for (unsigned f = 0; f < set.count; f++)
            memcpy(all + f * set.size, set.bytes[f], set.size);
        hash_bytes(hash, "golden", all, set.count * set.size);
        assert_hash_is(hash, golden[i].fragments);
        free(all);
        free(pack);
        fragment_set_release(&set);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    return rs_setup(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_of_any_size_survives_every_loss),
        cmocka_unit_test(every_shape_up_to_ten_rows_survives_every_loss),
        cmocka_unit_test(a_pack_of_many_mebibytes_survives),
        cmocka_unit_test(the_pack_id_does_not_depend_on_the_coding),
        cmocka_unit_test(a_pack_can_be_coded_again_from_its_fragments_alone),
        cmocka_unit_test(small_packs_are_whole_copies),
        cmocka_unit_test(padding_stays_small),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(too_few_rows_are_said_to_be_too_few),
        cmocka_unit_test(a_damaged_row_among_exactly_k_is_noticed),
        cmocka_unit_test(other_row_sets_are_tried_when_one_misses_the_pack_id),
        cmocka_unit_test(a_rebuilt_row_that_misses_its_root_is_refused),
        cmocka_unit_test(a_single_wrong_product_anywhere_stops_the_encoder),
        cmocka_unit_test(the_golden_objects_hold),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
