/* What it takes to call a member dead, and what does not suffice. */
#include "test/gossip_bench.h"

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
    assert_true(bench->seen.own_claim);
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
    struct node_id accused = id_of(8);
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

static void accuse(struct bench *bench, unsigned accuser, unsigned accused, enum swim_state state)
{
    tell_accusation(bench, accuser, accuser, accused, state, 1);
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
    struct node_id accused = id_of(8);
    tell_accusation(bench, 1, 0, 8, SWIM_SUSPECT, 1);
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

/* More than can be asked at once, 48 of them, and ten that live: each gets its turn to be asked. */
static void when_very_many_die_at_once_each_is_concluded(void **state)
{
    struct bench *bench = *state;
    unsigned deaths = 0;
    for (unsigned i = 1; i <= 150; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    for (unsigned i = 11; i <= 150; i++)
        for (unsigned accuser = 1; accuser <= 4; accuser++)
            hear_accusation(bench, accuser, i, 1);
    for (unsigned i = 0; i < 6000 && deaths < 140; i++) {
        tick(bench, 10);
        deaths += bench->seen.events[SWIM_EVENT_DEAD];
        if (bench->seen.pings == 1 && bench->seen.pinged.bytes[31] <= 10)
            answer(bench, &bench->seen.pinged, bench->seen.sequence);
    }
    assert_int_equal(deaths, 140);
    assert_int_equal(swim_count(bench->swim, SWIM_ALIVE), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(when_very_many_die_at_once_each_is_concluded),
        TEST(what_helpers_say_counts_only_when_the_probe_fails),
    };
    return cmocka_run_group_tests_name("unit_gossip_suspicion", tests, NULL, NULL);
}
