/* fragment_set.h - a pack turned into all its fragments, ready to send.
 *
 *   Shapes   bytes[k + m], each fragment whole and contiguous in a buffer of its own, aligned to
 *            RS_ALIGN and released with free()
 *   Errors   those of object_encode
 *   Memory   the set owns its buffers; a caller that takes bytes[i] sets it to NULL
 *   Threads  any, after rs_setup() returned
 */
#ifndef ECBAK_CODING_FRAGMENT_SET_H
#define ECBAK_CODING_FRAGMENT_SET_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/fragment.h"

struct fragment_set {
    struct object object;
    struct object_id object_id;
    unsigned count; /* k + m */
    size_t size;    /* bytes of each fragment */
    uint8_t *bytes[RS_TOTAL_MAX];
};

/* Encodes a pack with object_shape()'s choice of shape, proves it, and writes every fragment. On
 * error the set is empty; it is released either way. */
int fragment_set_encode(struct fragment_set *set, const uint8_t *pack, size_t pack_size, unsigned k,
                        unsigned m, struct err *err) MUST_CHECK;

/* The same in a shape that the caller chose. */
int fragment_set_encode_as(struct fragment_set *set, const struct object_shape *shape,
                           const uint8_t *pack, struct err *err) MUST_CHECK;

/* One fragment rebuilt from any k others of the object: *bytes is a new buffer of fragment_size(),
 * released with free(). rows[k + m] come from parsed (and preferably verified) fragments. */
int fragment_set_rebuild(const struct object *object, const struct object_row rows[],
                         unsigned index, uint8_t **bytes, struct err *err) MUST_CHECK;

void fragment_set_release(struct fragment_set *set);

#endif
