/* An index chunk:
 *
 *   0   8   magic "ecbkindx"
 *   8   1   version, 1
 *   9       blocks, to the end; one for each pack:
 *             32  pack id
 *             n   chunks (numbers as in compact.h)
 *             and for each chunk, by segment, then offset:
 *               n   segment, less that of the chunk before
 *               n   offset, less the end of the chunk before in the same segment
 *               n   size
 *               1   kind
 *               32  id
 *
 * As a rule the first two numbers of a chunk are 0: 36 bytes a chunk or so, most of them id.
 */
#include "cli/vault/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/compact.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"

#define INDEX_VERSION  1
#define INDEX_LINE_MIN (3 + 1 + ID_SIZE)

static const uint8_t magic[8] = "ecbkindx";

void index_append(struct buffer *index, const struct pack_id *pack,
                  const struct pack_entry *entries, size_t count)
{
    assert(count <= PACK_ENTRIES_MAX);
    if (index->size == 0) {
        buffer_append(index, magic, sizeof(magic));
        compact_u8(index, INDEX_VERSION);
    }
    buffer_append(index, pack->bytes, ID_SIZE);
    compact_number(index, count);
    uint32_t segment = 0, end = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pack_entry *entry = &entries[i];
        assert(entry->segment >= segment);
        if (entry->segment != segment)
            end = 0;
        assert(entry->offset >= end && entry->size <= CHUNK_BYTES_MAX);
        compact_number(index, entry->segment - segment);
        compact_number(index, entry->offset - end);
        compact_number(index, entry->size);
        compact_u8(index, entry->kind);
        buffer_append(index, entry->id.bytes, ID_SIZE);
        segment = entry->segment;
        end = entry->offset + entry->size;
    }
}

/* The chunks of one block; false when they are malformed. */
static bool read_block(struct reader *r, struct pack_entry *entries, size_t count)
{
    uint64_t segment = 0, end = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t step = read_compact(r, PACK_SEGMENTS_MAX);
        uint64_t gap = read_compact(r, SEGMENT_PLAIN_MAX);
        uint64_t size = read_compact(r, CHUNK_BYTES_MAX);
        uint8_t kind = read_u8(r);
        const uint8_t *id = read_view(r, ID_SIZE);
        segment += step;
        uint64_t offset = (step != 0 ? 0 : end) + gap;
        end = offset + size;
        if (r->failed || segment >= PACK_SEGMENTS_MAX || end > SEGMENT_PLAIN_MAX ||
            kind < CHUNK_DATA || kind > CHUNK_INDEX)
            return false;
        entries[i] = (struct pack_entry){.kind = kind,
                                         .segment = (uint32_t)segment,
                                         .offset = (uint32_t)offset,
                                         .size = (uint32_t)size};
        id_set(&entries[i].id, id);
    }
    return true;
}

int index_read(const uint8_t *bytes, size_t size,
               int (*each)(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                           size_t count, struct err *err),
               void *ctx, struct err *err)
{
    struct reader r;
    reader_init(&r, bytes, size);
    const uint8_t *found = read_view(&r, sizeof(magic));
    if (found == NULL || memcmp(found, magic, sizeof(magic)) != 0)
        return err_set(err, ERR_FORMAT, "this is not an index");
    unsigned version = read_u8(&r);
    if (!r.failed && version != INDEX_VERSION)
        return err_set(err, ERR_VERSION, "an index of version %u; this program knows version %d",
                       version, INDEX_VERSION);
    int result = r.failed ? err_set(err, ERR_FORMAT, "an index that is cut short") : 0;
    while (result == 0 && r.left > 0) {
        struct pack_id pack;
        read_bytes(&r, pack.bytes, ID_SIZE);
        size_t count = (size_t)read_compact(&r, PACK_ENTRIES_MAX);
        if (r.failed || count > r.left / INDEX_LINE_MIN)
            return err_set(err, ERR_FORMAT, "an index that is cut short");
        struct pack_entry *entries = alloc_zero(count, sizeof(entries[0]));
        if (read_block(&r, entries, count))
            result = each(ctx, &pack, entries, count, err);
        else
            result = err_set(err, ERR_FORMAT, "an index with a malformed line");
        free(entries);
    }
    return result;
}
