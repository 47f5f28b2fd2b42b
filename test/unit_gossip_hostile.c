/* What hostile members may send, and how little comes of it. */
#include "test/gossip_bench.h"

static void every_cut_of_a_claim_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    struct claim claim;
    size_t size = claim_by(1, SWIM_ALIVE, 5, "name", bytes);
    assert_int_equal(claim_parse(&claim, bytes, size), 0);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(claim_parse(&claim, bytes, cut), -1);
    static const struct {
        size_t offset;
        uint8_t value;
    } wrong[] = {{0, 2},  {1, 1},  {1, 2},  {1, 5},  {2, 0},    {2, 2},
                 {4, 0},  {5, 1},  {24, 1}, {60, 0}, {60, 64},  {60, 3},
                 {60, 5}, {61, 0}, {65, 1}, {66, 0}, {71, 'x'}, {15, 0x80}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t changed[SWIM_CLAIM_MAX];
        memcpy(changed, bytes, size);
        changed[wrong[i].offset] = wrong[i].value;
        assert_int_equal(claim_parse(&claim, changed, size), -1);
    }
}

static void a_claim_is_laid_out_as_documented(void **state)
{
    (void)state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    uint8_t head[60];
    size_t size = claim_by(1, SWIM_ALIVE, 5, "name", bytes);
    assert_int_equal(size, 60 + 6 + 6 + 2 + 9 + 64);
    memset(head, 0, sizeof(head));
    head[0] = 1;
    head[2] = head[3] = head[4] = 1;
    head[8] = 5;
    head[16] = 1;
    struct node_id id = id_of(1);
    memcpy(head + 28, id.bytes, ID_SIZE);
    assert_memory_equal(bytes, head, sizeof(head));
    assert_memory_equal(bytes + 60, "\4name\0\4name\0\11\0metadata", 6 + 6 + 2 + 9);
}

static void a_forged_claim_is_refused_and_its_teller_not_believed_for_a_while(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    size_t size = claim_by(2, SWIM_ALIVE, 5, "name", bytes);
    bytes[size - 1] ^= 1;
    hear_claim(bench, 1, bytes, size);
    assert_false(known(bench, 2));
    assert_int_equal(stats_of(bench).forged_count, 1);
    bytes[size - 1] ^= 1;
    hear_claim(bench, 1, bytes, size);
    assert_false(known(bench, 2));
    tick(bench, MUTE_MS);
    hear_claim(bench, 1, bytes, size);
    assert_true(known(bench, 2));
}

static void packets_of_other_versions_are_refused(void **state)
{
    struct bench *bench = *state;
    struct node_id from = id_of(1);
    static const uint8_t version_9[] = {0x08, 9, 0x10, 9, 0x18, 9};
    swim_receive(bench->swim, NOW, &from, version_9, sizeof(version_9));
    swim_receive(bench->swim, NOW, &from, version_9, 2);
    swim_receive(bench->swim, NOW, &from, version_9, 0);
    assert_int_equal(stats_of(bench).refused_count, 3);
    drain(bench);
    assert_int_equal(bench->seen.sends, 0);
}

static void oversize_and_malformed_messages_are_counted_and_change_nothing(void **state)
{
    struct bench *bench = *state;
    struct node_id from = id_of(1);
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
        told += bench->seen.own_claim;
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

static void sends_that_nobody_drains_are_bounded(void **state)
{
    struct bench *bench = *state;
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    uint8_t bytes[64];
    struct node_id from = id_of(1);
    bench->swim->config.orders_max = 64;
    packet.version = packet.version_min = packet.version_max = 1;
    packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.ping = &ping;
    size_t size = ecbak__gossip__packet__pack(&packet, bytes);
    for (unsigned i = 0; i < 100; i++)
        swim_receive(bench->swim, NOW, &from, bytes, size);
    assert_int_equal(stats_of(bench).dropped_count, 36);
    drain(bench);
    assert_int_equal(bench->seen.sends, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_cut_of_a_claim_is_refused),
        TEST(a_claim_is_laid_out_as_documented),
        TEST(a_forged_claim_is_refused_and_its_teller_not_believed_for_a_while),
        TEST(packets_of_other_versions_are_refused),
        TEST(oversize_and_malformed_messages_are_counted_and_change_nothing),
        TEST(a_member_that_asks_without_end_gets_few_answers),
        TEST(a_member_that_pings_without_end_does_not_use_up_rumours),
        TEST(a_member_that_changes_without_end_is_taken_a_few_times_a_second),
        TEST(one_accuser_makes_us_doubt_ourselves_once_a_minute),
        TEST(sends_that_nobody_drains_are_bounded),
    };
    return cmocka_run_group_tests_name("unit_gossip_hostile", tests, NULL, NULL);
}
