/* jobs.h - a bounded queue and the threads that work it off.
 *
 * Jobs may be of several owners: then each has its share of the places, and the next turn is of the one
 * that has the fewest running, and of these the one whose jobs have taken the least time so far. So
 * who asks for much waits for its own, and nobody waits for it longer than for one job.
 *
 * Threads are made when there is work for them, not before: an idle node stays small.
 *
 *   Limits   at most jobs_max queued or running, and bytes_max of their bytes together (one job
 *            alone may be larger)
 *   Threads  push from any; stop and destroy from one
 */
#ifndef ECBAK_NODE_BASE_JOBS_H
#define ECBAK_NODE_BASE_JOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

struct jobs;

struct jobs_options {
    const char *name; /* of the threads, at most 15 bytes */
    unsigned threads_max;
    size_t jobs_max;
    size_t bytes_max;
    void (*run)(void *ctx, void *job);  /* owns the job */
    void (*drop)(void *ctx, void *job); /* the queue was destroyed before its turn */
    /* Whom a job is of; NULL: all are of one. */
    const struct node_id *(*owner)(void *ctx, const void *job);
    size_t owner_jobs_max; /* of one owner, queued or running; 0: as many as there are places */
    /* May this one begin now, beside those of its owner that run? Must not wait. NULL: always. */
    bool (*may_run)(void *ctx, const void *job, size_t running);
    void *ctx;
};

void jobs_new(struct jobs **jobs, const struct jobs_options *options);
/* 0: it will be run or dropped, exactly once. -1: no room, the job is still the caller's. */
int jobs_push(struct jobs *jobs, void *job, size_t bytes) MUST_CHECK;
/* What may_run says has changed. */
void jobs_look_again(struct jobs *jobs);
/* Waits for what runs, drops what waits, and takes no more: whoever still pushes is refused. */
void jobs_stop(struct jobs *jobs);
/* The same, when nobody pushes any more. */
void jobs_destroy(struct jobs **jobs);

#endif
