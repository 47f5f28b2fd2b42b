/* Hash trees: the shape against a slow model, proofs of single leaves, golden roots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/err.h"
#include "coding/hash_tree.h"
#include "coding/pack_id.h"
#include "test/coding_sample.h"

#define LEAF ((size_t)HASH_TREE_LEAF_SIZE)

/* The definition, word for word: split at the largest power of two below the count. */
static void slow_top(uint8_t to[HASH_SIZE], const uint8_t *leaves, size_t count)
{
    uint8_t pair[2 * HASH_SIZE];
    size_t split = 1;
    if (count == 1) {
        memcpy(to, leaves, HASH_SIZE);
        return;
    }
    while (split * 2 < count)
        split *= 2;
    slow_top(pair, leaves, split);
    slow_top(pair + HASH_SIZE, leaves + split * HASH_SIZE, count - split);
    hash_bytes(to, "ecbak node v1", pair, sizeof(pair));
}

static void the_root_is_that_of_the_definition_for_every_count(void **state)
{
    (void)state;
    uint8_t leaves[300 * HASH_SIZE];
    sample_fill(leaves, sizeof(leaves), 1);
    for (size_t count = 1; count <= 300; count++) {
        uint8_t sealed[8 + HASH_SIZE], want[HASH_SIZE], root[HASH_SIZE];
        uint64_t size = (count - 1) * LEAF + 1 + count % 7;
        for (unsigned i = 0; i < 8; i++)
            sealed[i] = (uint8_t)(size >> 8 * i);
        slow_top(sealed + 8, leaves, count);
        hash_bytes(want, "ecbak root v1", sealed, sizeof(sealed));
        hash_tree_root(root, leaves, size);
        assert_memory_equal(root, want, HASH_SIZE);
    }
}

static void root_of(uint8_t root[HASH_SIZE], const uint8_t *bytes, size_t size)
{
    uint8_t *leaves = alloc_zero(hash_tree_leaf_count(size), HASH_SIZE);
    hash_tree_leaves(leaves, bytes, size);
    hash_tree_root(root, leaves, size);
    free(leaves);
}

static void the_golden_roots_hold(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *root;
    } golden[] = {
        {0, "1c9aa646187d497f5721cde76cb1367b198a0f3c7069d3fb4bd8970291c7dcd6"},
        {1, "969bbd1ebd6b93885dd0e7a7cab88a381586db45d10dad6f7e27645936949410"},
        {LEAF, "5edc2b507118b3e905c93709410962314addb75afc793aad4694465ee627445b"},
        {LEAF + 1, "cd907e377c8b407b564ab5077f7f14305d147fdfd11744afebd8c0db3638576d"},
        {5 * LEAF, "478bbfd0935051a3f6e673a0e512c4b8e12cf53c015b26d9fa9456b6c1db0d78"},
        {7 * LEAF + 1, "88e2739066057c73b516ca2966fb8b6d0ae70eb72049fca1be4728a6327a5128"},
    };
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        uint8_t root[HASH_SIZE];
        uint8_t *bytes = sample_bytes(golden[i].size);
        root_of(root, bytes, golden[i].size);
        assert_hash_is(root, golden[i].root);
        free(bytes);
    }
}

static void leaves_are_counted_and_measured(void **state)
{
    (void)state;
    assert_int_equal(hash_tree_leaf_count(0), 1);
    assert_int_equal(hash_tree_leaf_count(1), 1);
    assert_int_equal(hash_tree_leaf_count(LEAF), 1);
    assert_int_equal(hash_tree_leaf_count(LEAF + 1), 2);
    assert_int_equal(hash_tree_leaf_size(0, 0), 0);
    assert_int_equal(hash_tree_leaf_size(LEAF, 0), LEAF);
    assert_int_equal(hash_tree_leaf_size(LEAF, 1), 0);
    assert_int_equal(hash_tree_leaf_size(LEAF + 5, 1), 5);
    assert_int_equal(hash_tree_leaf_size(LEAF + 5, 2), 0);
    assert_int_equal(hash_tree_leaf_size(UINT64_MAX, UINT64_MAX), 0);
}

