/* Who failed, who lied, and what makes them be asked first again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/peers/health.h"

static const struct node_id node = {{1}}, other = {{2}};
static struct health *health;

static bool doubtful(uint64_t incarnation, int64_t now_ms)
{
    return health_doubtful(health, &node, incarnation, now_ms);
}

static int setup(void **state)
{
    (void)state;
    health_new(&health);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    health_destroy(&health);
    return 0;
}

static void doubt_grows_with_each_failure_and_is_forgotten_in_time(void **state)
{
    (void)state;
    int64_t now_ms = 1000000, doubt_ms = HEALTH_DOUBT_FIRST_MS;
    assert_false(doubtful(1, now_ms));
    for (int i = 0; i < 3; i++, doubt_ms *= 2) {
        health_failed(health, &node, 1, now_ms);
        health_failed(health, &node, 1, now_ms + 10); /* under way together: one failure */
        assert_true(doubtful(1, now_ms + doubt_ms - 1));
        assert_false(doubtful(1, now_ms + 10 + doubt_ms));
        assert_false(health_doubtful(health, &other, 1, now_ms));
        now_ms += 10 + doubt_ms;
    }
    now_ms += HEALTH_FORGET_MS;
    health_failed(health, &node, 1, now_ms);
    assert_true(doubtful(1, now_ms + HEALTH_DOUBT_FIRST_MS - 1));
    assert_false(doubtful(1, now_ms + HEALTH_DOUBT_FIRST_MS));
}

static void who_was_late_is_trusted_when_it_is_back_or_takes_or_gives(void **state)
{
    (void)state;
    health_failed(health, &node, 1, 0);
    assert_true(doubtful(1, 1));
    assert_false(doubtful(2, 1)); /* it was started anew */
    health_took(health, &node);
    assert_false(doubtful(1, 1));
    health_failed(health, &node, 1, 0);
    health_proved(health, &node);
    assert_false(doubtful(1, 1));
}

static void who_lied_is_trusted_when_it_proves_something(void **state)
{
    (void)state;
    health_lied(health, &node, 0);
    assert_true(doubtful(1, HEALTH_DOUBT_MOST_MS - 1));
    health_took(health, &node); /* a receipt costs nothing, */
    assert_true(doubtful(1, 1));
    assert_true(doubtful(2, 1)); /* nor does an incarnation */
    health_failed(health, &node, 2, 1);
    health_took(health, &node);
    assert_true(doubtful(2, 2));
    health_proved(health, &node);
    assert_false(doubtful(2, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(doubt_grows_with_each_failure_and_is_forgotten_in_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_late_is_trusted_when_it_is_back_or_takes_or_gives,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_lied_is_trusted_when_it_proves_something, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
