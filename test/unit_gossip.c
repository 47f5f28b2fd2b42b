/* One membership core at a time, told by hand what others would say: the rules one by one, and what
 * hostile members may try. The simulator has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coding/base/alloc.h"
#include "gossip/core.h"
#include "gossip/packet.h"
#include "test/sim/signature.h"

#define NOW 100000u

/* What happened since the orders were last drained. */
struct seen {
    unsigned events[SWIM_EVENT_REFUSED + 1];
    unsigned sends, pings, asks, acks, nacks, gives;
    uint64_t persisted;
    bool sent_before_persisted;
    struct swim_id pinged;
    uint32_t sequence;
    struct swim_id asked[HELPERS_MAX];
    bool own_statement; /* some message carried our own */
    uint64_t own_incarnation;
};

struct bench {
    struct swim *swim;
    struct swim_config config;
    struct sim_context context;
    uint64_t now_ms;
    struct seen seen;
};

static struct swim_id id_of(unsigned number)
{
    struct swim_id id = {{0}};
    uint64_t word = prng_mix(number + 1);
    memcpy(id.bytes, &word, sizeof(word));
    id.bytes[31] = (uint8_t)number;
    return id;
}

static struct swim_ops ops_of(struct sim_context *context, unsigned number)
{
    context->id = id_of(number);
    return (struct swim_ops){.context = context, .sign = sim_sign, .verify = sim_verify};
}

static struct swim_self self_text(unsigned number)
{
    return (struct swim_self){.id = id_of(number), .name = "ours", .address = "here", .seed = 1};
}

static void note_send(struct bench *bench, const struct swim_order *order)
{
    struct seen *seen = &bench->seen;
    Ecbak__Gossip__Packet *packet =
        ecbak__gossip__packet__unpack(NULL, order->send.size, order->send.bytes);
    assert_non_null(packet);
    seen->sends++;
    switch (packet->body_case) {
    case ECBAK__GOSSIP__PACKET__BODY_PING:
        seen->pings++;
        seen->pinged = order->send.id;
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
    default:
        break;
    }
    if (packet->incarnation > seen->persisted && seen->persisted != 0)
        seen->sent_before_persisted = true;
    for (size_t i = 0; i < packet->n_statements; i++) {
        struct statement statement;
        assert_int_equal(
            statement_parse(&statement, packet->statements[i].data, packet->statements[i].len), 0);
        if (swim_id_equal(&statement.id, &bench->context.id)) {
            seen->own_statement = true;
            seen->own_incarnation = statement.incarnation;
        }
    }
    ecbak__gossip__packet__free_unpacked(packet, NULL);
}

static void drain(struct bench *bench)
{
    struct swim_order order;
    memset(&bench->seen, 0, sizeof(bench->seen));
    while (swim_next_order(bench->swim, &order)) {
        if (order.kind == SWIM_SEND)
            note_send(bench, &order);
        else if (order.kind == SWIM_PERSIST)
            bench->seen.persisted = order.persist.incarnation;
        else
            bench->seen.events[order.event.event]++;
    }
}

static void tick(struct bench *bench, uint64_t ms)
{
    bench->now_ms += ms;
    swim_tick(bench->swim, bench->now_ms);
    drain(bench);
}

static void start(struct bench *bench, uint64_t incarnation)
{
    struct err err;
    struct swim_ops ops = ops_of(&bench->context, 0);
    struct swim_self self = self_text(0);
    self.incarnation = incarnation;
    bench->now_ms = NOW;
    assert_int_equal(swim_new(&bench->swim, &bench->config, &ops, &self, NOW, &err), 0);
    drain(bench);
}

static int set_up(void **state)
{
    struct bench *bench = alloc_zero(1, sizeof(*bench));
    struct err err;
    assert_int_equal(swim_profile(&bench->config, "lan", &err), 0);
    bench->config.pause_detection = false; /* tests jump in time */
    start(bench, 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    free(bench);
    return 0;
}

/* ---- what others say ------------------------------------------------------------------------------ */

static size_t statement_by(unsigned number, enum swim_state member_state, uint64_t incarnation,
                           const char *name, uint8_t *bytes)
{
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, number);
    static const uint8_t metadata[] = "metadata";
    struct statement s = {
        .state = member_state,
        .version_min = 1,
        .version = 1,
        .version_max = 1,
        .incarnation = incarnation,
        .session = number,
        .away_ms = member_state == SWIM_AWAY ? 60000 : 0,
        .id = id_of(number),
        .name = name,
        .address = name,
        .metadata = metadata,
        .metadata_size = sizeof(metadata),
    };
    return statement_encode(&s, &ops, bytes);
}

static void receive(struct bench *bench, unsigned from, Ecbak__Gossip__Packet *packet)
{
    uint8_t bytes[8192];
    struct swim_id id = id_of(from);
    packet->version = packet->version_min = packet->version_max = 1;
    assert_true(ecbak__gossip__packet__get_packed_size(packet) <= sizeof(bytes));
    size_t size = ecbak__gossip__packet__pack(packet, bytes);
    swim_receive(bench->swim, bench->now_ms, &id, bytes, size);
    drain(bench);
}

static void hear_statement(struct bench *bench, unsigned from, uint8_t *bytes, size_t size)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    ProtobufCBinaryData item = {.len = size, .data = bytes};
    packet.statements = &item;
    packet.n_statements = 1;
    receive(bench, from, &packet);
}

static void hear(struct bench *bench, unsigned number, enum swim_state state, uint64_t incarnation)
{
    uint8_t bytes[SWIM_STATEMENT_MAX];
    char name[16];
    snprintf(name, sizeof(name), "m%u", number);
    hear_statement(bench, number, bytes, statement_by(number, state, incarnation, name, bytes));
}

