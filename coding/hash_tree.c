/* The tree is never stored: leaf hashes are, and any node follows from a run of them. A node at
 * height h and position p covers the leaves [p << h, (p + 1) << h), cut at the last leaf; a node
 * whose right half would be empty is its left half. */
#include "coding/hash_tree.h"

#include <assert.h>
#include <string.h>

#include "coding/base/bytes.h"

size_t hash_tree_leaf_count(uint64_t size)
{
    return size == 0 ? 1 : (size_t)((size - 1) / HASH_TREE_LEAF_SIZE + 1);
}

size_t hash_tree_leaf_size(uint64_t size, uint64_t index)
{
    if (index > size / HASH_TREE_LEAF_SIZE)
        return 0;
    uint64_t left = size - index * HASH_TREE_LEAF_SIZE;
    return left < HASH_TREE_LEAF_SIZE ? (size_t)left : HASH_TREE_LEAF_SIZE;
}

void hash_tree_leaf(uint8_t hash[HASH_SIZE], const void *leaf, size_t size)
{
    hash_bytes(hash, "ecbak leaf v1", leaf, size);
}

void hash_tree_leaves(uint8_t *leaves, const void *bytes, size_t size)
{
    size_t count = hash_tree_leaf_count(size);
    for (size_t i = 0; i < count; i++)
        hash_tree_leaf(leaves + i * HASH_SIZE, (const uint8_t *)bytes + i * HASH_TREE_LEAF_SIZE,
                       hash_tree_leaf_size(size, i));
}

static void join(uint8_t to[HASH_SIZE], const uint8_t *left, const uint8_t *right)
{
    uint8_t pair[2 * HASH_SIZE];
    memcpy(pair, left, HASH_SIZE);
    memcpy(pair + HASH_SIZE, right, HASH_SIZE);
    hash_bytes(to, "ecbak node v1", pair, sizeof(pair));
}

/* The node above leaves[count]: complete subtrees wait on a stack, one a height, like the ones in
 * the binary number of leaves seen; what is left at the end is joined from the right. */
static void node(uint8_t to[HASH_SIZE], const uint8_t *leaves, uint64_t count)
{
    uint8_t stack[64][HASH_SIZE];
    size_t depth = 0;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(stack[depth++], leaves + i * HASH_SIZE, HASH_SIZE);
        for (uint64_t seen = i + 1; (seen & 1) == 0; seen >>= 1, depth--)
            join(stack[depth - 2], stack[depth - 2], stack[depth - 1]);
    }
    for (; depth > 1; depth--)
        join(stack[depth - 2], stack[depth - 2], stack[depth - 1]);
    memcpy(to, stack[0], HASH_SIZE);
}

/* Binding the size makes it part of the truth how many leaves there are and how long the last one
 * is. */
static void seal_root(uint8_t root[HASH_SIZE], const uint8_t top[HASH_SIZE], uint64_t size)
{
    uint8_t bytes[8 + HASH_SIZE];
    struct writer w;
    writer_init(&w, bytes, sizeof(bytes));
    write_u64(&w, size);
    write_bytes(&w, top, HASH_SIZE);
    assert(!w.failed && w.left == 0);
    hash_bytes(root, "ecbak root v1", bytes, sizeof(bytes));
}

void hash_tree_root(uint8_t root[HASH_SIZE], const uint8_t *leaves, uint64_t size)
{
    uint8_t top[HASH_SIZE];
    node(top, leaves, hash_tree_leaf_count(size));
    seal_root(root, top, size);
}

size_t hash_tree_path(uint8_t *path, const uint8_t *leaves, uint64_t size, size_t index)
{
    uint64_t count = hash_tree_leaf_count(size);
    assert(index < count);
    uint64_t position = index, width = count;
    size_t length = 0;
    for (unsigned height = 0; width > 1; height++, position >>= 1, width = (width + 1) / 2) {
        uint64_t sibling = position ^ 1;
        if (sibling >= width)
            continue;
        uint64_t first = sibling << height;
        uint64_t run = (uint64_t)1 << height;
        if (run > count - first)
            run = count - first;
        assert(length < HASH_TREE_PATH_MAX);
        node(path + length++ * HASH_SIZE, leaves + first * HASH_SIZE, run);
    }
    return length;
}

int hash_tree_prove(const uint8_t root[HASH_SIZE], uint64_t size, const struct leaf_proof *proof,
                    struct err *err)
{
    uint64_t index = proof->index;
    uint64_t width = hash_tree_leaf_count(size);
    if (index >= width)
        return err_set(err, ERR_INVALID, "leaf %llu of %llu does not exist",
                       (unsigned long long)index, (unsigned long long)width);
    if (proof->leaf_size != hash_tree_leaf_size(size, index))
        return err_set(err, ERR_FORMAT, "leaf %llu has %zu bytes, not %zu",
                       (unsigned long long)index, proof->leaf_size,
                       hash_tree_leaf_size(size, index));
    uint8_t at[HASH_SIZE];
    size_t used = 0;
    hash_tree_leaf(at, proof->leaf, proof->leaf_size);
    for (uint64_t position = index; width > 1; position >>= 1, width = (width + 1) / 2) {
        if ((position ^ 1) >= width)
            continue;
        if (used == proof->path_count)
            return err_set(err, ERR_FORMAT, "the path of leaf %llu has only %zu hashes",
                           (unsigned long long)index, proof->path_count);
        const uint8_t *sibling = proof->path + used++ * HASH_SIZE;
        join(at, position & 1 ? sibling : at, position & 1 ? at : sibling);
    }
    if (used != proof->path_count)
        return err_set(err, ERR_FORMAT, "the path of leaf %llu has %zu hashes, not %zu",
                       (unsigned long long)index, proof->path_count, used);
    seal_root(at, at, size);
    if (memcmp(at, root, HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "leaf %llu is not the one that its root promises",
                       (unsigned long long)index);
    return 0;
}
