/* Many restart at once, or all one after the other; and the incarnations that they had persisted may be
 * gone, so that what they say first is older than what others remember. */
#include <stdio.h>

#include "test/sim/scenarios.h"

/* Every step-th but node 0's neighbour, `keep`, goes down and comes back a second later. */
static double restart(struct world *world, uint32_t step, uint32_t keep, bool lost)
{
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < world->count; i += step) {
        if (i == keep)
            continue;
        node_crash(world, i);
        if (lost)
            world->nodes[i].persisted = 0;
    }
    world_run(world, SECOND);
    for (uint32_t i = 0; i < world->count; i += step)
        if (i != keep)
            node_start(world, i, keep);
    return world_until(world, SWIM_ALIVE, 0);
}

static double run_restart(struct world *world)
{
    return restart(world, 3, 1, false);
}

static double run_restart_lost(struct world *world)
{
    return restart(world, 3, 1, true);
}

static double run_restart_but_one(struct world *world)
{
    return restart(world, 1, 1, true);
}

/* New disks, new addresses: all that is left is the key. */
static double run_restart_moved(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < world->count; i += 3) {
        struct sim_node *node = &world->nodes[i];
        node_crash(world, i);
        node->persisted = 0;
        snprintf(node->address, sizeof(node->address), "n%u-moved", i);
    }
    world_run(world, SECOND);
    for (uint32_t i = 0; i < world->count; i += 3)
        node_start(world, i, 1);
    return world_until(world, SWIM_ALIVE, 0);
}

/* Nobody is left who remembers; of those who start again, each knows of one other. */
static double run_shutdown(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < world->count; i++) {
        node_crash(world, i);
        world->nodes[i].persisted = 0;
    }
    world_run(world, MINUTE);
    uint32_t started = world->count * 6 / 10;
    for (uint32_t i = 0; i < started; i++)
        node_start(world, i, i == 0 ? 1 : i / 2);
    return world_until(world, SWIM_ALIVE, 0);
}

static double run_rolling(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < world->count; i++) {
        node_crash(world, i);
        world_run(world, SECOND / 2);
        node_start(world, i, (i + 1) % world->count);
        world_run(world, SECOND / 2);
    }
    double took = world_until(world, SWIM_ALIVE, 0);
    scenario_nobody_died(world);
    return took;
}

const struct scenario scenarios_restarts[] = {
    {"restart",
     "a third restarts at once, until all know all",
     run_restart,
     "s",
     20,
     100,
     {{200, 5}}},
    {"restart_lost",
     "a third restarts at once, incarnations lost, until all know all",
     run_restart_lost,
     "s",
     20,
     100,
     {{200, 5}}},
    {"restart_moved",
     "a third restarts at new addresses, incarnations lost, until all know all",
     run_restart_moved,
     "s",
     30,
     100,
     {{200, 5}}},
    {"restart_but_one",
     "all but one restart at once, incarnations lost, until all know all",
     run_restart_but_one,
     "s",
     20,
     100,
     {{200, 5}}},
    {"shutdown",
     "all stop, incarnations lost, 60 % start, until those know each other",
     run_shutdown,
     "s",
     20,
     100,
     {{200, 5}}},
    {"rolling",
     "all restart, one a second: nobody dies; until all know all",
     run_rolling,
     "s",
     20,
     60,
     {{100, 3}}},
    {.name = NULL},
};
