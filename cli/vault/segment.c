/* One compression context and two buffers a thread, reused for every segment: a fresh context
 * costs more than compressing a small file. Small chunks are compressed together, since zstd learns
 * from one file what the next one looks like. What does not shrink is kept as it is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "cli/vault/pack.h"
#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"

/* Compression must save a 64th, or reading back would decompress for nothing. */
#define WORTH_SHIFT 6

struct segment *segment_new(int zstd_level)
{
    struct segment *segment = alloc_zero(1, sizeof(*segment));
    segment->zstd = ZSTD_createCCtx();
    if (segment->zstd == NULL)
        abort();
    size_t failed = ZSTD_CCtx_setParameter(segment->zstd, ZSTD_c_compressionLevel, zstd_level);
    assert(!ZSTD_isError(failed));
    (void)failed;
    return segment;
}

void segment_destroy(struct segment **segment)
{
    struct segment *s = *segment;
    if (s == NULL)
        return;
    ZSTD_freeCCtx(s->zstd);
    free(s->plain);
    free(s->packed);
    free(s->entries);
    free(s);
    *segment = NULL;
}

void segment_reset(struct segment *segment)
{
    segment->plain_size = 0;
    segment->entry_count = 0;
    segment->ready = false;
}

bool segment_has_room(const struct segment *segment, size_t chunk_size)
{
    if (segment->entry_count == 0)
        return true;
    return segment->entry_count < SEGMENT_ENTRIES_MAX && segment->plain_size < SEGMENT_BYTES &&
           chunk_size <= SEGMENT_BYTES - segment->plain_size;
}

void segment_add(struct segment *segment, const struct chunk_id *id, enum chunk_kind kind,
                 const void *bytes, size_t size)
{
    assert(size <= CHUNK_BYTES_MAX && segment_has_room(segment, size));
    size_t needed = segment->plain_size + size;
    if (needed > segment->plain_room) {
        segment->plain_room = needed <= SEGMENT_BYTES ? SEGMENT_BYTES : SEGMENT_PLAIN_MAX;
        segment->plain = alloc_grow(segment->plain, segment->plain_room, 1);
    }
    if (segment->entry_count == segment->entry_room) {
        segment->entry_room = segment->entry_room != 0 ? 2 * segment->entry_room : 64;
        segment->entries =
            alloc_grow(segment->entries, segment->entry_room, sizeof(segment->entries[0]));
    }
    struct pack_entry *entry = &segment->entries[segment->entry_count++];
    *entry = (struct pack_entry){
        .kind = (uint8_t)kind, .offset = (uint32_t)segment->plain_size, .size = (uint32_t)size};
    entry->id = *id;
    if (size > 0)
        memcpy(segment->plain + segment->plain_size, bytes, size);
    segment->plain_size = needed;
    segment->ready = false;
}

size_t segment_size(const struct segment *segment)
{
    return segment->plain_size;
}

int segment_compress(struct segment *segment, struct err *err)
{
    size_t bound = ZSTD_compressBound(segment->plain_size);
    if (bound > segment->packed_room) {
        free(segment->packed);
        segment->packed_room = 0;
        segment->packed = alloc_large(bound, err);
        if (segment->packed == NULL)
            return -1;
        segment->packed_room = bound;
    }
    size_t packed = ZSTD_compress2(segment->zstd, segment->packed, segment->packed_room,
                                   segment->plain, segment->plain_size);
    if (ZSTD_isError(packed))
        return err_set(err, ERR_MEMORY, "compressing a segment: %s", ZSTD_getErrorName(packed));
    assert(packed <= segment->packed_room);
    segment->packed_size = packed;
    segment->method = packed < segment->plain_size - (segment->plain_size >> WORTH_SHIFT)
                          ? SEGMENT_ZSTD
                          : SEGMENT_RAW;
    segment->ready = true;
    return 0;
}

int segment_expand(uint8_t **plain, const struct pack_segment *line, const uint8_t *packed,
                   size_t packed_size, struct err *err)
{
    *plain = NULL;
    /* One frame that says its size, and the size that the sealed directory says; nothing behind. */
    if (line->plain_size > SEGMENT_PLAIN_MAX ||
        ZSTD_getFrameContentSize(packed, packed_size) != line->plain_size ||
        ZSTD_findFrameCompressedSize(packed, packed_size) != packed_size)
        return err_set(err, ERR_FORMAT, "a segment is not one frame of %u bytes", line->plain_size);
    *plain = alloc_large(line->plain_size, err);
    if (*plain == NULL)
        return -1;
    size_t size = ZSTD_decompress(*plain, line->plain_size, packed, packed_size);
    if (ZSTD_isError(size) || size != line->plain_size) {
        free(*plain);
        *plain = NULL;
        return err_set(err, ERR_FORMAT, "decompressing a segment: %s",
                       ZSTD_isError(size) ? ZSTD_getErrorName(size) : "a wrong size");
    }
    return 0;
}
