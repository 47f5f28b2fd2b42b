/* steady_clock.h - a clock for measuring and for deadlines: it only goes forward, whatever the date
 * is set to.
 *
 *   Threads  any
 */
#ifndef ECBAK_CLI_BASE_STEADY_CLOCK_H
#define ECBAK_CLI_BASE_STEADY_CLOCK_H

#include <stdint.h>

double steady_clock_s(void);
int64_t steady_clock_ms(void);

#endif
