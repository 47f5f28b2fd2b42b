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

static void upgrade(struct world *world, uint32_t index, struct protocol to)
{
    node_crash(world, index);
    world->nodes[index].protocol = to;
    world_run(world, SECOND / 2);
    node_start(world, index, index == 0 ? 6 : 0); /* through one that speaks with everybody */
    world_run(world, SECOND / 2);
}

static void upgrade_all(struct world *world, struct protocol from, struct protocol to)
{
    for (uint32_t i = 0; i < world->count; i++)
        if (world->nodes[i].protocol.lowest == from.lowest &&
            world->nodes[i].protocol.highest == from.highest)
            upgrade(world, i, to);
}

/* Those who speak 1 and those who speak 2 live beside each other, held together by others; of these half
 * become such that speak 2 only. Then all are upgraded to 1 and 2, and last to 2. */
static double run_versions(struct world *world)
{
    static const struct protocol both = {1, 2}, one = {1, 1}, two = {2, 2};
    for (uint32_t i = 0; i < world->count; i++)
        world->nodes[i].protocol = i % 3 == 0 ? both : i % 3 == 1 ? one : two;
    scenario_bootstrap(world);
    world->loss = 0.02;
    for (uint32_t i = 3; i < world->count; i += 6)
        upgrade(world, i, two);
    world_run(world, 10 * MINUTE);
    if (!world_agrees(world, SWIM_ALIVE, 0))
        world_fail(world, "those who speak with each other do not all see each other", 0);
    upgrade_all(world, one, both);
    double took = world_until(world, SWIM_ALIVE, 0);
    upgrade_all(world, both, two);
    took += world_until(world, SWIM_ALIVE, 0);
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
    {"versions",
     "three kinds of versions, two of which do not speak; upgraded: nobody dies; until all know "
     "all",
     run_versions,
     "s",
     20,
     30,
     {{100, 3}}},
    {.name = NULL},
};
