/* Encoding walks all rows together, one leaf of each at a time: copy the data in, compute the
 * parity, hash every leaf, and prove the parity, while these bytes are in the cache.
 *
 * The proof comes after the hashing, and reads what was hashed. It takes row sets that each leave
 * out as many data rows as they have parity rows, until every parity row was used, decodes the
 * left-out rows and compares them with the pack. The part of the matrix between them is invertible,
 * so any wrong bit in any parity row of a set comes out as a wrong bit in some decoded row. */
#include "coding/object.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

/* Bytes of each row proven at a time: the decoded ones stay in the cache. */
#define PROOF_SIZE 4096

/* One row set: parity rows first_parity .. first_parity + count - 1 stand in for data rows 0 ..
 * count - 1. */
struct proof {
    struct rs_solution *solution;
    unsigned first_parity;
    unsigned count;
};

struct encoder {
    const struct object_shape *shape;
    const uint8_t *pack;
    const struct object_row_out *rows;
    struct rs *rs;
    struct proof *proofs;
    unsigned proof_count;
    uint8_t *decoded; /* [k][PROOF_SIZE] */
};

static int prepare_proof(struct proof *proof, const struct rs *rs, unsigned k, struct err *err)
{
    unsigned sources[RS_TOTAL_MAX], wanted[RS_TOTAL_MAX];
    for (unsigned i = 0; i < k; i++) {
        sources[i] = i < proof->count ? k + proof->first_parity + i : i;
        wanted[i] = i;
    }
    return rs_solve(&proof->solution, rs, sources, wanted, proof->count, err);
}

static int encoder_init(struct encoder *e, const struct object_shape *shape, const uint8_t *pack,
                        const struct object_row_out rows[], struct err *err)
{
    unsigned k = shape->k, m = shape->m;
    *e = (struct encoder){.shape = shape, .pack = pack, .rows = rows};
    e->proof_count = (m + k - 1) / k;
    e->proofs = alloc_zero(e->proof_count, sizeof(*e->proofs));
    if (rs_new(&e->rs, k, m, err) != 0)
        return -1;
    for (unsigned i = 0; i < e->proof_count; i++) {
        struct proof *proof = &e->proofs[i];
        proof->first_parity = i * k;
        proof->count = m - i * k < k ? m - i * k : k;
        if (prepare_proof(proof, e->rs, k, err) != 0)
            return -1;
    }
    e->decoded = alloc_large((size_t)k * PROOF_SIZE, err);
    return e->decoded == NULL ? -1 : 0;
}

static void encoder_release(struct encoder *e)
{
    for (unsigned i = 0; i < e->proof_count; i++)
        rs_solution_destroy(&e->proofs[i].solution);
    free(e->proofs);
    free(e->decoded);
    rs_destroy(&e->rs);
}

/* How many of the bytes [offset, offset + size) of data row `row` come from the pack; the rest is
 * padding. */
static size_t filled(const struct object_shape *shape, unsigned row, uint64_t offset, size_t size)
{
    uint64_t start = shape->row_size * row + offset;
    if (start >= shape->pack_size)
        return 0;
    return shape->pack_size - start < size ? (size_t)(shape->pack_size - start) : size;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= bytes[i];
    return any == 0;
}

static int encode_stripe(struct encoder *e, uint64_t offset, size_t size, struct err *err)
{
    const struct object_shape *shape = e->shape;
    const uint8_t *data[RS_TOTAL_MAX];
    uint8_t *parity[RS_TOTAL_MAX];
    for (unsigned i = 0; i < shape->k; i++) {
        size_t have = filled(shape, i, offset, size);
        uint8_t *to = e->rows[i].bytes + offset;
        if (have > 0)
            memcpy(to, e->pack + shape->row_size * i + offset, have);
        memset(to + have, 0, size - have);
        data[i] = to;
    }
    for (unsigned i = 0; i < shape->m; i++)
        parity[i] = e->rows[shape->k + i].bytes + offset;
    if (rs_encode(e->rs, data, parity, size, err) != 0)
        return -1;
    for (unsigned i = 0; i < (unsigned)(shape->k + shape->m); i++)
        hash_tree_leaf(e->rows[i].leaves + offset / HASH_TREE_LEAF_SIZE * HASH_SIZE,
                       e->rows[i].bytes + offset, size);
    return 0;
}