static void hear_accusation(struct bench *bench, unsigned accuser, unsigned accused,
                            uint64_t incarnation)
{
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, accuser);
    struct accusation a = {.state = SWIM_SUSPECT, .incarnation = incarnation};
    uint8_t bytes[ACCUSATION_SIZE];
    a.accused = id_of(accused);
    a.accuser = id_of(accuser);
    accusation_encode(&a, &ops, bytes);
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    ProtobufCBinaryData item = {.len = sizeof(bytes), .data = bytes};
    packet.accusations = &item;
    packet.n_accusations = 1;
    receive(bench, accuser, &packet);
}

static void answer(struct bench *bench, const struct swim_id *from, uint32_t sequence)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ack ack = ECBAK__GOSSIP__ACK__INIT;
    ack.sequence = sequence;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ACK;
    packet.ack = &ack;
    receive(bench, from->bytes[31], &packet);
}

static struct swim_member member_of(const struct bench *bench, unsigned number)
{
    struct swim_id id = id_of(number);
    struct swim_member member;
    assert_true(swim_find(bench->swim, &id, &member));
    return member;
}

static bool known(const struct bench *bench, unsigned number)
{
    struct swim_id id = id_of(number);
    struct swim_member member;
    return swim_find(bench->swim, &id, &member);
}

static struct swim_stats stats_of(const struct bench *bench)
{
    struct swim_stats stats;
    swim_stats(bench->swim, &stats);
    return stats;
}

static uint64_t own_incarnation(const struct bench *bench)
{
    return member_of(bench, 0).incarnation;
}

/* ---- members come and go -------------------------------------------------------------------------- */

static void a_member_enters_by_its_own_statement(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 5);
    struct swim_member member = member_of(bench, 1);
    assert_int_equal(bench->seen.events[SWIM_EVENT_JOINED], 1);
    assert_int_equal(member.state, SWIM_ALIVE);
    assert_int_equal(member.incarnation, 5);
    assert_string_equal(member.name, "m1");
    assert_string_equal((const char *)member.metadata, "metadata");
    assert_true(member.rtt_ms < 0);
    assert_int_equal(swim_count(bench->swim, SWIM_ALIVE), 2);
}

static void nothing_older_or_equal_revives_who_left(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 5);
    hear(bench, 1, SWIM_LEFT, 6);
    assert_int_equal(bench->seen.events[SWIM_EVENT_LEFT], 1);
    hear(bench, 1, SWIM_ALIVE, 5);
    hear(bench, 1, SWIM_ALIVE, 6);
    assert_int_equal(member_of(bench, 1).state, SWIM_LEFT);
    hear(bench, 1, SWIM_ALIVE, 7);
    assert_int_equal(bench->seen.events[SWIM_EVENT_ALIVE], 1);
    assert_int_equal(member_of(bench, 1).state, SWIM_ALIVE);
}

static void who_left_before_we_knew_it_is_not_added(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_LEFT, 6);
    assert_false(known(bench, 1));
}

static bool admit_nobody(void *context, const struct swim_id *id, const char *name,
                         const char *address, const uint8_t *metadata, size_t size)
{
    (void)context, (void)id, (void)name, (void)address, (void)metadata, (void)size;
    return false;
}

static void expel(struct bench *bench, unsigned number)
{
    struct swim_id id = id_of(number);
    swim_expel(bench->swim, bench->now_ms, &id);
    drain(bench);
}

static void who_is_expelled_is_out_at_once_and_stays_out_while_not_admitted(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 5);
    hear(bench, 2, SWIM_ALIVE, 1);
    expel(bench, 1);
    assert_int_equal(bench->seen.events[SWIM_EVENT_LEFT], 1);
    assert_int_equal(member_of(bench, 1).state, SWIM_LEFT);
    assert_int_equal(swim_count(bench->swim, SWIM_ALIVE), 2);
    bench->swim->ops.admit = admit_nobody;
    hear(bench, 1, SWIM_ALIVE, 6);
    assert_int_equal(member_of(bench, 1).state, SWIM_LEFT);
    for (unsigned i = 0; i < 20;
         i++) { /* two laps: it is not probed any more, nobody hears of it */
        tick(bench, bench->config.probe_interval_ms);
        struct swim_id id = id_of(1);
        assert_false(bench->seen.pings > 0 && swim_id_equal(&bench->seen.pinged, &id));
    }
    bench->swim->ops.admit = NULL; /* a newer certificate, that is not revoked */
    hear(bench, 1, SWIM_ALIVE, 7);
    assert_int_equal(member_of(bench, 1).state, SWIM_ALIVE);
}

static void expelling_a_suspect_a_stranger_or_ourselves_is_harmless(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 5);
    hear(bench, 2, SWIM_ALIVE, 1);
    hear_accusation(bench, 2, 1, 5);
    assert_int_equal(member_of(bench, 1).state, SWIM_SUSPECT);
    expel(bench, 1);
    expel(bench, 1);
    expel(bench, 9);
    expel(bench, 0);
    assert_int_equal(member_of(bench, 1).state, SWIM_LEFT);
    assert_int_equal(member_of(bench, 0).state, SWIM_ALIVE);
    assert_false(known(bench, 9));
    tick(bench, 60000);
    assert_int_equal(member_of(bench, 1).state, SWIM_LEFT);
}

static void a_tombstone_is_forgotten_in_its_time_and_not_before(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 5);
    hear(bench, 1, SWIM_LEFT, 6);
    tick(bench, bench->config.tombstone_ms - 1);
    assert_true(known(bench, 1));
    tick(bench, 1500);
    assert_false(known(bench, 1));
    assert_int_equal(bench->seen.events[SWIM_EVENT_FORGOTTEN], 1);
}

