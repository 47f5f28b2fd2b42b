/* The list of all scenarios, and how one is played. */
#include "test/sim/scenarios.h"

#include "test/sim/invariants.h"

static const struct scenario *const groups[] = {
    scenarios_growth,     scenarios_quiet,    scenarios_faults,   scenarios_time,
    scenarios_partitions, scenarios_restarts, scenarios_identity, scenarios_hostile,
};

const struct scenario *scenario_at(size_t index)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        for (const struct scenario *s = groups[i]; s->name != NULL; s++)
            if (index-- == 0)
                return s;
    return NULL;
}

const struct scenario *scenario_find(const char *name)
{
    const struct scenario *scenario;
    for (size_t i = 0; (scenario = scenario_at(i)) != NULL; i++)
        if (strcmp(scenario->name, name) == 0)
            return scenario;
    return NULL;
}

struct outcome scenario_play(const struct scenario *scenario, uint64_t seed, uint32_t members,
                             bool talkative)
{
    struct world world;
    struct outcome outcome = {.passed = false};
    world_init(&world, scenario->name, seed, members);
    world.talkative = talkative;
    if (strcmp(scenario->unit, "s") == 0)
        world.bound_ms = (uint64_t)(scenario->bound * 1000);
    if (setjmp(world.failed) != 0)
        return outcome;
    outcome.figure = scenario->run(&world);
    for (uint32_t i = 0; i < world.count; i++)
        if (world.nodes[i].core != NULL)
            invariants_scan(&world, i);
    if (outcome.figure > scenario->bound)
        world_fail(&world, "the figure is above its bound", 0);
    outcome.trace = world.trace;
    world_release(&world);
    outcome.passed = true;
    return outcome;
}

double scenario_bootstrap(struct world *world)
{
    uint64_t start_ms = world->now_ms;
    uint64_t bound_ms = world->bound_ms;
    for (uint32_t i = 0; i < world->count; i++) {
        node_start(world, i, 0);
        if (world->count <= 1000 || i % (world->count / 1000) == 0)
            world_run(world, world->count <= 1000 ? 1000 / world->count : 1);
    }
    world->bound_ms = 2 * MINUTE;
    world_until(world, SWIM_ALIVE, 0);
    world->bound_ms = bound_ms;
    return (double)(world->now_ms - start_ms) / 1000;
}

void scenario_nobody_died(struct world *world)
{
    if (world->false_dead > 0)
        world_fail(world, "a running member was called dead", 0);
}

void scenario_nobody_healthy_died(struct world *world)
{
    if (world->false_dead_healthy > 0)
        world_fail(world, "a healthy member was called dead", 0);
}
