/* Depth first, with a stack of its own (a tree may be deeper than a thread's stack). What looks as
 * it did in the last store is taken over as it is; the rest goes to the workers in batches. After a
 * failure the walk goes on to its end without looking, so that everything begun is also ended.
 */
#include <errno.h>
#include <stdlib.h>

#include "cli/store/pipeline_internal.h"
#include "cli/store/store_count.h"
#include "coding/base/alloc.h"

struct walk_level {
    struct listing listing;
    struct dir *dir;
    struct slice *slice;
    size_t at; /* in the slice */
    struct file_state_cursor before;
};

struct walker {
    struct pipeline *pipeline;
    struct walk *walk;
    struct store_worker worker;
    struct batch *batch; /* being filled */
    struct walk_level *frames;
    size_t depth, room;
};

static void give_batch(struct walker *walker)
{
    if (walker->batch != NULL)
        work_queue_give(&walker->pipeline->queue, walker->batch);
    walker->batch = NULL;
}

static void add_to_batch(struct walker *walker, struct slice *slice, size_t index)
{
    uint64_t size = slice->entries[index].stat.size;
    if (walker->batch != NULL && walker->batch->bytes + size > BATCH_BYTES)
        give_batch(walker);
    if (walker->batch == NULL)
        walker->batch = alloc_zero(1, sizeof(*walker->batch));
    struct batch *batch = walker->batch;
    batch->files[batch->count].slice = slice;
    batch->files[batch->count++].index = index;
    batch->bytes += size;
    if (batch->count == BATCH_FILES || batch->bytes >= BATCH_BYTES)
        give_batch(walker);
}

/* Takes over an entry of the last store; false when one of its packs is lost. */
static bool take_over(struct walker *walker, const struct file_state_entry *before,
                      struct slice *slice, size_t index)
{
    struct pipeline *pipeline = walker->pipeline;
    struct buffer *places = &walker->worker.places;
    places->size = 0;
    for (size_t i = 0; i < before->place_count; i++) {
        uint32_t place = file_state_place(pipeline->state, before, i);
        if (places_is_lost(&pipeline->places, place))
            return false;
        buffer_append(places, &place, sizeof(place));
    }
    for (size_t i = 0; i < before->place_count; i++)
        places_use(&pipeline->places, ((const uint32_t *)(const void *)places->bytes)[i]);
    item_set(&slice->items[index], before->encoded, before->encoded_size,
             (const uint32_t *)(const void *)places->bytes, before->place_count, true);
    atomic_fetch_add(&pipeline->files, 1);
    atomic_fetch_add(&pipeline->bytes, S_ISREG(before->mode) ? before->size : 0);
    atomic_fetch_add(&pipeline->progress->files, 1);
    atomic_fetch_add(&pipeline->progress->bytes, S_ISREG(before->mode) ? before->size : 0);
    return true;
}

/* Begins a folder; its listing may have failed half-way. */
static void push_frame(struct walker *walker, struct scan **scan, struct slice *parent,
                       size_t index, const struct file_state_entry *before)
{
    struct pipeline *pipeline = walker->pipeline;
    if (walker->depth == walker->room) {
        walker->room = 2 * walker->room + 16;
        walker->frames = alloc_grow(walker->frames, walker->room, sizeof(walker->frames[0]));
    }
    struct walk_level *frame = &walker->frames[walker->depth++];
    *frame = (struct walk_level){0};
    struct err err = ERR_INIT;
    if (walk_enter(walker->walk, scan, &frame->listing, &err) != 0)
        pipeline_problem(pipeline, frame->listing.folder, NULL, &err);
    frame->dir = dir_new(pipeline, frame->listing.folder, parent, index, before);
    file_state_cursor_init(&frame->before, pipeline->state, frame->listing.folder->path);
    frame->slice = dir_add_slice(frame->dir, frame->listing.entries, frame->listing.count);
    frame->listing.entries = NULL;
}

