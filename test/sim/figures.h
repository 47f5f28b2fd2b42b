/* figures.h - the experiments of the Lifeguard paper, with each component switched on and off.
 *
 *   Threshold  C of 128 members block for D, once; two minutes are watched
 *   Interval   C members block for D, are well for I, and again, for two minutes
 *   Crash      one member crashes
 *
 * To block is to send and to receive nothing while one's clock runs: what was sent and should have
 * been received comes when it is over. Counted are deaths concluded of members that do not block (by
 * anybody, and by members that do not block either), how long it took until the first and until the
 * last healthy member knew of one that blocks (or crashed), messages and bytes.
 */
#ifndef ECBAK_TEST_SIM_FIGURES_H
#define ECBAK_TEST_SIM_FIGURES_H

#include <stdbool.h>

bool figures_known(const char *setting);
/* All three tables, `effort` runs of each point; `only` picks one setting. 0, or 1 when a run failed. */
int figures_run(unsigned effort, const char *only);

#endif
