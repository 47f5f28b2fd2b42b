/* Who is in the roster, by whose word, and for how long it is remembered. */
#include "test/gossip_bench.h"

static void a_member_enters_by_its_own_claim(void **state)
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

static bool admit_nobody(void *context, const struct node_id *id, const char *name,
                         const char *address, const uint8_t *metadata, size_t size)
{
    (void)context, (void)id, (void)name, (void)address, (void)metadata, (void)size;
    return false;
}

static void who_is_not_admitted_stays_out(void **state)
{
    struct bench *bench = *state;
    bench->swim->ops.admit = admit_nobody;
    hear(bench, 1, SWIM_ALIVE, 1);
    assert_false(known(bench, 1));
    assert_int_equal(stats_of(bench).forged_count, 1);
}

static void expel(struct bench *bench, unsigned number)
{
    struct node_id id = id_of(number);
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
        struct node_id id = id_of(1);
        assert_false(bench->seen.pings > 0 && id_equal(&bench->seen.pinged, &id));
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

static void who_left_itself_is_no_tombstone_to_give_up(void **state)
{
    struct bench *bench = *state;
    swim_destroy(&bench->swim);
    bench->config.members_max = 2;
    start(bench, 0);
    hear(bench, 1, SWIM_ALIVE, 1);
    swim_leave(bench->swim, bench->now_ms);
    hear(bench, 2, SWIM_ALIVE, 1);
    assert_true(known(bench, 0));
    assert_true(known(bench, 1));
    assert_false(known(bench, 2));
}

static void a_second_member_of_one_name_is_reported(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear_claim(bench, 2, bytes, claim_by(2, SWIM_ALIVE, 1, "m1", bytes));
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 1);
    hear(bench, 3, SWIM_ALIVE, 1);
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 0);
}

static void a_changed_address_is_an_update(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear(bench, 1, SWIM_ALIVE, 2);
    assert_int_equal(bench->seen.events[SWIM_EVENT_UPDATED], 0);
    hear_claim(bench, 1, bytes, claim_by(1, SWIM_ALIVE, 3, "elsewhere", bytes));
    assert_int_equal(bench->seen.events[SWIM_EVENT_UPDATED], 1);
    assert_string_equal(member_of(bench, 1).address, "elsewhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_member_enters_by_its_own_claim),
        TEST(nothing_older_or_equal_revives_who_left),
        TEST(who_is_not_admitted_stays_out),
        TEST(who_is_expelled_is_out_at_once_and_stays_out_while_not_admitted),
        TEST(expelling_a_suspect_a_stranger_or_ourselves_is_harmless),
        TEST(who_left_before_we_knew_it_is_not_added),
        TEST(a_tombstone_is_forgotten_in_its_time_and_not_before),
        TEST(a_full_table_gives_up_tombstones_but_no_living_member),
        TEST(who_left_itself_is_no_tombstone_to_give_up),
        TEST(a_second_member_of_one_name_is_reported),
        TEST(a_changed_address_is_an_update),
    };
    return cmocka_run_group_tests_name("unit_gossip_members", tests, NULL, NULL);
}
