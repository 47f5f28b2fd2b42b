/* Whose turn it is, what an answer counts for, and what helpers do. */
#include "test/gossip_bench.h"

/* Whose turn is next; it answers. */
static unsigned next_probed(struct bench *bench)
{
    do
        tick(bench, 10);
    while (bench->seen.pings == 0);
    assert_int_equal(bench->seen.pings, 1);
    unsigned number = bench->seen.pinged.bytes[31];
    answer(bench, &bench->seen.pinged, bench->seen.sequence);
    return number;
}

static void begin_with_neighbours(struct bench *bench, uint32_t neighbours)
{
    swim_destroy(&bench->swim);
    bench->config.neighbours = neighbours;
    start(bench, 0);
}

static void everybody_is_probed_exactly_once_a_lap(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 9; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned lap = 0; lap < 5; lap++) {
        unsigned probes[10] = {0};
        for (unsigned i = 1; i <= 9; i++)
            probes[next_probed(bench)]++;
        for (unsigned i = 1; i <= 9; i++)
            assert_int_equal(probes[i], 1);
    }
    assert_int_equal(stats_of(bench).probe_failed_count, 0);
}

/* Sixteen neighbours of forty: a lap is theirs, and three of them change with each. */
static void beyond_the_neighbours_everybody_has_a_turn(void **state)
{
    struct bench *bench = *state;
    begin_with_neighbours(bench, 16);
    for (unsigned i = 1; i <= 40; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    unsigned probes[41] = {0};
    for (unsigned lap = 0; lap < 2 * (24 / 3 + 1); lap++) {
        unsigned in_lap[41] = {0}, new = 0;
        for (unsigned i = 0; i < 16; i++) {
            unsigned number = next_probed(bench);
            assert_int_equal(in_lap[number]++, 0);
            new += probes[number]++ == 0;
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
    begin_with_neighbours(bench, 4);
    for (unsigned i = 1; i <= 12; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned i = 1; i <= 8; i++)
        hear(bench, i, SWIM_LEFT, 2);
    unsigned probes[13] = {0};
    for (unsigned i = 0; i < 8; i++)
        probes[next_probed(bench)]++;
    for (unsigned i = 9; i <= 12; i++)
        assert_int_equal(probes[i], 2);
}

/* Nor is one spent on looking for others that are not there. */
static void where_most_are_gone_the_rest_are_probed_all_the_same(void **state)
{
    struct bench *bench = *state;
    begin_with_neighbours(bench, 8);
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
    struct node_id stranger = id_of(2);
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
    struct node_id first = id_of(1), other = id_of(2);
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
    struct node_id target = id_of(2);
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 1);
    ask.sequence = 9;
    ask.target = (ProtobufCBinaryData){.len = ID_SIZE, .data = target.bytes};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_is_probed_exactly_once_a_lap),
        TEST(beyond_the_neighbours_everybody_has_a_turn),
        TEST(a_neighbour_that_left_is_changed_at_once),
        TEST(where_most_are_gone_the_rest_are_probed_all_the_same),
        TEST(a_silent_member_is_probed_through_others_then_suspect_then_dead),
        TEST(only_the_member_itself_or_a_helper_can_answer_a_probe),
        TEST(an_answer_gives_the_round_trip),
        TEST(an_answer_that_waited_for_its_connection_gives_no_round_trip),
        TEST(a_helper_says_nack_in_time_and_ack_when_it_comes),
    };
    return cmocka_run_group_tests_name("unit_gossip_probe", tests, NULL, NULL);
}
