#include "node/base/clock.h"

#include <time.h>

#include "node/api/cert.h"

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

/* ---- the floor ------------------------------------------------------------------------------ */

static struct clock_floor own_floor = {.first_s = INT64_MIN}; /* no clock is before that */
static int64_t set_at_ms;

static bool is_plausible(const struct clock_floor *floor, int64_t now_s)
{
    return floor->first_s == INT64_MIN || now_s >= floor->first_s - CERT_SLACK_S;
}

int64_t clock_floor_date(const struct clock_floor *floor, int64_t now_s, int64_t running_ms)
{
    if (is_plausible(floor, now_s))
        return now_s;
    int64_t from_s = floor->seen_s > floor->first_s ? floor->seen_s : floor->first_s;
    return from_s < floor->last_s - running_ms / 1000 ? from_s + running_ms / 1000 : floor->last_s;
}

bool clock_floor_see(struct clock_floor *floor, int64_t now_s, int64_t step_s)
{
    if (now_s < floor->first_s || now_s > floor->last_s || now_s <= floor->seen_s ||
        now_s - floor->seen_s < step_s)
        return false;
    floor->seen_s = now_s;
    return true;
}

void clock_set_floor(const struct clock_floor *floor)
{
    own_floor = *floor;
    set_at_ms = boottime_ms();
}

int64_t date_s(void)
{
    return clock_floor_date(&own_floor, wall_s(), boottime_ms() - set_at_ms);
}
