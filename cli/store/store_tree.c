/* Folders are finished by whichever thread finishes their last entry. A folder's slices may be
 * completed in any order (a large file takes longer than the thousand small ones behind it); they
 * are encoded in order, as soon as the first one is complete, and their memory is given back.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/store/pipeline_internal.h"
#include "coding/base/alloc.h"

/* So many slices of a folder may wait for one large file before the walker waits too. */
#define DIR_SLICES_MAX 16

struct dir {
    struct pipeline *pipeline;
    struct folder *folder; /* held */
    struct slice *parent;
    size_t index; /* in parent */
    pthread_mutex_t lock;
    struct slice *first, **last;
    /* One for each slice that is not complete and one for the walker: who holds one may touch the
     * dir, who gives back the last one finishes it. */
    _Atomic size_t tokens;
    pthread_cond_t fewer;
    size_t slice_count; /* in the list */

    /* From here on: under the lock, or by the holder of the last token. */
    struct buffer tree;   /* encoded entries not yet in a chunk */
    struct buffer chunks; /* ids of tree chunks so far */
    struct buffer places; /* and their places, u32 in the machine's order */
    struct buffer piece;  /* for the state file */
    uint32_t piece_number;
    uint8_t key[FILE_STATE_KEY_SIZE];
    struct chunk_id *chunks_before; /* its tree chunks in the last store */
    uint32_t *places_before;
    size_t before_count;
};

void store_worker_init(struct store_worker *worker, struct pipeline *pipeline)
{
    *worker = (struct store_worker){.pipeline = pipeline};
    worker->packing = packing_new(pipeline->packs);
    worker->attributes = attributes_new();
}

void store_worker_release(struct store_worker *worker)
{
    packing_destroy(&worker->packing);
    attributes_destroy(&worker->attributes);
    buffer_release(&worker->encoded);
    buffer_release(&worker->ids);
    buffer_release(&worker->places);
    free(worker->window);
    free(worker->extents);
}

void pipeline_problem(struct pipeline *pipeline, const struct folder *folder, const char *name,
                      const struct err *err)
{
    char *path = name != NULL ? alloc_format("%s/%s", folder->path, name)
                              : alloc_text(folder->path[0] != '\0' ? folder->path : "/");
    pthread_mutex_lock(&pipeline->report_lock);
    job_problem(pipeline->progress, pipeline->report, path, err);
    pthread_mutex_unlock(&pipeline->report_lock);
    free(path);
}

/* ---- what was there before ------------------------------------------------------------------- */

/* Remembers the folder's tree chunks of the last store: most folders come out the same, and then
 * where their chunks are is known without asking. */
static void remember_before(struct dir *dir, const struct file_state_entry *before)
{
    struct tree_reader reader;
    struct tree_entry entry = {0};
    struct err err = ERR_INIT;
    bool end = false;
    tree_reader_init(&reader);
    if (tree_reader_give(&reader, before->encoded, before->encoded_size, &err) == 0 &&
        tree_entry_decode(&entry, &reader, &end, &err) == 0 && !end && entry.chunk_count > 0 &&
        entry.chunk_count == before->place_count) {
        dir->before_count = entry.chunk_count;
        dir->chunks_before = alloc_zero(entry.chunk_count, sizeof(struct chunk_id));
        memcpy(dir->chunks_before, entry.chunks, entry.chunk_count * ID_SIZE);
        dir->places_before = alloc_zero(entry.chunk_count, sizeof(uint32_t));
        for (size_t i = 0; i < entry.chunk_count; i++)
            dir->places_before[i] = file_state_place(dir->pipeline->state, before, i);
    }
    tree_entry_release(&entry);
    tree_reader_release(&reader);
}

struct dir *dir_new(struct pipeline *pipeline, struct folder *folder, struct slice *parent,
                    size_t index, const struct file_state_entry *before)
{
    struct dir *dir = alloc_zero(1, sizeof(*dir));
    dir->pipeline = pipeline;
    dir->folder = folder_hold(folder);
    dir->parent = parent;
    dir->index = index;
    dir->last = &dir->first;
    dir->tokens = 1;
    pthread_mutex_init(&dir->lock, NULL);
    pthread_cond_init(&dir->fewer, NULL);
    file_state_key(dir->key, folder->path);
    if (before != NULL)
        remember_before(dir, before);
    return dir;
}

struct folder *dir_folder(const struct dir *dir)
{
    return dir->folder;
}

