/* What an object is: shape and id. How rows come to be is in object_encode.c and object_decode.c.
 */
#include "coding/object.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#define ID_BYTES_MAX (2 + 2 + 2 + 2 + 8 + 8 + ID_SIZE + RS_TOTAL_MAX * HASH_SIZE)

/* Padding that whole leaves may cost: one part in this many. */
#define PADDING_PARTS 16

static uint64_t round_up(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* Rows of whole leaves make the leaves of the data rows those of the pack, so that one hashing
 * serves both; packs too small for that at a fair price get rows that are just aligned. */
static uint64_t row_size_of(uint64_t pack_size, unsigned k)
{
    uint64_t piece = (pack_size + k - 1) / k;
    uint64_t whole = round_up(piece, HASH_TREE_LEAF_SIZE);
    if (pack_size > 0 && whole * k - pack_size <= pack_size / PADDING_PARTS)
        return whole;
    return piece == 0 ? RS_ALIGN : round_up(piece, RS_ALIGN);
}

int object_shape_of(struct object_shape *shape, uint64_t pack_size, unsigned k, unsigned m,
                    struct err *err)
{
    *shape = (struct object_shape){0};
    if (k == 0 || m == 0 || k > RS_TOTAL_MAX || m > RS_TOTAL_MAX || k + m > RS_TOTAL_MAX)
        return err_set(
            err, ERR_INVALID,
            "%u data and %u parity rows: each must be at least 1, and together at most %d", k, m,
            RS_TOTAL_MAX);
    if (pack_size > PACK_SIZE_MAX)
        return err_set(err, ERR_INVALID, "a pack of %llu bytes is larger than the limit of %zu",
                       (unsigned long long)pack_size, PACK_SIZE_MAX);
    shape->k = (uint16_t)k;
    shape->m = (uint16_t)m;
    shape->pack_size = pack_size;
    shape->row_size = row_size_of(pack_size, k);
    shape->leaf_count = (uint32_t)hash_tree_leaf_count(shape->row_size);
    assert(shape->leaf_count <= OBJECT_LEAF_COUNT_MAX); /* arrays of leaves are of that size */
    assert(shape->row_size * k >= pack_size);
    return 0;
}

int object_shape(struct object_shape *shape, uint64_t pack_size, unsigned k, unsigned m,
                 struct err *err)
{
    if (k > 1 && pack_size < OBJECT_SMALL_SIZE)
        k = 1;
    return object_shape_of(shape, pack_size, k, m, err);
}

size_t object_pack_room(const struct object_shape *shape)
{
    return (size_t)shape->row_size * shape->k;
}

void object_id(struct object_id *id, const struct object *object)
{
    uint8_t bytes[ID_BYTES_MAX];
    struct writer w;
    writer_init(&w, bytes, sizeof(bytes));
    write_u16(&w, object->code);
    write_u16(&w, object->layout);
    write_u16(&w, object->shape.k);
    write_u16(&w, object->shape.m);
    write_u64(&w, object->shape.pack_size);
    write_u64(&w, object->shape.row_size);
    write_bytes(&w, object->pack_id.bytes, ID_SIZE);
    write_bytes(&w, object->roots, (size_t)(object->shape.k + object->shape.m) * HASH_SIZE);
    assert(!w.failed); /* an id of fewer roots would be the id of other objects too */
    hash_bytes(id->bytes, "ecbak object v1", bytes, w.used);
}

void object_pack_id(struct pack_id *id, const struct object_shape *shape,
                    const uint8_t *const leaves[], const uint8_t *pack)
{
    if (shape->k > 1 && shape->row_size % HASH_TREE_LEAF_SIZE != 0) {
        pack_id(id, pack, shape->pack_size);
        return;
    }
    /* The full leaves of the pack are those of the rows; a last one, cut short, is its own. */
    size_t count = hash_tree_leaf_count(shape->pack_size);
    size_t full = (size_t)(shape->pack_size / HASH_TREE_LEAF_SIZE);
    assert(full <= (size_t)shape->leaf_count * shape->k);
    uint8_t *all = alloc_zero(count, HASH_SIZE);
    for (size_t i = 0; i < full; i++)
        memcpy(all + i * HASH_SIZE,
               leaves[i / shape->leaf_count] + i % shape->leaf_count * HASH_SIZE, HASH_SIZE);
    if (full < count)
        hash_tree_leaf(all + full * HASH_SIZE, pack + full * HASH_TREE_LEAF_SIZE,
                       (size_t)(shape->pack_size % HASH_TREE_LEAF_SIZE));
    pack_id_of_leaves(id, all, shape->pack_size);
    free(all);
}
