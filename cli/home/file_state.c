/* Layout (little-endian):
 *
 *   offset      size  what
 *   0           8     "ecbakST2"
 *   8           ...   pieces: 16 bytes digest of the rest, then entries
 *   tables      32 n  piece table, sorted: folder key 16, number u32, size u32, offset u64 4 p
 *               places: u32 number of the pack, or 2^32 - 1 32 q  pack ids
 *   end - 64    8     "ecbakST2" 8     u64 offset of the tables 24    u64 n, p, q 8     zero 16
 *               digest of the tables and of the 48 bytes before
 *
 *   entry:  u16 name size, u8 trusted, u8 zero, u32 mode, u32 encoded size, u32 places, u64 size,
 *           u64 inode, u64 device, i64 mtime s, i64 ctime s, u32 mtime ns, u32 ctime ns, name,
 *           encoded tree entry, u32 place each
 *
 * The file is written once and replaced whole. It is not fsynced: after a power cut its digests
 * tell.
 */
#include "cli/home/file_state.h"

#include <assert.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/home/file_state_internal.h"
#include "coding/base/alloc.h"

#define PIECE_BYTES_MAX (1u << 30)
#define TABLE_BYTES_MAX (1ull << 32)

struct file_state {
    int fd;
    uint8_t *tables;
    size_t piece_count, place_count, pack_count;
    const uint8_t *pieces, *places, *packs; /* in tables */
};

static void digest_of(uint8_t digest[FILE_STATE_DIGEST_SIZE], const void *bytes, size_t size)
{
    crypto_generichash(digest, FILE_STATE_DIGEST_SIZE, bytes, size, NULL, 0);
}

void file_state_key(uint8_t key[FILE_STATE_KEY_SIZE], const char *path)
{
    crypto_generichash(key, FILE_STATE_KEY_SIZE, (const uint8_t *)path, strlen(path), NULL, 0);
}

static int read_at(int fd, void *to, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (uint8_t *)to + done, size - done, (off_t)(offset + done));
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

static int load_tables(struct file_state *state, const char *path, struct err *err)
{
    struct stat stat;
    uint8_t footer[FILE_STATE_FOOTER_SIZE], digest[FILE_STATE_DIGEST_SIZE];
    if (fstat(state->fd, &stat) != 0)
        return err_errno(err, "reading %s", path);
    uint64_t end = (uint64_t)stat.st_size;
    if (end < FILE_STATE_MAGIC_SIZE + FILE_STATE_FOOTER_SIZE ||
        read_at(state->fd, footer, FILE_STATE_FOOTER_SIZE, end - FILE_STATE_FOOTER_SIZE) != 0 ||
        memcmp(footer, FILE_STATE_MAGIC, FILE_STATE_MAGIC_SIZE) != 0)
        return err_set(err, ERR_FORMAT, "%s is not a state file", path);
    struct reader reader;
    reader_init(&reader, footer + FILE_STATE_MAGIC_SIZE,
                FILE_STATE_FOOTER_SIZE - FILE_STATE_MAGIC_SIZE);
    uint64_t offset = read_u64(&reader), pieces = read_u64(&reader), places = read_u64(&reader),
             packs = read_u64(&reader);
    if (offset < FILE_STATE_MAGIC_SIZE || offset > end - FILE_STATE_FOOTER_SIZE ||
        pieces > UINT32_MAX || places > UINT32_MAX || packs > UINT32_MAX ||
        pieces * FILE_STATE_PIECE_LINE_SIZE + places * 4 + packs * ID_SIZE !=
            end - FILE_STATE_FOOTER_SIZE - offset ||
        end - FILE_STATE_FOOTER_SIZE - offset > TABLE_BYTES_MAX)
        return err_set(err, ERR_FORMAT, "%s: the tables do not fit", path);
    size_t size = (size_t)(end - FILE_STATE_FOOTER_SIZE - offset);
    state->tables = alloc_large(size + FILE_STATE_FOOTER_SIZE, err);
    if (state->tables == NULL)
        return -1;
    if (read_at(state->fd, state->tables, size + FILE_STATE_FOOTER_SIZE, offset) != 0)
        return err_errno(err, "reading %s", path);
    digest_of(digest, state->tables, size + FILE_STATE_FOOTER_SIZE - FILE_STATE_DIGEST_SIZE);
    if (memcmp(digest, footer + FILE_STATE_FOOTER_SIZE - FILE_STATE_DIGEST_SIZE,
               FILE_STATE_DIGEST_SIZE) != 0)
        return err_set(err, ERR_DAMAGED, "%s: the digest of its tables differs", path);
    state->piece_count = (size_t)pieces;
    state->place_count = (size_t)places;
    state->pack_count = (size_t)packs;
    state->pieces = state->tables;
    state->places = state->pieces + state->piece_count * FILE_STATE_PIECE_LINE_SIZE;
    state->packs = state->places + state->place_count * 4;
    return 0;
}

int file_state_open(struct file_state **state, const char *path, struct err *err)
{
    struct file_state *new = alloc_zero(1, sizeof(*new));
    new->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (new->fd < 0) {
        err_errno(err, "opening %s", path);
        free(new);
        return -1;
    }
    if (load_tables(new, path, err) != 0) {
        file_state_close(&new);
        return -1;
    }
    *state = new;
    return 0;
}

void file_state_close(struct file_state **state)
{
    if (*state == NULL)
        return;
    close((*state)->fd);
    free((*state)->tables);
    free(*state);
    *state = NULL;
}

