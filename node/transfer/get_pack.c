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
        struct fetch_target *t = f->whole;
        *bytes = alloc_large(object_pack_room(&t->object->shape), err);
        if (*bytes == NULL)
            goto done;
        if (object_decode(t->object, t->rows, *bytes, err) == 0) {
            *size = t->object->shape.pack_size;
            *object = t->id;
            result = 0;
            goto done;
        }
        free(*bytes);
        *bytes = NULL;
        tried = true;
        why = *err;
        if (err->code != ERR_DAMAGED)
            goto done;
        if (t->have >= t->need + t->extra &&
            t->need + t->extra < (unsigned)t->object->shape.k + t->object->shape.m)
            t->extra++;
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
