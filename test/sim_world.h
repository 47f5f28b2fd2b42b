/* sim_world.h - many real membership cores over a fake network, in virtual time, from one seed.
 *
 * Everything that happens comes out of one queue ordered by time, and every random choice out of
 * one generator: the same seed gives the same run, which world.trace proves. The invariants are
 * checked as the run goes on; the first that breaks prints how to replay it and ends the program.
 *
 *   Time     virtual milliseconds
 *   Network  loss, delay, duplication, one-way loss of a node, partitions by group
 *   Shell    what node/ does: carries out orders at once, delivers only to whom the address and the
 * id agree on (CURVE does that), and drops what has expired
 */
#ifndef ECBAK_TEST_SIM_WORLD_H
#define ECBAK_TEST_SIM_WORLD_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/gossip.pb-c.h"
#include "gossip/prng.h"
#include "gossip/swim.h"

struct world;

struct sim_context {
    struct world *world;
    struct swim_id id;
};

#define SIM_POOL            64  /* open connections that a member keeps, the least used go first */
#define SIM_HANDSHAKE_BYTES 650 /* each way, for TCP, ZMTP and CURVE */
#define SIM_FRAME_BYTES     60  /* around a message: TCP and IP, ZMTP, CURVE */

struct sim_node {
    struct swim *core;       /* NULL: not running */
    uint32_t pool[SIM_POOL]; /* peers that it opened a connection to, the latest used first */
    uint32_t pool_count;
    uint64_t handshakes;
    struct sim_context context;
    struct swim_id id;
    char name[32];
    char address[32];
    uint8_t metadata[SWIM_METADATA_MAX];
    size_t metadata_size;
    uint64_t persisted;
    uint64_t highest; /* incarnation it ever announced, over all its lives */
    uint32_t life;    /* counts starts: what was meant for an earlier life is not delivered */
    uint32_t group;   /* only members of one group reach each other */
    double loss_in, loss_out;
    uint64_t stopped_until_ms; /* neither reads nor ticks before; what arrives waits */
    uint64_t blocked_until_ms; /* ticks, but what it sends and receives is held up until then */
    bool sick;                 /* anomalies are being injected: not a healthy member */
    uint64_t tick_ms;          /* the tick that is queued; UINT64_MAX when there is none */
    uint64_t sent_bytes, sent_count;
    /* What all the others have seen of it. */
    uint64_t first_dead_ms, last_dead_ms, dead_seen; /* by healthy members */
};

struct sim_item {
    uint64_t time_ms;
    uint64_t number;
    uint32_t to, from;
    uint32_t life;
    uint32_t size;
    uint8_t *bytes; /* NULL: a tick */
};

struct sim_kept {
    struct sim_kept *next;
    uint64_t hash;
    uint32_t size, references;
    uint8_t bytes[];
};

#define SIM_KEPT_SLOTS (1u << 16)

struct world {
    uint64_t seed;
    const char *scenario;
    struct prng prng;
    uint64_t now_ms;
    struct swim_config config;
    struct sim_node *nodes;
    uint32_t count;
    struct sim_item *heap;
    size_t heap_count, heap_capacity;
    uint64_t number;
    double loss, duplication;
    uint32_t delay_min_ms, delay_max_ms;
    bool talkative; /* print figures */
    bool thorough;  /* decode every packet, and remember what everybody saw of everybody */
    uint64_t *seen; /* [observer][member]: the highest incarnation */
    uint64_t *suspected_ms;
    uint64_t trace;
    /* Deaths concluded of members that run, are reachable and healthy; of those, at healthy members. */
    uint64_t false_dead, false_dead_healthy;
    uint64_t dead_events, conflicts, delivered;
    struct sim_kept **kept;
};

