#include "node/membership/notes_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"

#define RESERVED ((uint64_t)1 << 20)
#define RETRY_MS 5000 /* after a write that failed */

struct notes_writer {
    char path[1100];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct member_notes notes;
    uint64_t given, written;  /* how many */
    uint64_t reserved;        /* on disk: no incarnation above it is said */
    int64_t writing_since_ms; /* 0: not writing */
    bool failed, stopping;
};

static int save(const struct notes_writer *w, const struct member_notes *notes, uint64_t reserved,
                struct err *err)
{
    struct member_notes copy = *notes;
    copy.incarnation = reserved;
    return member_notes_save(&copy, w->path, err);
}

/* With the lock held, which is given back while the disk works. */
static void write_once(struct notes_writer *w)
{
    struct err err = ERR_INIT;
    struct member_notes notes = w->notes;
    uint64_t number = w->given;
    uint64_t reserved = notes.incarnation + (w->stopping ? 0 : RESERVED);
    if (reserved < w->reserved && !w->stopping)
        reserved = w->reserved;
    w->writing_since_ms = monotonic_ms();
    pthread_mutex_unlock(&w->lock);
    int result = save(w, &notes, reserved, &err);
    if (result != 0)
        log_error("membership: %s", err.text);
    pthread_mutex_lock(&w->lock);
    w->writing_since_ms = 0;
    w->failed = result != 0;
    if (result == 0) {
        w->written = number;
        w->reserved = reserved;
    }
    pthread_cond_broadcast(&w->changed);
}

static void *run(void *argument)
{
    struct notes_writer *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        if (w->failed) {
            wait_until(&w->changed, &w->lock, monotonic_ms() + RETRY_MS);
        } else if (w->given == w->written) {
            pthread_cond_wait(&w->changed, &w->lock);
        }
        if (!w->stopping && (w->failed || w->given != w->written))
            write_once(w);
    }
    write_once(w);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int notes_writer_new(struct notes_writer **writer, const struct member_notes *notes,
                     const char *path, struct err *err)
{
    struct notes_writer *w = alloc_zero(1, sizeof(*w));
    *writer = NULL;
    w->notes = *notes;
    w->reserved = notes->incarnation + RESERVED;
    snprintf(w->path, sizeof(w->path), "%s", path);
    pthread_mutex_init(&w->lock, NULL);
    wait_init(&w->changed);
    int result = save(w, notes, w->reserved, err);
    int error = result == 0 ? pthread_create(&w->thread, NULL, run, w) : 0;
    if (error != 0) {
        errno = error;
        result = err_errno(err, "starting the thread of the notes");
    }
    if (result != 0) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return -1;
    }
    pthread_setname_np(w->thread, "ecbak-notes");
    *writer = w;
    return 0;
}

void notes_writer_give(struct notes_writer *w, const struct member_notes *notes)
{
    pthread_mutex_lock(&w->lock);
    w->notes = *notes;
    w->given++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void notes_writer_use(struct notes_writer *w, uint64_t incarnation)
{
    pthread_mutex_lock(&w->lock);
    if (incarnation > w->notes.incarnation)
        w->notes.incarnation = incarnation;
    if (incarnation + RESERVED / 2 > w->reserved) {
        w->given++;
        pthread_cond_broadcast(&w->changed);
    }
    while (incarnation > w->reserved)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

bool notes_writer_flush(struct notes_writer *w, int64_t timeout_ms)
{
    int64_t until_ms = monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&w->lock);
    uint64_t number = w->given;
    while (w->written < number && wait_until(&w->changed, &w->lock, until_ms))
        continue;
    bool done = w->written >= number;
    pthread_mutex_unlock(&w->lock);
    return done;
}

int64_t notes_writer_waits_ms(struct notes_writer *w)
{
    pthread_mutex_lock(&w->lock);
    int64_t since_ms = w->writing_since_ms;
    pthread_mutex_unlock(&w->lock);
    return since_ms == 0 ? 0 : monotonic_ms() - since_ms;
}

void notes_writer_destroy(struct notes_writer **writer)
{
    struct notes_writer *w = *writer;
    *writer = NULL;
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