static void a_full_table_gives_up_tombstones_but_no_living_member(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    bench->config.members_max = 3;
    start(bench, 0);
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 1);
    hear(bench, 3, SWIM_ALIVE, 1);
    assert_false(known(bench, 3));
    hear(bench, 1, SWIM_LEFT, 2);
    hear(bench, 3, SWIM_ALIVE, 1);
    assert_false(known(bench, 1));
    assert_true(known(bench, 2));
    assert_true(known(bench, 3));
}

static void a_second_member_of_one_name_is_reported(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear_statement(bench, 2, bytes, statement_by(2, SWIM_ALIVE, 1, "m1", bytes));
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 1);
    hear(bench, 3, SWIM_ALIVE, 1);
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 0);
}

static void a_changed_address_is_an_update(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 1, SWIM_ALIVE, 2);
    assert_int_equal(bench->seen.events[SWIM_EVENT_UPDATED], 0);
    hear_statement(bench, 1, bytes, statement_by(1, SWIM_ALIVE, 3, "elsewhere", bytes));
    assert_int_equal(bench->seen.events[SWIM_EVENT_UPDATED], 1);
    assert_string_equal(member_of(bench, 1).address, "elsewhere");
}

/* ---- probes --------------------------------------------------------------------------------------- */

static void everybody_is_probed_exactly_once_a_lap(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 9; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned lap = 0; lap < 5; lap++) {
        unsigned probes[10] = {0};
        for (unsigned i = 1; i <= 9; i++) {
            do
                tick(bench, 10);
            while (bench->seen.pings == 0);
            assert_int_equal(bench->seen.pings, 1);
            probes[bench->seen.pinged.bytes[31]]++;
            answer(bench, &bench->seen.pinged, bench->seen.sequence);
        }
        for (unsigned i = 1; i <= 9; i++)
            assert_int_equal(probes[i], 1);
    }
    assert_int_equal(stats_of(bench).probe_failed_count, 0);
}

/* Sixteen neighbours of forty: a lap is theirs, and three of them change with each. */
static void beyond_the_neighbours_everybody_has_a_turn(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    bench->config.neighbours = 16;
    start(bench, 0);
    for (unsigned i = 1; i <= 40; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    unsigned probes[41] = {0};
    for (unsigned lap = 0; lap < 2 * (24 / 3 + 1); lap++) {
        unsigned in_lap[41] = {0}, new = 0;
        for (unsigned i = 0; i < 16; i++) {
            do
                tick(bench, 10);
            while (bench->seen.pings == 0);
            unsigned number = bench->seen.pinged.bytes[31];
            assert_int_equal(in_lap[number]++, 0);
            new += probes[number]++ == 0;
            answer(bench, &bench->seen.pinged, bench->seen.sequence);
        }
        assert_true(lap == 0 || new <= 3);
    }
    for (unsigned i = 1; i <= 40; i++)
        assert_in_range(probes[i], 1, 18);
}

/* No lap is spent on neighbours that are gone while others are there to be probed. */
static void a_neighbour_that_left_is_changed_at_once(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    bench->config.neighbours = 4;
    start(bench, 0);
    for (unsigned i = 1; i <= 12; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned i = 1; i <= 8; i++)
        hear(bench, i, SWIM_LEFT, 2);
    unsigned probes[13] = {0};
    for (unsigned i = 0; i < 8; i++) {
        do
            tick(bench, 10);
        while (bench->seen.pings == 0);
        probes[bench->seen.pinged.bytes[31]]++;
        answer(bench, &bench->seen.pinged, bench->seen.sequence);
    }
    for (unsigned i = 9; i <= 12; i++)
        assert_int_equal(probes[i], 2);
}

/* Nor is one spent on looking for others that are not there. */
static void where_most_are_gone_the_rest_are_probed_all_the_same(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    bench->config.neighbours = 8;
    start(bench, 0);
    for (unsigned i = 1; i <= 40; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned i = 1; i <= 36; i++)
        hear(bench, i, SWIM_LEFT, 2);
    unsigned probes[41] = {0};
    for (unsigned i = 0; i < 400; i++) {
        tick(bench, bench->config.probe_interval_ms / 10);
        if (bench->seen.pings == 0)
            continue;
        probes[bench->seen.pinged.bytes[31]]++;
        answer(bench, &bench->seen.pinged, bench->seen.sequence);
    }
    for (unsigned i = 37; i <= 40; i++)
        assert_in_range(probes[i], 6, 12);
}

static void a_silent_member_is_probed_through_others_then_suspect_then_dead(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 5; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    uint64_t suspected_ms = 0;
    bool asked = false;
    unsigned deaths = 0;
    for (unsigned i = 0; i < 20000 && deaths == 0; i++) {
        tick(bench, 10);
        asked |= bench->seen.asks == bench->config.indirect_count;
        deaths += bench->seen.events[SWIM_EVENT_DEAD];
        if (bench->seen.events[SWIM_EVENT_SUSPECT] == 1)
            suspected_ms = bench->now_ms;
        if (bench->seen.pings == 1 && bench->seen.pinged.bytes[31] != 1)
            answer(bench, &bench->seen.pinged, bench->seen.sequence);
    }
    assert_true(asked);
    assert_true(suspected_ms > 0);
    assert_int_equal(deaths, 1);
    assert_int_equal(member_of(bench, 1).state, SWIM_DEAD);
    uint64_t lasted_ms = bench->now_ms - suspected_ms;
    assert_true(lasted_ms >= 4000 && lasted_ms <= 4000 * bench->config.suspicion_max_mult + 20);
}

static void only_the_member_itself_or_a_helper_can_answer_a_probe(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    struct swim_id stranger = id_of(2);
    do
        tick(bench, 10);
    while (bench->seen.pings == 0);
    answer(bench, &stranger, bench->seen.sequence);
    tick(bench, 1000);
    assert_int_equal(member_of(bench, 1).state, SWIM_SUSPECT);
}

static void an_answer_gives_the_round_trip(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    do
        tick(bench, 10);
    while (bench->seen.pings == 0);
    bench->now_ms += 7;
    answer(bench, &bench->seen.pinged, bench->seen.sequence);
    assert_true(member_of(bench, 1).rtt_ms > 6.9 && member_of(bench, 1).rtt_ms < 7.1);
}

static void an_answer_that_waited_for_its_connection_gives_no_round_trip(void **state)
{
    struct bench *bench = *state;
    struct swim_id first = id_of(1), other = id_of(2);
    hear(bench, 1, SWIM_ALIVE, 1);
    do
        tick(bench, 10);
    while (bench->seen.pings == 0);
    swim_unmeasured(bench->swim, &first);
    bench->now_ms += 50;
    answer(bench, &bench->seen.pinged, bench->seen.sequence);
    assert_true(member_of(bench, 1).rtt_ms < 0);
    do
        tick(bench, 10);
    while (bench->seen.pings == 0);
    swim_unmeasured(bench->swim, &other); /* somebody else's */
    bench->now_ms += 7;
    answer(bench, &bench->seen.pinged, bench->seen.sequence);
    assert_true(member_of(bench, 1).rtt_ms > 6.9 && member_of(bench, 1).rtt_ms < 7.1);
    assert_int_equal(member_of(bench, 1).state, SWIM_ALIVE);
}

static void a_helper_says_nack_in_time_and_ack_when_it_comes(void **state)
{
    struct bench *bench = *state;
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ask ask = ECBAK__GOSSIP__ASK__INIT;
    struct swim_id target = id_of(2);
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 1);
    ask.sequence = 9;
    ask.target = (ProtobufCBinaryData){.len = SWIM_ID_SIZE, .data = target.bytes};
    ask.nack_ms = 400;
    ask.timeout_ms = 500;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ASK;
    packet.ask = &ask;
    receive(bench, 1, &packet);
    assert_int_equal(bench->seen.pings, 1);
    struct seen pinged = bench->seen;
    tick(bench, 400);
    assert_int_equal(bench->seen.nacks, 1);
    answer(bench, &pinged.pinged, pinged.sequence);
    assert_int_equal(bench->seen.acks, 1);
}

