/* pace.h - when a fragment under way is late: its siblings tell.
 *
 * Late is what takes `factor` times their median, and never less than least_ms, so that the quick are
 * not held to milliseconds; as long as nothing is there to compare with, what takes first_ms. Pure.
 *
 *   Limits   RS_TOTAL_MAX times are remembered
 *   Threads  one at a time for one struct pace
 */
#ifndef ECBAK_NODE_PLACEMENT_PACE_H
#define ECBAK_NODE_PLACEMENT_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "coding/rs.h"

struct pace {
    int64_t first_ms, factor, least_ms; /* the holder's to set; all else zero at first */
    int64_t took_ms[RS_TOTAL_MAX];      /* in order */
    size_t count;
};

/* One came after so long. More than there is room for do not count. */
void pace_took(struct pace *pace, int64_t took_ms);
int64_t pace_late_ms(const struct pace *pace);

#endif
