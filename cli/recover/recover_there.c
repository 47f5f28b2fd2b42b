/* What an earlier run wrote, and --verify is to look at: read and compared with the snapshot, in the same
 * order of packs as what is written, and left as it is.
 *
 * Bytes that are a hole in the snapshot must be a hole, or zeros. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

static int differs(struct err *err)
{
    return err_set(err, ERR_EXISTS,
                   "what is there is not what the snapshot has; --overwrite replaces it");
}

int there_open(struct recover *recover, struct output_file *output, struct err *err)
{
    const struct tree_entry *entry = output->entry;
    char name[TREE_NAME_MAX + 1];
    struct stat stat;
    entry_name(name, entry);
    job_now(recover->progress, output->dest->path, entry->name, entry->name_size);
    int fd = openat(output->dest->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "reading it");
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        close(fd);
        return differs(err);
    }
    output->fd = fd;
    return 0;
}

int there_compare(struct recover_worker *worker, int fd, const uint8_t *bytes, size_t size,
                  uint64_t offset, struct err *err)
{
    if (read_back(worker, fd, bytes, size, offset, err) == 0)
        return 0;
    return err->code == ERR_DAMAGED ? differs(err) : -1;
}

static int compare_hole(struct recover_worker *worker, int fd, uint64_t from, uint64_t to,
                        struct err *err)
{
    if (worker->back == NULL)
        worker->back = alloc_zero(1, CHUNK_BYTES_MAX);
    while (from < to) {
        off_t data = lseek(fd, (off_t)from, SEEK_DATA);
        if (data < 0 || (uint64_t)data >= to)
            return 0;
        from = (uint64_t)data;
        size_t size = to - from < CHUNK_BYTES_MAX ? (size_t)(to - from) : CHUNK_BYTES_MAX;
        ssize_t got = pread(fd, worker->back, size, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "reading it");
        if (got == 0 || !sodium_is_zero(worker->back, (size_t)got))
            return differs(err);
        from += (uint64_t)got;
    }
    return 0;
}

int there_end(struct recover_worker *worker, struct output_file *output, struct err *err)
{
    const struct tree_entry *entry = output->entry;
    bool holes = entry->extent_count > 0 || entry->chunk_count == 0;
    char name[TREE_NAME_MAX + 1];
    uint64_t end = 0;
    for (size_t i = 0; i < entry->extent_count; i++) {
        if (compare_hole(worker, output->fd, end, entry->extents[i].offset, err) != 0)
            return -1;
        end = entry->extents[i].offset + entry->extents[i].size;
    }
    if (holes && compare_hole(worker, output->fd, end, entry->size, err) != 0)
        return -1;
    entry_name(name, entry);
    if (output->link == NULL)
        flags_complete(worker->recover, output->dest, name, entry->flags);
    return 0;
}
