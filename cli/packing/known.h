/* known.h - which chunks are in a pack already, or are going to be.
 *
 * Those of this store are kept in memory (about 20 MB at most: beyond that, those whose packs are
 * stored are dropped again); all others are in the cache.
 *
 *   Threads  any: locked inside; the cache is asked outside the lock
 */
#ifndef ECBAK_CLI_PACKING_KNOWN_H
#define ECBAK_CLI_PACKING_KNOWN_H

#include <pthread.h>

#include "cli/base/id_map.h"
#include "cli/packing/sender.h"

struct known {
    pthread_mutex_t lock;
    struct cache *cache;
    struct places *places;
    struct id_map own; /* chunk of this store -> place */
    bool ask_cache;
    uint64_t bytes_new; /* of file contents */
};

/* cache_is_new: it knows no chunk yet, so it is not asked. Cache and places must outlive it. */
void known_init(struct known *known, struct cache *cache, struct places *places, bool cache_is_new);
void known_release(struct known *known);
/* Is the chunk anywhere? Then *place says where. */
int known_find(struct known *known, enum chunk_kind kind, const struct chunk_id *id, bool *found,
               uint32_t *place, struct err *err) MUST_CHECK;
/* True: the chunk is the caller's to put at *place. False: another thread was faster, and *place
 * says where it puts it. */
bool known_claim(struct known *known, enum chunk_kind kind, const struct chunk_id *id, size_t size,
                 uint32_t *place) MUST_CHECK;
/* A pack is stored, and in the cache: its chunks need not be kept here any more. */
void known_stored(struct known *known, const struct sealed_pack *sealed);
uint64_t known_bytes_new(struct known *known);

#endif
