/* Members that speak different versions of the protocol: a cluster that is upgraded step by step. */
#include "test/gossip_bench.h"

static const struct protocol one = {1, 1}, both = {1, 2}, two = {2, 2};

/* No member, whatever it said before. */
static bool out(const struct bench *bench, unsigned number)
{
    return !known(bench, number) || member_of(bench, number).state == SWIM_LEFT;
}

/* As set_up, of a core that speaks these. */
static void speak(struct bench *bench, struct protocol protocol)
{
    swim_destroy(&bench->swim);
    bench->config.protocol = protocol;
    start(bench, 0);
}

static void who_speaks_none_of_our_versions_is_no_member_and_is_told_of(void **state)
{
    struct bench *bench = *state;
    struct node_id id = id_of(1);
    for (unsigned i = 0; i < 2; i++) {
        hear_speaking(bench, 2, 1, two, 7);
        assert_true(out(bench, 1));
        assert_int_equal(bench->seen.events[SWIM_EVENT_REFUSED], 1);
        assert_true(id_equal(&bench->seen.refused.id, &id));
        assert_int_equal(bench->seen.refused.protocol.lowest, 2);
        assert_int_equal(bench->seen.refused.incarnation, 7);
    }
    assert_int_equal(stats_of(bench).refused_count, 2);
}

static void what_is_told_of_it_has_its_name_and_its_address(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    size_t size = claim_speaking(1, two, SWIM_ALIVE, 1, "m1", bytes);
    struct swim_order order;
    struct node_id teller = id_of(2);
    assert_int_equal(news_claim(bench->swim, &teller, bytes, size), NEWS_NONE);
    memset(bytes, 0, sizeof(bytes));
    assert_true(swim_next_order(bench->swim, &order));
    assert_int_equal(order.kind, SWIM_EVENT);
    assert_int_equal(order.event.event, SWIM_EVENT_REFUSED);
    assert_string_equal(order.event.refused.name, "m1");
    assert_string_equal(order.event.refused.address, "m1");
    assert_string_equal((const char *)order.event.refused.metadata, "metadata");
}

/* What comes again need not be proven again, so it is what was proven that is told. */
static void what_is_told_again_is_what_was_proven(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    struct swim_order order;
    hear_speaking(bench, 2, 1, two, 1);
    size_t size = claim_speaking(1, (struct protocol){3, 3}, SWIM_ALIVE, 1, "mX", bytes);
    bytes[size - 1] ^= 1;
    struct node_id teller = id_of(2);
    assert_int_equal(news_claim(bench->swim, &teller, bytes, size), NEWS_NONE);
    assert_true(swim_next_order(bench->swim, &order));
    assert_int_equal(order.event.event, SWIM_EVENT_REFUSED);
    assert_string_equal(order.event.refused.name, "m1");
    assert_int_equal(order.event.refused.protocol.lowest, 2);
}

static void those_who_are_refused_are_forgotten_in_time(void **state)
{
    struct bench *bench = *state;
    hear_speaking(bench, 2, 1, two, 1);
    tick(bench, bench->config.tombstone_ms - 1);
    hear_speaking(bench, 2, 1, two, 1); /* is still there */
    tick(bench, bench->config.tombstone_ms - 1);
    assert_true(known(bench, 1));
    tick(bench, 2000);
    assert_false(known(bench, 1));
}

static void a_forgery_is_not_told_of(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    size_t size = claim_speaking(1, two, SWIM_ALIVE, 1, "m1", bytes);
    bytes[size - 1] ^= 1;
    hear_claim(bench, 2, bytes, size);
    assert_int_equal(bench->seen.events[SWIM_EVENT_REFUSED], 0);
    assert_int_equal(stats_of(bench).forged_count, 1);
}

/* It was upgraded beyond us. What we knew is worth nothing: a probe would fail, and that would be no
 * sign of its death. */
static void a_member_that_speaks_our_versions_no_more_is_out_and_not_accused(void **state)
{
    struct bench *bench = *state;
    hear_speaking(bench, 1, 1, both, 1);
    hear_speaking(bench, 2, 2, one, 1);
    hear_accusation(bench, 2, 1, 1);
    assert_int_equal(member_of(bench, 1).state, SWIM_SUSPECT);
    hear_speaking(bench, 2, 1, two, 2);
    assert_true(out(bench, 1));
    assert_int_equal(bench->seen.events[SWIM_EVENT_REFUSED], 1);
    hear_accusation(bench, 2, 1, 2);
    hear_speaking(bench, 2, 1, both, 1); /* somebody has not heard of it yet */
    assert_true(out(bench, 1));
    for (unsigned i = 0; i < 100; i++) {
        tick(bench, 500);
        if (bench->seen.pings > 0)
            answer(bench, &bench->seen.pinged, bench->seen.sequence); /* 2 lives */
        assert_int_equal(bench->seen.events[SWIM_EVENT_SUSPECT], 0);
        assert_int_equal(bench->seen.events[SWIM_EVENT_DEAD], 0);
    }
    assert_true(out(bench, 1));
    hear_speaking(bench, 1, 1, both, 3);
    assert_int_equal(bench->seen.events[SWIM_EVENT_ALIVE], 1);
    assert_int_equal(member_of(bench, 1).state, SWIM_ALIVE);
}

