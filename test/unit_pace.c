/* When a fragment under way counts as late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/placement/pace.h"

static void the_first_has_its_own_time(void **state)
{
    (void)state;
    struct pace pace = {.first_ms = 700, .factor = 3, .least_ms = 250};
    assert_int_equal(pace_late_ms(&pace), 700);
    pace_took(&pace, 2000);
    assert_int_equal(pace_late_ms(&pace), 6000);
}

static void the_quick_are_not_held_to_milliseconds(void **state)
{
    (void)state;
    struct pace pace = {.first_ms = 700, .factor = 3, .least_ms = 250};
    for (int i = 0; i < 10; i++)
        pace_took(&pace, 1);
    assert_int_equal(pace_late_ms(&pace), 250);
}

/* Of whatever order they come in; a mean would let two slow ones excuse all others. */
static void a_few_slow_ones_do_not_make_the_pace(void **state)
{
    (void)state;
    static const int64_t took_ms[] = {60000, 110, 90, 100, 60000};
    struct pace pace = {.first_ms = 700, .factor = 3, .least_ms = 250};
    for (size_t i = 0; i < sizeof(took_ms) / sizeof(took_ms[0]); i++)
        pace_took(&pace, took_ms[i]);
    assert_int_equal(pace_late_ms(&pace), 330);
}

static void more_than_there_is_room_for_do_not_count(void **state)
{
    (void)state;
    struct pace pace = {.first_ms = 700, .factor = 3, .least_ms = 250};
    for (int i = 0; i < RS_TOTAL_MAX; i++)
        pace_took(&pace, 1000);
    for (int i = 0; i < 2 * RS_TOTAL_MAX; i++)
        pace_took(&pace, 1);
    assert_int_equal(pace_late_ms(&pace), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_has_its_own_time),
        cmocka_unit_test(the_quick_are_not_held_to_milliseconds),
        cmocka_unit_test(a_few_slow_ones_do_not_make_the_pace),
        cmocka_unit_test(more_than_there_is_room_for_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
