/* From whom rows are fetched first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "node/placement/ranking.h"

enum { DATA, PARITY };

/* Each before the next. */
static void assert_order(const int *ranks, size_t count)
{
    for (size_t i = 1; i < count; i++)
        assert_true(ranks[i - 1] < ranks[i]);
}

static void own_rows_then_standing_then_distance_then_data(void **state)
{
    (void)state;
    const int ranks[] = {
        ranking(STANDING_SELF, -1, DATA),         ranking(STANDING_SELF, -1, PARITY),
        ranking(STANDING_GOOD, 0.3, DATA),        ranking(STANDING_GOOD, 0.3, PARITY),
        ranking(STANDING_GOOD, 3, DATA),          ranking(STANDING_GOOD, 3, PARITY),
        ranking(STANDING_GOOD, 80, DATA),         ranking(STANDING_GOOD, 80, PARITY),
        ranking(STANDING_GOOD, 400, DATA),        ranking(STANDING_DOUBTFUL, 0.1, DATA),
        ranking(STANDING_DOUBTFUL, 9000, PARITY), ranking(STANDING_DEAD, 0.1, DATA),
    };
    assert_order(ranks, sizeof(ranks) / sizeof(ranks[0]));
}

static void noise_changes_no_order(void **state)
{
    (void)state;
    int near = ranking(STANDING_GOOD, 0, DATA);
    assert_int_equal(ranking(STANDING_GOOD, 0.9, DATA), near);
    assert_int_equal(ranking(STANDING_GOOD, 1.9, DATA), near);
    assert_int_equal(ranking(STANDING_GOOD, -1, DATA), near); /* nothing is known against it */
    assert_int_equal(ranking(STANDING_GOOD, 70, DATA), ranking(STANDING_GOOD, 100, DATA));
    assert_int_equal(ranking(STANDING_SELF, 500, DATA), ranking(STANDING_SELF, -1, DATA));
}

static void the_farthest_stays_in_its_standing(void **state)
{
    (void)state;
    int last = ranking(STANDING_GOOD, 1e12, PARITY);
    assert_true(last < ranking(STANDING_DOUBTFUL, 0, DATA));
    assert_int_equal(ranking(STANDING_GOOD, INFINITY, PARITY), last);
    assert_int_equal(ranking(STANDING_GOOD, NAN, DATA), ranking(STANDING_GOOD, 0, DATA));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_rows_then_standing_then_distance_then_data),
        cmocka_unit_test(noise_changes_no_order),
        cmocka_unit_test(the_farthest_stays_in_its_standing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
