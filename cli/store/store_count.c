/* A second walk beside the one that stores, which only looks: it ends long before a first store
 * does. Nothing depends on it, so it leaves out what it cannot read.
 */
#include "cli/store/store_count.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "coding/base/alloc.h"

struct store_count {
    struct walk *walk;
    struct job_progress *progress;
    struct scan **scans; /* folders still to be entered */
    size_t scan_count, room;
    uint64_t files, bytes;
    _Atomic bool stop;
    pthread_t thread;
};

static void count_entry(struct store_count *count, struct walk_entry *entry)
{
    if (entry->scan != NULL) {
        if (count->scan_count == count->room) {
            count->room = 2 * count->room + 64;
            count->scans = alloc_grow(count->scans, count->room, sizeof(*count->scans));
        }
        count->scans[count->scan_count++] = entry->scan;
    } else if (entry->error == 0 && !S_ISDIR(entry->stat.mode)) {
        count->files++;
        count->bytes += S_ISREG(entry->stat.mode) ? entry->stat.size : 0;
    }
}

static void count_folder(struct store_count *count, struct scan **scan)
{
    struct listing listing = {0};
    struct err err = ERR_INIT;
    (void)!walk_enter(count->walk, scan, &listing, &err); /* it hands out what could be read */
    for (;;) {
        for (size_t i = 0; i < listing.count; i++)
            count_entry(count, &listing.entries[i]);
        free(listing.entries);
        listing.entries = NULL;
        listing.count = 0;
        if (listing.last)
            break;
        walk_next_slice(count->walk, &listing);
    }
    listing_release(&listing);
}

static void *count_all(void *argument)
{
    struct store_count *count = argument;
    count_folder(count, NULL);
    while (count->scan_count > 0 && !count->stop && !atomic_load(&count->progress->cancel))
        count_folder(count, &count->scans[--count->scan_count]);
    if (count->scan_count == 0) {
        atomic_store(&count->progress->files_all, count->files);
        atomic_store(&count->progress->bytes_all, count->bytes);
    }
    return NULL;
}

void store_count_start(struct store_count **count, const struct walk_options *options,
                       struct job_progress *progress)
{
    struct walk_options own = *options;
    own.threads = 1;
    struct store_count *made = alloc_zero(1, sizeof(*made));
    made->progress = progress;
    if (walk_new(&made->walk, &own, NULL) != 0) {
        free(made);
        return;
    }
    if (pthread_create(&made->thread, NULL, count_all, made) != 0) {
        walk_destroy(&made->walk);
        free(made);
        return;
    }
    *count = made;
}

void store_count_stop(struct store_count **count, bool now)
{
    struct store_count *old = *count;
    *count = NULL;
    if (old == NULL)
        return;
    if (now)
        old->stop = true;
    pthread_join(old->thread, NULL);
    while (old->scan_count > 0)
        walk_skip(old->walk, &old->scans[--old->scan_count]);
    walk_destroy(&old->walk);
    free(old->scans);
    free(old);
}
