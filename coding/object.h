/* object.h - one coding of a pack: k data rows, m parity rows, and the id that binds them.
 *
 * A struct object is the identity of a coding: which code, which shape, which pack, and the
 * hash-tree root of every row. Its hash is the object id, so whoever knows the id can check any
 * row, and any leaf of it, without a key and without the others. Any member may code a pack again
 * with another k and m: decode, then encode; the pack id stays.
 *
 *   Shapes   rows[k + m] of row_size bytes each: the pack cut in k pieces, the last ones padded
 *            with zeros, then parity. leaves: the hashes of hash_tree.h over each row
 *   Limits   0 <= pack_size <= PACK_SIZE_MAX, and those of rs.h
 *   Errors   ERR_INVALID bad shape; ERR_TOO_FEW fewer than k rows; ERR_DAMAGED what came out is not
 *            what the ids say; ERR_MEMORY
 *   Memory   borrows every buffer, keeps none
 *   Threads  any, after rs_setup() returned
 */
#ifndef ECBAK_CODING_OBJECT_H
#define ECBAK_CODING_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "coding/pack_id.h"
#include "coding/rs.h"

/* Packs smaller than this are coded with k = 1: each fragment is a whole copy, one answer is
 * enough. */
#define OBJECT_SMALL_SIZE 65536

#define OBJECT_ROW_SIZE_MAX                                                                        \
    ((PACK_SIZE_MAX + HASH_TREE_LEAF_SIZE - 1) & ~((size_t)HASH_TREE_LEAF_SIZE - 1))
#define OBJECT_LEAF_COUNT_MAX (OBJECT_ROW_SIZE_MAX / HASH_TREE_LEAF_SIZE)

/* Append only. */
enum object_code {
    OBJECT_CODE_RS_VANDERMONDE_8 = 1, /* rs.h */
};
enum object_layout {
    OBJECT_LAYOUT_WHOLE_ROWS = 1, /* contiguous rows, one sub-row each */
};

struct object_shape {
    uint16_t k;
    uint16_t m;
    uint32_t leaf_count; /* of one row; follows from the rest */
    uint64_t pack_size;
    uint64_t row_size; /* follows from the rest: object_shape_of() */
};

struct object {
    uint16_t code;
    uint16_t layout;
    struct object_shape shape;
    struct pack_id pack_id;
    uint8_t roots[RS_TOTAL_MAX][HASH_SIZE]; /* k + m of them */
};

/* A row to read. `leaves` are its leaf hashes when the caller has checked the row against them and
 * them against the root; NULL when not: then they are computed and checked. */
struct object_row {
    const uint8_t *bytes; /* NULL: lost */
    const uint8_t *leaves;
};

/* Where to write a row and its leaf hashes. */
struct object_row_out {
    uint8_t *bytes;  /* [row_size], aligned to RS_ALIGN saves time */
    uint8_t *leaves; /* [leaf_count * HASH_SIZE] */
};

/* The shape of a coding with exactly this k and m. */
int object_shape_of(struct object_shape *shape, uint64_t pack_size, unsigned k, unsigned m,
                    struct err *err) MUST_CHECK;

/* The shape to store a pack in: object_shape_of, but k = 1 for packs under OBJECT_SMALL_SIZE. */
int object_shape(struct object_shape *shape, uint64_t pack_size, unsigned k, unsigned m,
                 struct err *err) MUST_CHECK;

/* The id of a coding. */
void object_id(struct object_id *id, const struct object *object);

/* The pack id from the leaf hashes of the k data rows; reads the pack only where its leaves are not
 * those of the rows. */
void object_pack_id(struct pack_id *id, const struct object_shape *shape,
                    const uint8_t *const leaves[], const uint8_t *pack);

/* Codes a pack: fills every rows[k + m] (bytes and leaves) and the object. The parity is proven
 * before this returns: data rows are decoded back from row sets that use every parity row and
 * compared with the pack, so an error of memory or processor becomes ERR_DAMAGED, not a signed
 * truth. */
int object_encode(struct object *object, const struct object_shape *shape, const uint8_t *pack,
                  const struct object_row_out rows[], struct err *err) MUST_CHECK;

/* The same of a shape with k = 1, whose rows are all equal: fills one row that stands for each. */
int object_encode_copies(struct object *object, const struct object_shape *shape,
                         const uint8_t *pack, const struct object_row_out *row,
                         struct err *err) MUST_CHECK;

/* The pack from any k of rows[k + m] (lost ones have bytes NULL): fills pack[object_pack_room()],
 * of which the first pack_size bytes are the pack, and checks the pack id. When more than k rows
 * are given and a row set misses the id, others are tried. */
int object_decode(const struct object *object, const struct object_row rows[], uint8_t *pack,
                  struct err *err) MUST_CHECK;

/* Bytes that object_decode needs for its output: k rows, so the padding is decoded in place. */
size_t object_pack_room(const struct object_shape *shape);

/* Row `index` from any k others, with its leaf hashes, checked against its root. */
int object_rebuild(const struct object *object, const struct object_row rows[], unsigned index,
                   const struct object_row_out *row, struct err *err) MUST_CHECK;

#endif
