/* A folder waiting to be listed is a `scan`. Scans wait in a stack whose top is the one that the
 * consumer will want next (children are pushed in reverse order as soon as their parent is listed);
 * scanner threads take from the top while few enough listings wait to be consumed. A consumer that
 * wants a scan that nobody has begun does it itself, so the bounds can never lock anything up.
 */
#include "cli/files/walk.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/threads.h"
#include "cli/files/walk_internal.h"
#include "coding/base/alloc.h"

struct walk {
    struct walk_options options;
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    struct scan *top;
    size_t ready_entries, ready_folders; /* listed, not yet consumed */
    bool stop;
    struct threads threads;
};

struct folder *folder_hold(struct folder *folder)
{
    atomic_fetch_add(&folder->holds, 1);
    return folder;
}

void folder_drop(struct folder **folder)
{
    struct folder *old = *folder;
    *folder = NULL;
    if (old == NULL || atomic_fetch_sub(&old->holds, 1) != 1)
        return;
    if (old->fd >= 0)
        close(old->fd);
    free(old->path);
    free(old->names);
    free(old);
}

void walk_stat_of(struct walk_stat *to, const struct stat *from)
{
    *to = (struct walk_stat){
        .device = from->st_dev,
        .inode = from->st_ino,
        .size = from->st_size < 0 ? 0 : (uint64_t)from->st_size,
        .blocks = from->st_blocks < 0 ? 0 : (uint64_t)from->st_blocks,
        .special_device = from->st_rdev,
        .mtime_s = from->st_mtim.tv_sec,
        .ctime_s = from->st_ctim.tv_sec,
        .mtime_ns = (uint32_t)from->st_mtim.tv_nsec,
        .ctime_ns = (uint32_t)from->st_ctim.tv_nsec,
        .mode = from->st_mode,
        .uid = from->st_uid,
        .gid = from->st_gid,
        .linked = from->st_nlink > 1,
    };
}

static void scan_destroy(struct scan **scan)
{
    struct scan *old = *scan;
    *scan = NULL;
    for (size_t i = 0; i < old->listing.count && old->listing.entries != NULL; i++)
        assert(old->listing.entries[i].scan == NULL);
    free(old->listing.entries);
    free(old->listing.order);
    folder_drop(&old->listing.folder);
    folder_drop(&old->parent);
    free(old);
}

static void stack_remove(struct walk *walk, struct scan *scan)
{
    if (scan->above != NULL)
        scan->above->below = scan->below;
    else
        walk->top = scan->below;
    if (scan->below != NULL)
        scan->below->above = scan->above;
    scan->above = scan->below = NULL;
}

/* Puts the slice's sub-folders on the stack, the first one on top. */
static void stack_push_children(struct walk *walk, const struct listing *listing)
{
    for (size_t i = listing->count; i-- > 0;) {
        struct scan *scan = listing->entries[i].scan;
        if (scan == NULL)
            continue;
        scan->below = walk->top;
        if (walk->top != NULL)
            walk->top->above = scan;
        walk->top = scan;
        pthread_cond_signal(&walk->work);
    }
}

/* Called with the lock held, and the scan taken off the stack; gives the lock up meanwhile. */
static void run_scan(struct walk *walk, struct scan *scan)
{
    scan->state = SCAN_RUNNING;
    pthread_mutex_unlock(&walk->lock);
    struct err err = ERR_INIT;
    if (scan_list(&walk->options, scan, &err) != 0)
        scan->err = err;
    if (scan->listing.folder->fd >= 0)
        scan_slice(&walk->options, scan);
    pthread_mutex_lock(&walk->lock);
    scan->state = SCAN_READY;
    walk->ready_entries += scan->listing.count;
    walk->ready_folders++;
    stack_push_children(walk, &scan->listing);
    pthread_cond_broadcast(&walk->ready);
}

static void *scanner(void *argument)
{
    struct walk *walk = argument;
    pthread_mutex_lock(&walk->lock);
    while (!walk->stop) {
        struct scan *scan = walk->top;
        if (scan == NULL || walk->ready_entries >= WALK_AHEAD_ENTRIES ||
            walk->ready_folders >= WALK_AHEAD_FOLDERS) {
            pthread_cond_wait(&walk->work, &walk->lock);
            continue;
        }
        stack_remove(walk, scan);
        run_scan(walk, scan);
    }
    pthread_mutex_unlock(&walk->lock);
    return NULL;
}

