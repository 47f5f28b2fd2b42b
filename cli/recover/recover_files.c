/* A file is written by the threads that take its parts: a small one is one part among many in a
 * batch, a large one is spread over several batches and threads. It lives under a temporary name
 * until its last part is written and every chunk was what its id says; a file that fails is
 * removed.
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

static int read_back(struct recover_worker *worker, int fd, const uint8_t *bytes, size_t size,
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

static int put(struct recover_worker *worker, int fd, const uint8_t *bytes, size_t size,
               uint64_t offset, struct err *err)
{
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
                   ? put(worker, output->fd, bytes, size, offset, err)
                   : err_set(err, ERR_DAMAGED, "more data than the file has bytes");
    uint64_t begin = 0;
    for (size_t i = 0; i < entry->extent_count && size > 0; i++) {
        const struct tree_extent *extent = &entry->extents[i];
        if (offset < begin + extent->size) {
            uint64_t inside = offset - begin, left = extent->size - inside;
            size_t part = size < left ? size : (size_t)left;
            if (put(worker, output->fd, bytes, part, extent->offset + inside, err) != 0)
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

static int begin_file(struct recover *recover, struct output_file *output, struct err *err)
{
    if (output->fd >= 0)
        return 0;
    /* Made with its mode where nobody else could read it for that: saves changing it later. */
    const struct tree_entry *entry = output->entry;
    bool own = entry->uid == recover->uid && entry->gid == recover->gid;
    temporary_name(recover, output->temporary);
    job_now(recover->progress, output->dest->path, entry->name, entry->name_size);
    output->fd = openat(output->dest->fd, output->temporary,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        own ? (entry->mode & 0777) | 0600 : 0600);
    if (output->fd < 0)
        return flags_refusal(output->dest, NULL, "making the file", err);
    /* Whether it took them is seen at the end. */
    if ((entry->flags & INODE_FLAGS_EARLY) != 0)
        (void)inode_flags_add(output->fd, entry->flags & INODE_FLAGS_EARLY);
    return 0;
}

/* Gives a file whose bytes are all there its attributes, and its name, and what must come after
 * that. */
static int name_file(struct recover_worker *worker, struct output_file *output, const char *name,
                     struct err *err)
{
    struct recover *recover = worker->recover;
    const struct tree_entry *entry = output->entry;
    struct err problem = ERR_INIT;
    int locked = -1, result = 0;
    if (attributes_apply(worker->attributes, entry, (struct file_at){.fd = output->fd},
                         &recover->policy, &problem) != 0)
        recover_problem(recover, output->dest, name, strlen(name), &problem);
    flags_put(recover, output->dest->path, name, strlen(name), output->fd,
              entry->flags & ~INODE_FLAGS_LOCKING);
    if (output->link == NULL && (entry->flags & INODE_FLAGS_LOCKING) != 0)
        locked = fcntl(output->fd, F_DUPFD_CLOEXEC, 0);
    int closed = close(output->fd);
    output->fd = -1;
    if (closed != 0) {
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

/* The last part is written: size, attributes, name. */
static int end_file(struct recover_worker *worker, struct output_file *output, struct err *err)
{
    struct recover *recover = worker->recover;
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
    if (name_file(worker, output, name, err) != 0)
        return -1;
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->bytes, entry->size);
    atomic_fetch_add(&recover->progress->files, 1);
    return 0;
}

static void fail_file(struct recover_worker *worker, struct output_file *output,
                      const struct err *err)
{
    pthread_mutex_lock(&output->lock);
    bool first = !output->failed;
    output->failed = true;
    if (first)
        output->why = err->code;
    pthread_mutex_unlock(&output->lock);
    if (first && !failure_met(&worker->recover->failure))
        recover_problem(worker->recover, output->dest, output->entry->name,
                        output->entry->name_size, err);
}

static void drop_output(struct recover_worker *worker, struct output_file *output)
{
    if (output->fd >= 0)
        close(output->fd);
    if (output->temporary[0] != '\0')
        (void)unlinkat(output->dest->fd, output->temporary, 0);
    link_finish(worker, output->link, output->why);
    dest_drop(worker, output->dest);
    pthread_mutex_destroy(&output->lock);
    free(output->entry);
    free(output);
}

static int write_part(struct recover_worker *worker, struct part *part, struct err *err)
{
    struct output_file *output = part->output;
    pthread_mutex_lock(&output->lock);
    bool failed = output->failed;
    int result = failed ? 0 : begin_file(worker->recover, output, err);
    pthread_mutex_unlock(&output->lock);
    uint64_t offset = part->offset;
    for (size_t i = 0; i < part->count && result == 0 && !failed; i++) {
        const uint8_t *bytes;
        result = failure_check(&worker->recover->failure, err);
        if (result == 0)
            result = chunk_read(&worker->chunks, &part->chunks[i], &bytes, err);
        if (result == 0)
            result = put_stream(worker, output, bytes, part->chunks[i].size, offset, err);
        offset += part->chunks[i].size;
        atomic_fetch_add(&worker->recover->progress->bytes, part->chunks[i].size);
    }
    return result;
}

static void do_part(struct recover_worker *worker, struct part *part)
{
    struct output_file *output = part->output;
    struct err err = ERR_INIT;
    if (write_part(worker, part, &err) != 0)
        fail_file(worker, output, &err);
    for (size_t i = 0; i < part->count; i++)
        chunk_unplan(&part->chunks[i], worker->recover->fetcher);
    free(part->chunks);
    size_t parts = atomic_fetch_sub(&output->parts, 1);
    assert(parts > 0);
    if (parts != 1)
        return;
    if (!output->failed && end_file(worker, output, &err) != 0)
        fail_file(worker, output, &err);
    drop_output(worker, output);
}

/* ---- giving out ------------------------------------------------------------------------------ */

void writers_give(struct recover *recover, struct part_batch **batch)
{
    if (*batch != NULL)
        work_queue_give(&recover->queue, *batch);
    *batch = NULL;
}

/* Takes the part's chunks. */
static void add_part(struct recover *recover, struct part_batch **batch, const struct part *part)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < part->count; i++)
        bytes += part->chunks[i].size;
    /* A batch is what one thread reads in one go: it ends where another pack begins. */
    if (*batch != NULL && part->count > 0) {
        const struct part *last = &(*batch)->parts[(*batch)->count - 1];
        bool moved = last->count > 0 && last->chunks[0].pack != part->chunks[0].pack;
        if (moved && (*batch)->count > 16)
            writers_give(recover, batch);
    }
    if (*batch == NULL)
        *batch = alloc_zero(1, sizeof(**batch));
    (*batch)->parts[(*batch)->count++] = *part;
    (*batch)->bytes += bytes;
    if ((*batch)->count == BATCH_PARTS || (*batch)->bytes >= BATCH_PART_BYTES)
        writers_give(recover, batch);
}

