/* index_unpublished.h - index chunks of the packs that no record's index names yet: those that this
 * store has sent, and those of earlier ones that were stopped. What the index packs say that are
 * replaced comes before.
 *
 *   Threads  one; the cache is locked meanwhile
 */
#ifndef ECBAK_CLI_PACKING_INDEX_UNPUBLISHED_H
#define ECBAK_CLI_PACKING_INDEX_UNPUBLISHED_H

#include "cli/packing/packs.h"

/* Adds them to the packing. */
int index_unpublished(struct cache *cache, const struct id_list *replaced, struct packing *packing,
                      struct err *err) MUST_CHECK;

#endif
