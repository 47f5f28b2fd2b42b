/* cache.h - what the client remembers of a vault between runs: chunk -> pack, packs, unpublished
 * packs.
 *
 * SQLite, bounded memory whatever its size; can be deleted at any time: a blank machine fills it from
 * the index packs, and so does this one when the file is not there, damaged or of another version
 * (cache_open then makes one anew, empty). Reservations of record numbers are NOT here (see home.h):
 * those must never be lost.
 *
 *   Limits   about CACHE_BYTES of memory
 *   Errors   ERR_NOT_FOUND; ERR_BUSY another command writes for long; ERR_FULL; ERR_DAMAGED the file
 *            cannot be read, or a row is not as it was written (cache_is_damaged): cache_close removes it, and the next cache_open makes
 *            it anew
 *   Threads  any; calls are serialised inside
 */
#ifndef ECBAK_CLI_HOME_CACHE_H
#define ECBAK_CLI_HOME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/buffer.h"
#include "cli/vault/pack.h"
#include "coding/base/err.h"

#define CACHE_BYTES (16u * 1024 * 1024)

struct cache;

struct chunk_location {
    struct pack_id pack;
    uint32_t pack_number; /* small number of the pack in this cache, stable while the cache lives */
    uint32_t segment, offset, size;
};

/* Of the folder of a vault's caches (home_caches), made when it is not there. Where nothing can be
 * written to it, the cache is good until it is closed. */
int cache_open(struct cache **cache, const char *folder, struct err *err) MUST_CHECK;
/* What is to be said of how it was opened, NULL when nothing is: one sentence. expected: an earlier
 * command has left a cache here. */
const char *cache_notice(const struct cache *cache, bool expected);
/* Makes it anew, empty. On failure there is none any more. */
int cache_renew(struct cache **cache, struct err *err) MUST_CHECK;
/* Reads all of it: is it as it was written? */
bool cache_is_whole(struct cache *cache);
/* Has reading it failed in a way that will not pass? */
bool cache_is_damaged(struct cache *cache);
void cache_close(struct cache **cache);

/* ERR_NOT_FOUND when no pack that is known and not dropped has it. */
int cache_find(struct cache *cache, const struct chunk_id *id, struct chunk_location *location,
               struct err *err) MUST_CHECK;
/* Other packs that have the chunk too, for when the one of cache_find does not give it: the latest
 * but `skip`. ERR_NOT_FOUND when there is none. */
int cache_find_other(struct cache *cache, const struct chunk_id *id, unsigned skip,
                     struct chunk_location *location, struct err *err) MUST_CHECK;
/* A pack that is stored: its chunks can be relied on from now. published: some record's index names
 * it. pack_number may be NULL. */
int cache_add_pack(struct cache *cache, const struct pack_id *pack,
                   const struct pack_entry *entries, size_t count, bool published,
                   uint32_t *pack_number, struct err *err) MUST_CHECK;
/* The pack is lost: its chunks are forgotten. */
int cache_drop_pack(struct cache *cache, const struct pack_id *pack, struct err *err) MUST_CHECK;
/* Were packs dropped since the indexes were read? Their nodes may be back: whoever needs every
 * chunk that there is forgets which indexes were read, and reads them again. */
bool cache_has_dropped(struct cache *cache);
int cache_forget_indexes(struct cache *cache, struct err *err) MUST_CHECK;
/* Is the pack known here, with its chunks? */
bool cache_has_pack(struct cache *cache, const struct pack_id *pack);
/* Calls each() for every pack that no index names yet, with its entries, in the order in which they
 * were added. each() must not call the cache. Stops at its first -1. */
int cache_each_unpublished(struct cache *cache,
                           int (*each)(void *ctx, const struct pack_id *pack,
                                       const struct pack_entry *entries, size_t count,
                                       struct err *err),
                           void *ctx, struct err *err) MUST_CHECK;
int cache_set_published(struct cache *cache, struct err *err) MUST_CHECK; /* all of them */
/* Has this index pack been read in already? */
bool cache_has_index(struct cache *cache, const struct pack_id *index_pack);
/* block: all that the index pack says, as one index chunk, for when it is merged; NULL: too much for
 * that, or merged already. */
int cache_add_index(struct cache *cache, const struct pack_id *index_pack,
                    const struct buffer *block, struct err *err) MUST_CHECK;
/* The block of an index pack, and its size alone: 0 when there is none. */
int cache_read_index(struct cache *cache, const struct pack_id *index_pack, struct buffer *block,
                     struct err *err) MUST_CHECK;
size_t cache_index_size(struct cache *cache, const struct pack_id *index_pack);
/* Many additions between these are faster. It is a batch, not a transaction: what was added in it
 * may last though cache_commit was never called. */
int cache_begin(struct cache *cache, struct err *err) MUST_CHECK;
int cache_commit(struct cache *cache, struct err *err) MUST_CHECK;
/* Many look-ups, and nothing but look-ups, between this and cache_close are faster. */
int cache_begin_reading(struct cache *cache, struct err *err) MUST_CHECK;

#endif
