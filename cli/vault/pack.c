/* Segments are sealed straight from where they were compressed to where they lie in the pack. The
 * directory grows beside; pack_writer_has_room counts it and the padding too, so that a pack that is
 * asked first never outgrows PACK_BYTES. */
#include "cli/vault/pack.h"

#include <assert.h>
#include <stdlib.h>

#include <sodium.h>

#include "cli/vault/pack_internal.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/pack_id.h"

struct pack_writer {
    struct pack_seal *seal; /* sodium_malloc */
    uint8_t *bytes;
    size_t bytes_max;
    size_t used; /* header and segments */
    struct pack_directory directory;
    size_t segment_room, entry_room;
};

int pack_writer_new(struct pack_writer **writer, enum pack_kind kind, size_t bytes_max,
                    const struct vault_keys *keys, struct err *err)
{
    *writer = NULL;
    struct pack_writer *w = alloc_zero(1, sizeof(*w));
    assert(bytes_max <= PACK_BYTES);
    w->bytes_max = bytes_max;
    w->directory.kind = kind;
    w->seal = sodium_malloc(sizeof(*w->seal));
    w->bytes = alloc_large(PACK_BYTES, err);
    if (w->seal == NULL)
        err_set(err, ERR_MEMORY, "no protected memory for a pack's key");
    if (w->seal == NULL || w->bytes == NULL) {
        pack_writer_destroy(&w);
        return -1;
    }
    pack_header_make(w->bytes, w->seal, keys);
    w->used = PACK_HEADER_SIZE;
    *writer = w;
    return 0;
}

void pack_writer_destroy(struct pack_writer **writer)
{
    struct pack_writer *w = *writer;
    if (w == NULL)
        return;
    sodium_free(w->seal);
    free(w->bytes);
    pack_directory_release(&w->directory);
    free(w);
    *writer = NULL;
}

static size_t packed_size(const struct segment *segment)
{
    return segment->method == SEGMENT_ZSTD ? segment->packed_size : segment->plain_size;
}

/* The pack's bytes before padding, if it ended after so many more segments, bytes and chunks. */
static size_t size_with(const struct pack_writer *writer, size_t segments, size_t bytes,
                        size_t entries)
{
    return writer->used + bytes +
           pack_directory_size(writer->directory.segment_count + segments,
                               writer->directory.entry_count + entries) +
           PACK_TAG_SIZE + PACK_FOOTER_SIZE;
}

bool pack_writer_has_room(const struct pack_writer *writer, const struct segment *segment)
{
    assert(segment->ready);
    size_t size = size_with(writer, 1, packed_size(segment) + PACK_TAG_SIZE, segment->entry_count);
    return writer->directory.segment_count < PACK_SEGMENTS_MAX &&
           segment->entry_count <= PACK_ENTRIES_MAX - writer->directory.entry_count &&
           padme(size) <= (writer->directory.segment_count > 0 ? writer->bytes_max : PACK_BYTES);
}

static void add_lines(struct pack_writer *w, const struct segment *segment, size_t sealed_size)
{
    struct pack_directory *d = &w->directory;
    if (d->segment_count == w->segment_room) {
        w->segment_room = w->segment_room != 0 ? 2 * w->segment_room : 64;
        d->segments = alloc_grow(d->segments, w->segment_room, sizeof(d->segments[0]));
    }
    if (segment->entry_count > w->entry_room - d->entry_count) {
        w->entry_room = 2 * w->entry_room + segment->entry_count;
        d->entries = alloc_grow(d->entries, w->entry_room, sizeof(d->entries[0]));
    }
    for (size_t i = 0; i < segment->entry_count; i++) {
        struct pack_entry *entry = &d->entries[d->entry_count++];
        *entry = segment->entries[i];
        entry->segment = (uint32_t)d->segment_count;
    }
    d->segments[d->segment_count++] = (struct pack_segment){
        .sealed_size = (uint32_t)sealed_size,
        .plain_size = (uint32_t)segment->plain_size,
        .entry_count = (uint32_t)segment->entry_count,
        .method = (uint8_t)segment->method,
    };
}

int pack_writer_add(struct pack_writer *writer, const struct segment *segment, struct err *err)
{
    if (!segment->ready || !pack_writer_has_room(writer, segment))
        return err_set(err, ERR_INVALID, "a segment that is not compressed or has no room");
    const uint8_t *plain = segment->method == SEGMENT_ZSTD ? segment->packed : segment->plain;
    size_t size = packed_size(segment);
    assert(writer->used + size + PACK_TAG_SIZE <= PACK_BYTES);
    pack_part_seal(writer->seal, (uint32_t)writer->directory.segment_count,
                   writer->bytes + writer->used, plain, size);
    writer->used += size + PACK_TAG_SIZE;
    add_lines(writer, segment, size + PACK_TAG_SIZE);
    return 0;
}

/* Seals directory and footer behind the segments; returns the pack's size. */
static size_t seal_end(struct pack_writer *w)
{
    size_t bare = size_with(w, 0, 0, 0), size = padme(bare);
    size_t plain =
        pack_directory_size(w->directory.segment_count, w->directory.entry_count) + (size - bare);
    uint8_t *at = w->bytes + w->used;
    pack_directory_encode(&w->directory, size - bare, at);
    pack_part_seal(w->seal, PACK_NUMBER_DIRECTORY, at, at, plain);
    at += plain + PACK_TAG_SIZE;
    struct writer footer;
    writer_init(&footer, at, PACK_FOOTER_SIZE - PACK_TAG_SIZE);
    write_u32(&footer, (uint32_t)(plain + PACK_TAG_SIZE));
    write_zero(&footer, footer.left);
    pack_part_seal(w->seal, PACK_NUMBER_FOOTER, at, at, PACK_FOOTER_SIZE - PACK_TAG_SIZE);
    assert(at + PACK_FOOTER_SIZE == w->bytes + size);
    return size;
}

void pack_writer_finish(struct pack_writer **writer, struct sealed_pack *pack)
{
    struct pack_writer *w = *writer;
    *pack = (struct sealed_pack){.kind = w->directory.kind, .size = seal_end(w)};
    assert(pack->size <= PACK_BYTES);
    uint8_t *shrunk = realloc(w->bytes, pack->size);
    pack->bytes = shrunk != NULL ? shrunk : w->bytes;
    w->bytes = NULL;
    pack_id(&pack->id, pack->bytes, pack->size);
    pack->entries = w->directory.entries;
    pack->entry_count = w->directory.entry_count;
    w->directory.entries = NULL;
    pack_writer_destroy(writer);
}

void sealed_pack_release(struct sealed_pack *pack)
{
    free(pack->bytes);
    free(pack->entries);
    *pack = (struct sealed_pack){0};
}
