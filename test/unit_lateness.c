/* Late messages are told from fresh ones without a common clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/net/lateness.h"

static void a_late_message_is_told_from_a_fresh_one(void **state)
{
    (void)state;
    struct lateness l = {0};
    assert_false(lateness_check(&l, 1000000, 5000, 500));
    assert_false(lateness_check(&l, 1001000, 6000, 500));
    assert_false(lateness_check(&l, 1002400, 7000, 500)); /* 400 ms on its way */
    assert_true(lateness_check(&l, 1009000, 8000, 500));  /* 6 s: queued somewhere */
    assert_true(lateness_check(&l, 1009001, 9000, 500));
    assert_false(lateness_check(&l, 1009002, 14000, 500)); /* the queue is empty again */
    assert_false(lateness_check(&l, 1009003, 8000, 0));    /* never late */
    /* The sender's clock stood still for an hour, for good. */
    assert_true(lateness_check(&l, 4610000, 15000, 500));
    assert_true(lateness_check(&l, 4611000, 16000, 500));
    assert_false(lateness_check(&l, 4612100, 17100, 500));
    assert_false(lateness_check(&l, 4613000, 18000, 500));
    assert_true(lateness_check(&l, 4613000, INT64_MIN, 500)); /* hostile stamps */
    assert_true(lateness_check(&l, 4613000, INT64_MAX, 500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_message_is_told_from_a_fresh_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
