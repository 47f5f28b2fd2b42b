#include "cli/packing/index_unpublished.h"

#include "cli/base/buffer.h"
#include "cli/packing/index_merge.h"
#include "cli/vault/index.h"

#define INDEX_CHUNK_BYTES (512u * 1024)

struct indexing {
    struct packing *packing;
    struct buffer buffer;
};

static int end_index_chunk(struct indexing *indexing, struct err *err)
{
    struct chunk_id id;
    uint32_t place;
    size_t size = indexing->buffer.size;
    if (size == 0)
        return 0;
    indexing->buffer.size = 0;
    packing_id(indexing->packing, indexing->buffer.bytes, size, &id);
    return packing_add(indexing->packing, CHUNK_INDEX, indexing->buffer.bytes, size, &id, &place,
                       err);
}

static int index_pack(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                      size_t count, struct err *err)
{
    struct indexing *indexing = ctx;
    index_append(&indexing->buffer, pack, entries, count);
    return indexing->buffer.size >= INDEX_CHUNK_BYTES ? end_index_chunk(indexing, err) : 0;
}

int index_unpublished(struct cache *cache, const struct id_list *replaced, struct packing *packing,
                      struct err *err)
{
    struct indexing indexing = {.packing = packing};
    int result = index_merge_each(cache, replaced, index_pack, &indexing, err);
    if (result == 0)
        result = cache_each_unpublished(cache, index_pack, &indexing, err);
    if (result == 0)
        result = end_index_chunk(&indexing, err);
    buffer_release(&indexing.buffer);
    return result;
}
