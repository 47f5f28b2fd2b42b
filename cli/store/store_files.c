/* A worker compresses segments as long as there are any, and else takes a batch of files (small
 * ones come about a megabyte at a time, so that neighbours are compressed together).
 *
 * A file is taken as it is between two looks at it; when the second look differs, it is read again
 * once, and then stored as it was read and reported.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/store/store_internal.h"
#include "coding/base/alloc.h"

#define FILE_WINDOW (2 * CHUNK_BYTES_MAX)
#define EXTENTS_MAX 4096 /* beyond, the rest of a file counts as one run of data */
/* A change within the clock's grain could leave a file's times as they are. */
#define TIMES_SLACK_S 0.1

/* ---- reading --------------------------------------------------------------------------------- */

/* The data of a file, hole by hole left out, as one stream. */
struct file_source {
    int fd;
    const struct tree_extent *extents;
    size_t extent_count, at;
    uint64_t done; /* of extents[at] */
    bool exact;    /* there are holes: what is missing at the end is read as zeros */
};

/* Fills up to `want` bytes; fewer only at the end. */
static int source_read(struct file_source *source, uint8_t *to, size_t want, size_t *got,
                       struct err *err)
{
    *got = 0;
    while (*got < want && source->at < source->extent_count) {
        const struct tree_extent *extent = &source->extents[source->at];
        uint64_t left = extent->size - source->done;
        size_t size = want - *got < left ? want - *got : (size_t)left;
        ssize_t read =
            size > 0 ? pread(source->fd, to + *got, size, (off_t)(extent->offset + source->done))
                     : 0;
        if (read < 0 && errno == EINTR)
            continue;
        if (read < 0)
            return err_errno(err, "reading");
        if (read == 0 && source->exact && size > 0) {
            memset(to + *got, 0, size);
            read = (ssize_t)size;
        }
        *got += (size_t)read;
        source->done += (uint64_t)read;
        if (read == 0 || source->done == extent->size) {
            source->at++;
            source->done = 0;
        }
    }
    return 0;
}

static int add_chunk(struct store_worker *worker, const uint8_t *bytes, size_t size,
                     struct err *err)
{
    struct chunk_id id;
    uint32_t place;
    packing_id(worker->packing, bytes, size, &id);
    if (packing_add(worker->packing, CHUNK_DATA, bytes, size, &id, &place, err) != 0) {
        failure_set(&worker->pipeline->failure, err);
        return -1;
    }
    buffer_append(&worker->ids, id.bytes, sizeof(id));
    buffer_append(&worker->places, &place, sizeof(place));
    atomic_fetch_add(&worker->pipeline->progress->bytes, size);
    return 0;
}

/* Cuts the whole source into chunks; *size gets the number of bytes. */
static int read_chunks(struct store_worker *worker, struct file_source *source, uint64_t *size,
                       struct err *err)
{
    size_t filled = 0, got;
    *size = 0;
    if (worker->window == NULL && (worker->window = alloc_large(FILE_WINDOW, err)) == NULL)
        return -1;
    do {
        if (source_read(source, worker->window + filled, FILE_WINDOW - filled, &got, err) != 0)
            return -1;
        bool end = got < FILE_WINDOW - filled || source->at == source->extent_count;
        filled += got;
        *size += got;
        size_t at = 0;
        while (filled - at >= CHUNK_BYTES_MAX || (end && at < filled)) {
            size_t cut = chunker_cut(&worker->pipeline->chunker, worker->window + at, filled - at);
            if (add_chunk(worker, worker->window + at, cut, err) != 0)
                return -1;
            at += cut;
        }
        memmove(worker->window, worker->window + at, filled - at);
        filled -= at;
        if (end)
            break;
    } while (!failure_met(&worker->pipeline->failure));
    return 0;
}

/* The runs of data of a file that takes less room than it has bytes. */
static size_t find_extents(struct store_worker *worker, int fd, uint64_t size)
{
    if (worker->extents == NULL)
        worker->extents = alloc_zero(EXTENTS_MAX, sizeof(worker->extents[0]));
    size_t count = 0;
    off_t at = 0;
    while ((uint64_t)at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        if (data < 0)
            data = at;
        off_t hole = count + 1 < EXTENTS_MAX ? lseek(fd, data, SEEK_HOLE) : -1;
        if (hole <= data || (uint64_t)hole > size)
            hole = (off_t)size;
        if ((uint64_t)data >= size)
            break;
        worker->extents[count++] = (struct tree_extent){(uint64_t)data, (uint64_t)(hole - data)};
        at = hole;
    }
    return count;
}

