/* What a core says of itself: incarnations, refutations of its own past, leaving, standing still. */
#include "test/gossip_bench.h"

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
    uint8_t bytes[SWIM_CLAIM_MAX];
    hear(bench, 1, SWIM_ALIVE, 1);
    hear_claim(bench, 1, bytes, claim_by(0, SWIM_ALIVE, 57, "ours", bytes));
    assert_int_equal(own_incarnation(bench), 58);
    assert_int_equal(bench->seen.events[SWIM_EVENT_CONFLICT], 0);
}

static void a_clone_of_ourselves_is_reported(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[SWIM_CLAIM_MAX];
    unsigned conflicts = 0;
    hear(bench, 1, SWIM_ALIVE, 1);
    for (unsigned i = 1; i <= 4; i++) {
        size_t size = claim_by(0, SWIM_ALIVE, own_incarnation(bench) + 1, "ours", bytes);
        hear_claim(bench, 1, bytes, size);
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
    assert_true(bench->seen.own_claim);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_stored_incarnation_is_continued),
        TEST(a_lost_incarnation_is_found_again),
        TEST(a_clone_of_ourselves_is_reported),
        TEST(the_highest_incarnation_does_not_wrap),
        TEST(leaving_is_said_at_once_and_not_taken_back),
        TEST(new_metadata_is_announced_with_a_new_incarnation),
        TEST(a_standstill_of_ours_is_not_held_against_others),
    };
    return cmocka_run_group_tests_name("unit_gossip_self", tests, NULL, NULL);
}
