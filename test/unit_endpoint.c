/* Addresses in digits, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <zmq.h>

#include "node/common/endpoint.h"

static void an_address_in_digits_has_one_text(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"192.0.2.1:7411", "tcp://192.0.2.1:7411"},
        {"192.0.2.1:07411", "tcp://192.0.2.1:7411"},
        {"[2001:db8::1]:65535", "tcp://[2001:db8::1]:65535"},
        {"[2001:0DB8:0:0::1]:1", "tcp://[2001:db8::1]:1"},
        {"[::ffff:192.0.2.1]:7411", "tcp://192.0.2.1:7411"},
        {"0.0.0.0:7411", ""},
        {"[::]:7411", ""},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct endpoint endpoint;
        struct err err = ERR_INIT;
        assert_int_equal(endpoint_parse(&endpoint, good[i][0], &err), 0);
        assert_string_equal(endpoint.text, good[i][1]);
        assert_int_equal(endpoint_known(&endpoint), good[i][1][0] != '\0');
    }
}

static void names_and_what_libzmq_would_take_besides_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "localhost:7411",
        "[localhost]:7411",
        "evil.test:7411",
        "[evil.test]:7411",
        "lo:7411",
        "127.1:7411",
        "0x7f000001:7411",
        "2130706433:7411",
        "192.0.2.1",
        "192.0.2.1:",
        ":7411",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:+1",
        "192.0.2.1: 1",
        "192.0.2.1:*",
        "*:7411",
        "::1:7411",
        "[::1:7411",
        "::1]:7411",
        "[]:7411",
        "[192.0.2.1]:7411",
        "",
        "[fe80::1%eth0]:7411",
        "192.0.2.9:1;192.0.2.1:7411",
        "tcp://192.0.2.1:7411",
        "192.0.2.1:7411 ",
        "[::1]x:7411",
        "999.0.2.1:7411",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct endpoint endpoint;
        struct err err = ERR_INIT;
        if (endpoint_parse(&endpoint, bad[i], &err) == 0)
            fail_msg("%s is taken as %s", bad[i], endpoint.text);
        assert_int_equal(err.code, ERR_INVALID);
        assert_false(endpoint_known(&endpoint));
    }
}

static void a_connection_comes_from_an_endpoint_or_not(void **state)
{
    (void)state;
    struct endpoint v4, v6, loopback, nowhere = {{0}};
    struct err err = ERR_INIT;
    assert_int_equal(endpoint_parse(&v4, "192.0.2.1:7411", &err), 0);
    assert_int_equal(endpoint_parse(&v6, "[2001:db8::1]:7411", &err), 0);
    assert_true(endpoint_is_at(&v4, "192.0.2.1"));
    assert_true(endpoint_is_at(&v4, "::ffff:192.0.2.1"));
    assert_true(endpoint_is_at(&v6, "2001:db8:0::1"));
    assert_false(endpoint_is_at(&v4, "192.0.2.2"));
    assert_false(endpoint_is_at(&v6, "2001:db8::2"));
    assert_false(endpoint_is_at(&v6, "192.0.2.1"));
    assert_false(endpoint_is_at(&v4, ""));
    assert_false(endpoint_is_at(&nowhere, "0.0.0.0"));
    assert_false(endpoint_is_loopback(&v4) || endpoint_is_loopback(&v6));
    assert_false(endpoint_is_loopback(&nowhere));
    assert_int_equal(endpoint_parse(&loopback, "127.0.1.1:7411", &err), 0);
    assert_true(endpoint_is_loopback(&loopback));
    assert_int_equal(endpoint_parse(&loopback, "[::1]:7411", &err), 0);
    assert_true(endpoint_is_loopback(&loopback));
    v4 = endpoint_on_port(&v4, 1);
    assert_string_equal(endpoint_address(&v4), "192.0.2.1:1");
    nowhere = endpoint_on_port(&nowhere, 1);
    assert_false(endpoint_known(&nowhere));
}

static void each_line_to_a_place_has_a_text_of_its_own(void **state)
{
    (void)state;
    struct endpoint place, last;
    struct err err = ERR_INIT;
    assert_int_equal(
        endpoint_parse(&place, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", &err), 0);
    last = endpoint_line(&place, 0);
    assert_true(endpoint_equal(&last, &place));
    for (unsigned line = 1; line < ENDPOINT_LINES; line++) {
        struct endpoint next = endpoint_line(&place, line);
        assert_int_equal(strlen(next.text), strlen(place.text) + line);
        assert_string_equal(strrchr(next.text, '0') + 1, "65535");
    }
}

static void sockets_listen_at_digits_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
    assert_int_equal(endpoint_bind(socket, "127.0.0.1:0", &err), 0);
    assert_int_equal(endpoint_bind(socket, "0.0.0.0:0", &err), 0);
    assert_int_equal(endpoint_bind(socket, "localhost:0", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(endpoint_connect_here(socket, "tcp://localhost:7411"), -1);
    assert_int_equal(endpoint_bind_here(socket, "tcp://localhost:7411"), -1);
    zmq_close(socket);
    zmq_ctx_term(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_in_digits_has_one_text),
        cmocka_unit_test(names_and_what_libzmq_would_take_besides_are_refused),
        cmocka_unit_test(a_connection_comes_from_an_endpoint_or_not),
        cmocka_unit_test(each_line_to_a_place_has_a_text_of_its_own),
        cmocka_unit_test(sockets_listen_at_digits_alone),
    };
    return cmocka_run_group_tests_name("unit_endpoint", tests, NULL, NULL);
}
