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

#define ORIGINAL 3 /* whose machine is copied; the last node is the copy */

/* All but the copy run, and know each other; it has what the original had on disk then. */
static uint32_t start_with_copy(struct world *world)
{
    uint32_t copy = world->count - 1;
    node_clone(world, copy, ORIGINAL);
    for (uint32_t i = 0; i < copy; i++)
        node_start(world, i, 0);
    world_until(world, SWIM_ALIVE, 0);
    world->nodes[copy].persisted = world->nodes[ORIGINAL].persisted;
    return copy;
}

static bool others_have_address(const struct world *world, const struct sim_node *node)
{
    for (uint32_t i = 0; i < world->count; i++) {
        struct swim_member member;
        if (world->nodes[i].core != NULL && world->nodes[i].identity == i && i != ORIGINAL &&
            (!swim_find(world->nodes[i].core, &node->id, &member) || member.state != SWIM_ALIVE ||
             strcmp(member.address, node->address) != 0))
            return false;
    }
    return true;
}

static double until_others_have(struct world *world, const struct sim_node *node)
{
    uint64_t start_ms = world->now_ms;
    while (!others_have_address(world, node)) {
        if (world->now_ms > start_ms + world->bound_ms)
            world_fail(world, "an address did not become known", ORIGINAL);
        world_run(world, 100);
    }
    return (double)(world->now_ms - start_ms) / 1000;
}

/* One of the two is the member and stays it, and both know of the other. */
static void one_stays(struct world *world, uint32_t first, uint32_t second, uint64_t duration_ms)
{
    struct swim_rival rival;
    uint64_t end_ms = world->now_ms + duration_ms, suspected = world->suspect_events;
    for (; world->now_ms < end_ms; world_run(world, SECOND)) {
        if (!others_have_address(world, &world->nodes[first]))
            world_fail(world, "the address of a copied member changes", first);
        if (!swim_rival(world->nodes[first].core, &rival) || rival.first ||
            strcmp(rival.address, world->nodes[second].address) != 0)
            world_fail(world, "who goes first does not know of the other", first);
        if (!swim_rival(world->nodes[second].core, &rival) || !rival.first ||
            strcmp(rival.address, world->nodes[first].address) != 0)
            world_fail(world, "who stands by does not know of the other", second);
    }
    if (world->suspect_events > suspected)
        world_fail(world, "somebody was suspected for a copy", first);
}

/* A copy of a machine runs for three minutes beside it. */
static double run_clone(struct world *world)
{
    uint32_t copy = start_with_copy(world);
    struct sim_node *original = &world->nodes[ORIGINAL];
    struct swim_rival rival;
    node_start(world, copy, 0);
    world_run(world, 5 * SECOND);
    one_stays(world, ORIGINAL, copy, 3 * MINUTE);
    scenario_nobody_died(world);
    if (original->conflicts != 1 || world->nodes[copy].conflicts != 1)
        world_fail(world, "a copy is not reported once", ORIGINAL);
    node_crash(world, copy);
    double took = world_until(world, SWIM_ALIVE, 0);
    world_run(world, MINUTE);
    scenario_nobody_died(world);
    if (swim_rival(original->core, &rival))
        world_fail(world, "a copy that is gone is still reported", ORIGINAL);
    return took;
}

/* The machine fails while its copy runs: the copy is the member, and stays it when the machine is back. */
static double run_clone_left(struct world *world)
{
    uint32_t copy = start_with_copy(world);
    node_start(world, copy, 0);
    world_run(world, 10 * SECOND);
    node_crash(world, ORIGINAL);
    double took = until_others_have(world, &world->nodes[copy]);
    world_run(world, MINUTE);
    node_start(world, ORIGINAL, 0);
    world_run(world, 5 * SECOND);
    one_stays(world, copy, ORIGINAL, 3 * MINUTE);
    scenario_nobody_died(world);
    return took;
}

/* What is no copy: a machine fails, and starts elsewhere with its disk. */
static double run_moved(struct world *world)
{
    struct sim_node *node = &world->nodes[ORIGINAL];
    struct swim_rival rival;
    scenario_bootstrap(world);
    node_crash(world, ORIGINAL);
    snprintf(node->address, sizeof(node->address), "elsewhere");
    node_start(world, ORIGINAL, 0);
    double took = until_others_have(world, node);
    world_run(world, 3 * MINUTE);
    scenario_nobody_died(world);
    if (!others_have_address(world, node) || swim_rival(node->core, &rival))
        world_fail(world, "a machine that moved is taken for two", ORIGINAL);
    return took;
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
     "one key runs twice: the first stays the member, nobody is suspected; until agreed once one "
     "stops",
     run_clone,
     "s",
     30,
     30,
     {{30, 3}, {100, 1}}},
    {"clone_left",
     "of two with one key the first fails, until all have the second, which stays",
     run_clone_left,
     "s",
     30,
     30,
     {{4, 3}, {30, 3}, {100, 1}}},
    {"moved",
     "one fails and starts at another address, until all have it",
     run_moved,
     "s",
     5,
     30,
     {{3, 3}, {30, 3}, {100, 3}}},
    {.name = NULL},
};
