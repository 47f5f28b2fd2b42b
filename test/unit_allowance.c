/* How much each node may bring in a while: so much at once, then at a rate; each its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "node/base/allowance.h"

#define HOUR_MS 3600000

static void a_node_has_so_much_at_once_and_gets_it_back_by_the_hour(void **state)
{
    (void)state;
    struct node_id greedy = {{1}}, modest = {{2}};
    struct allowance *allowance;
    allowance_new(&allowance, 1000, 100);
    for (int i = 0; i < 10; i++)
        assert_true(allowance_take(allowance, &greedy, 100, 0));
    assert_false(allowance_take(allowance, &greedy, 1, 0));
    assert_true(allowance_take(allowance, &modest, 1000, 0));
    assert_false(allowance_take(allowance, &greedy, 51, HOUR_MS / 2));
    assert_true(allowance_take(allowance, &greedy, 49, HOUR_MS / 2));
    /* What is not used does not pile up beyond what may be brought at once. */
    assert_false(allowance_take(allowance, &greedy, 1001, (int64_t)1000 * HOUR_MS));
    assert_true(allowance_take(allowance, &greedy, 1000, (int64_t)1000 * HOUR_MS));
    allowance_destroy(&allowance);
    assert_null(allowance);
}

static void whoever_has_used_most_is_not_forgotten(void **state)
{
    (void)state;
    struct node_id greedy = {{0xff}};
    struct allowance *allowance;
    allowance_new(&allowance, 1000, 100);
    assert_true(allowance_take(allowance, &greedy, 1000, 0));
    for (uint32_t i = 0; i < 2 * ALLOWANCE_NODES_MAX; i++) {
        struct node_id node = {{0, 0, 0, 0, 1}};
        memcpy(node.bytes, &i, sizeof(i));
        assert_true(allowance_take(allowance, &node, 1, 0));
    }
    assert_false(allowance_take(allowance, &greedy, 1, 0));
    allowance_destroy(&allowance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_has_so_much_at_once_and_gets_it_back_by_the_hour),
        cmocka_unit_test(whoever_has_used_most_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
