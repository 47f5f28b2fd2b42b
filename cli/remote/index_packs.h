/* index_packs.h - fills the cache from the index packs that a vault's records name.
 *
 * What the cache has read once it does not fetch again; a blank machine fetches them all.
 *
 *   Threads  one at a time for one cache
 */
#ifndef ECBAK_CLI_REMOTE_INDEX_PACKS_H
#define ECBAK_CLI_REMOTE_INDEX_PACKS_H

#include <stddef.h>
#include <stdint.h>

#include "cli/home/cache.h"
#include "cli/remote/snapshots.h"
#include "node/api/client.h"

/* The ids of the index packs of all snapshots, each once, malloc'd. */
uint8_t (*index_packs_of(const struct snapshot_list *list, size_t *count))[ID_SIZE];

/* Reads what is new. missing() is told of each index pack that could not be read, with the reason;
 * -1 only when nothing more can be had (no node, no cache). */
int index_packs_load(struct cache *cache, const struct vault_keys *keys, struct client *client,
                     const struct snapshot_list *list,
                     void (*missing)(void *ctx, const uint8_t pack[ID_SIZE], const struct err *err),
                     void *ctx, struct err *err) MUST_CHECK;

#endif
