/* Nothing happens: what that costs in bytes and memory, and that nothing happens indeed. */
#include <malloc.h>

#include "gossip/claim.h"
#include "gossip/gossip.pb-c.h"
#include "test/sim/scenarios.h"

#define QUIET_MS (10 * MINUTE)

struct traffic {
    double sent, received, messages_sent, messages_received, handshakes; /* a second and member */
};

static struct traffic listen(struct world *world)
{
    struct traffic traffic = {0};
    double share = 1000.0 / QUIET_MS / world->count;
    scenario_bootstrap(world);
    world_run(world, 2 * MINUTE);
    for (uint32_t i = 0; i < world->count; i++) {
        struct sim_node *node = &world->nodes[i];
        node->sent_bytes = node->sent_count = node->handshakes = 0;
        node->received_bytes = node->received_count = 0;
    }
    world_run(world, QUIET_MS);
    for (uint32_t i = 0; i < world->count; i++) {
        const struct sim_node *node = &world->nodes[i];
        traffic.sent += share * (double)node->sent_bytes;
        traffic.received += share * (double)node->received_bytes;
        traffic.messages_sent += share * (double)node->sent_count;
        traffic.messages_received += share * (double)node->received_count;
        traffic.handshakes += share * (double)node->handshakes;
    }
    if (world->dead_events > 0 || !world_agrees(world, SWIM_ALIVE, 0))
        world_fail(world, "a quiet cluster is not quiet", 0);
    return traffic;
}

/* Several rows of the table look at one run from several sides: it is made once. */
static struct traffic listened(struct world *world)
{
    static struct {
        uint64_t seed;
        uint32_t members;
        struct traffic traffic;
    } runs[8];
    size_t i = 0;
    while (i < 8 && runs[i].members != 0) {
        if (runs[i].seed == world->seed && runs[i].members == world->count)
            return runs[i].traffic;
        i++;
    }
    struct traffic traffic = listen(world);
    if (i < 8) {
        runs[i].seed = world->seed;
        runs[i].members = world->count;
        runs[i].traffic = traffic;
    }
    return traffic;
}

static double run_sent(struct world *world)
{
    return listened(world).sent;
}

static double run_received(struct world *world)
{
    return listened(world).received;
}

static double run_framed(struct world *world)
{
    struct traffic traffic = listened(world);
    return traffic.sent + SIM_FRAME_BYTES * traffic.messages_sent;
}

static double run_connected(struct world *world)
{
    struct traffic traffic = listened(world);
    return traffic.sent + SIM_FRAME_BYTES * traffic.messages_sent +
           SIM_HANDSHAKE_BYTES * traffic.handshakes;
}

static double run_connected_received(struct world *world)
{
    struct traffic traffic = listened(world);
    return traffic.received + SIM_FRAME_BYTES * traffic.messages_received +
           SIM_HANDSHAKE_BYTES * traffic.handshakes;
}

static double run_hour(struct world *world)
{
    scenario_bootstrap(world);
    world->suspect_events = 0;
    world_run(world, HOUR);
    if (world->dead_events > 0 || !world_agrees(world, SWIM_ALIVE, 0))
        world_fail(world, "a quiet cluster is not quiet", 0);
    return (double)world->suspect_events;
}

/* ---- one core that is told of everybody, its claims on the heap */

static void tell(struct world *world, struct swim *core, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    struct sim_context context = {.world = world, .index = index, .id = node->id};
    struct swim_ops ops = {.context = &context, .sign = sim_sign};
    struct claim claim = {.state = SWIM_ALIVE,
                          .version_min = PROTOCOL_LOWEST,
                          .version = PROTOCOL_HIGHEST,
                          .version_max = PROTOCOL_HIGHEST,
                          .incarnation = 1,
                          .id = node->id,
                          .name = node->name,
                          .address = node->address,
                          .metadata = node->metadata,
                          .metadata_size = node->metadata_size};
    uint8_t said[SWIM_CLAIM_MAX], bytes[SWIM_CLAIM_MAX + 64];
    ProtobufCBinaryData item = {.len = claim_encode(&claim, &ops, said), .data = said};
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    packet.version = packet.version_min = packet.version_max = PROTOCOL_HIGHEST;
    packet.claims = &item;
    packet.n_claims = 1;
    size_t size = ecbak__gossip__packet__pack(&packet, bytes);
    struct swim_order order;
    swim_receive(core, world->now_ms, &node->id, bytes, size);
    while (swim_next_order(core, &order))
        continue;
}

static double remember(struct world *world, bool counted)
{
    struct swim_ops ops = {
        .context = &world->nodes[0].context, .sign = sim_sign, .verify = sim_verify};
    struct swim_self self = {
        .id = world->nodes[0].id, .name = "node-0", .address = "n0", .seed = world->seed};
    struct swim *core;
    struct swim_stats stats;
    struct err err;
    size_t before = mallinfo2().uordblks;
    world->nodes[0].context.id = self.id;
    if (swim_new(&core, &world->config, &ops, &self, world->now_ms, &err) != 0)
        world_fail(world, err.text, 0);
    for (uint32_t i = 1; i < world->count; i++)
        tell(world, core, i);
    size_t after = mallinfo2().uordblks;
    swim_stats(core, &stats);
    size_t count = swim_member_count(core);
    swim_destroy(&core);
    if (count != world->count)
        world_fail(world, "a member was not taken", 0);
    return (double)(counted ? stats.memory_bytes : after - before) / world->count;
}

static double run_memory_counted(struct world *world)
{
    return remember(world, true);
}

static double run_memory_heap(struct world *world)
{
    return remember(world, false);
}

const struct scenario scenarios_quiet[] = {
    {"quiet_sent",
     "sent when nothing happens: messages alone",
     run_sent,
     "B/s",
     60,
     100,
     {{100, 1}, {300, 1}, {1000, 1}}},
    {"quiet_received",
     "received when nothing happens: messages alone",
     run_received,
     "B/s",
     60,
     0,
     {{1000, 1}}},
    {"quiet_framed",
     "sent, with 140 B of TCP, IP, ZMTP and CURVE around each message",
     run_framed,
     "B/s",
     400,
     0,
     {{1000, 1}}},
    {"quiet_connected",
     "sent, with handshakes of 1060 B each way too, 64 connections open",
     run_connected,
     "B/s",
     1500,
     0,
     {{100, 1}, {300, 1}, {1000, 1}}},
    {"quiet_connected_received",
     "received, with handshakes of 1060 B each way too",
     run_connected_received,
     "B/s",
     2000,
     0,
     {{1000, 1}}},
    {"quiet_hour",
     "an hour without faults: nobody is called dead; suspicions",
     run_hour,
     "suspicions",
     0,
     10,
     {{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {10, 1}, {30, 1}, {100, 1}, {300, 1}, {1000, 1}}},
    {"memory_counted",
     "a core's own count of its memory, per member known, metadata of 200 B",
     run_memory_counted,
     "B",
     1024,
     1000,
     {{1000, 1}}},
    {"memory_heap",
     "the same by the allocator's count",
     run_memory_heap,
     "B",
     1024,
     0,
     {{1000, 1}}},
    {.name = NULL},
};
