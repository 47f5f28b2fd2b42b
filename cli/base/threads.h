/* threads.h - a few threads that run one function on one thing.
 *
 *   Limits   THREADS_MAX
 *   Threads  started and joined by one
 */
#ifndef ECBAK_CLI_BASE_THREADS_H
#define ECBAK_CLI_BASE_THREADS_H

#include <pthread.h>

#include "coding/base/err.h"

#define THREADS_MAX 8

struct threads {
    pthread_t ids[THREADS_MAX];
    unsigned count;
};

/* Starts so many. -1 when one cannot be started: those before it run, and are to be told to end and
 * joined. */
int threads_start(struct threads *threads, unsigned count, void *(*run)(void *ctx), void *ctx,
                  struct err *err) MUST_CHECK;
/* Waits until all have ended. */
void threads_join(struct threads *threads);

#endif
