/* A file is written by the threads that have its chunks, in the order in which packs come, and not in
 * its own. It lives under a temporary name until its last chunk is written and every one was
 * what its id says; a file that fails is removed. Many can be begun at a time, when their chunks are in many
 * packs: only so many of them stay open, the others are opened again for each pack.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

void recover_worker_init(struct recover_worker *worker, struct recover *recover)
{
    *worker = (struct recover_worker){.recover = recover, .attributes = attributes_new()};
    chunk_reader_init(&worker->chunks, recover->cache, recover->fetcher, recover->vault->keys);
}

void recover_worker_release(struct recover_worker *worker)
{
    attributes_destroy(&worker->attributes);
    chunk_reader_release(&worker->chunks);
    free(worker->back);
}

/* ---- where bytes go -------------------------------------------------------------------------- */

static int write_at(int fd, const uint8_t *bytes, size_t size, uint64_t offset, struct err *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = pwrite(fd, bytes + done, size - done, (off_t)(offset + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_errno(err, "writing");
        done += (size_t)wrote;
    }
    return 0;
}

int read_back(struct recover_worker *worker, int fd, const uint8_t *bytes, size_t size,
              uint64_t offset, struct err *err)
{
    if (worker->back == NULL)
        worker->back = alloc_zero(1, CHUNK_BYTES_MAX);
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, worker->back + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? err_errno(err, "reading back")
                           : err_set(err, ERR_DAMAGED, "it reads back shorter than it was written");
        done += (size_t)got;
    }
    return memcmp(worker->back, bytes, size) == 0
               ? 0
               : err_set(err, ERR_DAMAGED, "it reads back other than it was written");
}

static int put(struct recover_worker *worker, const struct output_file *output,
               const uint8_t *bytes, size_t size, uint64_t offset, struct err *err)
{
    int fd = output->fd;
    if (output->there)
        return there_compare(worker, fd, bytes, size, offset, err);
    if (write_at(fd, bytes, size, offset, err) != 0)
        return -1;
    return worker->recover->options->verify ? read_back(worker, fd, bytes, size, offset, err) : 0;
}

/* Bytes of the stream of a file's data, at `offset` of that stream, to their places between
 * holes. */
static int put_stream(struct recover_worker *worker, const struct output_file *output,
                      const uint8_t *bytes, size_t size, uint64_t offset, struct err *err)
{
    const struct tree_entry *entry = output->entry;
    if (entry->extent_count == 0)
        return size <= entry->size && offset <= entry->size - size
                   ? put(worker, output, bytes, size, offset, err)
                   : err_set(err, ERR_DAMAGED, "more data than the file has bytes");
    uint64_t begin = 0;
    for (size_t i = 0; i < entry->extent_count && size > 0; i++) {
        const struct tree_extent *extent = &entry->extents[i];
        if (offset < begin + extent->size) {
            uint64_t inside = offset - begin, left = extent->size - inside;
            size_t part = size < left ? size : (size_t)left;
            if (put(worker, output, bytes, part, extent->offset + inside, err) != 0)
                return -1;
            bytes += part;
            size -= part;
            offset += part;
        }
        begin += extent->size;
    }
    return size == 0 ? 0 : err_set(err, ERR_DAMAGED, "more data than the file has room for");
}

/* ---- one file -------------------------------------------------------------------------------- */

struct output_file *output_new(struct dest *dest, const struct tree_entry *entry,
                               struct hard_link *link, bool there)
{
    struct output_file *output = alloc_zero(1, sizeof(*output));
    dest_hold(dest);
    output->dest = dest;
    output->entry = entry_copy(entry);
    output->link = link;
    output->there = there;
    output->fd = -1;
    output->places = 1;
    pthread_mutex_init(&output->lock, NULL);
    return output;
}

