/* Running time is taken from a clock that goes on while the machine sleeps: so does the date. */
#include "node/base/date.h"

#include <assert.h>

#include "node/common/clock.h"
#include "node/trust/cert.h"

static struct date_floor own_floor = {.first_s = INT64_MIN}; /* no clock is before that */
static int64_t set_at_ms;

static bool is_plausible(const struct date_floor *floor, int64_t now_s)
{
    return floor->first_s == INT64_MIN || now_s >= floor->first_s - CERT_SLACK_S;
}

int64_t date_floor_now(const struct date_floor *floor, int64_t now_s, int64_t running_ms)
{
    if (is_plausible(floor, now_s))
        return now_s;
    int64_t from_s = floor->seen_s > floor->first_s ? floor->seen_s : floor->first_s;
    return from_s < floor->last_s - running_ms / 1000 ? from_s + running_ms / 1000 : floor->last_s;
}

bool date_floor_see(struct date_floor *floor, int64_t now_s, int64_t step_s)
{
    if (now_s < floor->first_s || now_s > floor->last_s || now_s <= floor->seen_s ||
        now_s - floor->seen_s < step_s)
        return false;
    floor->seen_s = now_s;
    return true;
}

void date_set_floor(const struct date_floor *floor)
{
    assert(floor->first_s <= floor->last_s); /* as in every certificate that was decoded */
    own_floor = *floor;
    set_at_ms = boottime_ms();
}

int64_t date_s(void)
{
    return date_floor_now(&own_floor, wall_s(), boottime_ms() - set_at_ms);
}
