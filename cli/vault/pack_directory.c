/* A directory has no offsets: segments and chunks lie without gaps, so sizes say it all, and there
 * is nothing that could overlap or point outside. The offset table is in pack_format.c. */
#include <assert.h>
#include <stdlib.h>

#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#define SIZE_BITS 24
#define SIZE_MASK ((1u << SIZE_BITS) - 1)

size_t pack_directory_size(size_t segment_count, size_t entry_count)
{
    return PACK_DIRECTORY_FIXED + segment_count * PACK_SEGMENT_LINE + entry_count * PACK_ENTRY_LINE;
}

void pack_directory_encode(const struct pack_directory *directory, size_t padding, uint8_t *bytes)
{
    struct writer w;
    writer_init(&w, bytes,
                pack_directory_size(directory->segment_count, directory->entry_count) + padding);
    write_u8(&w, (uint8_t)directory->kind);
    write_zero(&w, 3);
    write_u32(&w, (uint32_t)directory->segment_count);
    write_u32(&w, (uint32_t)directory->entry_count);
    write_u32(&w, (uint32_t)padding);
    for (size_t i = 0; i < directory->segment_count; i++) {
        const struct pack_segment *line = &directory->segments[i];
        write_u32(&w, line->sealed_size);
        write_u32(&w, line->plain_size);
        write_u32(&w, line->entry_count);
        write_u8(&w, line->method);
        write_zero(&w, 3);
    }
    for (size_t i = 0; i < directory->entry_count; i++) {
        const struct pack_entry *entry = &directory->entries[i];
        write_bytes(&w, entry->id.bytes, sizeof(entry->id));
        write_u32(&w, entry->size | (uint32_t)entry->kind << SIZE_BITS);
    }
    write_zero(&w, padding);
    assert(!w.failed && w.left == 0);
}

static int malformed(struct err *err, const char *what)
{
    return err_set(err, ERR_FORMAT, "a pack's directory is malformed: %s", what);
}

/* The segments' lines; they must fill area bytes from start on, and list all chunks. */
static int read_segments(struct pack_directory *d, struct reader *r, size_t start, size_t area,
                         struct err *err)
{
    size_t entries = 0, used = 0;
    for (size_t i = 0; i < d->segment_count; i++) {
        struct pack_segment *line = &d->segments[i];
        line->sealed_size = read_u32(r);
        line->plain_size = read_u32(r);
        line->entry_count = read_u32(r);
        line->method = read_u8(r);
        read_zero(r, 3);
        if (line->sealed_size < PACK_TAG_SIZE || line->sealed_size > area - used)
            return malformed(err, "a segment reaches outside the pack");
        if (line->plain_size > SEGMENT_PLAIN_MAX)
            return malformed(err, "a segment is too large");
        if (line->method > SEGMENT_ZSTD ||
            (line->method == SEGMENT_RAW && line->plain_size != line->sealed_size - PACK_TAG_SIZE))
            return malformed(err, "a segment's method");
        if (line->entry_count > d->entry_count - entries)
            return malformed(err, "the segments have more chunks than the pack");
        line->offset = start + used;
        used += line->sealed_size;
        entries += line->entry_count;
    }
    if (used != area || entries != d->entry_count)
        return malformed(err, "the segments do not fill the pack");
    return 0;
}

static int read_entries(struct pack_directory *d, struct reader *r, struct err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < d->segment_count; i++) {
        uint32_t offset = 0;
        for (uint32_t j = 0; j < d->segments[i].entry_count; j++) {
            struct pack_entry *entry = &d->entries[at++];
            read_bytes(r, entry->id.bytes, sizeof(entry->id));
            uint32_t word = read_u32(r);
            entry->kind = (uint8_t)(word >> SIZE_BITS);
            entry->size = word & SIZE_MASK;
            entry->segment = (uint32_t)i;
            entry->offset = offset;
            if (entry->kind < CHUNK_DATA || entry->kind > CHUNK_INDEX)
                return malformed(err, "a chunk of an unknown kind");
            if (entry->size > d->segments[i].plain_size - offset)
                return malformed(err, "a chunk reaches outside its segment");
            offset += entry->size;
        }
        if (offset != d->segments[i].plain_size)
            return malformed(err, "the chunks do not fill their segment");
    }
    return 0;
}

int pack_directory_decode(struct pack_directory *directory, const uint8_t *bytes, size_t size,
                          size_t start, size_t area, struct err *err)
{
    struct reader r;
    *directory = (struct pack_directory){0};
    reader_init(&r, bytes, size);
    unsigned kind = read_u8(&r);
    read_zero(&r, 3);
    size_t segments = read_u32(&r), entries = read_u32(&r), padding = read_u32(&r);
    if (r.failed || kind < PACK_DATA || kind > PACK_MIXED)
        return malformed(err, "its kind");
    if (segments > PACK_SEGMENTS_MAX || entries > PACK_ENTRIES_MAX ||
        pack_directory_size(segments, entries) + padding != size)
        return malformed(err, "its counts");
    directory->kind = (enum pack_kind)kind;
    directory->segments = alloc_zero(segments, sizeof(directory->segments[0]));
    directory->segment_count = segments;
    directory->entries = alloc_zero(entries, sizeof(directory->entries[0]));
    directory->entry_count = entries;
    int result = read_segments(directory, &r, start, area, err);
    if (result == 0)
        result = read_entries(directory, &r, err);
    read_zero(&r, padding);
    if (result == 0 && r.failed)
        result = malformed(err, "a reserved byte or the padding is not zero");
    if (result != 0)
        pack_directory_release(directory);
    return result;
}

void pack_directory_release(struct pack_directory *directory)
{
    free(directory->segments);
    free(directory->entries);
    *directory = (struct pack_directory){0};
}
