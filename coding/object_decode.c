/* Decoding and rebuilding choose k of the rows given and combine them leaf by leaf, hashing what
 * comes out while it is in the cache. Rows that passed their own hash can still be wrong together,
 * when their encoder's memory was: then each row of the set is left out in turn. */
#include "coding/object.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

#define NO_ROW UINT32_MAX

/* k rows to combine, and what they give. */
struct row_set {
    unsigned sources[RS_TOTAL_MAX];
    const uint8_t *in[RS_TOTAL_MAX];
    struct rs_solution *solution;
    unsigned count;
};

/* The first k rows that are there, but for two: data rows come first, and cost nothing. */
static int choose(struct row_set *set, const struct object_shape *shape,
                  const struct object_row rows[], unsigned except, unsigned except_too,
                  struct err *err)
{
    set->count = 0;
    set->solution = NULL;
    for (unsigned i = 0; i < (unsigned)(shape->k + shape->m) && set->count < shape->k; i++) {
        if (rows[i].bytes == NULL || i == except || i == except_too)
            continue;
        set->in[set->count] = rows[i].bytes;
        set->sources[set->count++] = i;
    }
    if (set->count < shape->k)
        return err_set(err, ERR_TOO_FEW, "%u fragments are there and %u are needed", set->count,
                       (unsigned)shape->k);
    return 0;
}

/* Combines the set into out[count] and hashes it: leaves[i] are the hashes of out[i]. */
static void combine(const struct row_set *set, const struct object_shape *shape,
                    uint8_t *const out[], uint8_t *const leaves[], unsigned count)
{
    const uint8_t *in_part[RS_TOTAL_MAX];
    uint8_t *out_part[RS_TOTAL_MAX];
    for (uint64_t offset = 0; offset < shape->row_size; offset += HASH_TREE_LEAF_SIZE) {
        size_t size = hash_tree_leaf_size(shape->row_size, offset / HASH_TREE_LEAF_SIZE);
        for (unsigned i = 0; i < shape->k; i++)
            in_part[i] = set->in[i] + offset;
        for (unsigned i = 0; i < count; i++)
            out_part[i] = out[i] + offset;
        rs_apply(set->solution, in_part, out_part, size);
        for (unsigned i = 0; i < count; i++)
            hash_tree_leaf(leaves[i] + offset / HASH_TREE_LEAF_SIZE * HASH_SIZE, out_part[i], size);
    }
}

struct decoder {
    const struct object *object;
    const struct object_row *rows;
    struct rs *rs;
    uint8_t *pack;
    uint8_t *leaf_room; /* [k][leaf_count] hashes, for rows whose leaves the caller has not */
};

/* One try: the rows of the set into the pack, the lost ones computed, and the pack id compared. */
static int decode_set(const struct decoder *d, struct row_set *set, struct err *err)
{
    const struct object_shape *shape = &d->object->shape;
    const uint8_t *leaves[RS_TOTAL_MAX];
    uint8_t *lost_rows[RS_TOTAL_MAX], *lost_leaves[RS_TOTAL_MAX];
    unsigned lost[RS_TOTAL_MAX], lost_count = 0;
    for (unsigned i = 0, at = 0; i < shape->k; i++) {
        uint8_t *to = d->pack + shape->row_size * i;
        uint8_t *room = d->leaf_room + (size_t)i * shape->leaf_count * HASH_SIZE;
        leaves[i] = room;
        if (at < set->count && set->sources[at] == i) {
            memcpy(to, set->in[at++], shape->row_size);
            if (d->rows[i].leaves != NULL)
                leaves[i] = d->rows[i].leaves;
            else
                hash_tree_leaves(room, to, shape->row_size);
            continue;
        }
        lost[lost_count] = i;
        lost_rows[lost_count] = to;
        lost_leaves[lost_count++] = room;
    }
    if (lost_count > 0) {
        if (rs_solve(&set->solution, d->rs, set->sources, lost, lost_count, err) != 0)
            return -1;
        combine(set, shape, lost_rows, lost_leaves, lost_count);
        rs_solution_destroy(&set->solution);
    }
    struct pack_id id;
    object_pack_id(&id, shape, leaves, d->pack);
    if (!id_equal(&id, &d->object->pack_id))
        return err_set(err, ERR_DAMAGED, "the fragments do not make the pack that they name");
    return 0;
}

int object_decode(const struct object *object, const struct object_row rows[], uint8_t *pack,
                  struct err *err)
{
    const struct object_shape *shape = &object->shape;
    struct decoder d = {.object = object, .rows = rows, .pack = pack};
    struct row_set first, other;
    if (choose(&first, shape, rows, NO_ROW, NO_ROW, err) != 0)
        return -1;
    if (rs_new(&d.rs, shape->k, shape->m, err) != 0)
        return -1;
    d.leaf_room = alloc_zero((size_t)shape->k * shape->leaf_count, HASH_SIZE);
    struct err first_err = ERR_INIT;
    int result = decode_set(&d, &first, &first_err);
    for (unsigned i = 0; result != 0 && i < first.count; i++) {
        struct err why = ERR_INIT;
        if (choose(&other, shape, rows, first.sources[i], NO_ROW, &why) != 0)
            break;
        result = decode_set(&d, &other, &why);
    }
    if (result != 0)
        err_set(err, first_err.code, "%s", first_err.text);
    free(d.leaf_room);
    rs_destroy(&d.rs);
    return result;
}

static int rebuild_set(const struct object *object, const struct rs *rs, struct row_set *set,
                       unsigned index, const struct object_row_out *row, struct err *err)
{
    uint8_t root[HASH_SIZE];
    if (rs_solve(&set->solution, rs, set->sources, &index, 1, err) != 0)
        return -1;
    combine(set, &object->shape, &row->bytes, &row->leaves, 1);
    rs_solution_destroy(&set->solution);
    hash_tree_root(root, row->leaves, object->shape.row_size);
    if (memcmp(root, object->roots[index], HASH_SIZE) != 0)
        return err_set(err, ERR_DAMAGED,
                       "fragment %u came out different from what its object promises", index);
    return 0;
}

int object_rebuild(const struct object *object, const struct object_row rows[], unsigned index,
                   const struct object_row_out *row, struct err *err)
{
    const struct object_shape *shape = &object->shape;
    struct row_set first, other;
    struct rs *rs = NULL;
    if (index >= (unsigned)(shape->k + shape->m))
        return err_set(err, ERR_INVALID, "the object has no fragment %u", index);
    if (choose(&first, shape, rows, index, NO_ROW, err) != 0)
        return -1;
    if (rs_new(&rs, shape->k, shape->m, err) != 0)
        return -1;
    struct err first_err = ERR_INIT;
    int result = rebuild_set(object, rs, &first, index, row, &first_err);
    for (unsigned i = 0; result != 0 && i < first.count; i++) {
        struct err why = ERR_INIT;
        if (choose(&other, shape, rows, index, first.sources[i], &why) != 0)
            break;
        result = rebuild_set(object, rs, &other, index, row, &why);
    }
    if (result != 0)
        err_set(err, first_err.code, "%s", first_err.text);
    rs_destroy(&rs);
    return result;
}