int walk_new(struct walk **walk, const struct walk_options *options, struct err *err)
{
    struct walk *new = alloc_zero(1, sizeof(*new));
    new->options = *options;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->work, NULL);
    pthread_cond_init(&new->ready, NULL);
    unsigned wanted = options->threads > THREADS_MAX ? THREADS_MAX : options->threads;
    if (threads_start(&new->threads, wanted, scanner, new, err) != 0) {
        walk_destroy(&new);
        return -1;
    }
    *walk = new;
    return 0;
}

void walk_destroy(struct walk **walk)
{
    struct walk *old = *walk;
    *walk = NULL;
    if (old == NULL)
        return;
    pthread_mutex_lock(&old->lock);
    old->stop = true;
    pthread_cond_broadcast(&old->work);
    pthread_mutex_unlock(&old->lock);
    threads_join(&old->threads);
    assert(old->top == NULL); /* every scan was entered or skipped */
    pthread_cond_destroy(&old->ready);
    pthread_cond_destroy(&old->work);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

/* Waits for the scan, or does it. */
static void finish_scan(struct walk *walk, struct scan *scan)
{
    pthread_mutex_lock(&walk->lock);
    if (scan->state == SCAN_WAITING) {
        if (walk->top == scan || scan->above != NULL)
            stack_remove(walk, scan);
        run_scan(walk, scan);
    }
    while (scan->state != SCAN_READY)
        pthread_cond_wait(&walk->ready, &walk->lock);
    assert(walk->ready_entries >= scan->listing.count && walk->ready_folders > 0);
    walk->ready_entries -= scan->listing.count;
    walk->ready_folders--;
    pthread_cond_broadcast(&walk->work);
    pthread_mutex_unlock(&walk->lock);
}

int walk_enter(struct walk *walk, struct scan **scan, struct listing *listing, struct err *err)
{
    struct scan *own = NULL;
    if (scan != NULL) {
        own = *scan;
        *scan = NULL;
    } else {
        own = alloc_zero(1, sizeof(*own));
        bool everything =
            walk->options.target_count == 1 && strcmp(walk->options.targets[0], "/") == 0;
        if (!everything) {
            own->targets = walk->options.targets;
            own->target_count = walk->options.target_count;
            own->depth = 1;
        }
    }
    finish_scan(walk, own);
    int result = 0;
    if (own->err.code != ERR_NONE) {
        *err = own->err;
        result = -1;
    }
    /* A folder whose listing broke off is still handed out, with what was read of it. */
    *listing = own->listing;
    listing->scan = own;
    listing->last = own->listing.last || own->listing.entries == NULL;
    memset(&own->listing, 0, sizeof(own->listing));
    if (own->parent != NULL)
        folder_drop(&own->parent);
    return result;
}

void walk_next_slice(struct walk *walk, struct listing *listing)
{
    struct scan *scan = listing->scan;
    scan->listing = *listing;
    scan_slice(&walk->options, scan);
    listing->entries = scan->listing.entries;
    listing->count = scan->listing.count;
    listing->next = scan->listing.next;
    listing->last = scan->listing.last;
    memset(&scan->listing, 0, sizeof(scan->listing));
    pthread_mutex_lock(&walk->lock);
    stack_push_children(walk, listing);
    pthread_mutex_unlock(&walk->lock);
}

void listing_release(struct listing *listing)
{
    free(listing->entries);
    free(listing->order);
    folder_drop(&listing->folder);
    if (listing->scan != NULL)
        scan_destroy(&listing->scan);
    memset(listing, 0, sizeof(*listing));
}

void walk_skip(struct walk *walk, struct scan **scan)
{
    struct scan *own = *scan;
    *scan = NULL;
    if (own == NULL)
        return;
    pthread_mutex_lock(&walk->lock);
    bool begun = own->state != SCAN_WAITING;
    if (!begun)
        stack_remove(walk, own);
    pthread_mutex_unlock(&walk->lock);
    if (begun) {
        finish_scan(walk, own);
        for (size_t i = 0; i < own->listing.count; i++)
            walk_skip(walk, &own->listing.entries[i].scan);
    }
    scan_destroy(&own);
}
