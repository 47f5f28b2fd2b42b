#include "cli/remote/chunk_reader.h"

#include <assert.h>
#include <stdlib.h>

static void plan_location(struct chunk_source *source, struct fetcher *fetcher,
                          const struct chunk_id *id, const struct chunk_location *location)
{
    source->id = *id;
    source->segment = location->segment;
    source->offset = location->offset;
    source->size = location->size;
    source->pack = fetcher_plan(fetcher, &location->pack);
}

int chunk_locate(struct chunk_location *location, struct cache *cache, const struct chunk_id *id,
                 struct err *err)
{
    if (cache_find(cache, id, location, err) == 0)
        return 0;
    return err->code == ERR_NOT_FOUND
               ? err_set(err, ERR_NOT_FOUND, "no index that could be read names one of its chunks")
               : -1;
}

int chunk_plan(struct chunk_source *source, struct cache *cache, struct fetcher *fetcher,
               const struct chunk_id *id, struct err *err)
{
    struct chunk_location location;
    if (chunk_locate(&location, cache, id, err) != 0)
        return -1;
    plan_location(source, fetcher, id, &location);
    return 0;
}

void chunk_unplan(struct chunk_source *source, struct fetcher *fetcher)
{
    if (source->pack != NULL)
        fetcher_unplan(fetcher, source->pack);
    source->pack = NULL;
}

void chunk_reader_init(struct chunk_reader *reader, struct cache *cache, struct fetcher *fetcher,
                       const struct vault_keys *keys)
{
    *reader = (struct chunk_reader){.cache = cache, .fetcher = fetcher, .keys = keys};
}

void chunk_reader_release(struct chunk_reader *reader)
{
    for (size_t i = 0; i < CHUNK_READER_SEGMENTS; i++)
        free(reader->segments[i].bytes);
    *reader = (struct chunk_reader){0};
}

/* The segment, opened before or now. */
static int open_segment(struct chunk_reader *reader, const struct chunk_source *source,
                        struct open_segment **segment, struct err *err)
{
    const struct pack_id *id = fetched_pack_id(source->pack);
    struct open_segment *oldest = &reader->segments[0];
    for (size_t i = 0; i < CHUNK_READER_SEGMENTS; i++) {
        struct open_segment *at = &reader->segments[i];
        if (at->bytes != NULL && at->number == source->segment && id_equal(&at->pack, id)) {
            at->used = ++reader->clock;
            *segment = at;
            return 0;
        }
        if (at->used < oldest->used)
            oldest = at;
    }
    free(oldest->bytes);
    *oldest = (struct open_segment){0};
    const struct pack_reader *pack;
    if (fetcher_take(reader->fetcher, source->pack, &pack, err) != 0)
        return -1;
    int result = pack_read_segment(pack, source->segment, &oldest->bytes, &oldest->size, err);
    fetcher_release(reader->fetcher, source->pack);
    if (result != 0)
        return -1;
    oldest->pack = *id;
    oldest->number = source->segment;
    oldest->used = ++reader->clock;
    *segment = oldest;
    return 0;
}

static int read_here(struct chunk_reader *reader, const struct chunk_source *source,
                     const uint8_t **bytes, struct err *err)
{
    struct open_segment *segment;
    if (open_segment(reader, source, &segment, err) != 0)
        return -1;
    struct chunk_id id;
    if (source->offset > segment->size || source->size > segment->size - source->offset)
        return err_set(err, ERR_DAMAGED, "a chunk lies outside its segment");
    *bytes = segment->bytes + source->offset;
    chunk_id(&id, reader->keys->chunk_id_key, *bytes, source->size);
    if (!id_equal(&id, &source->id))
        return err_set(err, ERR_DAMAGED, "a chunk is not what its name says");
    return 0;
}

int chunk_read(struct chunk_reader *reader, const struct chunk_source *source,
               const uint8_t **bytes, struct err *err)
{
    assert(source->pack != NULL); /* planned */
    if (read_here(reader, source, bytes, err) == 0)
        return 0;
    struct err other = ERR_INIT;
    struct chunk_location location;
    for (unsigned i = 0; cache_find_other(reader->cache, &source->id, i, &location, &other) == 0;
         i++) {
        struct chunk_source elsewhere;
        if (location.size != source->size)
            continue; /* one of the two indexes errs, and the caller has made room for this size */
        plan_location(&elsewhere, reader->fetcher, &source->id, &location);
        int result = read_here(reader, &elsewhere, bytes, &other);
        chunk_unplan(&elsewhere, reader->fetcher);
        if (result == 0)
            return 0;
    }
    return -1;
}
