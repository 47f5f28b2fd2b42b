/* A port is dialled: is it open to us, and whose is it? */
#include "test/transport_bench.h"

#include "node/net/dial.h"

static void dialling_proves_that_a_port_is_open_and_whose_it_is(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    char here[64], closed[64];
    snprintf(here, sizeof(here), "tcp://127.0.0.1:%u", a->config.bulk_port);
    snprintf(closed, sizeof(closed), "tcp://127.0.0.1:%u", free_port());
    struct dialled two[DIAL_MAX] = {{.endpoint = here}, {.endpoint = closed}};
    dial(two, DIAL_MAX, a->keys->curve_public, 3000);
    assert_true(two[0].reached);
    assert_false(two[1].reached);
    assert_string_equal(two[1].why, "the connection is refused");
    dial(two, 1, b->keys->curve_public, 1000);
    assert_false(two[0].reached);
    assert_string_equal(two[0].why, "something else answers there");
    struct dialled odd = {.endpoint = "tcp://no port"};
    dial(&odd, 1, a->keys->curve_public, 1000);
    assert_false(odd.reached);
    assert_int_equal(outcome((knows(a, b), a), b, CALL_MS, &ERR_INIT), ERR_NONE);
    node_free(a);
    node_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialling_proves_that_a_port_is_open_and_whose_it_is),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
