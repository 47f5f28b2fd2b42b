/* Depth first, with a stack of its own. Folders are made as they are met; files are planned, to be
 * written in the order of packs (recover_order.c); everything else is made here.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/base/path.h"
#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

/* Reads one folder's entries chunk by chunk. */
struct folder_reader {
    struct chunk_id *chunks;
    size_t count, next;
    struct tree_reader tree;
    uint8_t *bytes; /* the chunk given to `tree` */
};

struct level {
    struct dest *dest;
    struct folder_reader reader;
    bool wanted; /* the folder itself was asked for, or is inside one that was */
};

struct tree_walk {
    struct recover *recover;
    struct recover_worker worker;
    struct level *frames;
    size_t depth, room;
};

static void folder_open(struct folder_reader *reader, const struct chunk_id *chunks, size_t count)
{
    *reader = (struct folder_reader){.count = count};
    reader->chunks = alloc_copy(chunks, count * ID_SIZE);
    tree_reader_init(&reader->tree);
}

static void folder_close(struct folder_reader *reader)
{
    tree_reader_release(&reader->tree);
    free(reader->bytes);
    free(reader->chunks);
}

static int next_chunk(struct recover *recover, struct chunk_reader *chunks,
                      struct folder_reader *reader, struct err *err)
{
    struct chunk_source source = {0};
    const uint8_t *bytes;
    if (chunk_plan(&source, recover->cache, recover->fetcher, &reader->chunks[reader->next], err) !=
        0)
        return -1;
    int result = chunk_read(chunks, &source, &bytes, err);
    if (result == 0) {
        free(reader->bytes);
        reader->bytes = alloc_copy(bytes, source.size);
        reader->next++;
        result = tree_reader_give(&reader->tree, reader->bytes, source.size, err);
    }
    chunk_unplan(&source, recover->fetcher);
    return result;
}

/* The folder's next entry; *end at its end. */
static int next_entry(struct recover *recover, struct chunk_reader *chunks,
                      struct folder_reader *reader, struct tree_entry *entry, bool *end,
                      struct err *err)
{
    for (;;) {
        if (reader->bytes != NULL) {
            if (tree_entry_decode(entry, &reader->tree, end, err) != 0)
                return -1;
            if (!*end)
                return 0;
        }
        if (reader->next == reader->count) {
            *end = true;
            return tree_reader_finish(&reader->tree, err);
        }
        if (next_chunk(recover, chunks, reader, err) != 0)
            return -1;
    }
}

/* ---- which paths ----------------------------------------------------------------------------- */

enum want { WANT_NOTHING, WANT_BELOW, WANT_ALL };

/* Is the path wanted itself, or does it lead to something that is? */
static enum want wants(const struct recover *recover, const char *path)
{
    if (recover->path_count == 0)
        return WANT_ALL;
    enum want want = WANT_NOTHING;
    for (size_t i = 0; i < recover->path_count; i++) {
        if (path_is_inside(path, recover->paths[i]))
            return WANT_ALL;
        if (path_is_inside(recover->paths[i], path))
            want = WANT_BELOW;
    }
    return want;
}

/* Finds one name in the folder that the reader stands at. */
static int find_name(struct recover *recover, struct chunk_reader *chunks,
                     struct folder_reader *reader, const char *name, size_t size, bool last,
                     bool *found, struct err *err)
{
    *found = false;
    for (;;) {
        struct tree_entry entry = {0};
        bool end;
        if (next_entry(recover, chunks, reader, &entry, &end, err) != 0)
            return -1;
        if (end)
            return 0;
        bool match = entry.name_size == size && memcmp(entry.name, name, size) == 0;
        if (match && (last || entry.kind == ENTRY_DIRECTORY)) {
            *found = true;
            if (!last) {
                struct folder_reader below;
                folder_open(&below, entry.chunks, entry.chunk_count);
                folder_close(reader);
                *reader = below;
            }
        }
        tree_entry_release(&entry);
        if (match)
            return 0;
    }
}

