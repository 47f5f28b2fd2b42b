/* hash_tree.h - a hash tree over bytes: one root stands for all, and each leaf proves itself.
 *
 * Bytes are cut into leaves of HASH_TREE_LEAF_SIZE (the last one may be short; no bytes are one
 * empty leaf). Leaf hashes are kept beside the bytes, as one array of HASH_SIZE each. Nodes join
 * two at a time, a last one without a partner moves up as it is, and the root binds the size.
 * Leaves, nodes and roots are hashed with different personalisations, so none can pass for another.
 *
 *   Units    size in bytes, count and index in leaves
 *   Hash     BLAKE2b-256
 *   Errors   ERR_DAMAGED a leaf that is not what its root says; ERR_FORMAT a path or a leaf of the
 *            wrong length; ERR_INVALID no such leaf
 *   Memory   borrows every buffer
 *   Threads  any
 *   Source   the shape of the tree is that of RFC 6962
 */
#ifndef ECBAK_CODING_HASH_TREE_H
#define ECBAK_CODING_HASH_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/hash.h"

#define HASH_TREE_LEAF_SIZE 65536
#define HASH_TREE_PATH_MAX  48 /* hashes: as many as the largest 64-bit size needs */

/* Leaves of `size` bytes: at least one. */
size_t hash_tree_leaf_count(uint64_t size);

/* The hash of one leaf. */
void hash_tree_leaf(uint8_t hash[HASH_SIZE], const void *leaf, size_t size);

/* The hashes of all leaves: fills leaves[hash_tree_leaf_count(size) * HASH_SIZE]. */
void hash_tree_leaves(uint8_t *leaves, const void *bytes, size_t size);

/* The root of a tree over `size` bytes with these leaf hashes. */
void hash_tree_root(uint8_t root[HASH_SIZE], const uint8_t *leaves, uint64_t size);

/* The hashes that lead from leaf `index` to the root: fills path[HASH_TREE_PATH_MAX * HASH_SIZE]
 * from the leaf upwards and returns how many hashes there are. */
size_t hash_tree_path(uint8_t *path, const uint8_t *leaves, uint64_t size, size_t index);

/* A leaf that somebody sent, with the hashes that should lead from it to the root. Borrows all. */
struct leaf_proof {
    uint64_t index;
    const void *leaf;
    size_t leaf_size;
    const uint8_t *path;
    size_t path_count;
};
/* 0 when it is leaf `index` of the tree over `size` bytes with this root. Nothing is trusted. */
int hash_tree_prove(const uint8_t root[HASH_SIZE], uint64_t size, const struct leaf_proof *proof,
                    struct err *err) MUST_CHECK;

/* Bytes of leaf `index` of a tree over `size` bytes; 0 when there is no such leaf (and for the
 * empty leaf of no bytes). */
size_t hash_tree_leaf_size(uint64_t size, uint64_t index);

#endif
