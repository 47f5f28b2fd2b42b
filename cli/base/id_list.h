/* id_list.h - distinct packs, in the order in which they came.
 *
 *   Memory   zero-initialise; id_list_release
 *   Threads  one at a time for one list
 */
#ifndef ECBAK_CLI_BASE_ID_LIST_H
#define ECBAK_CLI_BASE_ID_LIST_H

#include "cli/base/id_map.h"

struct id_list {
    struct pack_id *ids;
    size_t count, room;
    struct id_map seen; /* id -> its index */
};

void id_list_add(struct id_list *list, const struct pack_id *id);
void id_list_release(struct id_list *list);

#endif
