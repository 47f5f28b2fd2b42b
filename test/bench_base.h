/* bench_base.h - time on the processor, and an end with a message when what is measured fails. */
#ifndef ECBAK_TEST_BENCH_BASE_H
#define ECBAK_TEST_BENCH_BASE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "coding/base/err.h"

/* Of this thread, so that what else runs here counts less. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void must(int result, const struct err *err)
{
    if (result == 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

#endif
