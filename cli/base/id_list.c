#include "cli/base/id_list.h"

#include <assert.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

void id_list_add(struct id_list *list, const struct pack_id *id)
{
    uint32_t known;
    if (id_map_find(&list->seen, id->bytes, &known))
        return;
    id_map_put(&list->seen, id->bytes, (uint32_t)list->count);
    if (list->count == list->room) {
        list->room = 2 * list->room + 64;
        list->ids = alloc_grow(list->ids, list->room, sizeof(struct pack_id));
    }
    list->ids[list->count++] = *id;
    assert(list->count == list->seen.count);
}

void id_list_release(struct id_list *list)
{
    free(list->ids);
    id_map_release(&list->seen);
    *list = (struct id_list){0};
}