static void dir_destroy(struct dir *dir)
{
    folder_drop(&dir->folder);
    pthread_cond_destroy(&dir->fewer);
    pthread_mutex_destroy(&dir->lock);
    buffer_release(&dir->tree);
    buffer_release(&dir->chunks);
    buffer_release(&dir->places);
    buffer_release(&dir->piece);
    free(dir->chunks_before);
    free(dir->places_before);
    free(dir);
}

struct slice *dir_add_slice(struct dir *dir, struct walk_entry *entries, size_t count)
{
    struct slice *slice = alloc_zero(1, sizeof(*slice));
    slice->dir = dir;
    slice->entries = entries;
    slice->items = alloc_zero(count, sizeof(slice->items[0]));
    slice->count = count;
    slice->pending = count + 1;
    size_t tokens = atomic_fetch_add(&dir->tokens, 1);
    assert(tokens > 0); /* the walker's */
    pthread_mutex_lock(&dir->lock);
    while (dir->slice_count >= DIR_SLICES_MAX)
        pthread_cond_wait(&dir->fewer, &dir->lock);
    dir->slice_count++;
    *dir->last = slice;
    dir->last = &slice->next;
    pthread_mutex_unlock(&dir->lock);
    return slice;
}

static void slice_destroy(struct slice *slice)
{
    for (size_t i = 0; i < slice->count; i++) {
        free(slice->items[i].encoded);
        free(slice->items[i].places);
    }
    free(slice->items);
    free(slice->entries);
    free(slice);
}

void item_set(struct stored_entry *item, const uint8_t *encoded, size_t encoded_size,
              const uint32_t *places, size_t place_count, bool trusted)
{
    assert(item->encoded == NULL && encoded_size > 0);
    item->encoded = alloc_copy(encoded, encoded_size);
    item->encoded_size = (uint32_t)encoded_size;
    item->places = place_count > 0 ? alloc_copy(places, place_count * sizeof(places[0])) : NULL;
    item->place_count = (uint32_t)place_count;
    item->trusted = trusted;
}

int item_encode(struct store_worker *worker, struct stored_entry *item, struct tree_entry *entry,
                bool trusted, struct err *err)
{
    entry->chunks = (struct chunk_id *)worker->ids.bytes;
    entry->chunk_count = worker->ids.size / ID_SIZE;
    assert(worker->places.size == entry->chunk_count * sizeof(uint32_t));
    worker->encoded.size = 0;
    if (tree_entry_encode(entry, &worker->encoded, err) != 0)
        return -1;
    item_set(item, worker->encoded.bytes, worker->encoded.size,
             (const uint32_t *)(const void *)worker->places.bytes, entry->chunk_count, trusted);
    return 0;
}

/* ---- tree chunks ----------------------------------------------------------------------------- */

static int cut_chunk(struct store_worker *worker, struct dir *dir, size_t size, struct err *err)
{
    struct chunk_id id;
    uint32_t place = NO_PACK;
    packing_id(worker->packing, dir->tree.bytes, size, &id);
    size_t number = dir->chunks.size / ID_SIZE;
    if (number < dir->before_count && id_equal(&dir->chunks_before[number], &id) &&
        !places_is_lost(&dir->pipeline->places, dir->places_before[number])) {
        place = dir->places_before[number];
        places_use(&dir->pipeline->places, place);
    } else if (packing_add(worker->packing, CHUNK_TREE, dir->tree.bytes, size, &id, &place, err) !=
               0) {
        return -1;
    }
    buffer_append(&dir->chunks, id.bytes, sizeof(id));
    buffer_append(&dir->places, &place, sizeof(place));
    memmove(dir->tree.bytes, dir->tree.bytes + size, dir->tree.size - size);
    dir->tree.size -= size;
    return 0;
}

static void end_piece(struct dir *dir)
{
    struct pipeline *pipeline = dir->pipeline;
    if (dir->piece.size > 0 && pipeline->state_writer != NULL) {
        pthread_mutex_lock(&pipeline->state_lock);
        file_state_writer_add(pipeline->state_writer, dir->key, dir->piece_number++, &dir->piece);
        pthread_mutex_unlock(&pipeline->state_lock);
    }
    dir->piece.size = 0;
}