static int make_file(struct recover *recover, struct output_file *output, struct err *err)
{
    /* Made with its mode where nobody else comes to it before the folder is complete: saves changing
     * it later. An access list makes another thing of the mode's group bits. */
    const struct tree_entry *entry = output->entry;
    bool own = entry->uid == recover->uid && entry->gid == recover->gid && output->dest->fresh &&
               entry->xattr_count == 0;
    temporary_name(recover, output->temporary);
    job_now(recover->progress, output->dest->path, entry->name, entry->name_size);
    output->fd = openat(output->dest->fd, output->temporary,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        own ? (entry->mode & 0777) | 0600 : 0600);
    if (output->fd < 0) {
        output->temporary[0] = '\0';
        return flags_refusal(output->dest, NULL, "making the file", err);
    }
    /* Whether it took them is seen at the end. */
    if ((entry->flags & INODE_FLAGS_EARLY) != 0)
        (void)inode_flags_add(output->fd, entry->flags & INODE_FLAGS_EARLY);
    return 0;
}

/* Opens what make_file made, and nothing else that may have come to its name: a file of that inode that
 * is ours and has no other name, since a number alone can soon be another file's. */
static int open_again(const struct recover *recover, struct output_file *output, struct err *err)
{
    struct stat stat;
    int fd = openat(output->dest->fd, output->temporary, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "opening the file again");
    bool other = fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) ||
                 (recover->wary && (stat.st_dev != output->device || stat.st_ino != output->inode ||
                                    stat.st_uid != recover->uid || stat.st_nlink != 1));
    if (other) {
        close(fd);
        return err_set(err, ERR_EXISTS, "somebody put another file in its place");
    }
    output->fd = fd;
    return 0;
}

/* [lock] */
static int open_output(struct recover *recover, struct output_file *output, struct err *err)
{
    if (output->fd >= 0)
        return 0;
    int result = output->there                  ? there_open(recover, output, err)
                 : output->temporary[0] != '\0' ? open_again(recover, output, err)
                                                : make_file(recover, output, err);
    if (result != 0)
        return -1;
    atomic_fetch_add(&recover->files_open, 1);
    return 0;
}

/* [lock] */
static int close_output(struct recover *recover, struct output_file *output)
{
    if (output->fd < 0)
        return 0;
    int result = close(output->fd);
    output->fd = -1;
    atomic_fetch_sub(&recover->files_open, 1);
    return result;
}

/* Opens the file for one more thread. *failed: it will not be whole anyway. */
static int begin_writing(struct recover *recover, struct output_file *output, bool *failed,
                         struct err *err)
{
    pthread_mutex_lock(&output->lock);
    output->users++;
    *failed = output->failed;
    int result = *failed ? 0 : open_output(recover, output, err);
    pthread_mutex_unlock(&output->lock);
    return result;
}

/* Leaves the file open for those who come next, when not too many are; last: nobody comes. */
static int end_writing(struct recover *recover, struct output_file *output, bool last,
                       struct err *err)
{
    struct stat stat;
    int result = 0;
    pthread_mutex_lock(&output->lock);
    assert(output->users > 0);
    output->users--;
    if (!last && output->users == 0 && output->fd >= 0 &&
        recover->files_open > recover->files_open_max) {
        if (fstat(output->fd, &stat) == 0) {
            output->device = stat.st_dev;
            output->inode = stat.st_ino;
        }
        if (close_output(recover, output) != 0)
            result = err_errno(err, "closing");
    }
    pthread_mutex_unlock(&output->lock);
    return result;
}

/* Gives a file whose bytes are all there its attributes, and its name, and what must come after
 * that. */
static int name_file(struct recover_worker *worker, struct output_file *output, const char *name,
                     struct err *err)
{
    struct recover *recover = worker->recover;
    const struct tree_entry *entry = output->entry;
    struct err problem = ERR_INIT;
    struct stat stat;
    int locked = -1, result = 0;
    if (attributes_apply(worker->attributes, entry, (struct file_at){.fd = output->fd},
                         &recover->policy, &problem) != 0)
        recover_problem(recover, output->dest, name, strlen(name), &problem);
    flags_put(recover, output->dest->path, name, strlen(name), output->fd,
              entry->flags & ~INODE_FLAGS_LOCKING);
    if (output->link == NULL && (entry->flags & INODE_FLAGS_LOCKING) != 0)
        locked = fcntl(output->fd, F_DUPFD_CLOEXEC, 0);
    if (output->link != NULL && recover->wary && fstat(output->fd, &stat) == 0)
        link_set_file(output->link, &stat);
    if (close_output(recover, output) != 0) {
        result = err_errno(err, "closing");
    } else {
        result = dest_publish(recover, output->dest, output->temporary, name, err);
        output->temporary[0] = '\0';
    }
    if (result == 0 && locked >= 0)
        flags_put(recover, output->dest->path, name, strlen(name), locked,
                  entry->flags & INODE_FLAGS_LOCKING);
    if (locked >= 0)
        close(locked);
    return result;
}