static void every_leaf_proves_itself_and_no_other(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17};
    uint8_t *bytes = sample_bytes(17 * LEAF);
    uint8_t leaves[17 * HASH_SIZE], path[HASH_TREE_PATH_MAX * HASH_SIZE], root[HASH_SIZE];
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        size_t size = counts[c] * LEAF - 100;
        hash_tree_leaves(leaves, bytes, size);
        hash_tree_root(root, leaves, size);
        for (size_t i = 0; i < counts[c]; i++) {
            size_t length = hash_tree_path(path, leaves, size, i);
            size_t leaf_size = hash_tree_leaf_size(size, i);
            assert_int_equal(
                hash_tree_prove(root, size,
                                &(struct leaf_proof){i, bytes + i * LEAF, leaf_size, path, length},
                                &err),
                0);
            if (i > 0) {
                assert_int_equal(
                    hash_tree_prove(root, size,
                                    &(struct leaf_proof){i, bytes, leaf_size, path, length}, &err),
                    -1);
                assert_int_equal(err.code, ERR_DAMAGED);
            }
        }
    }
    free(bytes);
}

static void a_wrong_proof_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    size_t size = 5 * LEAF;
    uint8_t *bytes = sample_bytes(size);
    uint8_t leaves[5 * HASH_SIZE], path[HASH_TREE_PATH_MAX * HASH_SIZE], root[HASH_SIZE];
    hash_tree_leaves(leaves, bytes, size);
    hash_tree_root(root, leaves, size);
    size_t length = hash_tree_path(path, leaves, size, 2);
    assert_int_equal(length, 3);
    const uint8_t *leaf = bytes + 2 * LEAF;
    assert_int_equal(
        hash_tree_prove(root, size, &(struct leaf_proof){2, leaf, LEAF, path, length}, &err), 0);
    assert_int_equal(
        hash_tree_prove(root, size, &(struct leaf_proof){3, leaf, LEAF, path, length}, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_int_equal(
        hash_tree_prove(root, size + LEAF, &(struct leaf_proof){2, leaf, LEAF, path, length}, &err),
        -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_int_equal(
        hash_tree_prove(root, size, &(struct leaf_proof){2, leaf, LEAF, path, length - 1}, &err),
        -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(
        hash_tree_prove(root, size, &(struct leaf_proof){2, leaf, LEAF, path, length + 1}, &err),
        -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(
        hash_tree_prove(root, size, &(struct leaf_proof){2, leaf, LEAF - 1, path, length}, &err),
        -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(
        hash_tree_prove(root, size, &(struct leaf_proof){5, leaf, LEAF, path, length}, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    for (size_t i = 0; i < length * HASH_SIZE; i++) {
        path[i] ^= 1;
        assert_int_equal(
            hash_tree_prove(root, size, &(struct leaf_proof){2, leaf, LEAF, path, length}, &err),
            -1);
        path[i] ^= 1;
    }
    free(bytes);
}

/* If leaves and nodes were hashed alike, two leaf hashes would be a leaf with the root of both. */
static void a_node_cannot_pass_for_a_leaf(void **state)
{
    (void)state;
    uint8_t *bytes = sample_bytes(2 * LEAF);
    uint8_t leaves[2 * HASH_SIZE], root[HASH_SIZE], forged[HASH_SIZE];
    hash_tree_leaves(leaves, bytes, 2 * LEAF);
    hash_tree_root(root, leaves, 2 * LEAF);
    root_of(forged, leaves, sizeof(leaves));
    assert_memory_not_equal(root, forged, HASH_SIZE);
    free(bytes);
}

static void trailing_zeros_change_the_root(void **state)
{
    (void)state;
    uint8_t zeros[256] = {0}, one[HASH_SIZE], two[HASH_SIZE];
    root_of(one, zeros, 128);
    root_of(two, zeros, 129);
    assert_memory_not_equal(one, two, HASH_SIZE);
}

static void the_pack_id_follows_from_the_leaves(void **state)
{
    (void)state;
    uint8_t *bytes = sample_bytes(300000);
    uint8_t leaves[5 * HASH_SIZE];
    struct pack_id id, again;
    pack_id(&id, bytes, 300000);
    assert_hash_is(id.bytes, "e2b5f0d44f32aa79978df5d880a7c199642539b700515dbf8fb20032f3d25d61");
    hash_tree_leaves(leaves, bytes, 300000);
    pack_id_of_leaves(&again, leaves, 300000);
    assert_memory_equal(id.bytes, again.bytes, ID_SIZE);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_that_of_the_definition_for_every_count),
        cmocka_unit_test(the_golden_roots_hold),
        cmocka_unit_test(leaves_are_counted_and_measured),
        cmocka_unit_test(every_leaf_proves_itself_and_no_other),
        cmocka_unit_test(a_wrong_proof_is_refused),
        cmocka_unit_test(a_node_cannot_pass_for_a_leaf),
        cmocka_unit_test(trailing_zeros_change_the_root),
        cmocka_unit_test(the_pack_id_follows_from_the_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
