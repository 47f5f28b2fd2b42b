/* fragment.h - the fragment file: one row of an object, with all that proves it.
 *
 * header | roots of all rows | leaf hashes of this row | zeros up to FRAGMENT_ALIGN | row
 *
 * One fragment proves itself against the object id alone: the header and the roots hash to the id,
 * the leaf hashes to the root of this row, and each leaf of the row to its leaf hash. The same
 * bytes travel between nodes and lie on disk. FORMAT.md has the offset table.
 *
 *   Units    size in bytes; row number `index` from 0 to k + m - 1
 *   Limits   FRAGMENT_SIZE_MAX
 *   Errors   ERR_FORMAT truncated, malformed, or longer than it says; ERR_VERSION an unknown
 *            version, code, layout or hash, named; ERR_DAMAGED a digest differs (which, is named);
 *            ERR_FOREIGN whole, but of another object or another row than expected
 *   Memory   a struct fragment is a view: it borrows the bytes that it was parsed from
 *   Threads  any
 */
#ifndef ECBAK_CODING_FRAGMENT_H
#define ECBAK_CODING_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/object.h"

#define FRAGMENT_MAGIC       "ecbkfrag"
#define FRAGMENT_VERSION     1
#define FRAGMENT_HASH        1 /* BLAKE2b-256 trees with leaves of 64 KiB */
#define FRAGMENT_HEADER_SIZE 160
#define FRAGMENT_ALIGN       64
#define FRAGMENT_HEAD_MAX                                                                          \
    (FRAGMENT_HEADER_SIZE + (RS_TOTAL_MAX + OBJECT_LEAF_COUNT_MAX) * HASH_SIZE + FRAGMENT_ALIGN)
#define FRAGMENT_SIZE_MAX (FRAGMENT_HEAD_MAX + OBJECT_ROW_SIZE_MAX)

struct fragment {
    struct object object;
    struct object_id object_id;
    unsigned index;
    const uint8_t *leaves; /* [object.shape.leaf_count * HASH_SIZE] */
    const uint8_t *row;    /* [object.shape.row_size]; NULL: only its head is there */
};

/* Bytes before the row, and of the whole, for a shape. */
size_t fragment_head_size(const struct object_shape *shape);
size_t fragment_size(const struct object_shape *shape);

/* Writes what goes before the row: fills head[fragment_head_size()]. `leaves` may already lie at
 * their place in head (fragment_leaves_offset), so that the encoder writes them there. */
void fragment_write_head(uint8_t *head, const struct object *object, unsigned index,
                         const uint8_t *leaves);
size_t fragment_leaves_offset(const struct object_shape *shape);

/* How many bytes the fragment that starts here has in all, from its first FRAGMENT_HEADER_SIZE
 * bytes: for files in which other things follow it. Checks the header only. */
int fragment_total_size(const void *bytes, size_t size, size_t *total, struct err *err) MUST_CHECK;

/* Reads a fragment of exactly `size` bytes: everything but the row is checked, down to the object
 * id that the header claims. */
int fragment_parse(struct fragment *fragment, const void *bytes, size_t size,
                   struct err *err) MUST_CHECK;

/* Reads what goes before the row alone, from bytes that begin with it: `row` is NULL after. */
int fragment_parse_head(struct fragment *fragment, const void *bytes, size_t size,
                        struct err *err) MUST_CHECK;

/* ERR_FOREIGN unless it is fragment `index` of object `id`; index < 0 accepts every row. */
int fragment_expect(const struct fragment *fragment, const struct object_id *id, int index,
                    struct err *err) MUST_CHECK;

/* Checks the whole row against the leaf hashes; the first damaged leaf is named. */
int fragment_verify(const struct fragment *fragment, struct err *err) MUST_CHECK;

/* Checks one leaf that came apart from its row: as many bytes as that leaf has. */
int fragment_prove_leaf(const struct fragment *fragment, size_t leaf, const void *bytes,
                        struct err *err) MUST_CHECK;

#endif
