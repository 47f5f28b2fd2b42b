/* The first eight bytes of a chunk's id are the key of its row: a table on integers is twice as
 * fast as one on 32-byte keys, and half as large. The rest of the id is kept and compared. Should
 * two ids ever share the key, the newer row wins and the older chunk is stored once more: ids are
 * keyed hashes, so nobody can make it happen.
 *
 * A dropped pack is one deleted row: its chunks' rows dangle, are found no more (the join fails;
 * pack numbers are never used again), and are replaced when the chunks are stored again.
 *
 * Few chunks are in two packs: those that were lost for a while, or that two machines stored at
 * once. Then the newer row counts, and the older one is kept among the others (cache_find_other).
 *
 * An unpublished pack keeps its index block in its row until an index names it.
 */
#include "cli/home/cache.h"

#include <stdlib.h>
#include <string.h>

#include "cli/home/cache_internal.h"
#include "cli/vault/index.h"
#include "coding/base/bytes.h"

#define BATCH_ROWS 50000 /* a batch is committed at least so often */
#define ID_REST    (ID_SIZE - 8)

static int64_t key_of(const struct chunk_id *id)
{
    struct reader r;
    reader_init(&r, id->bytes, 8);
    return (int64_t)read_u64(&r);
}

/* A column that must be a blob of this size; false else. */
static bool copy_blob(sqlite3_stmt *s, int column, void *to, int size)
{
    const void *blob = sqlite3_column_blob(s, column);
    if (blob == NULL || sqlite3_column_bytes(s, column) != size)
        return false;
    memcpy(to, blob, (size_t)size);
    return true;
}

/* [lock] The location that the statement finds for this id. */
static int find_location(struct cache *cache, sqlite3_stmt *s, const struct chunk_id *id,
                         struct chunk_location *location, struct err *err)
{
    int result = 0;
    int code = sqlite3_step(s);
    uint8_t rest[ID_REST];
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = cache_fail(cache, err, "looking up a chunk");
    else if (code == SQLITE_DONE || !copy_blob(s, 0, rest, ID_REST) ||
             memcmp(rest, id->bytes + 8, ID_REST) != 0 ||
             !copy_blob(s, 1, location->pack.bytes, ID_SIZE))
        result = err_set(err, ERR_NOT_FOUND, "a chunk that no known pack has");
    if (result == 0 && sqlite3_column_int(s, 6) != 1)
        result = cache_altered(cache, err);
    if (result == 0) {
        location->pack_number = (uint32_t)sqlite3_column_int64(s, 2);
        location->segment = (uint32_t)sqlite3_column_int64(s, 3);
        location->offset = (uint32_t)sqlite3_column_int64(s, 4);
        location->size = (uint32_t)sqlite3_column_int64(s, 5);
    }
    sqlite3_reset(s);
    return result;
}

int cache_find(struct cache *cache, const struct chunk_id *id, struct chunk_location *location,
               struct err *err)
{
    sqlite3_stmt *s = cache->statements[CACHE_FIND];
    pthread_mutex_lock(&cache->lock);
    sqlite3_bind_int64(s, 1, key_of(id));
    int result = find_location(cache, s, id, location, err);
    pthread_mutex_unlock(&cache->lock);
    return result;
}

int cache_find_other(struct cache *cache, const struct chunk_id *id, unsigned skip,
                     struct chunk_location *location, struct err *err)
{
    sqlite3_stmt *s = cache->statements[CACHE_FIND_OTHER];
    pthread_mutex_lock(&cache->lock);
    sqlite3_bind_int64(s, 1, key_of(id));
    sqlite3_bind_int64(s, 2, skip);
    int result = find_location(cache, s, id, location, err);
    pthread_mutex_unlock(&cache->lock);
    return result;
}

static int put_chunk(struct cache *c, enum cache_statement how, const struct pack_id *pack,
                     uint32_t pack_number, const struct pack_entry *entry, struct err *err)
{
    sqlite3_stmt *s = c->statements[how];
    sqlite3_bind_int64(s, 1, key_of(&entry->id));
    sqlite3_bind_blob(s, 2, entry->id.bytes + 8, ID_REST, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, pack_number);
    sqlite3_bind_int64(s, 4, entry->segment);
    sqlite3_bind_int64(s, 5, entry->offset);
    sqlite3_bind_int64(s, 6, entry->size);
    sqlite3_bind_blob(s, 7, pack->bytes, ID_SIZE, SQLITE_STATIC);
    return cache_run(c, how, err, "remembering a chunk");
}