int recover_find(struct recover *recover, const char *path, struct err *err)
{
    struct chunk_reader chunks;
    struct folder_reader reader;
    chunk_reader_init(&chunks, recover->cache, recover->fetcher, recover->vault->keys);
    folder_open(&reader, recover->snapshot->root, recover->snapshot->root_count);
    bool found = true;
    int result = 0;
    for (const char *at = path; *at != '\0' && found && result == 0;) {
        size_t size = strcspn(++at, "/");
        result = find_name(recover, &chunks, &reader, at, size, at[size] == '\0', &found, err);
        at += size;
    }
    if (result == 0 && !found)
        result = err_set(err, ERR_NOT_FOUND, "the snapshot has no %s", path);
    folder_close(&reader);
    chunk_reader_release(&chunks);
    return result;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void push_frame(struct tree_walk *walk, struct dest *dest, const struct chunk_id *chunks,
                       size_t count, bool wanted)
{
    if (walk->depth == walk->room) {
        walk->room = 2 * walk->room + 16;
        walk->frames = alloc_grow(walk->frames, walk->room, sizeof(walk->frames[0]));
    }
    struct level *frame = &walk->frames[walk->depth++];
    *frame = (struct level){.dest = dest, .wanted = wanted};
    folder_open(&frame->reader, chunks, count);
}

static void pop_frame(struct tree_walk *walk)
{
    struct level *frame = &walk->frames[--walk->depth];
    folder_close(&frame->reader);
    dest_drop(&walk->worker, frame->dest);
}

static void recover_file(struct tree_walk *walk, struct dest *dest, const struct tree_entry *entry)
{
    struct recover *recover = walk->recover;
    char name[TREE_NAME_MAX + 1];
    struct err err = ERR_INIT;
    struct hard_link *link = NULL;
    entry_name(name, entry);
    if (entry->hard_link != 0 && link_join(recover, dest, entry, &link))
        return;
    bool there = dest_has(recover, dest, entry);
    if (there && !recover->options->verify) {
        dest_count(recover, entry);
        if (link == NULL)
            flags_complete(recover, dest, name, entry->flags);
        link_finish(&walk->worker, link, ERR_NONE);
        return;
    }
    if (!there && dest_is_free(recover, dest, name, &err) != 0) {
        recover_problem(recover, dest, name, entry->name_size, &err);
        link_pass(recover, link);
        return;
    }
    order_add(&walk->worker, dest, entry, link, there);
}

static void recover_special(struct tree_walk *walk, struct dest *dest,
                            const struct tree_entry *entry)
{
    struct err err = ERR_INIT;
    struct hard_link *link = NULL;
    if (entry->hard_link != 0 && link_join(walk->recover, dest, entry, &link))
        return;
    if (dest_has(walk->recover, dest, entry))
        dest_count(walk->recover, entry);
    else if (dest_special(&walk->worker, dest, entry, &err) != 0)
        recover_problem(walk->recover, dest, entry->name, entry->name_size, &err);
    if (err.code == ERR_EXISTS)
        link_pass(walk->recover, link);
    else
        link_finish(&walk->worker, link, err.code);
}

static void recover_entry(struct tree_walk *walk, const struct tree_entry *entry)
{
    struct recover *recover = walk->recover;
    struct level *frame = &walk->frames[walk->depth - 1];
    struct dest *dest = frame->dest, *below;
    struct err err = ERR_INIT;
    enum want want = WANT_ALL;
    if (!frame->wanted) {
        char *path = alloc_format("%s/%.*s", dest->path, (int)entry->name_size, entry->name);
        want = wants(recover, path);
        free(path);
    }
    if (want == WANT_NOTHING || (want == WANT_BELOW && entry->kind != ENTRY_DIRECTORY))
        return;
    if (entry->kind == ENTRY_FILE) {
        recover_file(walk, dest, entry);
    } else if (entry->kind == ENTRY_DIRECTORY) {
        if (dest_enter(&walk->worker, dest, entry, want == WANT_ALL, &below, &err) != 0)
            recover_problem(recover, dest, entry->name, entry->name_size, &err);
        else
            push_frame(walk, below, entry->chunks, entry->chunk_count, want == WANT_ALL);
    } else {
        recover_special(walk, dest, entry);
    }
}

static void step(struct tree_walk *walk)
{
    struct recover *recover = walk->recover;
    struct level *frame = &walk->frames[walk->depth - 1];
    struct tree_entry entry = {0};
    struct err err = ERR_INIT;
    bool end = false;
    if (failure_met(&recover->failure)) {
        pop_frame(walk);
        return;
    }
    if (next_entry(recover, &walk->worker.chunks, &frame->reader, &entry, &end, &err) != 0) {
        /* What is in the rest of this folder is not known: it counts as one problem. */
        recover_problem(recover, frame->dest, NULL, 0, &err);
        pop_frame(walk);
    } else if (end) {
        pop_frame(walk);
    } else {
        recover_entry(walk, &entry);
    }
    tree_entry_release(&entry);
}

int recover_walk(struct recover *recover, struct err *err)
{
    struct tree_walk walk = {.recover = recover};
    recover_worker_init(&walk.worker, recover);
    push_frame(&walk, dest_root(recover), recover->snapshot->root, recover->snapshot->root_count,
               recover->path_count == 0);
    while (walk.depth > 0) {
        if (order_is_full(recover))
            order_run(recover);
        step(&walk);
    }
    order_run(recover);
    recover_worker_release(&walk.worker);
    free(walk.frames);
    return failure_check(&recover->failure, err);
}