static inline _Noreturn void sim_fail(const struct world *world, const char *what, uint32_t node)
{
    printf("\n%s: node %u at %" PRIu64 " ms\nreplay: sim_gossip --seed %" PRIu64
           " --scenario %s --members %u\n",
           what, node, world->now_ms, world->seed, world->scenario, world->count);
    fflush(stdout);
    exit(1);
}

static inline void sim_trace(struct world *world, uint64_t value)
{
    world->trace = prng_mix(world->trace + 0x9e3779b97f4a7c15u + value);
}

static inline uint64_t sim_hash(const void *bytes, size_t size, uint64_t hash)
{
    const uint8_t *at = bytes;
    uint64_t word;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0x9fb21c651e98df25u;
        hash ^= hash >> 32;
    }
    word = size;
    for (size_t i = 0; i < size; i++)
        word = word << 8 | at[i];
    return prng_mix(hash ^ word);
}

static inline double sim_random(struct world *world)
{
    return (double)(prng_next(&world->prng) >> 11) / 9007199254740992.0;
}

/* ---- the ops: a fake signature anybody could compute, but nobody in here does -------------------
 */

static inline void sim_signature(const struct swim_id *id, const void *body, size_t size,
                                 uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    uint64_t words[SWIM_SIGNATURE_SIZE / 8];
    uint64_t hash = sim_hash(body, size, sim_hash(id->bytes, SWIM_ID_SIZE, 7));
    for (size_t i = 0; i < SWIM_SIGNATURE_SIZE / 8; i++)
        words[i] = hash + i;
    memcpy(signature, words, sizeof(words));
}

static inline void sim_sign(void *context, const void *body, size_t size,
                            uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    const struct sim_context *sim = context;
    sim_signature(&sim->id, body, size, signature);
}

static inline bool sim_verify(void *context, const struct swim_id *signer, const void *body,
                              size_t size, const uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    uint8_t expected[SWIM_SIGNATURE_SIZE];
    (void)context;
    sim_signature(signer, body, size, expected);
    return memcmp(expected, signature, sizeof(expected)) == 0;
}

/* Statements never change once made, so all cores share one copy of each. */
static inline const uint8_t *sim_keep(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = ((struct sim_context *)context)->world;
    uint64_t hash = sim_hash(bytes, size, 11);
    struct sim_kept **head = &world->kept[hash % SIM_KEPT_SLOTS];
    for (struct sim_kept *kept = *head; kept != NULL; kept = kept->next)
        if (kept->hash == hash && kept->size == size && memcmp(kept->bytes, bytes, size) == 0) {
            kept->references++;
            return kept->bytes;
        }
    struct sim_kept *kept = alloc_zero(1, sizeof(*kept) + size);
    kept->hash = hash;
    kept->size = (uint32_t)size;
    kept->references = 1;
    memcpy(kept->bytes, bytes, size);
    kept->next = *head;
    *head = kept;
    return kept->bytes;
}

static inline void sim_drop(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = ((struct sim_context *)context)->world;
    (void)size;
    struct sim_kept *kept =
        (struct sim_kept *)(uintptr_t)(bytes - offsetof(struct sim_kept, bytes));
    if (--kept->references > 0)
        return;
    struct sim_kept **link = &world->kept[kept->hash % SIM_KEPT_SLOTS];
    while (*link != kept)
        link = &(*link)->next;
    *link = kept->next;
    free(kept);
}

/* ---- the queue
 * ------------------------------------------------------------------------------------ */

static inline bool sim_before(const struct sim_item *a, const struct sim_item *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->number < b->number;
}