static void what_the_connection_told_counts_too(void **state)
{
    struct bench *bench = *state;
    struct node_id id = id_of(1), self = id_of(0);
    hear_speaking(bench, 1, 1, both, 1);
    swim_refuse(bench->swim, NOW, &id);
    drain(bench);
    assert_true(out(bench, 1));
    assert_int_equal(
        bench->seen.events[SWIM_EVENT_REFUSED] + bench->seen.events[SWIM_EVENT_FORGOTTEN], 0);
    swim_refuse(bench->swim, NOW, &id);
    swim_refuse(bench->swim, NOW, &self);
    assert_int_equal(member_of(bench, 0).state, SWIM_ALIVE);
    hear_speaking(bench, 1, 1, both, 2);
    assert_int_equal(member_of(bench, 1).state, SWIM_ALIVE);
}

static void each_member_is_spoken_to_in_the_highest_version_that_both_know(void **state)
{
    struct bench *bench = *state;
    struct err err;
    speak(bench, both);
    assert_int_equal(swim_join(bench->swim, NOW, "seed", &err), 0);
    drain(bench);
    assert_int_equal(bench->seen.hellos, 1);
    assert_int_equal(bench->seen.version, 1); /* nobody knows what a seed speaks */
    unsigned pinged[3] = {0};
    hear_speaking(bench, 1, 1, one, 1);
    hear_speaking(bench, 2, 2, two, 1);
    for (unsigned i = 0; i < 10; i++) {
        tick(bench, 1000);
        if (bench->seen.pings == 0)
            continue;
        unsigned number = bench->seen.pinged.bytes[31];
        assert_int_equal(bench->seen.pinged_version, number);
        pinged[number]++;
        answer(bench, &bench->seen.pinged, bench->seen.sequence);
    }
    assert_true(pinged[1] > 0 && pinged[2] > 0);
}

static Ecbak__Gossip__Packet ping_of(uint32_t version, struct protocol protocol,
                                     Ecbak__Gossip__Ping *ping)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    ecbak__gossip__ping__init(ping);
    packet.version = version;
    packet.version_min = protocol.lowest;
    packet.version_max = protocol.highest;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.ping = ping;
    return packet;
}

/* A newcomer that does not know us speaks its lowest version: what it carries still reaches us. */
static void of_a_packet_in_a_version_that_we_do_not_speak_the_news_are_taken(void **state)
{
    struct bench *bench = *state;
    speak(bench, two);
    uint8_t bytes[SWIM_CLAIM_MAX];
    Ecbak__Gossip__Ping ping;
    Ecbak__Gossip__Packet packet = ping_of(1, both, &ping);
    ProtobufCBinaryData item = {.len = claim_speaking(1, both, SWIM_ALIVE, 1, "m1", bytes),
                                .data = bytes};
    packet.claims = &item;
    packet.n_claims = 1;
    receive(bench, 1, &packet);
    assert_true(known(bench, 1));
    assert_int_equal(bench->seen.acks, 0);
    packet = ping_of(2, both, &ping);
    receive(bench, 1, &packet);
    assert_int_equal(bench->seen.acks, 1);
    assert_int_equal(bench->seen.version, 2);
}

static void who_is_no_member_is_answered_in_a_version_that_it_speaks(void **state)
{
    struct bench *bench = *state;
    Ecbak__Gossip__Ping ping;
    speak(bench, both);
    Ecbak__Gossip__Packet packet = ping_of(2, two, &ping);
    receive(bench, 1, &packet);
    assert_int_equal(bench->seen.acks, 1);
    assert_int_equal(bench->seen.version, 2);
    packet = ping_of(1, one, &ping);
    receive(bench, 2, &packet);
    assert_int_equal(bench->seen.version, 1);
}

/* 1 speaks another version than 2 and 3: they could not ask it. */
static void only_those_who_speak_with_a_member_are_asked_to_probe_it(void **state)
{
    struct bench *bench = *state;
    speak(bench, both);
    hear_speaking(bench, 1, 1, one, 1);
    hear_speaking(bench, 2, 2, two, 1);
    hear_speaking(bench, 3, 3, two, 1);
    hear_speaking(bench, 4, 4, both, 1);
    unsigned asks = 0;
    for (unsigned i = 0; i < 40 && asks == 0; i++) {
        tick(bench, 500);
        if (bench->seen.pings > 0 && bench->seen.pinged.bytes[31] != 1)
            answer(bench, &bench->seen.pinged, bench->seen.sequence);
        asks = bench->seen.asks;
    }
    assert_int_equal(asks, 1);
    assert_int_equal(bench->seen.asked[0].bytes[31], 4);
}

static void a_core_that_speaks_nothing_cannot_start(void **state)
{
    struct bench *bench = *state;
    struct err err;
    bench->config.protocol = (struct protocol){2, 1};
    assert_int_equal(swim_config_check(&bench->config, &err), -1);
    bench->config.protocol = (struct protocol){0, 0};
    assert_int_equal(swim_config_check(&bench->config, &err), -1);
    assert_non_null(strstr(err.text, "protocol"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_speaks_none_of_our_versions_is_no_member_and_is_told_of),
        TEST(what_is_told_of_it_has_its_name_and_its_address),
        TEST(what_is_told_again_is_what_was_proven),
        TEST(those_who_are_refused_are_forgotten_in_time),
        TEST(a_forgery_is_not_told_of),
        TEST(a_member_that_speaks_our_versions_no_more_is_out_and_not_accused),
        TEST(what_the_connection_told_counts_too),
        TEST(each_member_is_spoken_to_in_the_highest_version_that_both_know),
        TEST(of_a_packet_in_a_version_that_we_do_not_speak_the_news_are_taken),
        TEST(who_is_no_member_is_answered_in_a_version_that_it_speaks),
        TEST(only_those_who_speak_with_a_member_are_asked_to_probe_it),
        TEST(a_core_that_speaks_nothing_cannot_start),
    };
    return cmocka_run_group_tests_name("unit_gossip_versions", tests, NULL, NULL);
}
