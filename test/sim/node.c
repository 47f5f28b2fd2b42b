/* A node: the real core, and around it what the shell of node/ does. */
#include <stdio.h>
#include <stdlib.h>

#include "test/sim/invariants.h"

/* The id carries the index, so that nobody has to search. */
uint32_t node_index(struct world *world, const struct node_id *id)
{
    uint32_t index;
    memcpy(&index, id->bytes + ID_SIZE - sizeof(index), sizeof(index));
    if (index >= world->count)
        world_fail(world, "an id that nobody has", index);
    return index;
}

uint64_t node_now_ms(const struct world *world, const struct sim_node *node)
{
    return world->now_ms + node->clock_ahead_ms;
}

struct protocol node_protocol(const struct world *world, uint32_t index)
{
    struct protocol protocol = world->nodes[index].protocol;
    return protocol.lowest != 0 ? protocol : world->config.protocol;
}

void node_start(struct world *world, uint32_t index, uint32_t seed_index)
{
    struct sim_node *node = &world->nodes[index];
    struct err err;
    node->context = (struct sim_context){.world = world, .index = index, .id = node->id};
    struct swim_ops ops = {.context = &node->context,
                           .sign = sim_sign,
                           .verify = sim_verify,
                           .keep = kept_keep,
                           .drop = kept_drop};
    struct swim_self self = {
        .id = node->id,
        .name = node->name,
        .address = node->address,
        .metadata = node->metadata,
        .metadata_size = node->metadata_size,
        .incarnation = node->persisted,
        .seed = prng_next(&world->prng),
    };
    self.session = (world->now_ms + 1) << 20 | prng_below(&world->prng, 1u << 20);
    struct swim_config config = world->config;
    config.protocol = node_protocol(world, index);
    uint64_t now_ms = node_now_ms(world, node);
    node->life++;
    node->tick_ms = UINT64_MAX;
    invariants_start(world, index);
    if (swim_new(&node->core, &config, &ops, &self, now_ms, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    if (seed_index != index &&
        swim_join(node->core, now_ms, world->nodes[seed_index].address, &err) != 0)
        abort();
    node_drain(world, index);
}

void node_crash(struct world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    swim_destroy(&node->core);
    node->pool_count = 0;
    node->life++;
    node->first_dead_ms = 0;
    node->dead_seen = 0;
}

void node_stop(struct world *world, uint32_t index, uint64_t duration_ms)
{
    world->nodes[index].stopped_until_ms = world->now_ms + duration_ms;
}

static void queue_tick(struct world *world, uint32_t index, uint64_t time_ms)
{
    struct sim_node *node = &world->nodes[index];
    if (time_ms >= node->tick_ms)
        return;
    node->tick_ms = time_ms;
    queue_push(world, (struct sim_item){.time_ms = time_ms, .to = index, .life = node->life});
}

void node_jump(struct world *world, uint32_t index, uint64_t ahead_ms)
{
    world->nodes[index].clock_ahead_ms += ahead_ms;
    queue_tick(world, index, world->now_ms + 1);
}

void node_clone(struct world *world, uint32_t index, uint32_t original)
{
    world->nodes[index].id = world->nodes[original].id;
    world->nodes[index].identity = original;
    memcpy(world->nodes[index].name, world->nodes[original].name, sizeof(world->nodes[0].name));
    world->nodes[index].persisted = world->nodes[original].persisted;
}

static void saw_death(struct world *world, uint32_t observer, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    bool healthy = !world->nodes[observer].sick;
    world->dead_events++;
    if (healthy) {
        node->dead_seen++;
        node->last_dead_ms = world->now_ms;
        if (node->first_dead_ms == 0)
            node->first_dead_ms = world->now_ms;
    }
    if (node->core == NULL || node->sick || !network_reaches(world, observer, index))
        return;
    world->false_dead++;
    world->false_dead_healthy += healthy;
}

static void saw_event(struct world *world, uint32_t observer, const struct swim_order *order)
{
    struct sim_node *node = &world->nodes[observer];
    enum swim_event event = order->event.event;
    uint32_t index = node_index(world, &order->event.id);
    world_trace(world, (uint64_t)event << 32 | index);
    invariants_event(world, observer, event, index);
    if (event == SWIM_EVENT_CONFLICT) {
        node->conflicts++;
        node->conflict_id = index;
        node->conflict_other = node_index(world, &order->event.other);
    }
    world->suspect_events += event == SWIM_EVENT_SUSPECT;
    if (event == SWIM_EVENT_DEAD)
        saw_death(world, observer, index);
}

void node_drain(struct world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    struct swim_order order;
    invariants_ordered(world, index);
    while (swim_next_order(node->core, &order)) {
        if (order.kind == SWIM_SEND) {
            network_send(world, index, &order);
        } else if (order.kind == SWIM_PERSIST) {
            invariants_persist(world, index, order.persist.incarnation);
            node->persisted = order.persist.incarnation;
            invariants_announced(world, node->identity, node->persisted);
        } else {
            saw_event(world, index, &order);
        }
    }
    invariants_stepped(world, index);
    uint64_t next_ms = swim_next_ms(node->core);
    next_ms = next_ms > node->clock_ahead_ms ? next_ms - node->clock_ahead_ms : 0;
    if (next_ms <= world->now_ms)
        next_ms = world->now_ms + 1;
    if (next_ms < node->stopped_until_ms)
        next_ms = node->stopped_until_ms;
    queue_tick(world, index, next_ms);
}

/* Not now: it stands still, or hears nothing for a while. */
static bool put_off(struct world *world, struct sim_item *item)
{
    const struct sim_node *node = &world->nodes[item->to];
    uint64_t until_ms = node->stopped_until_ms;
    if (item->bytes != NULL && until_ms < node->blocked_until_ms)
        until_ms = node->blocked_until_ms;
    if (world->now_ms >= until_ms)
        return false;
    item->time_ms = until_ms;
    queue_push(world, *item);
    return true;
}

/* The connection told: it is no member. */
static void refuse(struct world *world, uint32_t observer, uint32_t whom)
{
    struct sim_node *node = &world->nodes[observer];
    struct swim_member known;
    if (node->core == NULL || !swim_find(node->core, &world->nodes[whom].id, &known))
        return;
    swim_refuse(node->core, node_now_ms(world, node), &world->nodes[whom].id);
    invariants_event(world, observer, SWIM_EVENT_REFUSED, whom);
}

static void receive(struct world *world, const struct sim_item *item)
{
    if (!protocol_meets(node_protocol(world, item->from), node_protocol(world, item->to))) {
        refuse(world, item->to, item->from);
        refuse(world, item->from, item->to);
        if (world->nodes[item->from].core != NULL)
            node_drain(world, item->from);
        return;
    }
    struct sim_node *node = &world->nodes[item->to];
    node->received_count++;
    node->received_bytes += item->size;
    world_trace(world, item->time_ms << 24 ^ (uint64_t)item->from << 12 ^ item->to);
    world->answering = item->from;
    if (world->receiving != NULL)
        world->receiving(world, item);
    swim_receive(node->core, node_now_ms(world, node), &world->nodes[item->from].id, item->bytes,
                 item->size);
    if (world->received != NULL)
        world->received(world, item);
}

void node_handle(struct world *world, struct sim_item *item)
{
    struct sim_node *node = &world->nodes[item->to];
    if (node->core == NULL || item->life != node->life) {
        free(item->bytes);
        return;
    }
    if (item->bytes == NULL && item->time_ms != node->tick_ms)
        return; /* another tick took its place */
    if (item->bytes == NULL)
        node->tick_ms = UINT64_MAX;
    if (world->now_ms < node->stopped_until_ms && item->bytes == NULL) {
        queue_tick(world, item->to, node->stopped_until_ms);
        return;
    }
    if (put_off(world, item))
        return;
    world->steps++;
    if (item->bytes != NULL)
        receive(world, item);
    else
        swim_tick(node->core, node_now_ms(world, node));
    free(item->bytes);
    node_drain(world, item->to);
    world->answering = world->count;
}