void writers_add(struct recover *recover, struct part_batch **batch, struct dest *dest,
                 const struct tree_entry *entry, struct hard_link *link)
{
    struct output_file *output = alloc_zero(1, sizeof(*output));
    struct err err = ERR_INIT;
    dest_hold(dest);
    output->dest = dest;
    output->entry = entry_copy(entry);
    output->link = link;
    output->fd = -1;
    output->parts = 1 + (entry->chunk_count > 0 ? (entry->chunk_count - 1) / PART_CHUNKS : 0);
    pthread_mutex_init(&output->lock, NULL);
    size_t part_count = output->parts;
    uint64_t offset = 0;
    bool failed = false;
    for (size_t i = 0; i < part_count; i++) {
        size_t first = i * PART_CHUNKS, left = entry->chunk_count - first;
        struct part part = {.output = output, .offset = offset};
        size_t wanted = left < PART_CHUNKS ? left : PART_CHUNKS;
        part.chunks = alloc_zero(wanted, sizeof(part.chunks[0]));
        while (!failed && part.count < wanted) {
            struct chunk_source *chunk = &part.chunks[part.count];
            failed = chunk_plan(chunk, recover->cache, recover->fetcher,
                                &output->entry->chunks[first + part.count], &err) != 0;
            if (!failed) {
                offset += chunk->size;
                part.count++;
            }
        }
        if (failed) {
            pthread_mutex_lock(&output->lock);
            bool reported = output->failed;
            output->failed = true;
            output->why = err.code;
            pthread_mutex_unlock(&output->lock);
            if (!reported)
                recover_problem(recover, dest, output->entry->name, output->entry->name_size, &err);
        }
        add_part(recover, batch, &part);
    }
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *run_writer(void *ctx)
{
    struct recover *recover = ctx;
    struct recover_worker worker;
    void *item;
    recover_worker_init(&worker, recover);
    while (work_queue_take(&recover->queue, &item) != WORK_ENDED) {
        struct part_batch *batch = item;
        assert(batch->count > 0 && batch->count <= BATCH_PARTS);
        for (size_t i = 0; i < batch->count; i++)
            do_part(&worker, &batch->parts[i]);
        free(batch);
    }
    recover_worker_release(&worker);
    return NULL;
}

void writers_init(struct recover *recover, unsigned threads)
{
    work_queue_init(&recover->queue, &(struct work_queue_options){.waiting_max = PART_BATCHES_MAX,
                                                                  .threads = threads,
                                                                  .run = run_writer,
                                                                  .ctx = recover});
}
