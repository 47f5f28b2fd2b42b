/* Distinct nodes with distinct rows: what losses of nodes are survived by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/placement/matching.h"

static void one_row_a_node_counts_each(void **state)
{
    (void)state;
    const struct row_at held[] = {{0, 3}, {1, 0}, {3, 2}};
    size_t node_of[4];
    assert_int_equal(matching(held, 3, 4, 5, node_of), 3);
    assert_int_equal(node_of[0], 3);
    assert_int_equal(node_of[1], 0);
    assert_true(node_of[2] == SIZE_MAX);
    assert_int_equal(node_of[3], 2);
}

static void two_rows_at_one_node_count_once(void **state)
{
    (void)state;
    const struct row_at held[] = {{0, 1}, {1, 1}, {2, 1}};
    size_t node_of[3];
    assert_int_equal(matching(held, 3, 3, 2, node_of), 1);
}

static void one_row_at_many_nodes_counts_once(void **state)
{
    (void)state;
    const struct row_at held[] = {{0, 0}, {0, 1}, {0, 2}};
    size_t node_of[2];
    assert_int_equal(matching(held, 3, 2, 3, node_of), 1);
}

/* Node 0 has rows 0 and 1, node 1 only row 0: taking the first that fits would count one. */
static void nodes_make_way_for_each_other(void **state)
{
    (void)state;
    const struct row_at held[] = {{0, 0}, {0, 1}, {1, 0}, {1, 2}, {2, 0}};
    size_t node_of[3];
    assert_int_equal(matching(held, 5, 3, 3, node_of), 3);
    assert_int_equal(node_of[0], 1);
    assert_int_equal(node_of[1], 2);
    assert_int_equal(node_of[2], 0);
}

static void rows_that_cannot_be_are_passed_over(void **state)
{
    (void)state;
    const struct row_at held[] = {{7, 0}};
    size_t node_of[3];
    assert_int_equal(matching(held, 1, 3, 1, node_of), 0);
    assert_int_equal(matching(NULL, 0, 3, 0, node_of), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_row_a_node_counts_each),
        cmocka_unit_test(two_rows_at_one_node_count_once),
        cmocka_unit_test(one_row_at_many_nodes_counts_once),
        cmocka_unit_test(nodes_make_way_for_each_other),
        cmocka_unit_test(rows_that_cannot_be_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
