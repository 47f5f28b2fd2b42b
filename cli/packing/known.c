/* Two threads may both find a chunk new: who claims it first puts it into a pack, the other one's
 * copy is dropped. */
#include "cli/packing/known.h"

#define OWN_MAX (256u * 1024) /* chunks: about 20 MB */

void known_init(struct known *known, struct cache *cache, struct places *places, bool cache_is_new)
{
    *known = (struct known){.cache = cache, .places = places, .ask_cache = !cache_is_new};
    pthread_mutex_init(&known->lock, NULL);
}

void known_release(struct known *known)
{
    id_map_release(&known->own);
    pthread_mutex_destroy(&known->lock);
}

int known_find(struct known *known, enum chunk_kind kind, const struct chunk_id *id, bool *found,
               uint32_t *place, struct err *err)
{
    pthread_mutex_lock(&known->lock);
    *found = id_map_find(&known->own, id->bytes, place);
    /* Index chunks are made while the cache is being listed: it must not be asked then. */
    bool ask = !*found && known->ask_cache && kind != CHUNK_INDEX;
    pthread_mutex_unlock(&known->lock);
    if (!ask)
        return 0;
    struct chunk_location chunk;
    if (cache_find(known->cache, id, &chunk, err) != 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    *found = true;
    *place = places_of_pack(known->places, &chunk.pack);
    places_use(known->places, *place);
    return 0;
}

bool known_claim(struct known *known, enum chunk_kind kind, const struct chunk_id *id, size_t size,
                 uint32_t *place)
{
    uint32_t other;
    pthread_mutex_lock(&known->lock);
    bool is_new = !id_map_find(&known->own, id->bytes, &other);
    if (is_new) {
        id_map_put(&known->own, id->bytes, *place);
        if (kind == CHUNK_DATA)
            known->bytes_new += size;
    } else {
        *place = other;
    }
    pthread_mutex_unlock(&known->lock);
    return is_new;
}

void known_stored(struct known *known, const struct sealed_pack *sealed)
{
    pthread_mutex_lock(&known->lock);
    if (known->own.count > OWN_MAX) {
        known->ask_cache = true;
        for (size_t i = 0; i < sealed->entry_count; i++)
            id_map_remove(&known->own, sealed->entries[i].id.bytes);
    }
    pthread_mutex_unlock(&known->lock);
}

uint64_t known_bytes_new(struct known *known)
{
    pthread_mutex_lock(&known->lock);
    uint64_t bytes = known->bytes_new;
    pthread_mutex_unlock(&known->lock);
    return bytes;
}
