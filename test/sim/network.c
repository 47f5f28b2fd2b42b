/* Between the cores: who is reached, what is lost, how long it takes, and how many connections that
 * would have needed. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "test/sim/invariants.h"

bool network_reaches(const struct world *world, uint32_t from, uint32_t to)
{
    return world->nodes[from].group == world->nodes[to].group;
}

static double distance_ms(const struct world *world, uint32_t from, uint32_t to)
{
    const struct sim_node *a = &world->nodes[from], *b = &world->nodes[to];
    return world->latency_ms[a->site][b->site] + a->access_ms + b->access_ms;
}

double network_latency_ms(const struct world *world, uint32_t from, uint32_t to)
{
    return distance_ms(world, from, to) * (1 + world->jitter / 2);
}

/* Between sites the fraction of a millisecond is left to chance. */
static uint64_t delay_ms(struct world *world, uint32_t from, uint32_t to)
{
    if (world->latency_ms == NULL)
        return world->delay_min_ms +
               prng_below(&world->prng, world->delay_max_ms - world->delay_min_ms + 1);
    double ms = distance_ms(world, from, to) * (1 + world->jitter * world_random(world));
    return (uint64_t)(ms + world_random(world));
}

void network_inject(struct world *world, uint32_t from, uint32_t to, const void *bytes, size_t size)
{
    uint64_t sent_ms = world->now_ms;
    if (sent_ms < world->nodes[from].blocked_until_ms)
        sent_ms = world->nodes[from].blocked_until_ms;
    queue_push(world, (struct sim_item){
                          .time_ms = sent_ms + delay_ms(world, from, to),
                          .to = to,
                          .from = from,
                          .life = world->nodes[to].life,
                          .size = (uint32_t)size,
                          .bytes = alloc_copy(bytes, size),
                      });
}

static bool pool_has(struct sim_node *node, uint32_t peer)
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
static void connect_to(struct world *world, uint32_t from, uint32_t to)
{
    struct sim_node *node = &world->nodes[from];
    if (pool_has(node, to) || pool_has(&world->nodes[to], from))
        return;
    if (node->pool_count < SIM_POOL)
        node->pool_count++;
    memmove(node->pool + 1, node->pool, (node->pool_count - 1) * sizeof(*node->pool));
    node->pool[0] = to;
    node->handshakes++;
    world->nodes[to].handshakes++;
}

/* Addresses are "n" and the index of the node that had it first, so the search is short. */
static uint32_t at_address(const struct world *world, const char *address)
{
    uint32_t guess = (uint32_t)strtoul(address + 1, NULL, 10) % world->count;
    for (uint32_t i = 0; i < world->count; i++) {
        uint32_t index = (guess + i) % world->count;
        if (strcmp(world->nodes[index].address, address) == 0)
            return index;
    }
    return world->count;
}

/* An answer goes back on the connection on which the message came. To nobody: world->count, as when
 * somebody else is at the address, who cannot prove to be the one who was meant. */
static uint32_t addressee(struct world *world, const struct swim_order *order)
{
    if (order->send.answer && world->answering < world->count &&
        id_equal(&world->nodes[world->answering].id, &order->send.id))
        return world->answering;
    if (order->send.address == NULL)
        return node_index(world, &order->send.id);
    uint32_t to = at_address(world, order->send.address);
    if (to < world->count && order->send.has_id && !id_equal(&order->send.id, &world->nodes[to].id))
        return world->count;
    return to;
}

void network_send(struct world *world, uint32_t from, const struct swim_order *order)
{
    struct sim_node *sender = &world->nodes[from];
    sender->sent_count++;
    sender->sent_bytes += order->send.size;
    invariants_send(world, from, order);
    world_trace(world, sim_hash(order->send.bytes, order->send.size, from));
    uint32_t to = addressee(world, order);
    if (to == world->count)
        return;
    const struct sim_node *receiver = &world->nodes[to];
    connect_to(world, from, to);
    double pass = (1 - world->loss) * (1 - sender->loss_out) * (1 - receiver->loss_in);
    if (receiver->core == NULL || !network_reaches(world, from, to) || world_random(world) >= pass)
        return;
    network_inject(world, from, to, order->send.bytes, order->send.size);
    if (world->duplication > 0 && world_random(world) < world->duplication)
        network_inject(world, from, to, order->send.bytes, order->send.size);
}