static inline void sim_push(struct world *world, struct sim_item item)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity * 2 + 1024;
        world->heap = alloc_grow(world->heap, world->heap_capacity, sizeof(*world->heap));
    }
    item.number = world->number++;
    size_t at = world->heap_count++;
    while (at > 0 && sim_before(&item, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = item;
}

static inline struct sim_item sim_pop(struct world *world)
{
    struct sim_item top = world->heap[0];
    struct sim_item last = world->heap[--world->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->heap_count)
            break;
        if (child + 1 < world->heap_count &&
            sim_before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!sim_before(&world->heap[child], &last))
            break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    if (world->heap_count > 0)
        world->heap[at] = last;
    return top;
}

/* ---- invariants
 * ----------------------------------------------------------------------------------- */

/* The id carries the index, so that nobody has to search. */
static inline uint32_t sim_index(const struct world *world, const struct swim_id *id)
{
    uint32_t index;
    memcpy(&index, id->bytes + SWIM_ID_SIZE - sizeof(index), sizeof(index));
    if (index >= world->count)
        sim_fail(world, "an id that nobody has", index);
    return index;
}

static inline void sim_check_member(struct world *world, uint32_t observer,
                                    const struct swim_member *member)
{
    uint32_t index = sim_index(world, &member->id);
    if (member->self != (index == observer))
        sim_fail(world, "another member passes for ourselves", observer);
    if (member->self && (member->state == SWIM_SUSPECT || member->state == SWIM_DEAD))
        sim_fail(world, "suspects itself", observer);
    if (member->incarnation > world->nodes[index].highest)
        sim_fail(world, "an incarnation that its owner never announced", observer);
    if (!world->thorough)
        return;
    uint64_t *seen = &world->seen[(size_t)observer * world->count + index];
    if (member->incarnation < *seen)
        sim_fail(world, "an incarnation went down", observer);
    *seen = member->incarnation;
}

/* All that one member knows. */
static inline void sim_check_core(struct world *world, uint32_t observer)
{
    const struct swim *core = world->nodes[observer].core;
    struct swim_stats stats;
    size_t total = 0;
    for (size_t i = 0; i < swim_member_count(core); i++) {
        struct swim_member member;
        swim_member(core, i, &member);
        sim_check_member(world, observer, &member);
    }
    for (int state = SWIM_ALIVE; state <= SWIM_AWAY; state++)
        total += swim_count(core, (enum swim_state)state);
    if (total != swim_member_count(core))
        sim_fail(world, "members are counted wrongly", observer);
    swim_stats(core, &stats);
    if (stats.rumour_count > 2 * world->config.members_max)
        sim_fail(world, "too many rumours", observer);
    if (stats.awareness > world->config.awareness_max)
        sim_fail(world, "awareness beyond its maximum", observer);
}

static inline void sim_check_packet(struct world *world, uint32_t from,
                                    const struct swim_order *order)
{
    if (order->send.size > world->config.sync_size_max)
        sim_fail(world, "a message beyond every budget", from);
    if (!world->thorough)
        return;
    Ecbak__Gossip__Packet *packet =
        ecbak__gossip__packet__unpack(NULL, order->send.size, order->send.bytes);
    if (packet == NULL)
        sim_fail(world, "a message that does not decode", from);
    if (packet->body_case < ECBAK__GOSSIP__PACKET__BODY_BUCKETS &&
        order->send.size > world->config.packet_size_max)
        sim_fail(world, "a packet beyond its budget", from);
    if (packet->incarnation > world->nodes[from].persisted)
        sim_fail(world, "an incarnation announced before it was persisted", from);
    ecbak__gossip__packet__free_unpacked(packet, NULL);
}

/* ---- the network
 * ---------------------------------------------------------------------------------- */

static inline bool sim_reaches(const struct world *world, uint32_t from, uint32_t to)
{
    return world->nodes[from].group == world->nodes[to].group;
}

static inline void sim_deliver(struct world *world, uint32_t from, uint32_t to,
                               const struct swim_order *order)
{
    const struct sim_node *receiver = &world->nodes[to];
    uint32_t span = world->delay_max_ms - world->delay_min_ms;
    uint64_t sent_ms = world->now_ms;
    if (sent_ms < world->nodes[from].blocked_until_ms)
        sent_ms = world->nodes[from].blocked_until_ms;
    sim_push(world,
             (struct sim_item){
                 .time_ms = sent_ms + world->delay_min_ms + prng_below(&world->prng, span + 1),
                 .to = to,
                 .from = from,
                 .life = receiver->life,
                 .size = (uint32_t)order->send.size,
                 .bytes = alloc_copy(order->send.bytes, order->send.size),
             });
}

static inline bool sim_pool_has(struct sim_node *node, uint32_t peer)
{
    for (uint32_t i = 0; i < node->pool_count; i++) {
        if (node->pool[i] != peer)
            continue;
        memmove(node->pool + 1, node->pool, i * sizeof(*node->pool));
        node->pool[0] = peer;
        return true;
    }
    return false;
}

/* Which connection a message takes: one that either end has opened, else a new one. */
static inline void sim_connect(struct world *world, uint32_t from, uint32_t to)
{
    struct sim_node *node = &world->nodes[from];
    if (sim_pool_has(node, to) || sim_pool_has(&world->nodes[to], from))
        return;
    if (node->pool_count < SIM_POOL)
        node->pool_count++;
    memmove(node->pool + 1, node->pool, (node->pool_count - 1) * sizeof(*node->pool));
    node->pool[0] = to;
    node->handshakes++;
    world->nodes[to].handshakes++;
}

static inline void sim_send(struct world *world, uint32_t from, const struct swim_order *order)
{
    struct sim_node *sender = &world->nodes[from];
    uint32_t to = world->count;
    sender->sent_count++;
    sender->sent_bytes += order->send.size;
    sim_check_packet(world, from, order);
    sim_trace(world, sim_hash(order->send.bytes, order->send.size, from));
    if (order->send.address == NULL) {
        to = sim_index(world, &order->send.id);
    } else {
        for (uint32_t guess = (uint32_t)strtoul(order->send.address + 1, NULL, 10), i = 0;
             i < world->count; i++)
            if (strcmp(world->nodes[(guess + i) % world->count].address, order->send.address) ==
                0) {
                to = (guess + i) % world->count;
                break;
            }
        if (to == world->count ||
            (order->send.has_id && !swim_id_equal(&order->send.id, &world->nodes[to].id)))
            return;
    }
    const struct sim_node *receiver = &world->nodes[to];
    sim_connect(world, from, to);
    double pass = (1 - world->loss) * (1 - sender->loss_out) * (1 - receiver->loss_in);
    if (receiver->core == NULL || !sim_reaches(world, from, to) || sim_random(world) >= pass)
        return;
    sim_deliver(world, from, to, order);
    if (world->duplication > 0 && sim_random(world) < world->duplication)
        sim_deliver(world, from, to, order);
}

/* ---- carrying out orders
 * -------------------------------------------------------------------------- */

static inline void sim_death(struct world *world, uint32_t observer, uint32_t index)
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
    if (node->core == NULL || node->sick || !sim_reaches(world, observer, index))
        return;
    world->false_dead++;
    world->false_dead_healthy += healthy;
}

