/* clock.h - the clocks of a machine.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_COMMON_CLOCK_H
#define ECBAK_NODE_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds that never go back: every deadline and waiting time. */
int64_t monotonic_ms(void);

/* The same, going on while the machine sleeps: what membership measures absences with. */
int64_t boottime_ms(void);

/* Time since 1970 by the system's clock, which may jump: what people read. */
int64_t wall_s(void);
int64_t wall_ms(void);
/* The same, as exactly as the times of files are. */
struct timespec wall_time(void);

#endif
