/* The cluster splits, for less and for more time than anybody remembers the other side. */
#include "test/sim/scenarios.h"

#define TOMBSTONE_MS (2 * MINUTE)

/* Each side knows of its own only, at the end of the partition. */
static void check_split(struct world *world, uint32_t cut)
{
    for (uint32_t i = 0; i < world->count; i++)
        if (swim_count(world->nodes[i].core, SWIM_ALIVE) != (i < cut ? cut : world->count - cut))
            world_fail(world, "the other side is still believed in", i);
}

static double split(struct world *world, uint32_t percent, uint64_t duration_ms)
{
    uint32_t cut = world->count * percent / 100;
    scenario_bootstrap(world);
    for (uint32_t i = 0; i < cut; i++)
        world->nodes[i].group = 1;
    world_run(world, duration_ms);
    if (duration_ms > MINUTE) /* a few members need long to call very many dead */
        check_split(world, cut);
    for (uint32_t i = 0; i < world->count; i++)
        world->nodes[i].group = 0;
    return world_until(world, SWIM_ALIVE, 0);
}

static double run_partition(struct world *world)
{
    return split(world, 25, 3 * MINUTE);
}

static double split_tombstones(struct world *world, uint32_t percent, uint64_t duration_ms)
{
    world->config.tombstone_ms = TOMBSTONE_MS;
    return split(world, percent, duration_ms);
}

static double run_25_short(struct world *world)
{
    return split_tombstones(world, 25, TOMBSTONE_MS / 2);
}

static double run_25_same(struct world *world)
{
    return split_tombstones(world, 25, TOMBSTONE_MS);
}

static double run_25_long(struct world *world)
{
    return split_tombstones(world, 25, 10 * TOMBSTONE_MS);
}

static double run_50_short(struct world *world)
{
    return split_tombstones(world, 50, TOMBSTONE_MS / 2);
}

static double run_50_same(struct world *world)
{
    return split_tombstones(world, 50, TOMBSTONE_MS);
}

static double run_50_long(struct world *world)
{
    return split_tombstones(world, 50, 10 * TOMBSTONE_MS);
}

const struct scenario scenarios_partitions[] = {
    {"partition", "25/75 for 3 minutes, until healed", run_partition, "s", 90, 100, {{200, 5}}},
    {"partition_25_short",
     "25/75 for half of the tombstone time, until healed",
     run_25_short,
     "s",
     90,
     0,
     {{100, 3}}},
    {"partition_25_same",
     "25/75 for the tombstone time, until healed",
     run_25_same,
     "s",
     90,
     0,
     {{100, 3}}},
    {"partition_25_long",
     "25/75 for ten times the tombstone time, until healed through seeds",
     run_25_long,
     "s",
     90,
     0,
     {{100, 3}}},
    {"partition_50_short",
     "50/50 for half of the tombstone time, until healed",
     run_50_short,
     "s",
     90,
     0,
     {{100, 3}}},
    {"partition_50_same",
     "50/50 for the tombstone time, until healed",
     run_50_same,
     "s",
     90,
     40,
     {{100, 3}}},
    {"partition_50_long",
     "50/50 for ten times the tombstone time, until healed through seeds",
     run_50_long,
     "s",
     90,
     40,
     {{100, 3}}},
    {.name = NULL},
};
