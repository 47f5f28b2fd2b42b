/* Time goes from one queued item to the next; nothing else moves it. */
#include "test/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "test/sim/invariants.h"

void world_init(struct world *world, const char *scenario, uint64_t seed, uint32_t count)
{
    struct err err;
    memset(world, 0, sizeof(*world));
    world->scenario = scenario;
    world->seed = seed;
    world->count = world->answering = count;
    world->bound_ms = 2 * MINUTE;
    world->delay_min_ms = 1;
    world->delay_max_ms = 10;
    world->now_ms = 1000;
    prng_init(&world->prng, seed);
    if (swim_profile(&world->config, "lan", &err) != 0)
        abort();
    world->nodes = alloc_zero(count, sizeof(*world->nodes));
    kept_init(world);
    invariants_init(world);
    for (uint32_t i = 0; i < count; i++) {
        struct sim_node *node = &world->nodes[i];
        for (size_t j = 0; j < ID_SIZE; j++)
            node->id.bytes[j] = (uint8_t)prng_next(&world->prng);
        memcpy(node->id.bytes + ID_SIZE - sizeof(i), &i, sizeof(i));
        node->identity = i;
        snprintf(node->name, sizeof(node->name), "node-%u", i);
        snprintf(node->address, sizeof(node->address), "n%u", i);
        node->metadata_size = 200; /* about what a certificate and the figures of a member take */
        node->tick_ms = UINT64_MAX;
    }
}

void world_release(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++)
        swim_destroy(&world->nodes[i].core);
    for (size_t i = 0; i < world->heap_count; i++)
        free(world->heap[i].bytes);
    kept_release(world);
    invariants_release(world);
    free(world->heap);
    free(world->nodes);
}

_Noreturn void world_fail(struct world *world, const char *what, uint32_t node)
{
    world->failure = what;
    if (!world->expected) {
        fprintf(stderr,
                "\n%s: node %u at %" PRIu64 " ms\nreplay: sim_gossip --scenario %s --seed %" PRIu64
                " --members %u\n",
                what, node, world->now_ms, world->scenario, world->seed, world->count);
        fflush(stderr);
    }
    longjmp(world->failed, 1);
}

void world_trace(struct world *world, uint64_t value)
{
    world->trace = prng_mix(world->trace + 0x9e3779b97f4a7c15u + value);
}

double world_random(struct world *world)
{
    return (double)(prng_next(&world->prng) >> 11) / 9007199254740992.0;
}

void world_step(struct world *world)
{
    struct sim_item item = queue_pop(world);
    world->now_ms = item.time_ms;
    node_handle(world, &item);
}

void world_run(struct world *world, uint64_t duration_ms)
{
    uint64_t end_ms = world->now_ms + duration_ms;
    while (world->heap_count > 0 && world->heap[0].time_ms <= end_ms)
        world_step(world);
    world->now_ms = end_ms;
}

/* A clone is no member beside its original. */
static size_t running_for(const struct world *world, struct protocol protocol)
{
    size_t running = 0;
    for (uint32_t i = 0; i < world->count; i++)
        running += world->nodes[i].core != NULL && world->nodes[i].identity == i &&
                   protocol_meets(node_protocol(world, i), protocol);
    return running;
}

bool world_agrees(const struct world *world, enum swim_state state, size_t others)
{
    struct protocol protocol = {0, 0};
    size_t running = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        const struct swim *core = world->nodes[i].core;
        struct protocol own = node_protocol(world, i);
        if (own.lowest != protocol.lowest || own.highest != protocol.highest) {
            running = running_for(world, own);
            protocol = own;
        }
        if (core != NULL && (swim_count(core, SWIM_ALIVE) != running ||
                             (others > 0 && swim_count(core, state) != others)))
            return false;
    }
    return true;
}

double world_until(struct world *world, enum swim_state state, size_t others)
{
    uint64_t start_ms = world->now_ms;
    while (!world_agrees(world, state, others)) {
        if (world->now_ms >= start_ms + world->bound_ms)
            world_fail(world, "the members do not agree in time", 0);
        world_run(world, 100);
    }
    return (double)(world->now_ms - start_ms) / 1000;
}