/* ---- accusations ---------------------------------------------------------------------------------- */

static void an_accusation_is_refuted_with_the_next_incarnation_persisted_first(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    tick(bench, 3000);
    uint64_t before = own_incarnation(bench);
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    hear_accusation(bench, 1, 0, before);
    assert_int_equal(bench->seen.persisted, before + 1);
    assert_int_equal(own_incarnation(bench), before + 1);
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.ping = &ping;
    receive(bench, 1, &packet);
    assert_true(bench->seen.own_statement);
    assert_int_equal(bench->seen.own_incarnation, before + 1);
    assert_false(bench->seen.sent_before_persisted);
}

static void nobody_can_drive_our_incarnation(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    uint64_t before = own_incarnation(bench);
    hear_accusation(bench, 1, 0, before + 1);
    hear_accusation(bench, 1, 0, SWIM_INCARNATION_MAX);
    hear_accusation(bench, 1, 0, 0);
    assert_int_equal(own_incarnation(bench), before);
}

static void refutations_have_a_budget_and_the_last_accusation_is_answered(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    uint64_t first = own_incarnation(bench);
    for (unsigned i = 0; i < 100; i++)
        hear_accusation(bench, 1, 0, own_incarnation(bench));
    uint64_t spent = own_incarnation(bench);
    assert_true(spent - first <= 8);
    tick(bench, bench->config.gossip_interval_ms);
    assert_int_equal(own_incarnation(bench), spent + 1);
}

static void an_accusation_counts_only_against_the_incarnation_we_know(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 5);
    hear_accusation(bench, 1, 2, 4);
    hear_accusation(bench, 1, 2, 6);
    assert_int_equal(member_of(bench, 2).state, SWIM_ALIVE);
    hear_accusation(bench, 1, 2, 5);
    assert_int_equal(member_of(bench, 2).state, SWIM_SUSPECT);
    hear(bench, 2, SWIM_ALIVE, 5);
    assert_int_equal(member_of(bench, 2).state, SWIM_SUSPECT);
    hear(bench, 2, SWIM_ALIVE, 6);
    assert_int_equal(member_of(bench, 2).state, SWIM_ALIVE);
}

static void strangers_accuse_in_vain(void **state)
{
    struct bench *bench = *state;
    hear(bench, 2, SWIM_ALIVE, 5);
    hear_accusation(bench, 9, 2, 5);
    assert_int_equal(member_of(bench, 2).state, SWIM_ALIVE);
}

static void more_accusers_shorten_the_suspicion_and_one_counts_once(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 8; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    struct swim_id accused = id_of(8);
    hear_accusation(bench, 1, 8, 1);
    const struct suspicion *suspicion = roster_find(&bench->swim->roster, &accused)->suspicion;
    uint64_t alone_ms = suspicion->deadline_ms - suspicion->start_ms;
    assert_int_equal(alone_ms, suspicion_max_ms(bench->swim));
    hear_accusation(bench, 1, 8, 1);
    assert_int_equal(suspicion->accuser_count, 1);
    hear_accusation(bench, 2, 8, 1);
    uint64_t two_ms = suspicion->deadline_ms - suspicion->start_ms;
    assert_true(two_ms < alone_ms);
    hear_accusation(bench, 3, 8, 1);
    hear_accusation(bench, 4, 8, 1);
    hear_accusation(bench, 5, 8, 1);
    assert_int_equal(suspicion->accuser_count, 4);
    assert_int_equal(suspicion->deadline_ms - suspicion->start_ms, suspicion_min_ms(bench->swim));
}

