/* Members with a valid certificate that send whatever hurts: lies, forgeries, what they have heard
 * before, noise, floods. None may make a healthy member leave the table of another. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/gossip.pb-c.h"
#include "test/sim/scenarios.h"

#define LIARS_STEP 10 /* every tenth member is hostile */
#define ITEMS      9  /* claims or accusations in a packet */
#define TAPE       512

/* What the hostile members have heard: the last of it, in a ring. */
struct tape {
    uint8_t *bytes[TAPE];
    uint32_t sizes[TAPE];
    uint32_t count;
};

static bool hostile(const struct world *world, uint32_t index)
{
    return world->nodes[index].sick;
}

static void record(struct world *world, const struct sim_item *item)
{
    struct tape *tape = world->detail;
    if (!hostile(world, item->to) || hostile(world, item->from))
        return;
    uint32_t at = tape->count++ % TAPE;
    free(tape->bytes[at]);
    tape->bytes[at] = alloc_copy(item->bytes, item->size);
    tape->sizes[at] = item->size;
}

static void erase(struct tape *tape)
{
    for (uint32_t i = 0; i < TAPE; i++)
        free(tape->bytes[i]);
}

static uint32_t anybody(struct world *world)
{
    return prng_below(&world->prng, world->count);
}

static uint32_t another(struct world *world, uint32_t than)
{
    uint32_t index = prng_below(&world->prng, world->count - 1);
    return index < than ? index : index + 1;
}

static void send_to(struct world *world, uint32_t from, uint32_t to, const void *bytes, size_t size)
{
    if (to != from && world->nodes[to].core != NULL)
        network_inject(world, from, to, bytes, size);
}

static void send_packet(struct world *world, uint32_t from, uint32_t to,
                        Ecbak__Gossip__Packet *packet)
{
    packet->version = packet->version_min = packet->version_max = PROTOCOL_HIGHEST;
    size_t size = ecbak__gossip__packet__get_packed_size(packet);
    uint8_t *bytes = alloc_zero(size, 1);
    ecbak__gossip__packet__pack(packet, bytes);
    send_to(world, from, to, bytes, size);
    free(bytes);
}

/* Everybody but the hostile do `act` every `every_ms`, for two minutes. */
static double besiege(struct world *world, void (*act)(struct world *world, uint32_t liar),
                      uint64_t every_ms)
{
    struct tape tape = {.count = 0};
    scenario_bootstrap(world);
    for (uint32_t liar = 0; liar < world->count; liar += LIARS_STEP)
        world->nodes[liar].sick = true;
    world->detail = &tape;
    world->receiving = record;
    world_run(world, 5 * SECOND);
    for (uint64_t left_ms = 2 * MINUTE; left_ms > 0; left_ms -= every_ms) {
        for (uint32_t liar = 0; liar < world->count; liar += LIARS_STEP)
            act(world, liar);
        world_run(world, every_ms);
    }
    world->receiving = NULL;
    erase(&tape);
    scenario_nobody_healthy_died(world);
    return world_until(world, SWIM_ALIVE, 0);
}

/* What honest members noticed of it all; a siege that nobody notices proves nothing. */
static struct swim_stats noticed(const struct world *world)
{
    struct swim_stats sum = {.malformed_count = 0};
    for (uint32_t i = 0; i < world->count; i++) {
        struct swim_stats stats;
        if (hostile(world, i))
            continue;
        swim_stats(world->nodes[i].core, &stats);
        sum.malformed_count += stats.malformed_count;
        sum.forged_count += stats.forged_count;
        sum.refute_count += stats.refute_count;
        sum.received_count += stats.received_count;
    }
    return sum;
}

static void check_noticed(struct world *world, uint64_t count)
{
    if (count < world->count)
        world_fail(world, "hardly anybody noticed the siege", 0);
}

/* ---- lies: accusations, well signed, of everybody */

static void lie(struct world *world, uint32_t liar)
{
    struct sim_node *node = &world->nodes[liar];
    struct swim_ops ops = {.context = &node->context, .sign = sim_sign, .verify = sim_verify};
    uint8_t accusations[ITEMS][ACCUSATION_SIZE];
    ProtobufCBinaryData items[ITEMS];
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    packet.accusations = items;
    for (size_t i = 0; i < ITEMS; i++) {
        struct swim_member victim;
        size_t count = swim_member_count(node->core);
        swim_member(node->core, 1 + prng_below(&world->prng, (uint32_t)count - 1), &victim);
        struct accusation accusation = {.state = SWIM_DEAD,
                                        .incarnation = victim.incarnation,
                                        .accused = victim.id,
                                        .accuser = node->id};
        accusation_encode(&accusation, &ops, accusations[i]);
        items[packet.n_accusations++] =
            (ProtobufCBinaryData){.len = ACCUSATION_SIZE, .data = accusations[i]};
    }
    for (size_t i = 0; i < 5; i++)
        send_packet(world, liar, anybody(world), &packet);
}