static int read_contents(struct store_worker *worker, int fd, const struct walk_stat *stat,
                         struct tree_entry *entry, struct err *err)
{
    struct tree_extent all = {0, stat->size};
    struct file_source source = {.fd = fd, .extents = &all, .extent_count = stat->size > 0 ? 1 : 0};
    worker->ids.size = worker->places.size = 0;
    entry->extents = NULL;
    entry->extent_count = 0;
    entry->size = stat->size;
    if (stat->blocks * 512 < stat->size) {
        size_t count = find_extents(worker, fd, stat->size);
        bool whole = count == 1 && worker->extents[0].size == stat->size;
        if (!whole) {
            source = (struct file_source){
                .fd = fd, .extents = worker->extents, .extent_count = count, .exact = true};
            entry->extents = worker->extents;
            entry->extent_count = count;
        }
    }
    uint64_t size;
    if (read_chunks(worker, &source, &size, err) != 0)
        return -1;
    if (!source.exact)
        entry->size = size;
    return 0;
}

/* ---- one entry ------------------------------------------------------------------------------- */

/* A number for an inode, the same in every snapshot; that two inodes have one is as good as
 * impossible (and recover_links.c would notice). */
static uint64_t link_number(const struct walk_stat *stat)
{
    uint8_t bytes[16], hash[crypto_generichash_BYTES_MIN];
    uint64_t number;
    memcpy(bytes, &stat->device, 8);
    memcpy(bytes + 8, &stat->inode, 8);
    crypto_generichash(hash, sizeof(hash), bytes, sizeof(bytes), NULL, 0);
    memcpy(&number, hash, sizeof(number));
    return number != 0 ? number : 1;
}

static bool same_contents(const struct walk_stat *a, const struct walk_stat *b)
{
    return a->size == b->size && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
           a->ctime_s == b->ctime_s && a->ctime_ns == b->ctime_ns;
}

static bool changed_long_ago(const struct walk_stat *stat)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double age =
        (double)(now.tv_sec - stat->ctime_s) + ((double)now.tv_nsec - (double)stat->ctime_ns) / 1e9;
    return age > TIMES_SLACK_S;
}

static int look(int fd, struct walk_stat *stat, struct err *err)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return err_errno(err, "looking at it");
    walk_stat_of(stat, &found);
    return 0;
}

/* 0: stored, also when it was reported. */
static int store_open_file(struct store_worker *worker, int fd, struct slice *slice, size_t index,
                           struct err *err)
{
    struct walk_entry *file = &slice->entries[index];
    struct folder *folder = dir_folder(slice->dir);
    struct tree_entry entry = {.name = file->name, .name_size = strlen(file->name)};
    struct walk_stat after;
    struct err problem = ERR_INIT;
    bool trusted = true;
    for (int attempt = 0;; attempt++) {
        if (look(fd, &file->stat, err) != 0)
            return -1;
        if (!S_ISREG(file->stat.mode))
            return err_set(err, ERR_IO, "it was replaced by something else meanwhile");
        trusted = changed_long_ago(&file->stat);
        if (read_contents(worker, fd, &file->stat, &entry, err) != 0 || look(fd, &after, err) != 0)
            return -1;
        if (same_contents(&file->stat, &after))
            break;
        if (attempt > 0) {
            trusted = false;
            err_set(&problem, ERR_IO, "it changed while it was read; stored as it was read");
            pipeline_problem(worker->pipeline, folder, file->name, &problem);
            break;
        }
    }
    uint64_t size = entry.size;
    if (attributes_read(worker->attributes, &entry, &file->stat, (struct file_at){.fd = fd},
                        &problem))
        pipeline_problem(worker->pipeline, folder, file->name, &problem);
    entry.size = size;
    if (file->stat.linked)
        entry.hard_link = link_number(&file->stat);
    if (item_encode(worker, &slice->items[index], &entry, trusted, err) != 0)
        return -1;
    atomic_fetch_add(&worker->pipeline->files, 1);
    atomic_fetch_add(&worker->pipeline->bytes, size);
    atomic_fetch_add(&worker->pipeline->progress->files, 1);
    return 0;
}