static void who_is_away_cannot_be_accused_until_its_time_is_over(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_AWAY, 5);
    hear_accusation(bench, 1, 2, 5);
    assert_int_equal(member_of(bench, 2).state, SWIM_AWAY);
    tick(bench, 61000);
    hear_accusation(bench, 1, 2, 5);
    assert_int_equal(member_of(bench, 2).state, SWIM_SUSPECT);
}

static void tell_accusation(struct bench *bench, unsigned from, unsigned accuser, unsigned accused,
                            enum swim_state state)
{
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, accuser);
    struct accusation a = {.state = state, .incarnation = 1};
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

static void accuse(struct bench *bench, unsigned accuser, unsigned accused, enum swim_state state)
{
    tell_accusation(bench, accuser, accuser, accused, state);
}

/* Eight members, of whom four say that the last is dead. */
static void all_call_the_eighth_dead(struct bench *bench)
{
    for (unsigned i = 1; i <= 8; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned i = 1; i <= 4; i++)
        accuse(bench, i, 8, SWIM_DEAD);
    assert_int_equal(member_of(bench, 8).state, SWIM_SUSPECT);
}

/* Answer every ping but those to the eighth; `eighth` answers those too. Until its state changes. */
static void live_on(struct bench *bench, bool eighth, uint64_t ms)
{
    uint64_t end_ms = bench->now_ms + ms;
    while (bench->now_ms < end_ms && member_of(bench, 8).state == SWIM_SUSPECT) {
        tick(bench, 10);
        if (bench->seen.pings == 1 && (eighth || bench->seen.pinged.bytes[31] != 8))
            answer(bench, &bench->seen.pinged, bench->seen.sequence);
    }
}

static void who_answers_us_is_not_dead_whatever_all_others_say(void **state)
{
    struct bench *bench = *state;
    all_call_the_eighth_dead(bench);
    live_on(bench, true, 60000);
    assert_int_equal(member_of(bench, 8).state, SWIM_ALIVE);
}

static void a_death_that_others_called_needs_only_our_own_failed_probe(void **state)
{
    struct bench *bench = *state;
    all_call_the_eighth_dead(bench);
    uint64_t start_ms = bench->now_ms;
    live_on(bench, false, 60000);
    assert_int_equal(member_of(bench, 8).state, SWIM_DEAD);
    assert_in_range(bench->now_ms - start_ms, bench->config.probe_timeout_ms,
                    2 * bench->config.probe_interval_ms);
}

/* A liar has kept what we once said of the eighth, which has refuted nothing since: it is no probe. */
static void our_own_accusation_told_again_is_no_probe_of_ours(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 8; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    struct swim_id accused = id_of(8);
    tell_accusation(bench, 1, 0, 8, SWIM_SUSPECT);
    const struct suspicion *suspicion = roster_find(&bench->swim->roster, &accused)->suspicion;
    assert_non_null(suspicion);
    assert_false(suspicion->first_hand);
}

/* Three members: there is only one other to agree with. */
static void in_a_cluster_of_three_the_two_others_settle_it(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 8, SWIM_ALIVE, 1);
    accuse(bench, 1, 8, SWIM_SUSPECT);
    uint64_t start_ms = bench->now_ms;
    live_on(bench, false, 60000);
    assert_int_equal(member_of(bench, 8).state, SWIM_DEAD);
    assert_in_range(bench->now_ms - start_ms, bench->config.probe_timeout_ms,
                    suspicion_min_ms(bench->swim) - 1);
}

static void what_helpers_say_counts_only_when_the_probe_fails(void **state)
{
    struct bench *bench = *state;
    struct seen asked = {0}, pinged = {0};
    for (unsigned i = 1; i <= 6; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    while (asked.asks == 0) {
        tick(bench, 10);
        if (bench->seen.pings == 1)
            pinged = bench->seen;
        if (bench->seen.asks > 0)
            asked = bench->seen;
    }
    assert_int_equal(asked.asks, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct sim_context context;
        struct swim_ops ops = ops_of(&context, asked.asked[i].bytes[31]);
        struct accusation a = {.state = SWIM_SUSPECT, .incarnation = 1};
        uint8_t bytes[ACCUSATION_SIZE];
        Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
        Ecbak__Gossip__Nack nack = ECBAK__GOSSIP__NACK__INIT;
        a.accused = pinged.pinged;
        a.accuser = asked.asked[i];
        accusation_encode(&a, &ops, bytes);
        nack.sequence = pinged.sequence;
        nack.accusation = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
        packet.body_case = ECBAK__GOSSIP__PACKET__BODY_NACK;
        packet.nack = &nack;
        receive(bench, asked.asked[i].bytes[31], &packet);
        assert_int_equal(swim_count(bench->swim, SWIM_SUSPECT), 0);
    }
    tick(bench, bench->config.probe_interval_ms - bench->config.probe_timeout_ms);
    assert_int_equal(swim_count(bench->swim, SWIM_SUSPECT), 1);
    const struct suspicion *suspicion =
        roster_find(&bench->swim->roster, &pinged.pinged)->suspicion;
    assert_int_equal(suspicion->accuser_count, 4);
    assert_int_equal(suspicion->deadline_ms - suspicion->start_ms, 1500);
    assert_int_equal(stats_of(bench).awareness, 0);
}

/* ---- ourselves ------------------------------------------------------------------------------------ */

static void the_stored_incarnation_is_continued(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    start(bench, 41);
    assert_int_equal(bench->seen.persisted, 42);
    assert_int_equal(own_incarnation(bench), 42);
}

static void a_lost_incarnation_is_found_again(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear_statement(bench, 1, bytes, statement_by(0, SWIM_ALIVE, 57, "ours", bytes));
    assert_int_equal(own_incarnation(bench), 58);
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 0);
}

