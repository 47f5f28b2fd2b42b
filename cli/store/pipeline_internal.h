/* pipeline_internal.h - what the parts of a running store share.
 *
 *   store_run.c      the order of things, from the first question to the published record
 *   store_walk.c     one thread goes through the tree and gives out work
 *   store_count.c    another counts ahead of it, for the progress line
 *   store_files.c    worker threads store files
 *   store_read.c     a file is read and cut into chunks, whatever happens to it meanwhile
 *   store_tree.c     finished files become folders, finished folders entries of their parents
 *   store_check.c    do the nodes hold the packs
 *   store_publish.c  the record that makes them a snapshot
 *   packing/         chunks become packs and go to the node
 *
 * store_run.c, store_check.c and store_publish.c see the whole run (store_run_internal.h), the others the
 * pipeline alone.
 */
#ifndef ECBAK_CLI_STORE_PIPELINE_INTERNAL_H
#define ECBAK_CLI_STORE_PIPELINE_INTERNAL_H

#include "cli/base/buffer.h"
#include "cli/base/failure.h"
#include "cli/base/work_queue.h"
#include "cli/files/attributes.h"
#include "cli/files/walk.h"
#include "cli/home/file_state.h"
#include "cli/packing/packs.h"
#include "cli/packing/places.h"
#include "cli/store/store_run.h"

#define STORE_THREADS_MAX 4 /* each costs about 25 MB: more would not stay below 200 MB */
#define BATCH_FILES       256
#define BATCH_BYTES       (1024u * 1024)
#define BATCHES_MAX       32

/* The unit in which folders are listed and finished. */
struct slice {
    struct dir *dir;
    struct walk_entry *entries;
    struct stored_entry *items; /* what became of the entries */
    size_t count;
    _Atomic size_t pending; /* items not done, and one for the walker */
    bool complete;          /* guarded by the dir's lock */
    struct slice *next;
};

/* Files for one worker. */
struct batch {
    size_t count;
    uint64_t bytes;
    struct {
        struct slice *slice;
        size_t index;
    } files[BATCH_FILES];
};

/* From the walk to the packs: what the threads share that read, cut and pack. */
struct pipeline {
    const struct store_options *options;
    struct vault *vault;
    struct job_progress *progress;
    const struct job_report *report;
    pthread_mutex_t report_lock;
    struct failure failure;

    struct places places;
    struct packs *packs;
    struct chunker chunker;
    struct file_state *state; /* of the last store; NULL: none */
    struct file_state_writer *state_writer;
    pthread_mutex_t state_lock;

    struct work_queue queue; /* of batches */

    _Atomic uint64_t files, bytes; /* in the snapshot */
    _Atomic uint64_t grown;        /* files that were appended to while they were read */
    struct chunk_id *root;         /* tree chunks of "/" */
    size_t root_count;
};

/* What a thread owns. */
struct store_worker {
    struct pipeline *pipeline;
    struct packing *packing;
    struct attributes *attributes;
    struct buffer encoded;
    struct buffer ids, places; /* of the file or folder in work: arrays */
    uint8_t *window;           /* FILE_WINDOW bytes, made when first needed */
    struct tree_extent *extents;
};
void store_worker_init(struct store_worker *worker, struct pipeline *pipeline);
void store_worker_release(struct store_worker *worker);

/* Tells the user of a file that is not stored whole. name NULL: the folder itself. */
void pipeline_problem(struct pipeline *pipeline, const struct folder *folder, const char *name,
                      const struct err *err);

/* ---- store_tree.c ---------------------------------------------------------------------------- */

/* A folder being put together. parent NULL: the root. */
struct dir *dir_new(struct pipeline *pipeline, struct folder *folder, struct slice *parent,
                    size_t index, const struct file_state_entry *before);
struct folder *dir_folder(const struct dir *dir);
/* Takes the entries; waits while too many slices of the folder are not complete, so every file of
 * earlier ones must have been given to a worker. The slice is pending until slice_done was called
 * once for each item, and once more by the walker. */
struct slice *dir_add_slice(struct dir *dir, struct walk_entry *entries, size_t count);
void slice_done(struct store_worker *worker, struct slice *slice);
/* No more slices. The dir may be gone when this returns. */
void dir_end(struct store_worker *worker, struct dir *dir);
/* What became of an entry: its encoding and the places of its chunks (both copied). */
void item_set(struct stored_entry *item, const uint8_t *encoded, size_t encoded_size,
              const uint32_t *places, size_t place_count, bool trusted);
/* item_set with the entry encoded; its chunks and places are the worker's ids and places. */
int item_encode(struct store_worker *worker, struct stored_entry *item, struct tree_entry *entry,
                bool trusted, struct err *err) MUST_CHECK;

/* ---- store_read.c ---------------------------------------------------------------------------- */

/* How a file was while it was read. */
struct contents {
    bool steady;      /* it stayed as it was */
    bool grew;        /* it was appended to: what is read is what it was when it was opened */
    bool size_untold; /* its size is not what it is said to be */
};

/* Reads the file and cuts it into chunks: the worker's ids and places. stat is how it was when that
 * began; entry gets its size and extents (the worker's). */
int contents_read(struct store_worker *worker, int fd, struct walk_stat *stat,
                  struct tree_entry *entry, struct contents *contents, struct err *err) MUST_CHECK;

/* ---- store_files.c --------------------------------------------------------------------------- */

/* Stores the file or other entry slice->entries[index], and calls slice_done. */
void file_store(struct store_worker *worker, struct slice *slice, size_t index);
void special_store(struct store_worker *worker, struct slice *slice, size_t index);
/* The queue that gives batches to workers; segments to compress are their other work. */
void workers_init(struct pipeline *pipeline, unsigned threads);

/* ---- store_walk.c ---------------------------------------------------------------------------- */

/* Goes through the targets; when it returns 0 and the queue has ended, the root is complete. */
int store_walk(struct pipeline *pipeline, char *const *targets, size_t target_count,
               struct err *err) MUST_CHECK;

#endif