static double run_liars(struct world *world)
{
    double took = besiege(world, lie, 200);
    check_noticed(world, noticed(world).refute_count);
    return took;
}

/* ---- forgeries: others' claims and accusations, with signatures that do not hold */

static size_t forge_claim(struct world *world, uint32_t liar, uint8_t *bytes)
{
    static const enum swim_state states[] = {SWIM_ALIVE, SWIM_LEFT, SWIM_AWAY};
    struct sim_node *node = &world->nodes[liar];
    struct swim_ops ops = {.context = &node->context, .sign = sim_sign, .verify = sim_verify};
    const struct sim_node *victim = &world->nodes[another(world, liar)];
    struct claim claim = {.state = states[prng_below(&world->prng, 3)],
                          .version_min = PROTOCOL_LOWEST,
                          .version = PROTOCOL_HIGHEST,
                          .version_max = PROTOCOL_HIGHEST,
                          .incarnation = victim->persisted + 1,
                          .id = victim->id,
                          .name = victim->name,
                          .address = node->address};
    return claim_encode(&claim, &ops, bytes);
}

static void forge_accusation(struct world *world, uint32_t liar, uint8_t *bytes)
{
    struct sim_node *node = &world->nodes[liar];
    struct swim_ops ops = {.context = &node->context, .sign = sim_sign, .verify = sim_verify};
    const struct sim_node *victim = &world->nodes[another(world, liar)];
    struct accusation accusation = {.state = SWIM_DEAD,
                                    .incarnation = victim->persisted,
                                    .accused = victim->id,
                                    .accuser = world->nodes[another(world, liar)].id};
    accusation_encode(&accusation, &ops, bytes);
}

static void forge(struct world *world, uint32_t liar)
{
    uint8_t claim[SWIM_CLAIM_MAX], accusation[ACCUSATION_SIZE];
    ProtobufCBinaryData said = {.len = forge_claim(world, liar, claim), .data = claim};
    ProtobufCBinaryData accused = {.len = ACCUSATION_SIZE, .data = accusation};
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    forge_accusation(world, liar, accusation);
    packet.claims = &said;
    packet.accusations = &accused;
    packet.n_claims = packet.n_accusations = 1;
    for (size_t i = 0; i < 5; i++)
        send_packet(world, liar, anybody(world), &packet);
}

static double run_forgers(struct world *world)
{
    double took = besiege(world, forge, 200);
    check_noticed(world, noticed(world).forged_count);
    return took;
}

/* ---- what was heard before: again, in another order, twice, cut short, with bits turned */

static void replay(struct world *world, uint32_t liar)
{
    const struct tape *tape = world->detail;
    uint32_t heard = tape->count < TAPE ? tape->count : TAPE;
    for (size_t i = 0; i < 10 && heard > 0; i++) {
        uint32_t at = prng_below(&world->prng, heard);
        uint32_t size = tape->sizes[at];
        uint32_t to = anybody(world);
        send_to(world, liar, to, tape->bytes[at], size);
        send_to(world, liar, to, tape->bytes[at], prng_below(&world->prng, size));
        uint8_t *turned = alloc_copy(tape->bytes[at], size);
        turned[prng_below(&world->prng, size)] ^= (uint8_t)(1u << prng_below(&world->prng, 8));
        send_to(world, liar, to, turned, size);
        free(turned);
    }
}

static double run_replay(struct world *world)
{
    double took = besiege(world, replay, 200);
    check_noticed(world, noticed(world).forged_count);
    check_noticed(world, noticed(world).malformed_count);
    return took;
}

/* ---- noise: random bytes of any size, up to what no message may have */

static void noise(struct world *world, uint32_t liar)
{
    static const uint32_t sizes[] = {1, 16, 300, 1400, 9000, 70 * 1024, 300 * 1024};
    size_t size = prng_below(&world->prng, sizes[prng_below(&world->prng, 7)]) + 1;
    uint8_t *bytes = alloc_zero(size, 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)prng_next(&world->prng);
    if (prng_below(&world->prng, 2) == 0) /* the beginning of a packet */
        memcpy(bytes, "\x08\x01\x10\x01\x18\x01\x20", size < 7 ? size : 7);
    for (size_t i = 0; i < 3; i++)
        send_to(world, liar, anybody(world), bytes, size);
    free(bytes);
}

static double run_noise(struct world *world)
{
    double took = besiege(world, noise, 100);
    check_noticed(world, noticed(world).malformed_count);
    return took;
}

