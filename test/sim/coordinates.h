/* coordinates.h - would network coordinates earn their place in the protocol? */
#ifndef ECBAK_TEST_SIM_COORDINATES_H
#define ECBAK_TEST_SIM_COORDINATES_H

/* Compare them with what the cores have measured, and print a table. 0, or 1 when a run failed. */
int coordinates_run(void);

#endif
