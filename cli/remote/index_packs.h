/* index_packs.h - fills the cache from the index packs that a vault's records name.
 *
 * What the cache has read once it does not fetch again; a blank machine fetches them all.
 *
 *   Threads  one at a time for one cache
 */
#ifndef ECBAK_CLI_REMOTE_INDEX_PACKS_H
#define ECBAK_CLI_REMOTE_INDEX_PACKS_H

#include <stdint.h>

#include "cli/base/id_list.h"
#include "cli/home/cache.h"
#include "cli/remote/snapshots.h"
#include "node/api/client.h"

/* Adds the ids of the index packs that all snapshots rely on, in their order, without those that
 * others stand in for. One that an earlier snapshot added is named by the later ones that rely on it,
 * so it is read also where that snapshot's record is not to be had. cache: only packs that it has read
 * stand in for any; NULL: all do. */
void index_packs_of(const struct snapshot_list *list, struct cache *cache, struct id_list *packs);

/* Told of each index pack that could not be read, with the reason. */
struct index_report {
    void (*missing)(void *ctx, const struct pack_id *pack, const struct err *err);
    void *ctx;
    uint64_t *corrupt; /* NULL: not counted; grows by the damaged fragments met */
};

/* Reads what is new; report NULL: nobody is told. -1 only when nothing more can be read (no node,
 * no cache). */
int index_packs_load(struct cache *cache, const struct vault_keys *keys, struct client *client,
                     const struct snapshot_list *list, const struct index_report *report,
                     struct err *err) MUST_CHECK;
/* The same, into an empty cache, for whoever writes the whole index anew: no pack that is read counts as
 * named by an index. */
int index_packs_load_anew(struct cache *cache, const struct vault_keys *keys, struct client *client,
                          const struct snapshot_list *list, struct err *err) MUST_CHECK;

#endif
