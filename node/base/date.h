/* date.h - the date that certificates are checked against.
 *
 * A machine whose clock does not run while it is off starts in 1970, and every certificate would be
 * refused until somebody sets the clock. But a node's own certificate proves that its first day has
 * come, and the node writes down the latest date that it has seen: the floor. While the system's
 * clock is before the own certificate's first day it cannot be right, and the floor counts, going
 * on from there; from then on the system's clock counts alone, also when it is behind the floor.
 *
 *   Limits   the floor stays within the dates of the own certificate, so that a clock which was
 *            once far ahead neither ends this node nor outlives its being set right
 *   Threads  any; date_set_floor once, before the others start
 */
#ifndef ECBAK_NODE_BASE_DATE_H
#define ECBAK_NODE_BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970 by the system's clock, or by the floor. */
int64_t date_s(void);

struct date_floor {
    int64_t first_s, last_s; /* the dates of this node's certificate */
    int64_t seen_s;          /* the latest date seen between them; 0: none */
};

/* The date, when the system's clock says now_s and this node has run for running_ms. Pure. */
int64_t date_floor_now(const struct date_floor *floor, int64_t now_s, int64_t running_ms);
/* Raises seen_s to now_s where that is step_s later or more; true: it is to be written down. Never
 * lowers it. Pure. */
bool date_floor_see(struct date_floor *floor, int64_t now_s, int64_t step_s);

/* What date_s goes by from now on; without it, by the system's clock. */
void date_set_floor(const struct date_floor *floor);

#endif
