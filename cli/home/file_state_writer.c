/* Writes what file_state.c reads; the table of the layout is there. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/home/file_state.h"
#include "cli/home/file_state_internal.h"
#include "coding/base/alloc.h"

#define WRITE_BYTES (256u * 1024)

struct file_state_writer {
    int fd;
    char *path, *temporary;
    struct buffer buffer; /* not yet written */
    uint64_t offset;      /* of the buffer's begin */
    struct buffer pieces; /* lines of the piece table */
    struct err failure;   /* the first; nothing is written any more */
};

void file_state_append(struct buffer *piece, const char *name, const struct walk_stat *stat,
                       const struct stored_entry *entry)
{
    size_t name_size = strlen(name);
    size_t size = FILE_STATE_ENTRY_HEAD_SIZE + name_size + entry->encoded_size +
                  4 * (size_t)entry->place_count;
    struct writer writer;
    assert(name_size <= UINT16_MAX && entry->encoded != NULL);
    writer_init(&writer, buffer_grow(piece, size), size);
    write_u16(&writer, (uint16_t)name_size);
    write_u8(&writer, entry->trusted ? 1 : 0);
    write_u8(&writer, 0);
    write_u32(&writer, stat->mode);
    write_u32(&writer, entry->encoded_size);
    write_u32(&writer, entry->place_count);
    write_u64(&writer, stat->size);
    write_u64(&writer, stat->inode);
    write_u64(&writer, stat->device);
    write_u64(&writer, (uint64_t)stat->mtime_s);
    write_u64(&writer, (uint64_t)stat->ctime_s);
    write_u32(&writer, stat->mtime_ns);
    write_u32(&writer, stat->ctime_ns);
    write_bytes(&writer, name, name_size);
    write_bytes(&writer, entry->encoded, entry->encoded_size);
    for (size_t i = 0; i < entry->place_count; i++)
        write_u32(&writer, entry->places[i]);
    assert(!writer.failed && writer.left == 0);
}

void file_state_packs_release(struct file_state_packs *packs)
{
    free(packs->pack_of_place);
    free(packs->ids);
    *packs = (struct file_state_packs){0};
}

static void flush(struct file_state_writer *writer)
{
    for (size_t done = 0; done < writer->buffer.size && writer->failure.code == ERR_NONE;) {
        ssize_t wrote = write(writer->fd, writer->buffer.bytes + done, writer->buffer.size - done);
        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            err_errno(&writer->failure, "writing %s", writer->temporary);
    }
    writer->offset += writer->buffer.size;
    writer->buffer.size = 0;
}

int file_state_writer_new(struct file_state_writer **writer, const char *path, struct err *err)
{
    struct file_state_writer *new = alloc_zero(1, sizeof(*new));
    new->path = alloc_text(path);
    new->temporary = alloc_format("%s.new", path);
    new->fd = open(new->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (new->fd < 0) {
        err_errno(err, "writing %s", new->temporary);
        file_state_writer_destroy(&new);
        return -1;
    }
    buffer_append(&new->buffer, FILE_STATE_MAGIC, FILE_STATE_MAGIC_SIZE);
    *writer = new;
    return 0;
}

void file_state_writer_add(struct file_state_writer *writer, const uint8_t key[FILE_STATE_KEY_SIZE],
                           uint32_t number, const struct buffer *piece)
{
    struct writer line;
    if (writer->failure.code != ERR_NONE)
        return;
    writer_init(&line, buffer_grow(&writer->pieces, FILE_STATE_PIECE_LINE_SIZE),
                FILE_STATE_PIECE_LINE_SIZE);
    write_bytes(&line, key, FILE_STATE_KEY_SIZE);
    write_u32(&line, number);
    write_u32(&line, (uint32_t)(FILE_STATE_DIGEST_SIZE + piece->size));
    write_u64(&line, writer->offset + writer->buffer.size);
    uint8_t *digest = buffer_grow(&writer->buffer, FILE_STATE_DIGEST_SIZE);
    crypto_generichash(digest, FILE_STATE_DIGEST_SIZE, piece->bytes, piece->size, NULL, 0);
    buffer_append(&writer->buffer, piece->bytes, piece->size);
    if (writer->buffer.size >= WRITE_BYTES)
        flush(writer);
}

static int line_order(const void *a, const void *b)
{
    int order = memcmp(a, b, FILE_STATE_KEY_SIZE);
    if (order != 0)
        return order;
    struct reader x, y;
    reader_init(&x, (const uint8_t *)a + FILE_STATE_KEY_SIZE, 4);
    reader_init(&y, (const uint8_t *)b + FILE_STATE_KEY_SIZE, 4);
    uint32_t first = read_u32(&x), second = read_u32(&y);
    return (first > second) - (first < second);
}

/* Appends the tables and the footer to the buffer. */
static void append_tables(struct file_state_writer *writer, const struct file_state_packs *packs)
{
    struct buffer tables = {0};
    size_t piece_count = writer->pieces.size / FILE_STATE_PIECE_LINE_SIZE;
    if (piece_count > 1)
        qsort(writer->pieces.bytes, piece_count, FILE_STATE_PIECE_LINE_SIZE, line_order);
    buffer_append(&tables, writer->pieces.bytes, writer->pieces.size);
    for (size_t i = 0; i < packs->place_count; i++) {
        assert(packs->pack_of_place[i] < packs->pack_count ||
               packs->pack_of_place[i] == UINT32_MAX);
        buffer_append_u32(&tables, packs->pack_of_place[i]);
    }
    buffer_append(&tables, packs->ids, packs->pack_count * ID_SIZE);
    struct writer footer;
    writer_init(&footer, buffer_grow(&tables, FILE_STATE_FOOTER_SIZE), FILE_STATE_FOOTER_SIZE);
    write_bytes(&footer, FILE_STATE_MAGIC, FILE_STATE_MAGIC_SIZE);
    write_u64(&footer, writer->offset + writer->buffer.size);
    write_u64(&footer, piece_count);
    write_u64(&footer, packs->place_count);
    write_u64(&footer, packs->pack_count);
    write_u64(&footer, 0);
    crypto_generichash(tables.bytes + tables.size - FILE_STATE_DIGEST_SIZE, FILE_STATE_DIGEST_SIZE,
                       tables.bytes, tables.size - FILE_STATE_DIGEST_SIZE, NULL, 0);
    buffer_append(&writer->buffer, tables.bytes, tables.size);
    buffer_release(&tables);
}

int file_state_writer_finish(struct file_state_writer **writer,
                             const struct file_state_packs *packs, struct err *err)
{
    struct file_state_writer *own = *writer;
    *writer = NULL;
    append_tables(own, packs);
    flush(own);
    int result = own->failure.code != ERR_NONE ? err_copy(err, &own->failure) : 0;
    if (result == 0 && rename(own->temporary, own->path) != 0)
        result = err_errno(err, "replacing %s", own->path);
    if (result == 0) {
        free(own->temporary);
        own->temporary = NULL;
    }
    file_state_writer_destroy(&own);
    return result;
}

void file_state_writer_destroy(struct file_state_writer **writer)
{
    struct file_state_writer *old = *writer;
    *writer = NULL;
    if (old == NULL)
        return;
    if (old->fd >= 0)
        close(old->fd);
    if (old->temporary != NULL)
        unlink(old->temporary);
    free(old->temporary);
    free(old->path);
    buffer_release(&old->buffer);
    buffer_release(&old->pieces);
    free(old);
}