static inline void sim_event(struct world *world, uint32_t observer, const struct swim_order *order)
{
    uint32_t index = sim_index(world, &order->event.id);
    enum swim_event event = order->event.event;
    struct swim_member member;
    sim_trace(world, (uint64_t)event << 32 | index);
    if (index == observer && event != SWIM_EVENT_CONFLICT)
        sim_fail(world, "an event about itself", observer);
    if (event == SWIM_EVENT_CONFLICT)
        world->conflicts++;
    if (event == SWIM_EVENT_DEAD)
        sim_death(world, observer, index);
    if (world->thorough && index != observer) {
        size_t cell = (size_t)observer * world->count + index;
        uint64_t shortest_ms =
            (uint64_t)world->config.suspicion_mult * world->config.probe_interval_ms;
        if (event == SWIM_EVENT_SUSPECT)
            world->suspected_ms[cell] = world->now_ms;
        if (event == SWIM_EVENT_DEAD && !world->config.hearsay_death &&
            !world->config.active_confirmation &&
            world->now_ms < world->suspected_ms[cell] + shortest_ms)
            sim_fail(world, "a suspicion shorter than the shortest", observer);
        if (event == SWIM_EVENT_FORGOTTEN)
            world->seen[cell] = 0;
    }
    if (swim_find(world->nodes[observer].core, &order->event.id, &member))
        sim_check_member(world, observer, &member);
}

