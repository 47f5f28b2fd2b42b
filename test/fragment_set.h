/* fragment_set.h - a pack turned into all its fragments, each in a buffer of its own, for tests that take
 * some away, damage or exchange them.
 */
#ifndef ECBAK_TEST_FRAGMENT_SET_H
#define ECBAK_TEST_FRAGMENT_SET_H

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"

struct fragment_set {
    struct object object;
    struct object_id object_id;
    unsigned count; /* k + m */
    size_t size;    /* bytes of each fragment */
    uint8_t *bytes[RS_TOTAL_MAX];
};

static inline void fragment_set_release(struct fragment_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        free(set->bytes[i]);
    *set = (struct fragment_set){0};
}

static inline struct object_row_out fragment_set_place(uint8_t *bytes,
                                                       const struct object_shape *shape)
{
    return (struct object_row_out){
        .bytes = bytes + fragment_head_size(shape),
        .leaves = bytes + fragment_leaves_offset(shape),
    };
}

/* In this very shape. On error the set is empty; it is released either way. */
static inline int fragment_set_encode_as(struct fragment_set *set, const struct object_shape *shape,
                                         const uint8_t *pack, struct err *err)
{
    struct object_row_out rows[RS_TOTAL_MAX] = {{NULL, NULL}};
    *set = (struct fragment_set){
        .count = (unsigned)(shape->k + shape->m),
        .size = fragment_size(shape),
    };
    for (unsigned i = 0; i < set->count; i++) {
        set->bytes[i] = alloc_large(set->size, err);
        if (set->bytes[i] == NULL)
            goto failed;
        rows[i] = fragment_set_place(set->bytes[i], shape);
    }
    if (object_encode(&set->object, shape, pack, rows, err) != 0)
        goto failed;
    object_id(&set->object_id, &set->object);
    for (unsigned i = 0; i < set->count; i++)
        fragment_write_head(set->bytes[i], &set->object, i, rows[i].leaves);
    return 0;
failed:
    fragment_set_release(set);
    return -1;
}

/* With object_shape()'s choice of shape. */
static inline int fragment_set_encode(struct fragment_set *set, const uint8_t *pack,
                                      size_t pack_size, unsigned k, unsigned m, struct err *err)
{
    struct object_shape shape;
    *set = (struct fragment_set){0};
    if (object_shape(&shape, pack_size, k, m, err) != 0)
        return -1;
    return fragment_set_encode_as(set, &shape, pack, err);
}

#endif