void file_store(struct store_worker *worker, struct slice *slice, size_t index)
{
    struct pipeline *pipeline = worker->pipeline;
    const char *name = slice->entries[index].name;
    struct folder *folder = dir_folder(slice->dir);
    struct err err = ERR_INIT;
    if (!failure_met(&pipeline->failure)) {
        int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        int fd = openat(folder->fd, name, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM)
            fd = openat(folder->fd, name, flags);
        bool gone = fd < 0 && errno == ENOENT; /* then it is not part of the snapshot */
        int result = fd < 0 ? err_errno(&err, "opening") : 0;
        if (fd >= 0) {
            result = store_open_file(worker, fd, slice, index, &err);
            close(fd);
        }
        if (result != 0 && !gone && !failure_met(&pipeline->failure))
            pipeline_problem(pipeline, folder, name, &err);
    }
    slice_done(worker, slice);
}

static int store_special(struct store_worker *worker, struct slice *slice, size_t index,
                         struct err *err)
{
    const struct walk_entry *file = &slice->entries[index];
    struct folder *folder = dir_folder(slice->dir);
    struct file_at handle = {.fd = -1, .folder_fd = folder->fd, .name = file->name};
    struct tree_entry entry = {.name = file->name, .name_size = strlen(file->name)};
    char target[PATH_MAX + 1];
    struct err problem = ERR_INIT;
    worker->ids.size = worker->places.size = 0;
    if (attributes_kind(file->stat.mode) == 0)
        return err_set(err, ERR_INVALID, "a kind of file that is not known");
    if (attributes_read(worker->attributes, &entry, &file->stat, handle, &problem) != 0)
        pipeline_problem(worker->pipeline, folder, file->name, &problem);
    if (entry.kind == ENTRY_SYMLINK) {
        ssize_t size = readlinkat(folder->fd, file->name, target, sizeof(target));
        if (size < 0 || (size_t)size == sizeof(target))
            return err_errno(err, "reading the symbolic link");
        entry.target = target;
        entry.target_size = (size_t)size;
    }
    if (file->stat.linked && entry.kind != ENTRY_DIRECTORY) {
        entry.hard_link = link_number(&file->stat);
    }
    return item_encode(worker, &slice->items[index], &entry, true, err);
}

void special_store(struct store_worker *worker, struct slice *slice, size_t index)
{
    struct pipeline *pipeline = worker->pipeline;
    struct err err = ERR_INIT;
    if (!failure_met(&pipeline->failure)) {
        if (store_special(worker, slice, index, &err) != 0)
            pipeline_problem(pipeline, dir_folder(slice->dir), slice->entries[index].name, &err);
        else if (!S_ISDIR(slice->entries[index].stat.mode)) {
            atomic_fetch_add(&pipeline->files, 1);
            atomic_fetch_add(&pipeline->progress->files, 1);
        }
    }
    slice_done(worker, slice);
}

/* ---- workers --------------------------------------------------------------------------------- */

static bool has_segments(void *ctx)
{
    const struct pipeline *pipeline = ctx;
    return packs_has_work(pipeline->packs);
}

static void store_batch(struct store_worker *worker, struct batch *batch)
{
    assert(batch->count > 0 && batch->count <= BATCH_FILES);
    for (size_t i = 0; i < batch->count; i++)
        file_store(worker, batch->files[i].slice, batch->files[i].index);
    free(batch);
}

static void *run_worker(void *ctx)
{
    struct pipeline *pipeline = ctx;
    struct store_worker worker;
    struct err err = ERR_INIT;
    enum work work;
    void *batch;
    store_worker_init(&worker, pipeline);
    while ((work = work_queue_take(&pipeline->queue, &batch)) != WORK_ENDED) {
        if (work == WORK_ITEM)
            store_batch(&worker, batch);
        else
            packs_work(pipeline->packs);
    }
    if (packing_flush(worker.packing, &err) != 0)
        failure_set(&pipeline->failure, &err);
    store_worker_release(&worker);
    return NULL;
}

void workers_init(struct pipeline *pipeline, unsigned threads)
{
    work_queue_init(&pipeline->queue, &(struct work_queue_options){.waiting_max = BATCHES_MAX,
                                                                   .threads = threads,
                                                                   .run = run_worker,
                                                                   .has_other = has_segments,
                                                                   .ctx = pipeline});
}
