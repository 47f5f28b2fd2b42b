/* What is told on and for how long, and what anti-entropy asks and tells. */
#include "test/gossip_bench.h"

/* 100 members are told of a thing 12 times, 99 only 8 times: what was told 8 to 11 times is told. */
static void a_rumour_ends_when_the_cluster_shrinks(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i < 100; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    bench->swim->probes.round_ms = NEVER; /* nobody answers here, and nobody shall die of it */
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

static void entries_of(struct bench *bench, unsigned from, unsigned number, uint64_t incarnation)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Entries entries = ECBAK__GOSSIP__ENTRIES__INIT;
    struct node_id id = id_of(number);
    entries.ids = (ProtobufCBinaryData){.len = ID_SIZE, .data = id.bytes};
    entries.n_incarnations = 1;
    entries.incarnations = &incarnation;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ENTRIES;
    packet.entries = &entries;
    receive(bench, from, &packet);
}

/* A Give that wants nobody, or this member's claim; with the giver's own of this incarnation, or none. */
static void give(struct bench *bench, unsigned from, unsigned wanted, uint64_t claim)
{
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Give message = ECBAK__GOSSIP__GIVE__INIT;
    struct node_id id = id_of(wanted);
    uint8_t bytes[SWIM_CLAIM_MAX];
    ProtobufCBinaryData item = {.data = bytes};
    if (wanted != 0)
        message.wanted = (ProtobufCBinaryData){.len = ID_SIZE, .data = id.bytes};
    if (claim != 0) {
        item.len = claim_by(from, SWIM_ALIVE, claim, "giver", bytes);
        packet.claims = &item;
        packet.n_claims = 1;
    }
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_GIVE;
    packet.give = &message;
    receive(bench, from, &packet);
}

static void who_lacks_a_claim_is_given_it(void **state)
{
    struct bench *bench = *state;
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 5);
    entries_of(bench, 1, 2, 4);
    assert_int_equal(bench->seen.gives, 1);
    give(bench, 1, 2, 0);
    assert_int_equal(bench->seen.gives, 1);
    hear(bench, 2, SWIM_LEFT, 6);
    entries_of(bench, 1, 2, 5);
    assert_int_equal(bench->seen.gives, 1);
}

static void nothing_of_who_was_expelled_is_told_on(void **state)
{
    struct bench *bench = *state;
    struct node_id id = id_of(2);
    uint8_t bytes[SWIM_CLAIM_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 2, SWIM_ALIVE, 5);
    swim_expel(bench->swim, bench->now_ms, &id);
    drain(bench);
    entries_of(bench, 1, 2, 4);
    assert_int_equal(bench->seen.gives, 0);
    give(bench, 1, 2, 0);
    assert_int_equal(bench->seen.gives, 0);
    hear_claim(bench, 1, bytes, claim_by(2, SWIM_ALIVE, 5, "m2", bytes));
    assert_int_equal(bench->seen.sends, 0);
}

/* News brings the next Hello forward, but not without end. */
static void who_feeds_us_news_without_end_gets_few_questions(void **state)
{
    struct bench *bench = *state;
    uint32_t interval_ms = bench->config.probe_interval_ms;
    unsigned hellos = 0;
    hear(bench, 1, SWIM_ALIVE, 1);
    bench->swim->probes.round_ms = NEVER;
    for (unsigned i = 0; i < 600; i++) {
        give(bench, 1, 0, 2 + i);
        tick(bench, interval_ms / 10);
        hellos += bench->seen.hellos;
    }
    assert_in_range(hellos, 60, 2 * 60 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rumour_ends_when_the_cluster_shrinks),
        TEST(who_lacks_a_claim_is_given_it),
        TEST(nothing_of_who_was_expelled_is_told_on),
        TEST(who_feeds_us_news_without_end_gets_few_questions),
    };
    return cmocka_run_group_tests_name("unit_gossip_spread", tests, NULL, NULL);
}
