/* index_unpublished.h - index chunks of what this store and earlier ones, cut off, have sent.
 *
 *   Threads  one; nobody else may use the cache meanwhile
 */
#ifndef ECBAK_CLI_PACKING_INDEX_UNPUBLISHED_H
#define ECBAK_CLI_PACKING_INDEX_UNPUBLISHED_H

#include "cli/packing/packs.h"

/* Gives index chunks of every pack in the cache that no record names to the packing. */
int index_unpublished(struct cache *cache, struct packing *packing, struct err *err) MUST_CHECK;

#endif