static void a_clone_of_ourselves_is_reported(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    unsigned conflicts = 0;
    hear(bench, 1, SWIM_ALIVE, 1);
    for (unsigned i = 1; i <= 4; i++) {
        size_t size = statement_by(0, SWIM_ALIVE, own_incarnation(bench) + 1, "ours", bytes);
        hear_statement(bench, 1, bytes, size);
        conflicts += bench->seen.events[SWIM_EVENT_CONFLICT];
    }
    assert_int_equal(conflicts, 1);
}

static void the_highest_incarnation_does_not_wrap(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    start(bench, SWIM_INCARNATION_MAX);
    assert_int_equal(own_incarnation(bench), SWIM_INCARNATION_MAX);
    hear(bench, 1, SWIM_ALIVE, SWIM_INCARNATION_MAX);
    hear(bench, 2, SWIM_ALIVE, SWIM_INCARNATION_MAX + 1);
    assert_true(known(bench, 1));
    assert_false(known(bench, 2));
    hear_accusation(bench, 1, 0, SWIM_INCARNATION_MAX);
    assert_int_equal(own_incarnation(bench), SWIM_INCARNATION_MAX);
}

static void leaving_is_said_at_once_and_not_taken_back(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    tick(bench, 3000);
    swim_leave(bench->swim, bench->now_ms);
    drain(bench);
    assert_int_equal(bench->seen.sends, 1);
    assert_true(bench->seen.own_statement);
    assert_int_equal(member_of(bench, 0).state, SWIM_LEFT);
    hear_accusation(bench, 1, 0, own_incarnation(bench));
    assert_int_equal(bench->seen.persisted, 0);
}

static void new_metadata_is_announced_with_a_new_incarnation(void **state)
{
    struct bench *bench = *state;
    struct err err;
    uint64_t before = own_incarnation(bench);
    assert_int_equal(swim_update(bench->swim, NOW, "there", (const uint8_t *)"new", 4, &err), 0);
    drain(bench);
    struct swim_member self = member_of(bench, 0);
    assert_int_equal(bench->seen.persisted, before + 1);
    assert_string_equal(self.address, "there");
    assert_string_equal((const char *)self.metadata, "new");
    uint8_t large[SWIM_METADATA_MAX + 1] = {0};
    assert_int_equal(swim_update(bench->swim, NOW, NULL, large, sizeof(large), &err), -1);
}

static void a_standstill_of_ours_is_not_held_against_others(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    bench->config.pause_detection = true;
    start(bench, 0);
    hear(bench, 1, SWIM_ALIVE, 1);
    do
        tick(bench, 10);
    while (bench->seen.pings == 0);
    tick(bench, 3600 * 1000);
    tick(bench, 1);
    assert_int_equal(member_of(bench, 1).state, SWIM_ALIVE);
}

/* ---- hostile messages ----------------------------------------------------------------------------- */

static void every_cut_of_a_statement_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    struct statement statement;
    size_t size = statement_by(1, SWIM_ALIVE, 5, "name", bytes);
    assert_int_equal(statement_parse(&statement, bytes, size), 0);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(statement_parse(&statement, bytes, cut), -1);
    static const struct {
        size_t offset;
        uint8_t value;
    } wrong[] = {{0, 2},  {1, 1},  {1, 2},  {1, 5},  {2, 0},    {2, 2},
                 {4, 0},  {5, 1},  {24, 1}, {60, 0}, {60, 64},  {60, 3},
                 {60, 5}, {61, 0}, {65, 1}, {66, 0}, {71, 'x'}, {15, 0x80}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t changed[SWIM_STATEMENT_MAX];
        memcpy(changed, bytes, size);
        changed[wrong[i].offset] = wrong[i].value;
        assert_int_equal(statement_parse(&statement, changed, size), -1);
    }
}

static void a_statement_is_laid_out_as_documented(void **state)
{
    (void)state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    uint8_t head[60];
    size_t size = statement_by(1, SWIM_ALIVE, 5, "name", bytes);
    assert_int_equal(size, 60 + 6 + 6 + 2 + 9 + 64);
    memset(head, 0, sizeof(head));
    head[0] = 1;
    head[2] = head[3] = head[4] = 1;
    head[8] = 5;
    head[16] = 1;
    struct swim_id id = id_of(1);
    memcpy(head + 28, id.bytes, SWIM_ID_SIZE);
    assert_memory_equal(bytes, head, sizeof(head));
    assert_memory_equal(bytes + 60, "\4name\0\4name\0\11\0metadata", 6 + 6 + 2 + 9);
}

static void a_forged_statement_is_refused_and_its_teller_not_believed_for_a_while(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    size_t size = statement_by(2, SWIM_ALIVE, 5, "name", bytes);
    bytes[size - 1] ^= 1;
    hear_statement(bench, 1, bytes, size);
    assert_false(known(bench, 2));
    assert_int_equal(stats_of(bench).forged_count, 1);
    bytes[size - 1] ^= 1;
    hear_statement(bench, 1, bytes, size);
    assert_false(known(bench, 2));
    tick(bench, MUTE_MS);
    hear_statement(bench, 1, bytes, size);
    assert_true(known(bench, 2));
}

static void who_is_not_admitted_stays_out(void **state)
{
    struct bench *bench = *state;
    bench->swim->ops.admit = admit_nobody;
    hear(bench, 1, SWIM_ALIVE, 1);
    assert_false(known(bench, 1));
    assert_int_equal(stats_of(bench).forged_count, 1);
}

