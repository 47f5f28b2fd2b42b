/* Members come, crash, leave, are away, and come back, in clusters of every size. */
#include "test/sim/scenarios.h"

static double run_bootstrap(struct world *world)
{
    return scenario_bootstrap(world);
}

static double run_join_many(struct world *world)
{
    uint32_t newcomers = world->count * 17 / 55;
    uint32_t first = world->count - newcomers;
    for (uint32_t i = 0; i < first; i++)
        node_start(world, i, 0);
    world_until(world, SWIM_ALIVE, 0);
    world_run(world, 10 * SECOND);
    for (uint32_t i = first; i < world->count; i++)
        node_start(world, i, i - first); /* newcomers are fewer than the first */
    return world_until(world, SWIM_ALIVE, 0);
}

static double crash(struct world *world, uint32_t crashes)
{
    scenario_bootstrap(world);
    world_run(world, 10 * SECOND);
    for (uint32_t i = 0; i < crashes; i++)
        node_crash(world, 3 + i * (world->count / (crashes + 1)));
    double took = world_until(world, SWIM_DEAD, crashes);
    scenario_nobody_died(world);
    return took;
}

static double run_crash(struct world *world)
{
    return crash(world, 5);
}

static double run_crash_ten(struct world *world)
{
    return crash(world, 10);
}

/* So many are dead then that they fill up the places beside the neighbours. */
static double run_crash_late(struct world *world)
{
    uint32_t half = world->count / 2;
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < half; i++)
        node_crash(world, 1 + 2 * i);
    uint64_t bound_ms = world->bound_ms;
    world->bound_ms = 3 * MINUTE; /* to call very many dead takes longer */
    world_until(world, SWIM_DEAD, half);
    world_run(world, MINUTE);
    node_crash(world, 2);
    world->bound_ms = bound_ms;
    double took = world_until(world, SWIM_DEAD, half + 1);
    scenario_nobody_died(world);
    return took;
}

static double run_leave(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 10; i < 15; i++) {
        swim_leave(world->nodes[i].core, world->now_ms);
        node_drain(world, i);
        node_crash(world, i); /* at once: what it said must be enough */
    }
    double took = world_until(world, SWIM_LEFT, 5);
    world_run(world, 2 * MINUTE);
    if (!world_agrees(world, SWIM_LEFT, 5) || world->dead_events > 0)
        world_fail(world, "who left did not stay away in peace", 0);
    return took;
}

static double run_away(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 20; i < 24; i++) {
        swim_away(world->nodes[i].core, world->now_ms, MINUTE);
        node_drain(world, i);
        node_crash(world, i);
    }
    double took = world_until(world, SWIM_AWAY, 4);
    world_run(world, 50 * SECOND);
    if (!world_agrees(world, SWIM_AWAY, 4) || world->dead_events > 0)
        world_fail(world, "a member that is away was suspected", 0);
    node_start(world, 20, 0);
    node_start(world, 21, 5);
    world->bound_ms = 3 * MINUTE;
    world_until(world, SWIM_DEAD, 2); /* the other two overstay */
    return took;
}

static double run_rejoin(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 30; i < 35; i++)
        node_crash(world, i);
    world_until(world, SWIM_DEAD, 5);
    for (uint32_t i = 30; i < 35; i++)
        node_start(world, i, i == 30 ? 1 : 0);
    return world_until(world, SWIM_ALIVE, 0);
}

/* ---- one to four members, where there is hardly anybody to ask */

static double run_small_crash(struct world *world)
{
    uint32_t last = world->count - 1;
    scenario_bootstrap(world);
    if (last == 0) {
        world_run(world, HOUR);
        return world_until(world, SWIM_ALIVE, 0);
    }
    node_crash(world, last);
    return world_until(world, SWIM_DEAD, 1);
}

static double run_small_partition(struct world *world)
{
    uint32_t last = world->count - 1;
    scenario_bootstrap(world);
    world->nodes[last].group = 1;
    world_run(world, 3 * MINUTE);
    if (last > 0 && (swim_count(world->nodes[last].core, SWIM_DEAD) != last ||
                     swim_count(world->nodes[0].core, SWIM_DEAD) != 1))
        world_fail(world, "the other side is still believed in", last);
    world->nodes[last].group = 0;
    return world_until(world, SWIM_ALIVE, 0);
}

/* One after the other, then all at once with what they had persisted gone. */
static double run_small_restart(struct world *world)
{
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < world->count; i++) {
        node_crash(world, i);
        world_run(world, 2 * SECOND);
        node_start(world, i, (i + 1) % world->count);
        world_until(world, SWIM_ALIVE, 0);
    }
    for (uint32_t i = 0; i < world->count; i++) {
        node_crash(world, i);
        world->nodes[i].persisted = 0;
    }
    for (uint32_t i = 0; i < world->count; i++)
        node_start(world, i, 0);
    return world_until(world, SWIM_ALIVE, 0);
}

const struct scenario scenarios_growth[] = {
    {"bootstrap",
     "all start within a second through one seed, until all know all",
     run_bootstrap,
     "s",
     20,
     200,
     {{200, 5}, {1000, 3}, {2000, 1}, {5000, 1}}},
    {"join_many",
     "17 of a group of 55 join at once, until all know all",
     run_join_many,
     "s",
     10,
     55,
     {{55, 5}}},
    {"crash",
     "5 crash at once, until all know, and nobody else is called dead",
     run_crash,
     "s",
     30,
     100,
     {{200, 5}}},
    {"crash_ten",
     "10 crash at once, until all know, and nobody else is called dead",
     run_crash_ten,
     "s",
     30,
     0,
     {{300, 5}, {1000, 3}}},
    {"crash_late",
     "half crash, and a minute after all know of it one more, until all know of that",
     run_crash_late,
     "s",
     30,
     60,
     {{60, 5}, {90, 5}}},
    {"leave",
     "5 leave and stop at once, until all know; they stay away in peace",
     run_leave,
     "s",
     10,
     100,
     {{200, 5}}},
    {"away",
     "4 are away: not suspected in their time, dead when they overstay",
     run_away,
     "s",
     10,
     100,
     {{100, 5}}},
    {"rejoin",
     "5 that were called dead start again, until all know",
     run_rejoin,
     "s",
     20,
     100,
     {{200, 5}}},
    {"small_crash",
     "in a tiny cluster one crashes, until the others know",
     run_small_crash,
     "s",
     60,
     3,
     {{1, 3}, {2, 3}, {3, 3}, {4, 3}}},
    {"small_partition",
     "in a tiny cluster one is cut off for 3 minutes, until it is back",
     run_small_partition,
     "s",
     90,
     2,
     {{1, 3}, {2, 3}, {3, 3}, {4, 3}}},
    {"small_restart",
     "in a tiny cluster all restart without memory, until all know all",
     run_small_restart,
     "s",
     30,
     4,
     {{1, 3}, {2, 3}, {3, 3}, {4, 3}}},
    {.name = NULL},
};
