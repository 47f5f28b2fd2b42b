#include "node/membership/member_keeper.h"

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

struct member_keeper {
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

static int save(const struct member_keeper *k, const struct member_notes *notes, uint64_t reserved,
                struct err *err)
{
    struct member_notes copy = *notes;
    copy.incarnation = reserved;
    return member_notes_save(&copy, k->path, err);
}

/* With the lock held, which is given back while the disk works. */
static void write_once(struct member_keeper *k)
{
    struct err err = ERR_INIT;
    struct member_notes notes = k->notes;
    uint64_t number = k->given;
    uint64_t reserved = notes.incarnation + (k->stopping ? 0 : RESERVED);
    if (reserved < k->reserved && !k->stopping)
        reserved = k->reserved;
    k->writing_since_ms = monotonic_ms();
    pthread_mutex_unlock(&k->lock);
    int result = save(k, &notes, reserved, &err);
    if (result != 0)
        log_error("membership: %s", err.text);
    pthread_mutex_lock(&k->lock);
    k->writing_since_ms = 0;
    k->failed = result != 0;
    if (result == 0) {
        k->written = number;
        k->reserved = reserved;
    }
    pthread_cond_broadcast(&k->changed);
}

static void *run(void *argument)
{
    struct member_keeper *k = argument;
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        if (k->failed) {
            wait_until(&k->changed, &k->lock, monotonic_ms() + RETRY_MS);
        } else if (k->given == k->written) {
            pthread_cond_wait(&k->changed, &k->lock);
        }
        if (!k->stopping && (k->failed || k->given != k->written))
            write_once(k);
    }
    write_once(k);
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int member_keeper_new(struct member_keeper **keeper, const struct member_notes *notes,
                      const char *path, struct err *err)
{
    struct member_keeper *k = alloc_zero(1, sizeof(*k));
    *keeper = NULL;
    k->notes = *notes;
    k->reserved = notes->incarnation + RESERVED;
    snprintf(k->path, sizeof(k->path), "%s", path);
    pthread_mutex_init(&k->lock, NULL);
    wait_init(&k->changed);
    int result = save(k, notes, k->reserved, err);
    int error = result == 0 ? pthread_create(&k->thread, NULL, run, k) : 0;
    if (error != 0) {
        errno = error;
        result = err_errno(err, "starting the thread of the notes");
    }
    if (result != 0) {
        pthread_cond_destroy(&k->changed);
        pthread_mutex_destroy(&k->lock);
        free(k);
        return -1;
    }
    pthread_setname_np(k->thread, "ecbak-notes");
    *keeper = k;
    return 0;
}

void member_keeper_give(struct member_keeper *k, const struct member_notes *notes)
{
    pthread_mutex_lock(&k->lock);
    k->notes = *notes;
    k->given++;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void member_keeper_use(struct member_keeper *k, uint64_t incarnation)
{
    pthread_mutex_lock(&k->lock);
    if (incarnation > k->notes.incarnation)
        k->notes.incarnation = incarnation;
    if (incarnation + RESERVED / 2 > k->reserved) {
        k->given++;
        pthread_cond_broadcast(&k->changed);
    }
    while (incarnation > k->reserved)
        pthread_cond_wait(&k->changed, &k->lock);
    pthread_mutex_unlock(&k->lock);
}

bool member_keeper_flush(struct member_keeper *k, int64_t timeout_ms)
{
    int64_t until_ms = monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&k->lock);
    uint64_t number = k->given;
    while (k->written < number && wait_until(&k->changed, &k->lock, until_ms))
        continue;
    bool done = k->written >= number;
    pthread_mutex_unlock(&k->lock);
    return done;
}

int64_t member_keeper_waits_ms(struct member_keeper *k)
{
    pthread_mutex_lock(&k->lock);
    int64_t since_ms = k->writing_since_ms;
    pthread_mutex_unlock(&k->lock);
    return since_ms == 0 ? 0 : monotonic_ms() - since_ms;
}

void member_keeper_destroy(struct member_keeper **keeper)
{
    struct member_keeper *k = *keeper;
    *keeper = NULL;
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