static void other_versions_are_refused_by_name(void **state)
{
    struct bench *bench = *state;
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, 1);
    uint8_t bytes[SWIM_STATEMENT_MAX];
    struct statement s = {.version_min = 2,
                          .version = 3,
                          .version_max = 3,
                          .incarnation = 1,
                          .id = id_of(1),
                          .name = "n",
                          .address = "a"};
    hear_statement(bench, 1, bytes, statement_encode(&s, &ops, bytes));
    assert_false(known(bench, 1));
    assert_int_equal(bench->seen.events[SWIM_EVENT_REFUSED], 1);
    assert_int_equal(stats_of(bench).refused_count, 1);
    struct swim_id from = id_of(1);
    static const uint8_t version_9[] = {0x08, 9};
    swim_receive(bench->swim, NOW, &from, version_9, sizeof(version_9));
    swim_receive(bench->swim, NOW, &from, version_9, 0);
    assert_int_equal(stats_of(bench).refused_count, 3);
}

static void oversize_and_malformed_messages_are_counted_and_change_nothing(void **state)
{
    struct bench *bench = *state;
    struct swim_id from = id_of(1);
    size_t size = bench->config.sync_size_max + 64 * 1024;
    uint8_t *large = alloc_zero(size, 1);
    swim_receive(bench->swim, NOW, &from, large, size);
    swim_receive(bench->swim, NOW, &from, large, 7);
    free(large);
    assert_int_equal(stats_of(bench).malformed_count, 2);
    hear(bench, 1, SWIM_ALIVE, 1);
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Buckets buckets = ECBAK__GOSSIP__BUCKETS__INIT;
    Ecbak__Gossip__Entries entries = ECBAK__GOSSIP__ENTRIES__INIT;
    Ecbak__Gossip__Give give = ECBAK__GOSSIP__GIVE__INIT;
    Ecbak__Gossip__Ask ask = ECBAK__GOSSIP__ASK__INIT;
    uint32_t bucket = 4;
    uint8_t odd[33] = {0};
    buckets.bits = 40;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_BUCKETS;
    packet.buckets = &buckets;
    receive(bench, 1, &packet);
    entries.bits = 2;
    entries.buckets = &bucket;
    entries.n_buckets = 1;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ENTRIES;
    packet.entries = &entries;
    receive(bench, 1, &packet);
    give.wanted = (ProtobufCBinaryData){.len = sizeof(odd), .data = odd};
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_GIVE;
    packet.give = &give;
    receive(bench, 1, &packet);
    ask.target = (ProtobufCBinaryData){.len = 31, .data = odd};
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ASK;
    packet.ask = &ask;
    receive(bench, 1, &packet);
    assert_int_equal(bench->seen.sends, 0);
    assert_int_equal(stats_of(bench).malformed_count, 6);
}

static void a_member_that_asks_without_end_gets_few_answers(void **state)
{
    struct bench *bench = *state;
    unsigned gives = 0;
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Hello hello = ECBAK__GOSSIP__HELLO__INIT;
    hear(bench, 1, SWIM_ALIVE, 1);
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_HELLO;
    packet.hello = &hello;
    for (unsigned i = 0; i < 100; i++) {
        receive(bench, 1, &packet);
        gives += bench->seen.gives;
    }
    assert_int_equal(gives, SYNCS_PER_SECOND);
}

static void a_member_that_pings_without_end_does_not_use_up_rumours(void **state)
{
    struct bench *bench = *state;
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    unsigned acks = 0, told = 0;
    bench->swim->config.retransmit_mult = 16;
    for (unsigned i = 1; i <= 3; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.ping = &ping;
    for (unsigned i = 0; i < 100; i++) {
        receive(bench, 1, &packet);
        acks += bench->seen.acks;
        told += bench->seen.own_statement;
    }
    assert_int_equal(acks, 100);
    assert_true(told > 0 && told <= TALKS_PER_SECOND);
    assert_true(stats_of(bench).rumour_count >= 3);
}

static void a_member_that_changes_without_end_is_taken_a_few_times_a_second(void **state)
{
    struct bench *bench = *state;
    for (uint64_t i = 1; i <= 100; i++)
        hear(bench, 1, SWIM_ALIVE, i);
    assert_int_equal(member_of(bench, 1).incarnation, 1 + NEWS_PER_SECOND);
    tick(bench, 1000);
    hear(bench, 1, SWIM_ALIVE, 101);
    assert_int_equal(member_of(bench, 1).incarnation, 101);
}

static void one_accuser_makes_us_doubt_ourselves_once_a_minute(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 1);
    for (unsigned i = 0; i < 5; i++)
        hear_accusation(bench, 1, 0, own_incarnation(bench));
    assert_int_equal(stats_of(bench).awareness, 1);
    hear_accusation(bench, 2, 0, own_incarnation(bench));
    assert_int_equal(stats_of(bench).awareness, 2);
}

/* 100 members, all of it counted; these statements lack the 200 bytes of metadata that a node has. */
static void a_core_takes_at_most_a_kibibyte_for_each_member_known(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 100; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    tick(bench, 60000); /* news has been told on */
    assert_in_range(stats_of(bench).memory_bytes, 100 * 200, 100 * (1024 - 200));
}

static void sends_that_nobody_drains_are_bounded(void **state)
{
    struct bench *bench = *state;
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    uint8_t bytes[64];
    struct swim_id from = id_of(1);
    bench->swim->config.orders_max = 64;
    packet.version = 1;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.ping = &ping;
    size_t size = ecbak__gossip__packet__pack(&packet, bytes);
    for (unsigned i = 0; i < 100; i++)
        swim_receive(bench->swim, NOW, &from, bytes, size);
    assert_int_equal(stats_of(bench).dropped_count, 36);
    drain(bench);
    assert_int_equal(bench->seen.sends, 64);
}