static inline void sim_drain(struct world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    struct swim_order order;
    while (swim_next_order(node->core, &order)) {
        if (order.kind == SWIM_SEND) {
            sim_send(world, index, &order);
        } else if (order.kind == SWIM_PERSIST) {
            if (order.persist.incarnation < node->persisted)
                sim_fail(world, "persists a lower incarnation", index);
            node->persisted = order.persist.incarnation;
            if (node->persisted > node->highest)
                node->highest = node->persisted;
        } else {
            sim_event(world, index, &order);
        }
    }
    uint64_t next_ms = swim_next_ms(node->core);
    if (next_ms <= world->now_ms)
        next_ms = world->now_ms + 1;
    if (next_ms < node->stopped_until_ms)
        next_ms = node->stopped_until_ms;
    if (next_ms >= node->tick_ms)
        return;
    node->tick_ms = next_ms;
    sim_push(world, (struct sim_item){.time_ms = next_ms, .to = index, .life = node->life});
}

/* ---- what a scenario does
 * ------------------------------------------------------------------------- */

static inline void world_init(struct world *world, const char *scenario, uint64_t seed,
                              uint32_t count, bool thorough)
{
    struct err err;
    memset(world, 0, sizeof(*world));
    world->scenario = scenario;
    world->seed = seed;
    world->count = count;
    world->thorough = thorough;
    world->delay_min_ms = 1;
    world->delay_max_ms = 10;
    world->now_ms = 1000;
    prng_init(&world->prng, seed);
    if (swim_profile(&world->config, "lan", &err) != 0)
        abort();
    world->nodes = alloc_zero(count, sizeof(*world->nodes));
    world->kept = alloc_zero(SIM_KEPT_SLOTS, sizeof(struct sim_kept *));
    if (thorough) {
        world->seen = alloc_zero((size_t)count * count, sizeof(uint64_t));
        world->suspected_ms = alloc_zero((size_t)count * count, sizeof(uint64_t));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sim_node *node = &world->nodes[i];
        for (size_t j = 0; j < SWIM_ID_SIZE; j++)
            node->id.bytes[j] = (uint8_t)prng_next(&world->prng);
        memcpy(node->id.bytes + SWIM_ID_SIZE - sizeof(i), &i, sizeof(i));
        snprintf(node->name, sizeof(node->name), "node-%u", i);
        snprintf(node->address, sizeof(node->address), "n%u", i);
        node->metadata_size = 200; /* about what a certificate and the figures of a member take */
        node->tick_ms = UINT64_MAX;
    }
}

static inline void node_start(struct world *world, uint32_t index, uint32_t seed_index)
{
    struct sim_node *node = &world->nodes[index];
    struct err err;
    node->context = (struct sim_context){.world = world, .id = node->id};
    struct swim_ops ops = {.context = &node->context,
                           .sign = sim_sign,
                           .verify = sim_verify,
                           .keep = sim_keep,
                           .drop = sim_drop};
    struct swim_self self = {
        .id = node->id,
        .name = node->name,
        .address = node->address,
        .metadata = node->metadata,
        .metadata_size = node->metadata_size,
        .incarnation = node->persisted,
        .seed = prng_next(&world->prng),
    };
    node->life++;
    node->tick_ms = UINT64_MAX;
    if (world->thorough)
        memset(world->seen + (size_t)index * world->count, 0, sizeof(uint64_t) * world->count);
    if (swim_new(&node->core, &world->config, &ops, &self, world->now_ms, &err) != 0) {
        printf("%s\n", err.text);
        abort();
    }
    if (seed_index != index &&
        swim_join(node->core, world->now_ms, world->nodes[seed_index].address, &err) != 0)
        abort();
    sim_drain(world, index);
}