size_t file_state_pack_count(const struct file_state *state)
{
    return state->pack_count;
}

const struct pack_id *file_state_pack(const struct file_state *state, size_t i)
{
    assert(i < state->pack_count);
    return (const struct pack_id *)(state->packs + i * ID_SIZE);
}

static uint32_t u32_at(const uint8_t *bytes)
{
    struct reader reader;
    reader_init(&reader, bytes, 4);
    return read_u32(&reader);
}

uint32_t file_state_place(const struct file_state *state, const struct file_state_entry *entry,
                          size_t i)
{
    assert(i < entry->place_count);
    uint32_t place = u32_at(entry->places + 4 * i);
    uint32_t pack =
        place < state->place_count ? u32_at(state->places + 4 * (size_t)place) : UINT32_MAX;
    return pack < state->pack_count ? pack : UINT32_MAX;
}

bool file_state_entry_same(const struct file_state_entry *entry, const struct walk_stat *stat)
{
    /* The device's number may change when a machine starts, and then does not matter; but names of
     * one inode are told by it. */
    return entry->trusted && entry->mode == stat->mode && entry->size == stat->size &&
           entry->inode == stat->inode && entry->mtime_s == stat->mtime_s &&
           entry->mtime_ns == stat->mtime_ns && entry->ctime_s == stat->ctime_s &&
           entry->ctime_ns == stat->ctime_ns && (!stat->linked || entry->device == stat->device);
}

/* Reads the piece (key, number) into the cursor; false when there is none that is whole. */
static bool load_piece(struct file_state_cursor *cursor)
{
    const struct file_state *state = cursor->state;
    size_t low = 0, high = state->piece_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *line = state->pieces + middle * FILE_STATE_PIECE_LINE_SIZE;
        int order = memcmp(line, cursor->key, FILE_STATE_KEY_SIZE);
        if (order < 0 || (order == 0 && u32_at(line + FILE_STATE_KEY_SIZE) < cursor->piece))
            low = middle + 1;
        else
            high = middle;
    }
    const uint8_t *line = state->pieces + low * FILE_STATE_PIECE_LINE_SIZE;
    if (low == state->piece_count || memcmp(line, cursor->key, FILE_STATE_KEY_SIZE) != 0)
        return false;
    struct reader reader;
    reader_init(&reader, line + FILE_STATE_KEY_SIZE,
                FILE_STATE_PIECE_LINE_SIZE - FILE_STATE_KEY_SIZE);
    uint32_t number = read_u32(&reader), size = read_u32(&reader);
    uint64_t offset = read_u64(&reader);
    if (number != cursor->piece || size < FILE_STATE_DIGEST_SIZE || size > PIECE_BYTES_MAX)
        return false;
    cursor->piece++;
    cursor->buffer.size = 0;
    uint8_t *bytes = buffer_grow(&cursor->buffer, size);
    uint8_t digest[FILE_STATE_DIGEST_SIZE];
    if (read_at(state->fd, bytes, size, offset) != 0)
        return false;
    digest_of(digest, bytes + FILE_STATE_DIGEST_SIZE, size - FILE_STATE_DIGEST_SIZE);
    if (memcmp(digest, bytes, FILE_STATE_DIGEST_SIZE) != 0)
        return false;
    reader_init(&cursor->reader, bytes + FILE_STATE_DIGEST_SIZE, size - FILE_STATE_DIGEST_SIZE);
    return true;
}

static void next_entry(struct file_state_cursor *cursor)
{
    struct file_state_entry *entry = &cursor->entry;
    struct reader *reader = &cursor->reader;
    cursor->valid = false;
    if (reader->left == 0 && !load_piece(cursor))
        return;
    entry->name_size = read_u16(reader);
    entry->trusted = read_u8(reader) == 1;
    read_zero(reader, 1);
    entry->mode = read_u32(reader);
    entry->encoded_size = read_u32(reader);
    entry->place_count = read_u32(reader);
    entry->size = read_u64(reader);
    entry->inode = read_u64(reader);
    entry->device = read_u64(reader);
    entry->mtime_s = (int64_t)read_u64(reader);
    entry->ctime_s = (int64_t)read_u64(reader);
    entry->mtime_ns = read_u32(reader);
    entry->ctime_ns = read_u32(reader);
    entry->name = (const char *)read_view(reader, entry->name_size);
    entry->encoded = read_view(reader, entry->encoded_size);
    entry->places = read_view(reader, 4 * entry->place_count);
    cursor->valid = !reader->failed;
    if (reader->failed)
        reader->left = 0;
}

void file_state_cursor_init(struct file_state_cursor *cursor, const struct file_state *state,
                            const char *path)
{
    *cursor = (struct file_state_cursor){.state = state};
    if (state == NULL)
        return;
    file_state_key(cursor->key, path);
    next_entry(cursor);
}

void file_state_cursor_release(struct file_state_cursor *cursor)
{
    buffer_release(&cursor->buffer);
    cursor->valid = false;
}

bool file_state_cursor_find(struct file_state_cursor *cursor, const char *name)
{
    size_t size = strlen(name);
    while (cursor->valid) {
        size_t common = size < cursor->entry.name_size ? size : cursor->entry.name_size;
        int order = memcmp(cursor->entry.name, name, common);
        if (order == 0 && size == cursor->entry.name_size)
            return true;
        if (order > 0 || (order == 0 && cursor->entry.name_size > size))
            return false;
        next_entry(cursor);
    }
    return false;
}
