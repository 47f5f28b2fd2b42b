/* The ring of the newest events: what a watcher gets that asks for those after a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/membership/member_events.h"

#define START_MS 1700000000000

static struct member_events *ring;
static struct member_event got[MEMBER_EVENTS_MAX];

static int setup(void **state)
{
    (void)state;
    ring = calloc(1, sizeof(*ring));
    member_events_init(ring, START_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(ring);
    return 0;
}

static void add(int from, int to)
{
    for (int i = from; i <= to; i++) {
        struct member_event event = {.kind = "joined", .time_ms = i};
        snprintf(event.name, sizeof(event.name), "node-%d", i);
        member_events_add(ring, &event);
    }
}

static void an_empty_ring_has_nothing(void **state)
{
    (void)state;
    assert_int_equal(member_events_after(ring, 0, MEMBER_EVENTS_MAX, got), 0);
    assert_int_equal(member_events_after(ring, UINT64_MAX, MEMBER_EVENTS_MAX, got), 0);
}

static void events_come_in_order_and_once(void **state)
{
    (void)state;
    add(1, 3);
    assert_int_equal(member_events_after(ring, 0, MEMBER_EVENTS_MAX, got), 3);
    assert_string_equal(got[0].name, "node-1");
    assert_string_equal(got[2].name, "node-3");
    assert_int_equal(got[1].number, got[0].number + 1);
    assert_int_equal(got[2].number, ring->newest);
    assert_int_equal(member_events_after(ring, got[1].number, MEMBER_EVENTS_MAX, got), 1);
    assert_string_equal(got[0].name, "node-3");
    assert_int_equal(member_events_after(ring, ring->newest, MEMBER_EVENTS_MAX, got), 0);
}

static void of_too_many_the_newest_are_kept(void **state)
{
    (void)state;
    add(1, 3 * MEMBER_EVENTS_MAX + 7);
    assert_int_equal(member_events_after(ring, 0, MEMBER_EVENTS_MAX, got), MEMBER_EVENTS_MAX);
    for (int i = 0; i < MEMBER_EVENTS_MAX; i++)
        assert_int_equal(got[i].time_ms, 2 * MEMBER_EVENTS_MAX + 8 + i);
    /* also for one who was last here when these had not happened */
    assert_int_equal(member_events_after(ring, ring->first, MEMBER_EVENTS_MAX, got),
                     MEMBER_EVENTS_MAX);
}

static void the_newest_are_given_when_few_are_wanted(void **state)
{
    (void)state;
    add(1, 20);
    assert_int_equal(member_events_after(ring, 0, 2, got), 2);
    assert_string_equal(got[0].name, "node-19");
    assert_string_equal(got[1].name, "node-20");
    assert_int_equal(member_events_after(ring, 0, 0, got), 0);
}

static void who_watched_an_earlier_run_gets_all_of_this_one(void **state)
{
    (void)state;
    add(1, 5);
    uint64_t seen = ring->newest;
    member_events_init(ring, START_MS + 1); /* the node is back a moment later */
    assert_true(ring->newest > seen);
    add(6, 7);
    assert_int_equal(member_events_after(ring, seen, MEMBER_EVENTS_MAX, got), 2);
    assert_string_equal(got[0].name, "node-6");
    member_events_init(ring, START_MS - 3600000); /* back, and its clock was set back */
    add(8, 9);
    assert_int_equal(member_events_after(ring, seen, MEMBER_EVENTS_MAX, got), 2);
    assert_string_equal(got[0].name, "node-8");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_ring_has_nothing),
        TEST(events_come_in_order_and_once),
        TEST(of_too_many_the_newest_are_kept),
        TEST(the_newest_are_given_when_few_are_wanted),
        TEST(who_watched_an_earlier_run_gets_all_of_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
