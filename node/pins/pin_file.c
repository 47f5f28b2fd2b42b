/* A write that a power cut ends can leave any part of an entry, or a hole where it should be; so an
 * entry counts only when its digest holds, and an answer goes out only after fsync. When fsync fails,
 * the file is cut back to what was durable before: those pages are never synced again, new ones take
 * their place. */
#include "node/pins/pin_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#define MAGIC   "ecbkpins"
#define VERSION 1
#define PURPOSE "ecbak pins 1"

void pin_file_head(uint8_t head[PIN_FILE_HEAD], const struct vault_id *vault,
                   const struct writer_id *writer, uint64_t base)
{
    struct writer w;
    writer_init(&w, head, PIN_FILE_HEAD);
    write_bytes(&w, MAGIC, 8);
    write_u16(&w, VERSION);
    write_zero(&w, 6);
    write_bytes(&w, vault->bytes, ID_SIZE);
    write_bytes(&w, writer->bytes, WRITER_ID_SIZE);
    write_u64(&w, base);
    assert(!w.failed && w.used == PIN_FILE_HEAD);
}

int pin_file_check_head(const uint8_t *bytes, size_t size, const struct vault_id *vault,
                        const struct writer_id *writer, uint64_t *base, struct err *err)
{
    struct vault_id of_vault;
    struct writer_id of_writer;
    struct reader r;
    reader_init(&r, bytes, size);
    const uint8_t *magic = read_view(&r, 8);
    unsigned version = read_u16(&r);
    if (r.failed || memcmp(magic, MAGIC, 8) != 0)
        return err_set(err, ERR_FORMAT, "this is no file of pins");
    if (version != VERSION)
        return err_set(err, ERR_VERSION, "pins of version %u: this program knows %d", version,
                       VERSION);
    read_zero(&r, 6);
    read_bytes(&r, of_vault.bytes, ID_SIZE);
    read_bytes(&r, of_writer.bytes, WRITER_ID_SIZE);
    *base = read_u64(&r);
    if (r.failed)
        return err_set(err, ERR_FORMAT, "the head of these pins is malformed");
    if (!id_equal(&of_vault, vault) || !id_equal(&of_writer, writer))
        return err_set(err, ERR_FOREIGN, "these pins are another writer's");
    return 0;
}

/* What an entry says of itself; its digest is not looked at. */
static bool read_frame(struct pin_entry *entry, const uint8_t *bytes, size_t size, size_t at)
{
    struct reader r;
    if (at > size)
        return false;
    reader_init(&r, bytes + at, size - at);
    entry->at = at;
    entry->statement_size = read_u32(&r);
    entry->kind = read_u16(&r);
    read_zero(&r, PIN_ENTRY_HEAD - 6);
    if (r.failed || entry->statement_size > PIN_BYTES_MAX)
        return false;
    entry->size = entry->statement_size + PIN_ENTRY_EXTRA;
    entry->statement = bytes + at + PIN_ENTRY_HEAD;
    return entry->size <= size - at;
}

bool pin_entry_read(struct pin_entry *entry, const uint8_t *bytes, size_t size, size_t at)
{
    uint8_t digest[HASH_SIZE];
    if (!read_frame(entry, bytes, size, at))
        return false;
    hash_bytes(digest, PURPOSE, bytes + at, entry->size - HASH_SIZE);
    return memcmp(digest, bytes + at + entry->size - HASH_SIZE, HASH_SIZE) == 0;
}

size_t pin_entry_skip(const uint8_t *bytes, size_t size, size_t at)
{
    struct pin_entry damaged, next;
    if (!read_frame(&damaged, bytes, size, at) ||
        !pin_entry_read(&next, bytes, size, at + damaged.size))
        return 0;
    return next.at;
}

void pin_entry_write(uint8_t *to, const uint8_t *statement, size_t size)
{
    struct writer w;
    assert(size <= PIN_BYTES_MAX);
    writer_init(&w, to, size + PIN_ENTRY_EXTRA);
    write_u32(&w, (uint32_t)size);
    write_u16(&w, PIN_ENTRY_PINS);
    write_zero(&w, PIN_ENTRY_HEAD - 6);
    write_bytes(&w, statement, size);
    assert(!w.failed && w.used == size + PIN_ENTRY_HEAD);
    hash_bytes(to + w.used, PURPOSE, to, w.used);
}

static int write_at(int fd, const uint8_t *bytes, size_t size, uint64_t offset, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pwrite(fd, bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "writing");
        done += (size_t)got;
    }
    return 0;
}

static int append(const char *path, uint64_t size, const uint8_t *entry, size_t entry_size,
                  struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "opening %s", path);
    int result = write_at(fd, entry, entry_size, size, err);
    if (result == 0 && ftruncate(fd, (off_t)(size + entry_size)) != 0)
        result = err_errno(err, "cutting");
    if (result == 0 && fsync(fd) != 0)
        result = err_errno(err, "syncing");
    if (result != 0 && ftruncate(fd, (off_t)size) != 0)
        result = -1; /* whole or not, the entry was not acknowledged */
    close(fd);
    return result == 0 ? 0 : err_context(err, "%s", path);
}

int pin_file_append(const char *path, uint64_t size, const struct pin *of, const uint8_t *statement,
                    size_t statement_size, struct err *err)
{
    uint8_t head[PIN_FILE_HEAD];
    char dir[DURABLE_PATH_MAX];
    size_t entry_size = statement_size + PIN_ENTRY_EXTRA;
    uint8_t *entry = alloc_zero(entry_size, 1);
    int result;
    pin_file_head(head, &of->vault, &of->writer, 0);
    pin_entry_write(entry, statement, statement_size);
    if (size > 0) {
        result = append(path, size, entry, entry_size, err);
    } else {
        const struct durable_piece pieces[] = {{head, sizeof(head)}, {entry, entry_size}};
        snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
        result = durable_make_dir(dir, 0700, err);
        if (result == 0)
            result = durable_write(path, pieces, 2, 0600, DURABLE_REPLACE, err);
    }
    free(entry);
    return result;
}
