/* failure.h - the first error of many threads; the others see it and stop.
 *
 *   Memory   borrows `cancel`
 *   Threads  any: locked inside; init and release one
 */
#ifndef ECBAK_CLI_BASE_FAILURE_H
#define ECBAK_CLI_BASE_FAILURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "coding/base/err.h"

struct failure {
    pthread_mutex_t lock;
    _Atomic bool set;
    struct err err;
    const _Atomic bool *cancel; /* when it becomes true, that is a failure too; may be NULL */
};

void failure_init(struct failure *failure, const _Atomic bool *cancel);
void failure_release(struct failure *failure);
/* Keeps err unless there is one already. */
void failure_set(struct failure *failure, const struct err *err);
/* Is there one? Notices a cancel, too. */
bool failure_met(struct failure *failure);
/* 0, or -1 with the failure. */
int failure_check(struct failure *failure, struct err *err) MUST_CHECK;

#endif