static int prove_piece(const struct encoder *e, const struct proof *proof, uint64_t offset,
                       size_t size, struct err *err)
{
    const struct object_shape *shape = e->shape;
    const uint8_t *in[RS_TOTAL_MAX];
    uint8_t *out[RS_TOTAL_MAX];
    for (unsigned i = 0; i < shape->k; i++) {
        unsigned source = i < proof->count ? shape->k + proof->first_parity + i : i;
        in[i] = e->rows[source].bytes + offset;
        out[i] = e->decoded + (size_t)i * PROOF_SIZE;
    }
    rs_apply(proof->solution, in, out, size);
    for (unsigned i = 0; i < proof->count; i++) {
        size_t have = filled(shape, i, offset, size);
        if ((have > 0 && memcmp(out[i], e->pack + shape->row_size * i + offset, have) != 0) ||
            !is_zero(out[i] + have, size - have))
            return err_set(err, ERR_DAMAGED,
                           "the parity does not give back the pack (data row %u, from byte %llu): "
                           "suspect this machine's memory",
                           i, (unsigned long long)offset);
    }
    return 0;
}

static int prove_stripe(const struct encoder *e, uint64_t offset, size_t size, struct err *err)
{
    for (unsigned p = 0; p < e->proof_count; p++)
        for (size_t done = 0; done < size; done += PROOF_SIZE)
            if (prove_piece(e, &e->proofs[p], offset + done,
                            size - done < PROOF_SIZE ? size - done : PROOF_SIZE, err) != 0)
                return -1;
    return 0;
}

/* The object that these data rows and their leaves are of; the roots of all rows come after. */
static void identify(struct object *object, const struct object_shape *shape, const uint8_t *pack,
                     const struct object_row_out rows[])
{
    const uint8_t *leaves[RS_TOTAL_MAX];
    for (unsigned i = 0; i < shape->k; i++)
        leaves[i] = rows[i].leaves;
    *object = (struct object){
        .code = OBJECT_CODE_RS_VANDERMONDE_8,
        .layout = OBJECT_LAYOUT_WHOLE_ROWS,
        .shape = *shape,
    };
    object_pack_id(&object->pack_id, shape, leaves, pack);
}

int object_encode(struct object *object, const struct object_shape *shape, const uint8_t *pack,
                  const struct object_row_out rows[], struct err *err)
{
    struct encoder e;
    int result = -1;
    if (encoder_init(&e, shape, pack, rows, err) != 0)
        goto done;
    for (uint64_t offset = 0; offset < shape->row_size; offset += HASH_TREE_LEAF_SIZE) {
        size_t size = hash_tree_leaf_size(shape->row_size, offset / HASH_TREE_LEAF_SIZE);
        if (encode_stripe(&e, offset, size, err) != 0 || prove_stripe(&e, offset, size, err) != 0)
            goto done;
    }
    identify(object, shape, pack, rows);
    for (unsigned i = 0; i < (unsigned)(shape->k + shape->m); i++)
        hash_tree_root(object->roots[i], rows[i].leaves, shape->row_size);
    result = 0;
done:
    encoder_release(&e);
    return result;
}

/* The column of the matrix is all ones (rs.h), so every parity row is the data row: nothing is
 * computed that could be wrong, and the copy is compared with the pack after it was hashed. */
int object_encode_copies(struct object *object, const struct object_shape *shape,
                         const uint8_t *pack, const struct object_row_out *row, struct err *err)
{
    size_t size = (size_t)shape->pack_size, padding = (size_t)shape->row_size - size;
    assert(shape->k == 1);
    memcpy(row->bytes, pack, size);
    memset(row->bytes + size, 0, padding);
    hash_tree_leaves(row->leaves, row->bytes, (size_t)shape->row_size);
    identify(object, shape, pack, row);
    hash_tree_root(object->roots[0], row->leaves, shape->row_size);
    for (unsigned i = 1; i < 1u + shape->m; i++)
        memcpy(object->roots[i], object->roots[0], HASH_SIZE);
    if (memcmp(row->bytes, pack, size) != 0 || !is_zero(row->bytes + size, padding))
        return err_set(err, ERR_DAMAGED,
                       "the row is not the pack any more: suspect this machine's memory");
    return 0;
}