/* ---- floods: pings that ask for everything, Hellos that agree with nobody, own claims anew */

static void flood(struct world *world, uint32_t liar)
{
    uint32_t to = anybody(world);
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    Ecbak__Gossip__Hello hello = ECBAK__GOSSIP__HELLO__INIT;
    for (uint32_t i = 0; i < 25; i++) {
        Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
        packet.want = true;
        ping.sequence = i;
        hello.salt = prng_next(&world->prng);
        hello.count = i;
        packet.body_case =
            i % 2 == 0 ? ECBAK__GOSSIP__PACKET__BODY_PING : ECBAK__GOSSIP__PACKET__BODY_HELLO;
        if (i % 2 == 0)
            packet.ping = &ping;
        else
            packet.hello = &hello;
        send_packet(world, liar, to, &packet);
    }
    struct err err;
    struct sim_node *node = &world->nodes[liar];
    if (swim_update(node->core, world->now_ms, NULL, node->metadata, 1, &err) != 0)
        world_fail(world, err.text, liar);
    node_drain(world, liar);
}

static double run_flood(struct world *world)
{
    double took = besiege(world, flood, 50);
    check_noticed(world, noticed(world).received_count / 1000); /* quiet, each receives some 300 */
    return took;
}

/* ---- what the dead said while they lived */

/* Hostile members tell it to everybody; who was called dead must stay so. */
static double run_old_alive(struct world *world)
{
    struct tape tape = {.count = 0};
    uint32_t dead = world->count - 2;
    world->detail = &tape;
    world->nodes[1].sick = true;
    world->receiving = record;
    scenario_bootstrap(world);
    world->receiving = NULL;
    for (uint32_t i = 0; i < world->count; i++) /* all it ever said, to be sure */
        if (i == dead)
            swim_away(world->nodes[i].core, world->now_ms, 1);
    node_drain(world, dead);
    world_run(world, 5 * SECOND);
    node_crash(world, dead);
    world_until(world, SWIM_DEAD, 1);
    for (unsigned i = 0; i < 600; i++) {
        replay(world, 1);
        world_run(world, 100);
        for (uint32_t j = 0; j < world->count; j++)
            if (j != dead && j != 1 && swim_count(world->nodes[j].core, SWIM_DEAD) != 1)
                world_fail(world, "the dead live by what they once said", j);
    }
    erase(&tape);
    scenario_nobody_healthy_died(world);
    return world_until(world, SWIM_DEAD, 1);
}

/* ---- the end of the incarnations */

/* One whose stored incarnation is nearly the highest is accused until it is there, and beyond. It can
 * no longer refute; it still answers probes, which acquits it. */
static double run_incarnation_end(struct world *world)
{
    uint32_t victim = world->count / 2;
    world->nodes[victim].persisted = SWIM_INCARNATION_MAX - 5;
    scenario_bootstrap(world);
    world->nodes[0].sick = true;
    for (unsigned i = 0; i < 600; i++) {
        lie(world, 0);
        world_run(world, 200);
    }
    if (world->nodes[victim].persisted != SWIM_INCARNATION_MAX)
        world_fail(world, "the highest incarnation was not reached", victim);
    scenario_nobody_healthy_died(world);
    node_crash(world, 0); /* its own lies have come back to it, and it may believe them */
    return world_until(world, SWIM_DEAD, 1);
}

const struct scenario scenarios_hostile[] = {
    {"liars",
     "10 % accuse everybody, 2 minutes long: no healthy member is called dead; until agreed",
     run_liars,
     "s",
     60,
     60,
     {{60, 5}, {200, 1}}},
    {"forgers",
     "10 % forge claims and accusations: no healthy member is called dead; until agreed",
     run_forgers,
     "s",
     60,
     60,
     {{60, 3}}},
    {"replay",
     "10 % repeat, reorder, cut and alter what they heard: the same; until agreed",
     run_replay,
     "s",
     60,
     40,
     {{60, 3}}},
    {"noise",
     "10 % send random bytes, up to 300 KiB: the same; until agreed",
     run_noise,
     "s",
     60,
     40,
     {{60, 3}}},
    {"flood",
     "10 % send 500 messages a second each: the same; until agreed",
     run_flood,
     "s",
     60,
     40,
     {{60, 3}}},
    {"old_alive",
     "what a dead member once said is told again for a minute: it stays dead",
     run_old_alive,
     "s",
     60,
     40,
     {{60, 3}}},
    {"incarnation_end",
     "a member at the highest incarnation is accused: nobody dies; until agreed",
     run_incarnation_end,
     "s",
     180,
     30,
     {{60, 3}}},
    {.name = NULL},
};
