/* The table of members: estimated distances, and how many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/membership/membership_internal.h"

static struct member measured(const char *zone, double rtt_ms)
{
    struct member member = {.rtt_ms = rtt_ms};
    snprintf(member.cert.zone, sizeof(member.cert.zone), "%s", zone);
    return member;
}

static void who_was_never_measured_is_as_far_as_the_others_of_its_zone(void **state)
{
    (void)state;
    struct member members[] = {
        measured("here", -1), measured("far", 80),     measured("here", 3),
        measured("far", -1),  measured("here", -1),    measured("far", 70),
        measured("here", 1),  measured("nowhere", -1), measured("far", 900),
    };
    members[0].self = true;
    member_table_estimate(members, sizeof(members) / sizeof(members[0]));
    assert_true(members[3].rtt_estimated && members[3].rtt_ms > 79 && members[3].rtt_ms < 81);
    assert_true(members[4].rtt_estimated && members[4].rtt_ms > 2 && members[4].rtt_ms < 4);
    assert_true(!members[1].rtt_estimated && members[1].rtt_ms > 79);
    assert_true(!members[7].rtt_estimated && members[7].rtt_ms < 0);
    assert_true(!members[0].rtt_estimated && members[0].rtt_ms < 0); /* this node itself */
    member_table_estimate(NULL, 0);
}

static void who_is_away_is_known_and_not_alive_and_who_is_out_is_neither(void **state)
{
    (void)state;
    struct member members[] = {{.state = MEMBER_ALIVE, .self = true},
                               {.state = MEMBER_ALIVE},
                               {.state = MEMBER_ALIVE, .away = true},
                               {.state = MEMBER_SUSPECT},
                               {.state = MEMBER_DEAD},
                               {.state = MEMBER_LEFT},
                               {.state = MEMBER_REVOKED},
                               {.state = MEMBER_REVOKED, .away = true}};
    const struct member_table table = {.members = members,
                                       .count = sizeof(members) / sizeof(members[0])};
    uint32_t known, alive;
    member_table_count(&table, &known, &alive);
    assert_int_equal(known, 5);
    assert_int_equal(alive, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_never_measured_is_as_far_as_the_others_of_its_zone),
        cmocka_unit_test(who_is_away_is_known_and_not_alive_and_who_is_out_is_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
