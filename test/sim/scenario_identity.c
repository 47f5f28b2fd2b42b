/* Who is who: names and addresses that two members use, that change hands or change quickly, and one
 * key that runs twice. */
#include <stdio.h>

#include "test/sim/scenarios.h"

static double run_swap(struct world *world)
{
    char address[sizeof(world->nodes[0].address)];
    uint32_t a = world->count / 2;
    uint32_t b = a + 1;
    scenario_bootstrap(world);
    node_crash(world, a);
    node_crash(world, b);
    memcpy(address, world->nodes[a].address, sizeof(address));
    memcpy(world->nodes[a].address, world->nodes[b].address, sizeof(address));
    memcpy(world->nodes[b].address, address, sizeof(address));
    node_start(world, a, 0);
    node_start(world, b, 0);
    double took = world_until(world, SWIM_ALIVE, 0);
    world_run(world, 3 * MINUTE);
    if (!world_agrees(world, SWIM_ALIVE, 0) || world->dead_events > 0)
        world_fail(world, "an old address was not given up", a);
    return took;
}

static bool all_have_address(const struct world *world, const struct sim_node *node)
{
    for (uint32_t i = 0; i < world->count; i++) {
        struct swim_member member;
        if (!swim_find(world->nodes[i].core, &node->id, &member) ||
            strcmp(member.address, node->address) != 0)
            return false;
    }
    return true;
}

static double run_readdress(struct world *world)
{
    uint32_t mover = world->count / 2;
    struct sim_node *node = &world->nodes[mover];
    struct err err;
    scenario_bootstrap(world);
    for (unsigned step = 0; step < 6; step++) {
        snprintf(node->address, sizeof(node->address), "n%u-%u", mover, step);
        if (swim_update(node->core, world->now_ms, node->address, NULL, 0, &err) != 0)
            world_fail(world, err.text, mover);
        node_drain(world, mover);
        world_run(world, 700);
    }
    uint64_t start_ms = world->now_ms;
    while (!all_have_address(world, node)) {
        if (world->now_ms > start_ms + world->bound_ms)
            world_fail(world, "a new address did not become known", mover);
        world_run(world, 100);
    }
    double took = (double)(world->now_ms - start_ms) / 1000;
    world_run(world, MINUTE);
    scenario_nobody_died(world);
    if (!world_agrees(world, SWIM_ALIVE, 0))
        world_fail(world, "the members do not agree in time", mover);
    return took;
}

static bool names_both(const struct sim_node *node, uint32_t a, uint32_t b)
{
    return (node->conflict_id == a && node->conflict_other == b) ||
           (node->conflict_id == b && node->conflict_other == a);
}

/* Everybody reports it; the two themselves know of one stranger with their name. */
static double run_same_name(struct world *world)
{
    uint32_t a = 3, b = world->count - 1;
    memcpy(world->nodes[b].name, world->nodes[a].name, sizeof(world->nodes[b].name));
    scenario_bootstrap(world);
    world_run(world, MINUTE);
    if (!world_agrees(world, SWIM_ALIVE, 0) || world->dead_events > 0)
        world_fail(world, "who shares a name did not stay", b);
    uint32_t silent = 0;
    for (uint32_t i = 0; i < world->count; i++)
        silent += world->nodes[i].conflicts == 0 || !names_both(&world->nodes[i], a, b);
    return silent;
}

/* The last node runs with the key of node 3, for three minutes; then it stops. Answers to either of the
 * two go to whom spoke last, so these two may think that others are dead. */
static double run_clone(struct world *world)
{
    uint32_t original = 3, clone = world->count - 1;
    node_clone(world, clone, original);
    for (uint32_t i = 0; i < clone; i++)
        node_start(world, i, 0);
    world_until(world, SWIM_ALIVE, 0);
    world->nodes[original].sick = world->nodes[clone].sick = true;
    world->nodes[clone].persisted = world->nodes[original].persisted;
    node_start(world, clone, 0);
    world_run(world, 3 * MINUTE);
    scenario_nobody_healthy_died(world);
    if (world->nodes[original].conflicts == 0 && world->nodes[clone].conflicts == 0)
        world_fail(world, "a cloned identity is not reported", original);
    node_crash(world, clone);
    return world_until(world, SWIM_ALIVE, 0);
}

const struct scenario scenarios_identity[] = {
    {"swap",
     "two swap their addresses while down, until all know all",
     run_swap,
     "s",
     20,
     60,
     {{100, 5}}},
    {"readdress",
     "one changes its address six times in four seconds, until all have the last",
     run_readdress,
     "s",
     20,
     60,
     {{100, 5}}},
    {"same_name",
     "two members have one name: both stay; members that do not report it",
     run_same_name,
     "members",
     0,
     40,
     {{40, 3}}},
    {"clone",
     "one key runs twice: reported, no other is harmed; until agreed once it stops",
     run_clone,
     "s",
     30,
     30,
     {{30, 3}, {100, 1}}},
    {.name = NULL},
};
