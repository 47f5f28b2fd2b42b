/* Encoded where it is sent from: the rows are computed at their final place, the heads written last. */
#include "coding/fragment_bundle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

/* Fragments that lie in the bundle of an object. */
static unsigned count_of(const struct object_shape *shape)
{
    return shape->k == 1 ? 1 : (unsigned)(shape->k + shape->m);
}

static struct object_row_out place(uint8_t *bytes, const struct object_shape *shape)
{
    return (struct object_row_out){
        .bytes = bytes + fragment_head_size(shape),
        .leaves = bytes + fragment_leaves_offset(shape),
    };
}

size_t fragment_bundle_size(uint64_t pack_size, unsigned k, unsigned m)
{
    struct object_shape shape;
    if (object_shape(&shape, pack_size, k, m, NULL) != 0)
        return SIZE_MAX;
    return count_of(&shape) * fragment_size(&shape);
}

int fragment_bundle_encode(struct fragment_bundle *bundle, const uint8_t *pack, size_t pack_size,
                           unsigned k, unsigned m, struct err *err)
{
    struct object_row_out rows[RS_TOTAL_MAX] = {{NULL, NULL}};
    struct object_shape shape;
    *bundle = (struct fragment_bundle){.bytes = NULL};
    if (object_shape(&shape, pack_size, k, m, err) != 0)
        return -1;
    bundle->fragment_size = fragment_size(&shape);
    bundle->size = count_of(&shape) * bundle->fragment_size;
    bundle->bytes = alloc_large(bundle->size, err);
    if (bundle->bytes == NULL)
        return -1;
    for (unsigned i = 0; i < count_of(&shape); i++)
        rows[i] = place(bundle->bytes + i * bundle->fragment_size, &shape);
    int result = shape.k == 1 ? object_encode_copies(&bundle->object, &shape, pack, &rows[0], err)
                              : object_encode(&bundle->object, &shape, pack, rows, err);
    if (result != 0) {
        free(bundle->bytes);
        bundle->bytes = NULL;
        return -1;
    }
    object_id(&bundle->object_id, &bundle->object);
    for (unsigned i = 0; i < count_of(&shape); i++)
        fragment_write_head(bundle->bytes + i * bundle->fragment_size, &bundle->object, i,
                            rows[i].leaves);
    bundle->leaves = rows[0].leaves;
    return 0;
}

/* The heads that are made from fragment 0 must be true: all roots are its own. */
static int check_copies(const struct object *object, struct err *err)
{
    for (unsigned i = 1; i < 1u + object->shape.m; i++)
        if (memcmp(object->roots[i], object->roots[0], HASH_SIZE) != 0)
            return err_set(err, ERR_FORMAT, "an object with one data row whose rows differ");
    return 0;
}

int fragment_bundle_open(struct fragment_bundle *bundle, uint8_t *bytes, size_t size,
                         struct err *err)
{
    struct fragment fragment;
    *bundle = (struct fragment_bundle){.bytes = bytes, .size = size};
    if (fragment_total_size(bytes, size, &bundle->fragment_size, err) != 0)
        return -1;
    if (size % bundle->fragment_size != 0)
        return err_set(err, ERR_FORMAT, "%zu bytes are no whole fragments of %zu", size,
                       bundle->fragment_size);
    size_t count = size / bundle->fragment_size;
    for (size_t i = 0; i < count; i++) {
        if (fragment_parse(&fragment, bytes + i * bundle->fragment_size, bundle->fragment_size,
                           err) != 0)
            return err_context(err, "fragment %zu of %zu", i, count);
        if (i == 0) {
            bundle->object = fragment.object;
            bundle->object_id = fragment.object_id;
            bundle->leaves = fragment.leaves;
        }
        if (fragment_expect(&fragment, &bundle->object_id, (int)i, err) != 0)
            return err_context(err, "fragment %zu of %zu", i, count);
    }
    if (count != count_of(&bundle->object.shape))
        return err_set(err, ERR_FORMAT, "%zu fragments of an object of %u + %u", count,
                       (unsigned)bundle->object.shape.k, (unsigned)bundle->object.shape.m);
    return bundle->object.shape.k == 1 ? check_copies(&bundle->object, err) : 0;
}

uint8_t *fragment_bundle_at(const struct fragment_bundle *bundle, unsigned index)
{
    assert(index < (unsigned)(bundle->object.shape.k + bundle->object.shape.m));
    return index < count_of(&bundle->object.shape)
               ? bundle->bytes + (size_t)index * bundle->fragment_size
               : NULL;
}

int fragment_bundle_make(const struct fragment_bundle *bundle, unsigned index, uint8_t **bytes,
                         struct err *err)
{
    const struct object_shape *shape = &bundle->object.shape;
    size_t head = fragment_head_size(shape);
    assert(shape->k == 1 && index <= shape->m);
    *bytes = alloc_large(bundle->fragment_size, err);
    if (*bytes == NULL)
        return -1;
    fragment_write_head(*bytes, &bundle->object, index, bundle->leaves);
    memcpy(*bytes + head, bundle->bytes + head, (size_t)shape->row_size);
    return 0;
}

int fragment_rebuild(const struct object *object, const struct object_row rows[], unsigned index,
                     uint8_t **bytes, struct err *err)
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