static inline void node_crash(struct world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    swim_destroy(&node->core);
    node->pool_count = 0;
    node->life++;
    node->first_dead_ms = 0;
    node->dead_seen = 0;
}

/* The node neither reads nor ticks for a while; what arrives waits for it. */
static inline void node_stop(struct world *world, uint32_t index, uint64_t duration_ms)
{
    world->nodes[index].stopped_until_ms = world->now_ms + duration_ms;
}

static inline void sim_step(struct world *world)
{
    struct sim_item item = sim_pop(world);
    struct sim_node *node = &world->nodes[item.to];
    world->now_ms = item.time_ms;
    if (node->core == NULL || item.life != node->life) {
        free(item.bytes);
        return;
    }
    if (world->now_ms < node->stopped_until_ms ||
        (item.bytes != NULL && world->now_ms < node->blocked_until_ms)) {
        item.time_ms = item.bytes != NULL && node->blocked_until_ms > node->stopped_until_ms
                           ? node->blocked_until_ms
                           : node->stopped_until_ms;
        sim_push(world, item);
        return;
    }
    if (item.bytes != NULL) {
        world->delivered++;
        sim_trace(world, item.time_ms << 24 ^ (uint64_t)item.from << 12 ^ item.to);
        swim_receive(node->core, world->now_ms, &world->nodes[item.from].id, item.bytes, item.size);
        free(item.bytes);
    } else {
        if (item.time_ms != node->tick_ms)
            return; /* another tick took its place */
        node->tick_ms = UINT64_MAX;
        swim_tick(node->core, world->now_ms);
        /* All that it knows, now and then; who an event is about is looked at every time. */
        if (world->thorough && item.number % 64 == 0)
            sim_check_core(world, item.to);
    }
    sim_drain(world, item.to);
}

static inline void world_run(struct world *world, uint64_t duration_ms)
{
    uint64_t end_ms = world->now_ms + duration_ms;
    while (world->heap_count > 0 && world->heap[0].time_ms <= end_ms)
        sim_step(world);
    world->now_ms = end_ms;
}

/* Every running member sees every running one alive, and exactly `others` more in that state. */
static inline bool world_agrees(const struct world *world, enum swim_state state, size_t others)
{
    size_t running = 0;
    for (uint32_t i = 0; i < world->count; i++)
        running += world->nodes[i].core != NULL;
    for (uint32_t i = 0; i < world->count; i++) {
        const struct swim *core = world->nodes[i].core;
        if (core != NULL && (swim_count(core, SWIM_ALIVE) != running ||
                             (others > 0 && swim_count(core, state) != others)))
            return false;
    }
    return true;
}

/* How long it takes until all agree, in steps of 100 ms; fails after limit_ms. */
static inline uint64_t world_until(struct world *world, enum swim_state state, size_t others,
                                   uint64_t limit_ms)
{
    uint64_t start_ms = world->now_ms;
    while (!world_agrees(world, state, others)) {
        if (world->now_ms >= start_ms + limit_ms)
            sim_fail(world, "the members do not agree in time", 0);
        world_run(world, 100);
    }
    return world->now_ms - start_ms;
}

static inline void world_release(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++)
        swim_destroy(&world->nodes[i].core);
    for (size_t i = 0; i < world->heap_count; i++)
        free(world->heap[i].bytes);
    for (size_t i = 0; i < SIM_KEPT_SLOTS; i++)
        if (world->kept[i] != NULL)
            sim_fail(world, "a statement is still kept", 0);
    free(world->kept);
    free(world->seen);
    free(world->suspected_ms);
    free(world->heap);
    free(world->nodes);
}

#endif
