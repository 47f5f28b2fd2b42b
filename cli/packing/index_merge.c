/* Sizes fall into levels, each eight times the one before. Only the newest index packs are merged,
 * without a gap, and what they say keeps its order: of two packs with one chunk the later counts,
 * since the earlier one may have been lost.
 */
#include "cli/packing/index_merge.h"

#include "cli/vault/index.h"

#define LEVELS            3
#define LEVEL_BYTES       (INDEX_MERGE_BYTES / 64)
#define LEVEL_FACTOR_BITS 3
#define ENTRY_BYTES       38 /* of an index, about */

/* LEVELS: not to be merged. */
static unsigned level_of(size_t size)
{
    unsigned level = 0;
    while (level < LEVELS && size >= ((size_t)LEVEL_BYTES << (LEVEL_FACTOR_BITS * level)))
        level++;
    return level;
}

static int add_size(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                    size_t count, struct err *err)
{
    (void)pack;
    (void)entries;
    (void)err;
    *(size_t *)ctx += ID_SIZE + count * ENTRY_BYTES;
    return 0;
}

/* The first of those to be replaced, which are the last ones of the list. total: what the store's
 * own index will have. */
static size_t choose_from(struct cache *cache, const struct id_list *relied, size_t total)
{
    size_t first = relied->count;
    for (unsigned level = 0; level < LEVELS; level++) {
        size_t run = first, bytes = 0, alike = level_of(total) == level;
        while (run > 0) {
            size_t size = cache_index_size(cache, &relied->ids[run - 1]);
            if (size == 0 || level_of(size) > level)
                break;
            alike += level_of(size) == level;
            bytes += size;
            run--;
        }
        if (alike < INDEX_MERGE_COUNT)
            continue;
        first = run;
        total += bytes;
    }
    return first;
}

static int each_of(struct cache *cache, const struct pack_id *index_pack,
                   int (*each)(void *ctx, const struct pack_id *pack,
                               const struct pack_entry *entries, size_t count, struct err *err),
                   void *ctx, struct err *err)
{
    struct buffer block = {0};
    int result = cache_read_index(cache, index_pack, &block, err);
    if (result == 0)
        result = index_read(block.bytes, block.size, each, ctx, err);
    buffer_release(&block);
    return result;
}

int index_merge_choose(struct cache *cache, const struct id_list *relied, struct id_list *replaced,
                       struct err *err)
{
    size_t own = 0;
    if (cache_each_unpublished(cache, add_size, &own, err) != 0)
        return -1;
    if (level_of(own) == LEVELS)
        return 0;
    for (size_t i = choose_from(cache, relied, own); i < relied->count; i++)
        id_list_add(replaced, &relied->ids[i]);
    return 0;
}

int index_merge_each(struct cache *cache, const struct id_list *replaced,
                     int (*each)(void *ctx, const struct pack_id *pack,
                                 const struct pack_entry *entries, size_t count, struct err *err),
                     void *ctx, struct err *err)
{
    for (size_t i = 0; i < replaced->count; i++) {
        if (each_of(cache, &replaced->ids[i], each, ctx, err) != 0)
            return -1;
    }
    return 0;
}

static int append(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                  size_t count, struct err *err)
{
    struct buffer *block = ctx;
    (void)err;
    if (block->size < INDEX_MERGE_BYTES)
        index_append(block, pack, entries, count);
    return 0;
}

int index_merge_remember(struct cache *cache, const struct id_list *index_packs,
                         const struct id_list *replaced, struct err *err)
{
    struct buffer block = {0};
    int result = index_merge_each(cache, replaced, append, &block, err);
    if (result == 0)
        result = cache_each_unpublished(cache, append, &block, err);
    bool small = index_packs->count == 1 && block.size < INDEX_MERGE_BYTES;
    for (size_t i = 0; i < index_packs->count && result == 0; i++)
        result = cache_add_index(cache, &index_packs->ids[i], small ? &block : NULL, err);
    for (size_t i = 0; i < replaced->count && result == 0; i++)
        result = cache_add_index(cache, &replaced->ids[i], NULL, err);
    buffer_release(&block);
    return result;
}
