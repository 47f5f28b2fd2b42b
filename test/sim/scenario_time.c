/* Processes that stand still, machines that sleep, clocks that jump: time that nobody else saw pass. */
#include "test/sim/scenarios.h"

static double run_stopped(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < 10; i++) {
        world->nodes[i].sick = true;
        node_stop(world, i, (i + 1) * 20 * SECOND);
    }
    world_run(world, 4 * MINUTE);
    scenario_nobody_died(world);
    return world_until(world, SWIM_ALIVE, 0);
}

static double sleep_hours(struct world *world, uint32_t step)
{
    scenario_bootstrap(world);
    for (uint32_t i = 1; i < world->count; i += step) {
        world->nodes[i].sick = true;
        node_stop(world, i, 3 * HOUR);
    }
    world_run(world, 3 * HOUR);
    double took = world_until(world, SWIM_ALIVE, 0);
    world_run(world, 2 * MINUTE);
    scenario_nobody_died(world);
    return took;
}

static double run_suspended(struct world *world)
{
    return sleep_hours(world, world->count);
}

static double run_suspended_third(struct world *world)
{
    return sleep_hours(world, 3);
}

/* One of them, or all but one, each by up to an hour, every ten seconds. */
static double jumps(struct world *world, uint32_t count)
{
    scenario_bootstrap(world);
    for (unsigned step = 0; step < 12; step++) {
        for (uint32_t i = 0; i < count; i++)
            node_jump(world, i, prng_below(&world->prng, HOUR));
        world_run(world, 10 * SECOND);
    }
    scenario_nobody_died(world);
    return world_until(world, SWIM_ALIVE, 0);
}

static double run_clock_jump(struct world *world)
{
    return jumps(world, 1);
}

static double run_clock_jumps(struct world *world)
{
    return jumps(world, world->count - 1);
}

const struct scenario scenarios_time[] = {
    {"stopped",
     "10 stand still for 20 to 200 s and accuse nobody when they wake; until agreed",
     run_stopped,
     "s",
     60,
     60,
     {{100, 5}}},
    {"suspended",
     "one sleeps for 3 hours and accuses nobody; until agreed",
     run_suspended,
     "s",
     60,
     20,
     {{30, 3}}},
    {"suspended_third",
     "a third sleeps for 3 hours and accuses nobody; until agreed",
     run_suspended_third,
     "s",
     60,
     0,
     {{30, 3}, {100, 1}}},
    {"clock_jump",
     "the clock of one jumps ahead by up to an hour, 12 times: nobody dies; until agreed",
     run_clock_jump,
     "s",
     10,
     60,
     {{60, 3}}},
    {"clock_jumps",
     "the clocks of all but one jump likewise: nobody dies; until agreed",
     run_clock_jumps,
     "s",
     10,
     60,
     {{60, 3}}},
    {.name = NULL},
};
