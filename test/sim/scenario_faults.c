/* Links and members that are unwell: they lose, delay, double and reorder messages, hear nothing for a
 * while, or come and go. Who is well must not suffer. */
#include "coding/base/alloc.h"
#include "test/sim/scenarios.h"

#include <stdlib.h>

static double run_loss(struct world *world)
{
    scenario_bootstrap(world);
    world->loss = 0.1;
    world->duplication = 0.05;
    world->delay_max_ms = 60;
    world_run(world, 2 * MINUTE);
    world->loss = 0;
    double took = world_until(world, SWIM_ALIVE, 0);
    scenario_nobody_died(world);
    return took;
}

static double run_reorder(struct world *world)
{
    scenario_bootstrap(world);
    world->duplication = 0.5;
    world->delay_max_ms = 400;
    world_run(world, 3 * MINUTE);
    world->duplication = 0;
    world->delay_max_ms = 10;
    double took = world_until(world, SWIM_ALIVE, 0);
    scenario_nobody_died(world);
    return took;
}

static void sicken(struct world *world, double loss_in, double loss_out)
{
    for (uint32_t i = 0; i < world->count; i += 100) {
        world->nodes[i].sick = true;
        world->nodes[i].loss_in = loss_in;
        world->nodes[i].loss_out = loss_out;
    }
}

/* Who is well suspected those that are not, or nothing was tried. */
static void check_suspected(struct world *world)
{
    if (world->suspect_events == 0)
        world_fail(world, "nobody noticed the sick", 0);
}

static double run_one_way(struct world *world)
{
    scenario_bootstrap(world);
    for (unsigned step = 0; step < 10; step++) {
        sicken(world, step % 2 == 0 ? 1.0 : 0.0, 0);
        world_run(world, 20 * SECOND);
    }
    check_suspected(world);
    scenario_nobody_healthy_died(world);
    return world_until(world, SWIM_ALIVE, 0);
}

static double run_lossy_few(struct world *world)
{
    scenario_bootstrap(world);
    sicken(world, 0.8, 0.8);
    world_run(world, 5 * MINUTE);
    check_suspected(world);
    scenario_nobody_healthy_died(world);
    sicken(world, 0, 0);
    return world_until(world, SWIM_ALIVE, 0);
}

/* What they send and should hear is held up for 10 s, then comes all at once, again and again. */
static double run_blocked(struct world *world)
{
    scenario_bootstrap(world);
    for (unsigned step = 0; step < 10; step++) {
        for (uint32_t i = 0; i < world->count; i += 10) {
            world->nodes[i].sick = true;
            world->nodes[i].blocked_until_ms = world->now_ms + 10 * SECOND;
        }
        world_run(world, 12 * SECOND);
    }
    check_suspected(world);
    scenario_nobody_healthy_died(world);
    return world_until(world, SWIM_ALIVE, 0);
}

static double run_churn(struct world *world)
{
    uint32_t half_minute = world->count / 20;
    uint32_t *down = alloc_zero(20 * half_minute, sizeof(*down));
    uint32_t first = 0, last = 0;
    scenario_bootstrap(world);
    for (unsigned step = 0; step < 20; step++) {
        for (uint32_t i = 0; step > 0 && i < half_minute; i++, first++)
            node_start(world, down[first], 0);
        for (uint32_t i = 0; i < half_minute; i++) {
            uint32_t index;
            do
                index = 1 + prng_below(&world->prng, world->count - 1);
            while (world->nodes[index].core == NULL);
            node_crash(world, index);
            down[last++] = index;
        }
        world_run(world, MINUTE / 2);
    }
    for (; first < last; first++)
        node_start(world, down[first], 0);
    free(down);
    scenario_nobody_died(world);
    return world_until(world, SWIM_ALIVE, 0);
}

const struct scenario scenarios_faults[] = {
    {"loss",
     "10 % loss, 5 % duplicates, delays to 60 ms for 2 minutes: nobody dies; until agreed",
     run_loss,
     "s",
     60,
     60,
     {{128, 5}}},
    {"reorder",
     "half of the messages twice, delays to 400 ms for 3 minutes: nobody dies; until agreed",
     run_reorder,
     "s",
     60,
     40,
     {{128, 3}}},
    {"one_way",
     "1 % deaf for 20 s, not for 20 s, ten times: nobody else dies; until agreed",
     run_one_way,
     "s",
     120,
     100,
     {{300, 5}, {1000, 1}}},
    {"lossy_few",
     "1 % lose 80 % both ways for 5 minutes: nobody else dies; until agreed",
     run_lossy_few,
     "s",
     120,
     100,
     {{300, 5}, {1000, 1}}},
    {"blocked",
     "10 % held up for 10 of every 12 s, ten times: nobody else dies; until agreed",
     run_blocked,
     "s",
     60,
     50,
     {{100, 5}}},
    {"churn",
     "10 % a minute go and come back after 30 s, for 10 minutes: nobody else dies; until agreed",
     run_churn,
     "s",
     60,
     60,
     {{100, 3}, {300, 1}}},
    {.name = NULL},
};
