/* store_index.h - index chunks of what this store and earlier ones, cut off, have sent.
 *
 *   Threads  one; nobody else may use the cache meanwhile
 */
#ifndef ECBAK_CLI_PACKING_STORE_INDEX_H
#define ECBAK_CLI_PACKING_STORE_INDEX_H

#include "cli/packing/store_packs.h"

/* Gives index chunks of every pack in the cache that no record names to the packing. */
int index_unpublished(struct cache *cache, struct packing *packing, struct err *err) MUST_CHECK;

#endif
