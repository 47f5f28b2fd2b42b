/* Rows of whichever object can be had are decoded; when proven rows do not give the pack, more rows
 * and then other objects of it are tried: whoever coded that one was wrong. */
#include "node/transfer/get_pack.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/transfer/fetch.h"

int get_pack(struct peers *peers, const struct wanted_pack *wanted, uint8_t **bytes, size_t *size,
             struct object_id *object, uint32_t *corrupt, struct err *err)
{
    struct nodes nodes;
    struct fetching *f = alloc_zero(1, sizeof(*f));
    bool tried = false;
    struct err why = ERR_INIT;
    nodes_init(&nodes, peers);
    fetch_init(f, &nodes, wanted, NULL);
    *bytes = NULL;
    int result = -1;
    while (fetch_rows(f, err) == 0) {
        *bytes = alloc_large(object_pack_room(&f->object->shape), err);
        if (*bytes == NULL)
            goto done;
        if (object_decode(f->object, f->rows, *bytes, err) == 0) {
            *size = f->object->shape.pack_size;
            *object = f->target;
            result = 0;
            goto done;
        }
        free(*bytes);
        *bytes = NULL;
        tried = true;
        why = *err;
        if (err->code != ERR_DAMAGED)
            goto done;
        if (f->have >= f->need + f->extra &&
            f->need + f->extra < (unsigned)f->object->shape.k + f->object->shape.m)
            f->extra++;
        else
            fetch_strike(f);
    }
    if (tried)
        *err = why;
done:
    *corrupt = f->corrupt;
    fetch_release(f);
    free(f);
    nodes_release(&nodes);
    return result;
}
