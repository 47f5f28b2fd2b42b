/* table.h - figures as rows of a markdown table, to be pasted into gossip/PROTOCOL.md. */
#ifndef ECBAK_TEST_SIM_TABLE_H
#define ECBAK_TEST_SIM_TABLE_H

#include "test/sim/scenarios.h"

/* The value below which `share` of them lie; sorts them. 0 when there are none. */
double table_quantile(double *values, size_t count, double share);

void table_begin(void);
/* All seeds of a scenario at one size. False when a run failed, which its row says. */
bool table_row(const struct scenario *scenario, uint32_t members, unsigned seeds);

#endif
