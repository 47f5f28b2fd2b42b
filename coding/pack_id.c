/* The tree root already binds the size; the size and the format come again in front, so that the id
 * can be computed for a pack format whose tree is another. */
#include "coding/pack_id.h"

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#include <assert.h>
#include <stdlib.h>

void pack_id_of_leaves(struct pack_id *id, const uint8_t *leaves, uint64_t size)
{
    uint8_t bytes[4 + 8 + HASH_SIZE];
    uint8_t root[HASH_SIZE];
    struct writer w;
    hash_tree_root(root, leaves, size);
    writer_init(&w, bytes, sizeof(bytes));
    write_u32(&w, PACK_ID_FORMAT);
    write_u64(&w, size);
    write_bytes(&w, root, HASH_SIZE);
    assert(!w.failed && w.left == 0);
    hash_bytes(id->bytes, "ecbak pack id v1", bytes, sizeof(bytes));
}

void pack_id(struct pack_id *id, const void *pack, size_t size)
{
    uint8_t *leaves = alloc_zero(hash_tree_leaf_count(size), HASH_SIZE);
    hash_tree_leaves(leaves, pack, size);
    pack_id_of_leaves(id, leaves, size);
    free(leaves);
}
