/* A worker compresses segments as long as there are any, and else takes a batch of files (small
 * ones come about a megabyte at a time, so that neighbours are compressed together).
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

#include "cli/store/pipeline_internal.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"

/* A change within the clock's grain could leave a file's times as they are. */
#define TIMES_SLACK_S 0.1

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

static bool changed_long_ago(const struct walk_stat *stat)
{
    struct timespec now = wall_time();
    double age =
        (double)(now.tv_sec - stat->ctime_s) + ((double)now.tv_nsec - (double)stat->ctime_ns) / 1e9;
    return age > TIMES_SLACK_S;
}

/* 0: stored, also when it was reported. */
static int store_open_file(struct store_worker *worker, int fd, struct slice *slice, size_t index,
                           struct err *err)
{
    struct walk_entry *file = &slice->entries[index];
    struct folder *folder = dir_folder(slice->dir);
    struct tree_entry entry = {.name = file->name, .name_size = strlen(file->name)};
    struct err problem = ERR_INIT;
    struct contents contents;
    if (contents_read(worker, fd, &file->stat, &entry, &contents, err) != 0)
        return -1;
    bool trusted = contents.steady && !contents.size_untold && changed_long_ago(&file->stat);
    if (contents.grew) {
        atomic_fetch_add(&worker->pipeline->grown, 1);
    } else if (!contents.steady) {
        err_set(&problem, ERR_IO, "it changed while it was read: what is stored may be a mixture");
        pipeline_problem(worker->pipeline, folder, file->name, &problem);
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
        job_now(pipeline->progress, folder->path, name, strlen(name));
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
