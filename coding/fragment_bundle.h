/* fragment_bundle.h - all fragments of an object in one buffer, one after the other by index: how a
 * command hands them to its node.
 *
 * Of an object with k = 1 all rows are equal: its bundle is fragment 0 alone, and the others are made
 * from it by writing their heads.
 *
 *   Units    every fragment of an object has fragment_size bytes, a multiple of FRAGMENT_ALIGN
 *   Limits   a bundle that is opened: BUNDLE_SIZE_MAX bytes
 *   Errors   those of object_encode; those of fragment_parse, and ERR_FORMAT when it is not the whole
 *            of one object
 *   Memory   a bundle that was encoded owns `bytes`; one that was opened borrows them
 *   Threads  any, after rs_setup() returned
 */
#ifndef ECBAK_CODING_FRAGMENT_BUNDLE_H
#define ECBAK_CODING_FRAGMENT_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/fragment.h"

#define BUNDLE_SIZE_MAX ((size_t)64 << 20)

struct fragment_bundle {
    struct object object;
    struct object_id object_id;
    const uint8_t *leaves; /* of fragment 0 */
    size_t fragment_size;
    uint8_t *bytes;
    size_t size;
};

/* How large the bundle of a pack is, with object_shape()'s choice of shape; SIZE_MAX: no shape. */
size_t fragment_bundle_size(uint64_t pack_size, unsigned k, unsigned m);

/* Encodes a pack with object_shape()'s choice of shape, and proves it: `bytes` is malloc'd, to be
 * taken, or released with free(). */
int fragment_bundle_encode(struct fragment_bundle *bundle, const uint8_t *pack, size_t pack_size,
                           unsigned k, unsigned m, struct err *err) MUST_CHECK;

/* Reads a bundle: every fragment is parsed, and all are of one object, each index once and in order.
 * No row is hashed: whoever keeps one proves it. */
int fragment_bundle_open(struct fragment_bundle *bundle, uint8_t *bytes, size_t size,
                         struct err *err) MUST_CHECK;

/* Fragment `index` where it lies in the bundle; NULL: it has to be made (fragment_bundle_make). */
uint8_t *fragment_bundle_at(const struct fragment_bundle *bundle, unsigned index);
/* One fragment rebuilt from any k others of the object: *bytes is a new buffer of fragment_size(),
 * released with free(). rows[k + m] come from parsed (and preferably verified) fragments. */
int fragment_rebuild(const struct object *object, const struct object_row rows[], unsigned index,
                     uint8_t **bytes, struct err *err) MUST_CHECK;

/* A new buffer with a fragment of an object with k = 1, released with free(). */
int fragment_bundle_make(const struct fragment_bundle *bundle, unsigned index, uint8_t **bytes,
                         struct err *err) MUST_CHECK;

#endif
