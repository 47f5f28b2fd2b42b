/* work_queue.h - work that one thread finds and several others do.
 *
 * Items are done in the order in which they were given. A thread may have other work too, which
 * does not come through the queue and goes first: has_other says whether there is some, and who
 * makes some wakes a thread for it.
 *
 *   Limits   waiting_max items wait; who gives one more waits until one was taken
 *   Memory   an item belongs to the queue from work_queue_give on, and to the thread that took it
 *   Threads  give and wake: any; take: those of the queue; the others one at a time. A thread that
 *            takes again has done what it took before
 */
#ifndef ECBAK_CLI_BASE_WORK_QUEUE_H
#define ECBAK_CLI_BASE_WORK_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/base/threads.h"
#include "coding/base/err.h"

struct work_queue_options {
    size_t waiting_max;
    unsigned threads;
    void *(*run)(void *ctx);      /* each thread: takes until WORK_ENDED */
    bool (*has_other)(void *ctx); /* called under the queue's lock; NULL: there is none ever */
    void *ctx;
};

struct work_queue {
    struct work_queue_options options;
    pthread_mutex_t lock;
    pthread_cond_t more, fewer, idle;
    void **items; /* a ring of waiting_max */
    size_t first, count;
    unsigned busy; /* threads that are not waiting for work */
    bool ended;
    struct threads threads;
};

void work_queue_init(struct work_queue *queue, const struct work_queue_options *options);
void work_queue_release(struct work_queue *queue);

/* Starts the threads. */
int work_queue_start(struct work_queue *queue, struct err *err) MUST_CHECK;
/* Waits until all that was given is done and the threads have ended; then it can be started
 * again. */
void work_queue_end(struct work_queue *queue);

void work_queue_give(struct work_queue *queue, void *item);
/* Waits until all that was given is done; the threads stay. Not beside work_queue_give. */
void work_queue_drain(struct work_queue *queue);
/* There is other work: a thread that waits looks again. */
void work_queue_wake(struct work_queue *queue);

enum work {
    WORK_ITEM,
    WORK_OTHER, /* do some of the other work */
    WORK_ENDED,
};
/* Waits for work; *item is set for WORK_ITEM. */
enum work work_queue_take(struct work_queue *queue, void **item);

#endif
