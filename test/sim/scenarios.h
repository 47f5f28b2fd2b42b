/* scenarios.h - what the simulator plays, one function each.
 *
 * First come faults, with the invariants checked all along; then the faults stop (or stay, outside a
 * core) and everybody must agree within the bound. A scenario returns one figure, in its unit, and
 * has failed when that is above the bound.
 */
#ifndef ECBAK_TEST_SIM_SCENARIOS_H
#define ECBAK_TEST_SIM_SCENARIOS_H

#include "test/sim/world.h"

#define SCENARIO_SIZES 10

struct scenario {
    const char *name;
    const char *holds; /* one line: what holds */
    double (*run)(struct world *world);
    const char *unit;
    double bound;
    uint32_t quick; /* members in `make test`; 0: only in `make sim` */
    struct {
        uint32_t members;
        unsigned seeds;
    } full[SCENARIO_SIZES]; /* in `make sim`, ends with zeros */
};

/* Each ends with a NULL name. */
extern const struct scenario scenarios_growth[];
extern const struct scenario scenarios_faults[];
extern const struct scenario scenarios_time[];
extern const struct scenario scenarios_partitions[];
extern const struct scenario scenarios_restarts[];
extern const struct scenario scenarios_identity[];
extern const struct scenario scenarios_hostile[];
extern const struct scenario scenarios_quiet[];

/* The index-th of all of them, or NULL. */
const struct scenario *scenario_at(size_t index);
const struct scenario *scenario_find(const char *name);

struct outcome {
    bool passed;
    double figure;
    uint64_t trace;
};

/* Play one run; what broke is printed with the command that replays it. */
struct outcome scenario_play(const struct scenario *scenario, uint64_t seed, uint32_t members,
                             bool talkative);

/* ---- what several scenarios begin or end with */

/* Everybody starts within a second and joins through node 0; seconds until all know all. */
double scenario_bootstrap(struct world *world);
/* Fails when a member that runs, is reachable and is healthy was called dead: by anybody, or by
 * members that are healthy themselves. */
void scenario_nobody_died(struct world *world);
void scenario_nobody_healthy_died(struct world *world);

#endif
