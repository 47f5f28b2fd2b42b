/* Whatever a node or a command decides by the time, it reads the time here. */
#include "node/common/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t); /* cannot fail: the clock exists and the address is ours */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t boottime_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

int64_t wall_s(void)
{
    return wall_ms() / 1000;
}

int64_t wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

struct timespec wall_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}