/* The last chunk is written: size, attributes, name. */
static int finish_file(struct recover_worker *worker, struct output_file *output, struct err *err)
{
    const struct tree_entry *entry = output->entry;
    char name[TREE_NAME_MAX + 1];
    struct stat stat;
    entry_name(name, output->entry);
    /* Holes at the end, and holes only, still need the file's size. */
    bool holes = entry->extent_count > 0 || entry->chunk_count == 0;
    if (holes && entry->size > 0 && ftruncate(output->fd, (off_t)entry->size) != 0)
        return err_errno(err, "setting the size");
    if (!holes && entry->chunk_count > 1 &&
        (fstat(output->fd, &stat) != 0 || (uint64_t)stat.st_size != entry->size))
        return err_set(err, ERR_DAMAGED, "its chunks do not have its size");
    return name_file(worker, output, name, err);
}

static int end_file(struct recover_worker *worker, struct output_file *output, struct err *err)
{
    struct recover *recover = worker->recover;
    if (open_output(recover, output, err) != 0 ||
        (output->there ? there_end(worker, output, err) : finish_file(worker, output, err)) != 0)
        return -1;
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->bytes, output->entry->size);
    atomic_fetch_add(&recover->progress->files, 1);
    return 0;
}

void output_fail(struct recover *recover, struct output_file *output, const struct err *err)
{
    pthread_mutex_lock(&output->lock);
    bool first = !output->failed;
    output->failed = true;
    if (first)
        output->why = err->code;
    pthread_mutex_unlock(&output->lock);
    if (first && !failure_met(&recover->failure))
        recover_problem(recover, output->dest, output->entry->name, output->entry->name_size, err);
}

static void drop_output(struct recover_worker *worker, struct output_file *output)
{
    (void)close_output(worker->recover, output);
    if (output->temporary[0] != '\0')
        (void)unlinkat(output->dest->fd, output->temporary, 0);
    link_finish(worker, output->link, output->why);
    dest_drop(worker, output->dest);
    pthread_mutex_destroy(&output->lock);
    free(output->entry);
    free(output);
}

void output_done(struct recover_worker *worker, struct output_file *output, size_t count)
{
    struct err err = ERR_INIT;
    size_t places = atomic_fetch_sub(&output->places, count);
    assert(places >= count);
    if (places != count)
        return;
    assert(output->users == 0);
    if (!output->failed && end_file(worker, output, &err) != 0)
        output_fail(worker->recover, output, &err);
    drop_output(worker, output);
}

static int write_place(struct recover_worker *worker, struct fetched_pack *pack,
                       const struct place *place, struct err *err)
{
    struct recover *recover = worker->recover;
    const struct output_file *output = place->output;
    const uint8_t *bytes;
    if (output->entry->chunk_count == 0)
        return 0;
    struct chunk_source source = {.id = output->entry->chunks[place->chunk],
                                  .pack = pack,
                                  .segment = place->segment,
                                  .offset = place->offset,
                                  .size = place->size};
    if (failure_check(&recover->failure, err) != 0 ||
        chunk_read(&worker->chunks, &source, &bytes, err) != 0 ||
        put_stream(worker, output, bytes, place->size, place->to, err) != 0)
        return -1;
    atomic_fetch_add(&recover->progress->bytes, place->size);
    return 0;
}

void output_write(struct recover_worker *worker, struct fetched_pack *pack,
                  const struct place *places, size_t count)
{
    struct recover *recover = worker->recover;
    struct output_file *output = places[0].output;
    struct err err = ERR_INIT;
    bool failed;
    int result = begin_writing(recover, output, &failed, &err);
    for (size_t i = 0; i < count && result == 0 && !failed; i++)
        result = write_place(worker, pack, &places[i], &err);
    if (result != 0)
        output_fail(recover, output, &err);
    if (end_writing(recover, output, output->places == count, &err) != 0)
        output_fail(recover, output, &err);
    output_done(worker, output, count);
}