/* ---- configuration -------------------------------------------------------------------------------- */

static void profiles_are_valid_and_others_refused(void **state)
{
    (void)state;
    struct swim_config config;
    struct err err;
    static const char *const names[] = {"lan", "wan", "local"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(swim_profile(&config, names[i], &err), 0);
        assert_int_equal(swim_config_check(&config, &err), 0);
    }
    assert_int_equal(swim_profile(&config, "moon", &err), -1);
    config.probe_timeout_ms = config.probe_interval_ms;
    assert_int_equal(swim_config_check(&config, &err), -1);
    assert_non_null(strstr(err.text, "probe_timeout_ms"));
}

static void a_member_without_a_name_cannot_start(void **state)
{
    struct bench *bench = *state;
    struct swim *swim = NULL;
    struct err err;
    struct swim_self self = self_text(0);
    self.name = "";
    assert_int_equal(swim_new(&swim, &bench->config, &bench->swim->ops, &self, NOW, &err), -1);
    self = self_text(0);
    self.metadata_size = SWIM_METADATA_MAX + 1;
    assert_int_equal(swim_new(&swim, &bench->config, &bench->swim->ops, &self, NOW, &err), -1);
}

/* 100 members are told of a thing 12 times, 99 only 8 times: what was told 8 to 11 times is told. */
static void a_rumour_ends_when_the_cluster_shrinks(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i < 100; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    bench->swim->probe_ms = NEVER; /* nobody answers here, and nobody shall die of it */
    for (unsigned i = 0; bench->swim->rumours.by_sent[1][9].first == NULL; i++) {
        assert_true(i < 1000);
        tick(bench, 200);
    }
    hear(bench, 50, SWIM_LEFT, 2);
    for (unsigned i = 0; bench->swim->rumours.count > 0; i++) {
        assert_true(i < 1000);
        tick(bench, 200);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_member_enters_by_its_own_statement),
        TEST(nothing_older_or_equal_revives_who_left),
        TEST(who_is_expelled_is_out_at_once_and_stays_out_while_not_admitted),
        TEST(expelling_a_suspect_a_stranger_or_ourselves_is_harmless),
        TEST(who_left_before_we_knew_it_is_not_added),
        TEST(a_tombstone_is_forgotten_in_its_time_and_not_before),
        TEST(a_full_table_gives_up_tombstones_but_no_living_member),
        TEST(a_second_member_of_one_name_is_reported),
        TEST(a_changed_address_is_an_update),
        TEST(everybody_is_probed_exactly_once_a_lap),
        TEST(beyond_the_neighbours_everybody_has_a_turn),
        TEST(a_neighbour_that_left_is_changed_at_once),
        TEST(where_most_are_gone_the_rest_are_probed_all_the_same),
        TEST(a_silent_member_is_probed_through_others_then_suspect_then_dead),
        TEST(only_the_member_itself_or_a_helper_can_answer_a_probe),
        TEST(an_answer_gives_the_round_trip),
        TEST(an_answer_that_waited_for_its_connection_gives_no_round_trip),
        TEST(a_helper_says_nack_in_time_and_ack_when_it_comes),
        TEST(an_accusation_is_refuted_with_the_next_incarnation_persisted_first),
        TEST(nobody_can_drive_our_incarnation),
        TEST(refutations_have_a_budget_and_the_last_accusation_is_answered),
        TEST(an_accusation_counts_only_against_the_incarnation_we_know),
        TEST(strangers_accuse_in_vain),
        TEST(more_accusers_shorten_the_suspicion_and_one_counts_once),
        TEST(who_is_away_cannot_be_accused_until_its_time_is_over),
        TEST(who_answers_us_is_not_dead_whatever_all_others_say),
        TEST(a_death_that_others_called_needs_only_our_own_failed_probe),
        TEST(our_own_accusation_told_again_is_no_probe_of_ours),
        TEST(in_a_cluster_of_three_the_two_others_settle_it),
        TEST(what_helpers_say_counts_only_when_the_probe_fails),
        TEST(the_stored_incarnation_is_continued),
        TEST(a_lost_incarnation_is_found_again),
        TEST(a_clone_of_ourselves_is_reported),
        TEST(the_highest_incarnation_does_not_wrap),
        TEST(leaving_is_said_at_once_and_not_taken_back),
        TEST(new_metadata_is_announced_with_a_new_incarnation),
        TEST(a_standstill_of_ours_is_not_held_against_others),
        TEST(every_cut_of_a_statement_is_refused),
        TEST(a_statement_is_laid_out_as_documented),
        TEST(a_forged_statement_is_refused_and_its_teller_not_believed_for_a_while),
        TEST(who_is_not_admitted_stays_out),
        TEST(other_versions_are_refused_by_name),
        TEST(oversize_and_malformed_messages_are_counted_and_change_nothing),
        TEST(a_member_that_asks_without_end_gets_few_answers),
        TEST(a_member_that_pings_without_end_does_not_use_up_rumours),
        TEST(a_rumour_ends_when_the_cluster_shrinks),
        TEST(a_member_that_changes_without_end_is_taken_a_few_times_a_second),
        TEST(one_accuser_makes_us_doubt_ourselves_once_a_minute),
        TEST(a_core_takes_at_most_a_kibibyte_for_each_member_known),
        TEST(sends_that_nobody_drains_are_bounded),
        TEST(profiles_are_valid_and_others_refused),
        TEST(a_member_without_a_name_cannot_start),
    };
    return cmocka_run_group_tests_name("unit_gossip", tests, NULL, NULL);
}
