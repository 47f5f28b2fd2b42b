/* Proofs of single leaves: only the true leaf with the true path is ever accepted. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/hash_tree.h"

#define LEAVES_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A tree whose leaf hashes are made up but for the last leaf, which is short and real. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    uint8_t leaves[LEAVES_MAX * HASH_SIZE], root[HASH_SIZE], wrong[8];
    uint8_t path[HASH_TREE_PATH_MAX * HASH_SIZE] = {0};
    if (size < 24)
        return 0;
    size_t count = data[0] % LEAVES_MAX + 1;
    size_t leaf_size = size - 24 + 1;
    if (leaf_size > HASH_TREE_LEAF_SIZE)
        return 0;
    const uint8_t *leaf = data + 23;
    uint64_t total = (count - 1) * (uint64_t)HASH_TREE_LEAF_SIZE + leaf_size;
    for (size_t i = 0; i < sizeof(leaves); i++)
        leaves[i] = (uint8_t)(i * data[1]);
    hash_tree_leaves(leaves + (count - 1) * HASH_SIZE, leaf, leaf_size);
    hash_tree_root(root, leaves, total);
    size_t length = hash_tree_path(path, leaves, total, count - 1);
    if (hash_tree_prove(root, total, &(struct leaf_proof){count - 1, leaf, leaf_size, path, length},
                        &err) != 0)
        abort();
    /* Now any change of the claim or of the path: a claim is (size, index, path, its length). */
    memcpy(wrong, data + 2, sizeof(wrong));
    uint64_t claim_total = total ^ (wrong[0] | (uint64_t)wrong[1] << 16 | (uint64_t)wrong[2] << 56);
    uint64_t claim_index = (count - 1) ^ (wrong[3] | (uint64_t)wrong[4] << 60);
    size_t claim_length = wrong[5] % (HASH_TREE_PATH_MAX + 1);
    if (wrong[5] & 0x80)
        claim_length = length;
    size_t at = (size_t)wrong[6] * 7 % sizeof(path);
    path[at] ^= wrong[7];
    bool same = claim_total == total && claim_index == count - 1 && claim_length == length &&
                (wrong[7] == 0 || at >= length * HASH_SIZE);
    int accepted =
        hash_tree_prove(root, claim_total,
                        &(struct leaf_proof){claim_index, leaf, leaf_size, path, claim_length},
                        &err) == 0;
    assert(accepted == same);
    return 0;
}
