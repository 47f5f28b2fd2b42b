/* Conditions go by the wall clock unless they are told otherwise, and it may be set at any time. */
#include "node/common/wait.h"

#include <errno.h>
#include <time.h>

static struct timespec of_ms(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

void wait_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ms)
{
    const struct timespec until = of_ms(deadline_ms);
    return pthread_cond_timedwait(condition, mutex, &until) != ETIMEDOUT;
}

void wait_pause(int64_t pause_ms)
{
    const struct timespec pause = of_ms(pause_ms);
    if (pause_ms > 0)
        nanosleep(&pause, NULL);
}
