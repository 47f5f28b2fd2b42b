/* Rows and leaf hashes are computed at their final place inside each fragment's buffer; only the
 * headers and roots are filled in at the end, when they are known. */
#include "coding/fragment_set.h"

#include <stdlib.h>

#include "coding/base/alloc.h"

static struct object_row_out place(uint8_t *bytes, const struct object_shape *shape)
{
    return (struct object_row_out){
        .bytes = bytes + fragment_head_size(shape),
        .leaves = bytes + fragment_leaves_offset(shape),
    };
}

int fragment_set_encode_as(struct fragment_set *set, const struct object_shape *shape,
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
        rows[i] = place(set->bytes[i], shape);
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

int fragment_set_encode(struct fragment_set *set, const uint8_t *pack, size_t pack_size, unsigned k,
                        unsigned m, struct err *err)
{
    struct object_shape shape;
    *set = (struct fragment_set){0};
    if (object_shape(&shape, pack_size, k, m, err) != 0)
        return -1;
    return fragment_set_encode_as(set, &shape, pack, err);
}

int fragment_set_rebuild(const struct object *object, const struct object_row rows[],
                         unsigned index, uint8_t **bytes, struct err *err)
{
    *bytes = alloc_large(fragment_size(&object->shape), err);
    if (*bytes == NULL)
        return -1;
    struct object_row_out row = place(*bytes, &object->shape);
    if (object_rebuild(object, rows, index, &row, err) != 0) {
        free(*bytes);
        *bytes = NULL;
        return -1;
    }
    fragment_write_head(*bytes, object, index, row.leaves);
    return 0;
}

void fragment_set_release(struct fragment_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        free(set->bytes[i]);
    *set = (struct fragment_set){0};
}
