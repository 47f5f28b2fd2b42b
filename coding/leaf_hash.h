/* leaf_hash.h - many leaf hashes at once; the inner loop of hash_tree.h.
 *
 * A batch of leaves is hashed side by side where the processor can, which is about twice as fast as
 * one after the other. Who has several rows in the cache (the encoder) batches across them.
 *
 *   Limits   size at most HASH_TREE_LEAF_SIZE by intent; any works
 *   Memory   borrows every buffer
 *   Threads  any
 */
#ifndef ECBAK_CODING_LEAF_HASH_H
#define ECBAK_CODING_LEAF_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leaf_job {
    const uint8_t *bytes;
    size_t size;
    uint8_t *hash; /* [HASH_SIZE] */
};

/* Hashes every leaf. Neighbours of the same size go side by side. */
void leaf_hash(const struct leaf_job *jobs, size_t count);

/* The plain way, one leaf through libsodium: what leaf_hash() must agree with. */
void leaf_hash_one(const struct leaf_job *job);

#endif
