/* gossip_bench.h - what the tests of gossip/ share: one membership core, told by hand what others would say.
 *
 *   Use      TEST(name) in a program's table; *state is then a struct bench with a fresh core, member 0
 *   Others   are numbers; hear() and the like speak for them, properly signed
 *   Seen     what the core ordered since the last input; every input drains it
 *   Time     stands still but for tick()
 */
#ifndef ECBAK_TEST_GOSSIP_BENCH_H
#define ECBAK_TEST_GOSSIP_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coding/base/alloc.h"
#include "gossip/core/news.h"
#include "gossip/core/packet.h"
#include "gossip/core/swim_internal.h"
#include "test/sim/signature.h"

#define NOW 100000u

/* What happened since the orders were last drained. */
struct seen {
    unsigned events[SWIM_EVENT_REFUSED + 1];
    unsigned sends, pings, asks, acks, nacks, gives, hellos;
    uint64_t persisted;
    bool sent_before_persisted;
    struct node_id pinged;
    uint32_t pinged_version;
    uint32_t version; /* of the last packet */
    struct swim_member refused;
    uint32_t sequence;
    struct node_id asked[HELPERS_MAX];
    bool own_claim; /* some message carried our own */
    uint64_t own_incarnation;
};

struct bench {
    struct swim *swim;
    struct swim_config config;
    struct sim_context context;
    uint64_t now_ms;
    struct seen seen;
};

static inline struct node_id id_of(unsigned number)
{
    struct node_id id = {{0}};
    uint64_t word = prng_mix(number + 1);
    memcpy(id.bytes, &word, sizeof(word));
    id.bytes[31] = (uint8_t)number;
    return id;
}

static inline struct swim_ops ops_of(struct sim_context *context, unsigned number)
{
    context->id = id_of(number);
    return (struct swim_ops){.context = context, .sign = sim_sign, .verify = sim_verify};
}

static inline struct swim_self self_text(unsigned number)
{
    return (struct swim_self){.id = id_of(number), .name = "ours", .address = "here", .seed = 1};
}

static inline void note_send(struct bench *bench, const struct swim_order *order)
{
    struct seen *seen = &bench->seen;
    Ecbak__Gossip__Packet *packet =
        ecbak__gossip__packet__unpack(NULL, order->send.size, order->send.bytes);
    assert_non_null(packet);
    seen->sends++;
    seen->version = packet->version;
    switch (packet->body_case) {
    case ECBAK__GOSSIP__PACKET__BODY_PING:
        seen->pings++;
        seen->pinged = order->send.id;
        seen->pinged_version = packet->version;
        seen->sequence = packet->ping->sequence;
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ASK:
        seen->asked[seen->asks++] = order->send.id;
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ACK:
        seen->acks++;
        break;
    case ECBAK__GOSSIP__PACKET__BODY_NACK:
        seen->nacks++;
        break;
    case ECBAK__GOSSIP__PACKET__BODY_GIVE:
        seen->gives++;
        break;
    case ECBAK__GOSSIP__PACKET__BODY_HELLO:
        seen->hellos++;
        break;
    default:
        break;
    }
    if (packet->incarnation > seen->persisted && seen->persisted != 0)
        seen->sent_before_persisted = true;
    for (size_t i = 0; i < packet->n_claims; i++) {
        struct claim claim;
        assert_int_equal(claim_parse(&claim, packet->claims[i].data, packet->claims[i].len), 0);
        if (id_equal(&claim.id, &bench->context.id)) {
            seen->own_claim = true;
            seen->own_incarnation = claim.incarnation;
        }
    }
    ecbak__gossip__packet__free_unpacked(packet, NULL);
}

static inline void drain(struct bench *bench)
{
    struct swim_order order;
    memset(&bench->seen, 0, sizeof(bench->seen));
    while (swim_next_order(bench->swim, &order)) {
        if (order.kind == SWIM_SEND)
            note_send(bench, &order);
        else if (order.kind == SWIM_PERSIST)
            bench->seen.persisted = order.persist.incarnation;
        else {
            bench->seen.events[order.event.event]++;
            if (order.event.event == SWIM_EVENT_REFUSED)
                bench->seen.refused = order.event.refused; /* but what it points to */
        }
    }
}

static inline void tick(struct bench *bench, uint64_t ms)
{
    bench->now_ms += ms;
    swim_tick(bench->swim, bench->now_ms);
    drain(bench);
}

static inline void start(struct bench *bench, uint64_t incarnation)
{
    struct err err;
    struct swim_ops ops = ops_of(&bench->context, 0);
    struct swim_self self = self_text(0);
    self.incarnation = incarnation;
    bench->now_ms = NOW;
    assert_int_equal(swim_new(&bench->swim, &bench->config, &ops, &self, NOW, &err), 0);
    drain(bench);
}

