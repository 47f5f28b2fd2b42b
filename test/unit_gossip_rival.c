/* Two processes with one key: who goes first, who stands by, and for how long. */
#include "test/gossip_bench.h"

#define OWN     1000u /* our session */
#define EARLIER (OWN - 1)
#define LATER   (OWN + 1)

/* What another process with the key of member `number` says. */
static size_t claim_of(unsigned number, uint64_t session, enum swim_state state,
                       uint64_t incarnation, const char *address, uint8_t *bytes)
{
    struct sim_context context;
    struct swim_ops ops = ops_of(&context, number);
    struct claim claim = {
        .state = state,
        .version_min = 1,
        .version = 1,
        .version_max = 1,
        .incarnation = incarnation,
        .session = session,
        .away_ms = state == SWIM_AWAY ? 60000 : 0,
        .id = id_of(number),
        .name = "ours",
        .address = address,
        .metadata = (const uint8_t *)"",
    };
    return claim_encode(&claim, &ops, bytes);
}

static void hear_ours(struct bench *bench, uint64_t session, enum swim_state state,
                      uint64_t incarnation)
{
    uint8_t bytes[SWIM_CLAIM_MAX];
    hear_claim(bench, 1, bytes, claim_of(0, session, state, incarnation, "there", bytes));
}

/* A core with the session OWN that knows members 1 and 2, and had this incarnation on disk. */
static void start_with(struct bench *bench, uint64_t incarnation)
{
    struct err err;
    struct swim_ops ops = ops_of(&bench->context, 0);
    struct swim_self self = self_text(0);
    self.incarnation = incarnation;
    self.session = OWN;
    swim_destroy(&bench->swim);
    assert_int_equal(swim_new(&bench->swim, &bench->config, &ops, &self, NOW, &err), 0);
    bench->now_ms = NOW;
    drain(bench);
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 1);
}

static bool stands_by(const struct bench *bench)
{
    struct swim_rival rival;
    return swim_rival(bench->swim, &rival) && rival.first;
}

static void hear_ping(struct bench *bench, unsigned from)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.ping = &ping;
    receive(bench, from, &packet);
}

static void who_started_first_overrules_the_other_and_tells_of_it_once(void **state)
{
    struct bench *bench = *state;
    struct swim_rival rival;
    start_with(bench, 5);
    hear_ours(bench, LATER, SWIM_ALIVE, 100);
    assert_int_equal(own_incarnation(bench), 101);
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 1);
    assert_true(swim_rival(bench->swim, &rival));
    assert_false(rival.first);
    assert_string_equal(rival.address, "there");
    hear_ours(bench, LATER, SWIM_ALIVE, 102);
    assert_int_equal(own_incarnation(bench), 103);
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 0);
    hear_ping(bench, 1);
    assert_int_equal(bench->seen.acks, 1);
}

static void it_knows_of_the_other_as_long_as_that_one_asks(void **state)
{
    struct bench *bench = *state;
    struct swim_rival rival;
    start_with(bench, 5);
    hear_ours(bench, LATER, SWIM_ALIVE, 100);
    for (unsigned i = 0; i < 2 * RIVAL_ROUNDS; i++) {
        tick(bench, bench->config.probe_interval_ms);
        hear_ours(bench, LATER, SWIM_ALIVE, 100); /* lower than ours by now */
        assert_int_equal(bench->seen.persisted, 0);
    }
    assert_true(swim_rival(bench->swim, &rival));
    tick(bench, (uint64_t)RIVAL_ROUNDS * bench->config.probe_interval_ms);
    assert_false(swim_rival(bench->swim, &rival));
}

static void who_started_later_gives_way_and_says_nothing_of_itself(void **state)
{
    struct bench *bench = *state;
    struct err err;
    start_with(bench, 5);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    assert_true(stands_by(bench));
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 1);
    assert_string_equal(member_of(bench, 0).address, "there");
    hear_ping(bench, 1);
    assert_int_equal(bench->seen.acks, 0);
    hear_accusation(bench, 1, 0, 100);
    assert_int_equal(swim_update(bench->swim, bench->now_ms, NULL, (const uint8_t *)"x", 1, &err),
                     0);
    swim_away(bench->swim, bench->now_ms, 1000);
    drain(bench);
    assert_int_equal(bench->seen.persisted, 0);
    assert_int_equal(bench->seen.sends, 0);
    assert_int_equal(own_incarnation(bench), 100);
}

static void who_stands_by_asks_and_probes_nobody(void **state)
{
    struct bench *bench = *state;
    start_with(bench, 5);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    unsigned asked = 0;
    for (unsigned i = 0; i < 10; i++) {
        tick(bench, bench->config.probe_interval_ms);
        assert_int_equal(bench->seen.pings, 0);
        asked += bench->seen.own_claim;
    }
    assert_true(asked >= 9);
}

