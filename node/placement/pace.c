/* Kept in order as they come, at most a few hundred: the median is the one in the middle. */
#include "node/placement/pace.h"

void pace_took(struct pace *pace, int64_t took_ms)
{
    if (pace->count == RS_TOTAL_MAX)
        return;
    size_t at = pace->count++;
    for (; at > 0 && pace->took_ms[at - 1] > took_ms; at--)
        pace->took_ms[at] = pace->took_ms[at - 1];
    pace->took_ms[at] = took_ms;
}

int64_t pace_late_ms(const struct pace *pace)
{
    if (pace->count == 0)
        return pace->first_ms;
    int64_t late_ms = pace->factor * pace->took_ms[pace->count / 2];
    return late_ms < pace->least_ms ? pace->least_ms : late_ms;
}