static inline int set_up(void **state)
{
    struct bench *bench = alloc_zero(1, sizeof(*bench));
    struct err err;
    assert_int_equal(swim_profile(&bench->config, "lan", &err), 0);
    bench->config.protocol = (struct protocol){1, 1}; /* whatever the program speaks today */
    bench->config.pause_detection = false;            /* tests jump in time */
    start(bench, 0);
    *state = bench;
    return 0;
}

static inline int tear_down(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    free(bench);
    return 0;
}

/* ---- what others say */

static inline size_t claim_speaking(unsigned number, struct protocol protocol,
                                    enum swim_state member_state, uint64_t incarnation,
                                    const char *name, uint8_t *bytes)
{
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, number);
    static const uint8_t metadata[] = "metadata";
    struct claim s = {
        .state = member_state,
        .version_min = protocol.lowest,
        .version = protocol.highest,
        .version_max = protocol.highest,
        .incarnation = incarnation,
        .session = number,
        .away_ms = member_state == SWIM_AWAY ? 60000 : 0,
        .id = id_of(number),
        .name = name,
        .address = name,
        .metadata = metadata,
        .metadata_size = sizeof(metadata),
    };
    return claim_encode(&s, &ops, bytes);
}

static inline size_t claim_by(unsigned number, enum swim_state member_state, uint64_t incarnation,
                              const char *name, uint8_t *bytes)
{
    return claim_speaking(number, (struct protocol){1, 1}, member_state, incarnation, name, bytes);
}

static inline void receive(struct bench *bench, unsigned from, Ecbak__Gossip__Packet *packet)
{
    uint8_t bytes[8192];
    struct node_id id = id_of(from);
    if (packet->version == 0)
        packet->version = packet->version_min = packet->version_max = 1;
    assert_true(ecbak__gossip__packet__get_packed_size(packet) <= sizeof(bytes));
    size_t size = ecbak__gossip__packet__pack(packet, bytes);
    swim_receive(bench->swim, bench->now_ms, &id, bytes, size);
    drain(bench);
}

static inline void hear_claim(struct bench *bench, unsigned from, uint8_t *bytes, size_t size)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    ProtobufCBinaryData item = {.len = size, .data = bytes};
    packet.claims = &item;
    packet.n_claims = 1;
    receive(bench, from, &packet);
}

static inline void hear(struct bench *bench, unsigned number, enum swim_state state,
                        uint64_t incarnation)
{
    uint8_t bytes[SWIM_CLAIM_MAX];
    char name[16];
    snprintf(name, sizeof(name), "m%u", number);
    hear_claim(bench, number, bytes, claim_by(number, state, incarnation, name, bytes));
}

static inline void hear_speaking(struct bench *bench, unsigned from, unsigned number,
                                 struct protocol protocol, uint64_t incarnation)
{
    uint8_t bytes[SWIM_CLAIM_MAX];
    char name[16];
    snprintf(name, sizeof(name), "m%u", number);
    hear_claim(bench, from, bytes,
               claim_speaking(number, protocol, SWIM_ALIVE, incarnation, name, bytes));
}

static inline void tell_accusation(struct bench *bench, unsigned from, unsigned accuser,
                                   unsigned accused, enum swim_state state, uint64_t incarnation)
{
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, accuser);
    struct accusation a = {.state = state, .incarnation = incarnation};
    uint8_t bytes[ACCUSATION_SIZE];
    a.accused = id_of(accused);
    a.accuser = id_of(accuser);
    accusation_encode(&a, &ops, bytes);
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    ProtobufCBinaryData item = {.len = sizeof(bytes), .data = bytes};
    packet.accusations = &item;
    packet.n_accusations = 1;
    receive(bench, from, &packet);
}

static inline void hear_accusation(struct bench *bench, unsigned accuser, unsigned accused,
                                   uint64_t incarnation)
{
    tell_accusation(bench, accuser, accuser, accused, SWIM_SUSPECT, incarnation);
}

static inline void answer(struct bench *bench, const struct node_id *from, uint32_t sequence)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ack ack = ECBAK__GOSSIP__ACK__INIT;
    ack.sequence = sequence;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ACK;
    packet.ack = &ack;
    receive(bench, from->bytes[31], &packet);
}

static inline struct swim_member member_of(const struct bench *bench, unsigned number)
{
    struct node_id id = id_of(number);
    struct swim_member member;
    assert_true(swim_find(bench->swim, &id, &member));
    return member;
}

static inline bool known(const struct bench *bench, unsigned number)
{
    struct node_id id = id_of(number);
    struct swim_member member;
    return swim_find(bench->swim, &id, &member);
}

static inline struct swim_stats stats_of(const struct bench *bench)
{
    struct swim_stats stats;
    swim_stats(bench->swim, &stats);
    return stats;
}

static inline uint64_t own_incarnation(const struct bench *bench)
{
    return member_of(bench, 0).incarnation;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
