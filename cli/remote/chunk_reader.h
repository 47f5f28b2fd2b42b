/* chunk_reader.h - chunks by id: looked up in the cache, read from fetched packs, checked.
 *
 * A chunk that its pack does not give (lost, damaged, not what it should be) is read from any other
 * pack that has it too.
 *
 * Each thread has one; it keeps the last few segments that it opened, since neighbours in a tree
 * are mostly neighbours in a pack.
 *
 *   Errors   ERR_NOT_FOUND no index names the chunk; ERR_DAMAGED the bytes are not the chunk's;
 *            those of fetcher_take. Of several packs, the first one's
 *   Memory   at most CHUNK_READER_SEGMENTS segments
 *   Threads  one at a time for one reader
 */
#ifndef ECBAK_CLI_REMOTE_CHUNK_READER_H
#define ECBAK_CLI_REMOTE_CHUNK_READER_H

#include "cli/home/cache.h"
#include "cli/remote/fetcher.h"

#define CHUNK_READER_SEGMENTS 2

/* Where a chunk is; plan it, read it, unplan it. */
struct chunk_source {
    struct chunk_id id;
    struct fetched_pack *pack;
    uint32_t segment, offset, size;
};
/* Where the cache says that a chunk is. */
int chunk_locate(struct chunk_location *location, struct cache *cache, const struct chunk_id *id,
                 struct err *err) MUST_CHECK;
int chunk_plan(struct chunk_source *source, struct cache *cache, struct fetcher *fetcher,
               const struct chunk_id *id, struct err *err) MUST_CHECK;
void chunk_unplan(struct chunk_source *source, struct fetcher *fetcher);

struct open_segment {
    struct pack_id pack;
    uint32_t number;
    uint8_t *bytes;
    size_t size;
    uint64_t used;
};

struct chunk_reader {
    struct cache *cache;
    struct fetcher *fetcher;
    const struct vault_keys *keys;
    struct open_segment segments[CHUNK_READER_SEGMENTS];
    uint64_t clock;
};

void chunk_reader_init(struct chunk_reader *reader, struct cache *cache, struct fetcher *fetcher,
                       const struct vault_keys *keys);
void chunk_reader_release(struct chunk_reader *reader);
/* *bytes (source->size of them) is good until the next call. */
int chunk_read(struct chunk_reader *reader, const struct chunk_source *source,
               const uint8_t **bytes, struct err *err) MUST_CHECK;

#endif