static int append_slice(struct store_worker *worker, struct dir *dir, const struct slice *slice,
                        struct err *err)
{
    for (size_t i = 0; i < slice->count; i++) {
        const struct stored_entry *item = &slice->items[i];
        if (item->encoded == NULL)
            continue;
        buffer_append(&dir->tree, item->encoded, item->encoded_size);
        while (dir->tree.size >= CHUNK_BYTES_MAX) {
            if (cut_chunk(worker, dir, CHUNK_BYTES_MAX, err) != 0)
                return -1;
        }
        if (dir->tree.size >= TREE_CHUNK_BYTES && cut_chunk(worker, dir, dir->tree.size, err) != 0)
            return -1;
        file_state_append(&dir->piece, slice->entries[i].name, &slice->entries[i].stat, item);
        if (dir->piece.size >= FILE_STATE_PIECE_BYTES)
            end_piece(dir);
    }
    return 0;
}

/* The folder as an entry of its parent. */
static int finish_entry(struct store_worker *worker, struct dir *dir, struct err *err)
{
    struct pipeline *pipeline = dir->pipeline;
    if (dir->tree.size > 0 && cut_chunk(worker, dir, dir->tree.size, err) != 0)
        return -1;
    end_piece(dir);
    size_t count = dir->chunks.size / ID_SIZE;
    if (dir->parent == NULL) {
        pipeline->root = (struct chunk_id *)dir->chunks.bytes;
        pipeline->root_count = count;
        dir->chunks = (struct buffer){0};
        return 0;
    }
    const char *name = dir->parent->entries[dir->index].name;
    struct tree_entry entry = {.name = name, .name_size = strlen(name)};
    struct file_at handle = {
        .fd = dir->folder->fd, .folder_fd = dir->parent->dir->folder->fd, .name = name};
    struct err problem = ERR_INIT;
    if (attributes_read(worker->attributes, &entry, &dir->folder->stat, handle, &problem) != 0)
        pipeline_problem(pipeline, dir->folder, NULL, &problem);
    worker->ids.size = worker->places.size = 0;
    buffer_append(&worker->ids, dir->chunks.bytes, dir->chunks.size);
    buffer_append(&worker->places, dir->places.bytes, dir->places.size);
    if (item_encode(worker, &dir->parent->items[dir->index], &entry, true, &problem) != 0)
        pipeline_problem(pipeline, dir->folder, NULL, &problem);
    return 0;
}

/* Marks the slice (NULL: none) complete and takes in what is complete from the first on. */
static void dir_advance(struct store_worker *worker, struct dir *dir, struct slice *slice)
{
    struct err err = ERR_INIT;
    pthread_mutex_lock(&dir->lock);
    if (slice != NULL)
        slice->complete = true;
    while (dir->first != NULL && dir->first->complete) {
        assert(dir->slice_count > 0 && dir->first->pending == 0);
        struct slice *first = dir->first;
        dir->first = first->next;
        if (dir->first == NULL)
            dir->last = &dir->first;
        dir->slice_count--;
        pthread_cond_signal(&dir->fewer);
        if (!failure_met(&dir->pipeline->failure) && append_slice(worker, dir, first, &err) != 0)
            failure_set(&dir->pipeline->failure, &err);
        slice_destroy(first);
    }
    pthread_mutex_unlock(&dir->lock);
}

/* Gives back one of the dir's tokens; with the last one the dir is finished, and whatever that
 * finishes in turn, up to the root. */
static void drop_token(struct store_worker *worker, struct dir *dir)
{
    while (dir != NULL && atomic_fetch_sub(&dir->tokens, 1) == 1) {
        assert(dir->first == NULL);
        struct err err = ERR_INIT;
        if (!failure_met(&dir->pipeline->failure) && finish_entry(worker, dir, &err) != 0)
            failure_set(&dir->pipeline->failure, &err);
        struct slice *parent = dir->parent;
        dir_destroy(dir);
        dir = NULL;
        if (parent != NULL && atomic_fetch_sub(&parent->pending, 1) == 1) {
            dir = parent->dir;
            dir_advance(worker, dir, parent);
        }
    }
}

void slice_done(struct store_worker *worker, struct slice *slice)
{
    size_t pending = atomic_fetch_sub(&slice->pending, 1);
    assert(pending > 0);
    if (pending != 1)
        return;
    struct dir *dir = slice->dir;
    dir_advance(worker, dir, slice);
    drop_token(worker, dir);
}

void dir_end(struct store_worker *worker, struct dir *dir)
{
    drop_token(worker, dir);
}