static int add_chunks(struct cache *c, const struct pack_id *pack, uint32_t pack_number,
                      const struct pack_entry *entries, size_t count, struct err *err)
{
    sqlite3_stmt *keep = c->statements[CACHE_KEEP_OTHER];
    for (size_t i = 0; i < count; i++) {
        if (put_chunk(c, CACHE_ADD_CHUNK, pack, pack_number, &entries[i], err) != 0)
            return -1;
        if (sqlite3_changes(c->db) > 0)
            continue;
        sqlite3_bind_int64(keep, 1, key_of(&entries[i].id));
        sqlite3_bind_int64(keep, 2, pack_number);
        if (cache_run(c, CACHE_KEEP_OTHER, err, "remembering a chunk") != 0 ||
            put_chunk(c, CACHE_REPLACE_CHUNK, pack, pack_number, &entries[i], err) != 0)
            return -1;
    }
    return 0;
}

static int add_pack_row(struct cache *c, const struct pack_id *pack,
                        const struct pack_entry *entries, size_t count, bool published,
                        uint32_t *number, struct err *err)
{
    sqlite3_stmt *s = c->statements[CACHE_ADD_PACK];
    struct buffer block = {0};
    sqlite3_bind_blob(s, 1, pack->bytes, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_null(s, 2);
    if (!published) {
        index_append(&block, pack, entries, count);
        sqlite3_bind_blob(s, 2, block.bytes, (int)block.size, SQLITE_STATIC);
    }
    int code = sqlite3_step(s);
    int result = code == SQLITE_ROW ? 0 : cache_fail(c, err, "remembering a pack");
    if (result == 0)
        *number = (uint32_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    buffer_release(&block);
    return result;
}

int cache_add_pack(struct cache *cache, const struct pack_id *pack,
                   const struct pack_entry *entries, size_t count, bool published,
                   uint32_t *pack_number, struct err *err)
{
    uint32_t number = 0;
    struct err later = ERR_INIT;
    pthread_mutex_lock(&cache->lock);
    int result = cache->batch ? 0 : cache_run(cache, CACHE_BEGIN, err, "remembering a pack");
    bool begun = result == 0;
    if (result == 0)
        result = add_pack_row(cache, pack, entries, count, published, &number, err);
    if (result == 0)
        result = add_chunks(cache, pack, number, entries, count, err);
    cache->batch_rows += count + 1;
    /* Chunks without the rest of their pack are as true as with them: committed in any case. */
    if (begun && (!cache->batch || cache->batch_rows >= BATCH_ROWS)) {
        cache->batch_rows = 0;
        if (cache_end(cache, &later) == 0 && cache->batch)
            cache->batch = cache_run(cache, CACHE_BEGIN, &later, "remembering a pack") == 0;
        if (later.code != ERR_NONE)
            cache->batch = false;
        if (later.code != ERR_NONE && result == 0) {
            result = -1;
            if (err != NULL)
                *err = later;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    if (pack_number != NULL)
        *pack_number = number;
    return result;
}

/* Runs a statement with one id. */
static int run_with_id(struct cache *c, enum cache_statement which, const struct pack_id *id,
                       const char *what, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    sqlite3_bind_blob(c->statements[which], 1, id->bytes, ID_SIZE, SQLITE_STATIC);
    int result = cache_run(c, which, err, what);
    pthread_mutex_unlock(&c->lock);
    return result;
}

/* Among the ids of index packs that were read, this one (of no pack) says that packs were
 * dropped. */
static const struct pack_id dropped_mark = {0};

int cache_drop_pack(struct cache *cache, const struct pack_id *pack, struct err *err)
{
    if (run_with_id(cache, CACHE_ADD_INDEX, &dropped_mark, "forgetting a pack", err) != 0)
        return -1;
    return run_with_id(cache, CACHE_DROP_PACK, pack, "forgetting a pack", err);
}

int cache_each_unpublished(struct cache *cache,
                           int (*each)(void *ctx, const struct pack_id *pack,
                                       const struct pack_entry *entries, size_t count,
                                       struct err *err),
                           void *ctx, struct err *err)
{
    sqlite3_stmt *s = cache->statements[CACHE_UNPUBLISHED];
    int code, result = 0;
    pthread_mutex_lock(&cache->lock);
    while (result == 0 && (code = sqlite3_step(s)) != SQLITE_DONE) {
        if (code != SQLITE_ROW)
            result = cache_fail(cache, err, "listing new packs");
        else if (sqlite3_column_int(s, 1) != 1)
            result = cache_altered(cache, err);
        else
            result = index_read(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0), each,
                                ctx, err);
    }
    if (result != 0 && (err->code == ERR_FORMAT || err->code == ERR_VERSION)) /* of the block */
        cache->damaged = true;
    sqlite3_reset(s);
    pthread_mutex_unlock(&cache->lock);
    return result;
}

int cache_set_published(struct cache *cache, struct err *err)
{
    pthread_mutex_lock(&cache->lock);
    int result = cache_run(cache, CACHE_SET_PUBLISHED, err, "noting that packs are published");
    pthread_mutex_unlock(&cache->lock);
    return result;
}

/* Does the statement find a row for this id? */
static bool has_id(struct cache *cache, enum cache_statement which, const struct pack_id *id)
{
    sqlite3_stmt *s = cache->statements[which];
    pthread_mutex_lock(&cache->lock);
    sqlite3_bind_blob(s, 1, id->bytes, ID_SIZE, SQLITE_STATIC);
    int code = sqlite3_step(s);
    bool found = code == SQLITE_ROW;
    struct err ignored;
    if (!found && code != SQLITE_DONE)
        cache_fail(cache, &ignored, "looking up a pack");
    sqlite3_reset(s);
    pthread_mutex_unlock(&cache->lock);
    return found;
}

bool cache_has_pack(struct cache *cache, const struct pack_id *pack)
{
    return has_id(cache, CACHE_HAS_PACK, pack);
}

bool cache_has_index(struct cache *cache, const struct pack_id *index_pack)
{
    return has_id(cache, CACHE_HAS_INDEX, index_pack);
}

bool cache_has_dropped(struct cache *cache)
{
    return has_id(cache, CACHE_HAS_INDEX, &dropped_mark);
}

int cache_forget_indexes(struct cache *cache, struct err *err)
{
    pthread_mutex_lock(&cache->lock);
    int result = cache_run(cache, CACHE_FORGET_INDEXES, err, "forgetting the indexes");
    pthread_mutex_unlock(&cache->lock);
    return result;
}

int cache_add_index(struct cache *cache, const struct pack_id *index_pack,
                    const struct buffer *block, struct err *err)
{
    sqlite3_stmt *s = cache->statements[CACHE_ADD_INDEX];
    pthread_mutex_lock(&cache->lock);
    sqlite3_bind_blob(s, 1, index_pack->bytes, ID_SIZE, SQLITE_STATIC);
    if (block != NULL && block->size > 0)
        sqlite3_bind_blob64(s, 2, block->bytes, block->size, SQLITE_STATIC);
    int result = cache_run(cache, CACHE_ADD_INDEX, err, "remembering an index");
    sqlite3_clear_bindings(s);
    pthread_mutex_unlock(&cache->lock);
    return result;
}

int cache_read_index(struct cache *cache, const struct pack_id *index_pack, struct buffer *block,
                     struct err *err)
{
    sqlite3_stmt *s = cache->statements[CACHE_READ_INDEX];
    int result = 0;
    pthread_mutex_lock(&cache->lock);
    sqlite3_bind_blob(s, 1, index_pack->bytes, ID_SIZE, SQLITE_STATIC);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW && sqlite3_column_int(s, 1) != 1)
        result = cache_altered(cache, err);
    else if (code == SQLITE_ROW)
        buffer_append(block, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
    else
        result = code == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "an index that is not kept")
                                     : cache_fail(cache, err, "reading an index");
    sqlite3_reset(s);
    pthread_mutex_unlock(&cache->lock);
    return result;
}

size_t cache_index_size(struct cache *cache, const struct pack_id *index_pack)
{
    sqlite3_stmt *s = cache->statements[CACHE_INDEX_SIZE];
    pthread_mutex_lock(&cache->lock);
    sqlite3_bind_blob(s, 1, index_pack->bytes, ID_SIZE, SQLITE_STATIC);
    size_t size = sqlite3_step(s) == SQLITE_ROW ? (size_t)sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    pthread_mutex_unlock(&cache->lock);
    return size;
}

int cache_begin(struct cache *cache, struct err *err)
{
    pthread_mutex_lock(&cache->lock);
    int result = cache->batch ? 0 : cache_run(cache, CACHE_BEGIN, err, "writing to the cache");
    cache->batch = result == 0;
    cache->batch_rows = 0;
    pthread_mutex_unlock(&cache->lock);
    return result;
}

int cache_commit(struct cache *cache, struct err *err)
{
    pthread_mutex_lock(&cache->lock);
    int result = cache->batch ? cache_end(cache, err) : 0;
    cache->batch = false;
    pthread_mutex_unlock(&cache->lock);
    return result;
}

int cache_begin_reading(struct cache *cache, struct err *err)
{
    pthread_mutex_lock(&cache->lock);
    int result = cache_run(cache, CACHE_BEGIN_READING, err, "reading the cache");
    pthread_mutex_unlock(&cache->lock);
    return result;
}