/* A folder that could not even be opened is stored as what its parent knows of it. */
static void enter(struct walker *walker, struct slice *slice, size_t index,
                  const struct file_state_entry *before)
{
    push_frame(walker, &slice->entries[index].scan, slice, index, before);
    struct walk_level *frame = &walker->frames[walker->depth - 1];
    if (frame->listing.folder->fd < 0)
        frame->listing.folder->stat = slice->entries[index].stat;
}

static void store_entry(struct walker *walker, struct walk_level *frame, size_t index)
{
    struct pipeline *pipeline = walker->pipeline;
    struct slice *slice = frame->slice;
    struct walk_entry *entry = &slice->entries[index];
    if (failure_met(&pipeline->failure)) {
        walk_skip(walker->walk, &entry->scan);
        slice_done(&walker->worker, slice);
        return;
    }
    if (entry->error != 0) {
        struct err err;
        errno = entry->error;
        err_errno(&err, "looking at it");
        pipeline_problem(pipeline, frame->listing.folder, entry->name, &err);
        slice_done(&walker->worker, slice);
        return;
    }
    /* A copy: the frames may move when one is pushed. */
    struct file_state_entry last_time;
    const struct file_state_entry *before = NULL;
    if (file_state_cursor_find(&frame->before, entry->name)) {
        last_time = frame->before.entry;
        before = &last_time;
    }
    if (entry->scan != NULL) {
        enter(walker, slice, index, before);
    } else if (before != NULL && !S_ISDIR(entry->stat.mode) && !pipeline->options->read_all &&
               file_state_entry_same(before, &entry->stat) &&
               take_over(walker, before, slice, index)) {
        slice_done(&walker->worker, slice);
    } else if (S_ISREG(entry->stat.mode)) {
        add_to_batch(walker, slice, index);
    } else {
        special_store(&walker->worker, slice, index);
    }
}

/* One step: the next entry of the folder on top, its next slice, or its end. */
static void step(struct walker *walker)
{
    struct walk_level *frame = &walker->frames[walker->depth - 1];
    if (frame->at < frame->slice->count) {
        store_entry(walker, frame, frame->at++);
        return;
    }
    slice_done(&walker->worker, frame->slice);
    if (!frame->listing.last) {
        give_batch(walker); /* dir_add_slice may wait for it */
        walk_next_slice(walker->walk, &frame->listing);
        frame->slice = dir_add_slice(frame->dir, frame->listing.entries, frame->listing.count);
        frame->listing.entries = NULL;
        frame->at = 0;
        return;
    }
    dir_end(&walker->worker, frame->dir);
    file_state_cursor_release(&frame->before);
    listing_release(&frame->listing);
    walker->depth--;
}

int store_walk(struct pipeline *pipeline, char *const *targets, size_t target_count,
               struct err *err)
{
    struct walker walker = {.pipeline = pipeline};
    struct walk_options options = {.targets = (const char *const *)targets,
                                   .target_count = target_count,
                                   .exclude = pipeline->options->exclude,
                                   .exclude_caches = pipeline->options->exclude_caches,
                                   .one_file_system = pipeline->options->one_file_system,
                                   .threads = pipeline->queue.options.threads};
    if (walk_new(&walker.walk, &options, err) != 0)
        return -1;
    struct store_count *count = NULL;
    if (pipeline->options->count_ahead)
        store_count_start(&count, &options, pipeline->progress);
    store_worker_init(&walker.worker, pipeline);
    push_frame(&walker, NULL, NULL, 0, NULL);
    while (walker.depth > 0)
        step(&walker);
    give_batch(&walker);
    store_count_stop(&count, failure_met(&pipeline->failure));
    int result = packing_flush(walker.worker.packing, err);
    store_worker_release(&walker.worker);
    free(walker.frames);
    walk_destroy(&walker.walk);
    return result;
}