static void who_stands_by_takes_over_when_the_first_stops(void **state)
{
    struct bench *bench = *state;
    start_with(bench, 5);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    hear_ours(bench, EARLIER, SWIM_AWAY, 101);
    assert_false(stands_by(bench));
    assert_int_equal(own_incarnation(bench), 102);
    assert_string_equal(member_of(bench, 0).address, "here");
}

static void who_stands_by_takes_over_when_the_first_is_dead(void **state)
{
    struct bench *bench = *state;
    start_with(bench, 5);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    tell_accusation(bench, 1, 1, 0, SWIM_DEAD, 99); /* not what it says now */
    assert_true(stands_by(bench));
    tell_accusation(bench, 1, 1, 0, SWIM_DEAD, 100);
    assert_false(stands_by(bench));
    assert_int_equal(own_incarnation(bench), 101);
}

static void a_liar_makes_it_take_over_once(void **state)
{
    struct bench *bench = *state;
    start_with(bench, 5);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    tell_accusation(bench, 1, 1, 0, SWIM_DEAD, 100);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 102);
    assert_true(stands_by(bench));
    tell_accusation(bench, 1, 1, 0, SWIM_DEAD, 102);
    assert_true(stands_by(bench));
}

static void a_past_that_was_forgotten_is_no_rival(void **state)
{
    struct bench *bench = *state;
    start_with(bench, 0);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    assert_false(stands_by(bench));
    assert_int_equal(own_incarnation(bench), 101);
    hear_ours(bench, EARLIER, SWIM_ALIVE, 100);
    assert_false(stands_by(bench));
    hear_ours(bench, EARLIER, SWIM_ALIVE, 102); /* who could have made that */
    assert_true(stands_by(bench));
}

static void of_two_that_were_copied_running_one_becomes_the_later(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    struct claim claim;
    start_with(bench, 5);
    hear_claim(bench, 1, bytes, claim_of(0, OWN, SWIM_ALIVE, 100, "there", bytes));
    const struct roster_member *self = self_of(bench->swim);
    assert_int_equal(claim_parse(&claim, self->claim, self->claim_size), 0);
    assert_int_equal(claim.incarnation, 101);
    assert_true(claim.session > OWN);
}

/* Its answer to the copy, and the copy's claim to the one that it holds. */
static void a_member_that_meets_a_copy_tells_both(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    struct swim_order order;
    unsigned answers = 0, others = 0;
    start_with(bench, 5);
    hear_claim(bench, 3, bytes, claim_of(3, 10, SWIM_ALIVE, 50, "first", bytes));
    size_t size = claim_of(3, 11, SWIM_ALIVE, 49, "second", bytes);
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    ProtobufCBinaryData item = {.len = size, .data = bytes};
    struct node_id from = id_of(3);
    uint8_t message[2048];
    packet.version = packet.version_min = packet.version_max = 1;
    packet.claims = &item;
    packet.n_claims = 1;
    packet.incarnation = 49;
    packet.session = 11;
    size = ecbak__gossip__packet__pack(&packet, message);
    assert_false(swim_receive(bench->swim, bench->now_ms, &from, message, size));
    while (swim_next_order(bench->swim, &order)) {
        assert_true(order.kind == SWIM_SEND && id_equal(&order.send.id, &from));
        answers += order.send.answer;
        others += !order.send.answer;
    }
    assert_int_equal(answers, 1);
    assert_int_equal(others, 1);
    assert_string_equal(member_of(bench, 3).address, "first");
    packet.session = 10;
    packet.n_claims = 0;
    size = ecbak__gossip__packet__pack(&packet, message);
    assert_true(swim_receive(bench->swim, bench->now_ms, &from, message, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_started_first_overrules_the_other_and_tells_of_it_once),
        TEST(it_knows_of_the_other_as_long_as_that_one_asks),
        TEST(who_started_later_gives_way_and_says_nothing_of_itself),
        TEST(who_stands_by_asks_and_probes_nobody),
        TEST(who_stands_by_takes_over_when_the_first_stops),
        TEST(who_stands_by_takes_over_when_the_first_is_dead),
        TEST(a_liar_makes_it_take_over_once),
        TEST(a_past_that_was_forgotten_is_no_rival),
        TEST(of_two_that_were_copied_running_one_becomes_the_later),
        TEST(a_member_that_meets_a_copy_tells_both),
    };
    return cmocka_run_group_tests_name("unit_gossip_rival", tests, NULL, NULL);
}
