/* index_merge.h - which small index packs a store's own index replaces, so that their number stays
 * small.
 *
 * Every store adds an index pack, and relies on all of them: without this, each asks for as many
 * packs as there were stores. When INDEX_MERGE_COUNT of about one size have come together, the next
 * store says all that they say in its own. So there are a few for each size, and a line of an index
 * is written again only a few times, whatever the number of stores.
 *
 *   Threads  one at a time for one cache
 */
#ifndef ECBAK_CLI_PACKING_INDEX_MERGE_H
#define ECBAK_CLI_PACKING_INDEX_MERGE_H

#include "cli/base/id_list.h"
#include "cli/home/cache.h"

#define INDEX_MERGE_COUNT 8

/* Adds to `replaced` those that are to be replaced of the index packs that the store relies on
 * (oldest first). */
int index_merge_choose(struct cache *cache, const struct id_list *relied, struct id_list *replaced,
                       struct err *err) MUST_CHECK;
/* Calls each() for every pack that the replaced index packs name, as index_read does; it may call
 * the cache. */
int index_merge_each(struct cache *cache, const struct id_list *replaced,
                     int (*each)(void *ctx, const struct pack_id *pack,
                                 const struct pack_entry *entries, size_t count, struct err *err),
                     void *ctx, struct err *err) MUST_CHECK;
/* The record with these index packs is published, but the cache still lists what they name as
 * unpublished: notes what they say, for the next merge, and that the replaced ones are merged. */
int index_merge_remember(struct cache *cache, const struct id_list *index_packs,
                         const struct id_list *replaced, struct err *err) MUST_CHECK;

#endif
