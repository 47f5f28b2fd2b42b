/* A node's description of itself, as others are told it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "node/membership/meta.h"

static void a_description_is_bounded(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct node_meta meta = {.certificate_size = CERT_BYTES_MAX,
                             .offer = {UINT64_MAX, UINT64_MAX, UINT64_MAX}},
                     got;
    uint8_t bytes[META_BYTES_MAX + 1] = {0};
    size_t size;
    assert_int_equal(
        endpoint_parse(&meta.bulk, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", &err), 0);
    memset(meta.rival, 'r', sizeof(meta.rival) - 1);
    memset(meta.version, 'v', sizeof(meta.version) - 1);
    assert_int_equal(meta_encode(&meta, bytes, &size, &err), 0);
    assert_int_equal(meta_decode(&got, bytes, size, &err), 0);
    assert_memory_equal(&got, &meta, sizeof(got));
    assert_int_equal(meta_decode(&got, bytes, META_BYTES_MAX + 1, &err), -1);
    for (size_t cut = 1; cut < size; cut++) /* whatever is cut off: an answer, and no crash */
        if (meta_decode(&got, bytes, cut, &err) == 0)
            assert_true(got.certificate_size <= CERT_BYTES_MAX);
    const uint8_t newline[] = {0x12, 2, 'a', '\n'};
    assert_int_equal(meta_decode(&got, newline, sizeof(newline), &err), -1);
}

/* The name server would be asked on whose word? Somebody else's. */
static void an_address_that_is_a_name_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct node_meta got;
    const uint8_t bulk[] = "\x12\x0e"
                           "evil.test:7411";
    assert_int_equal(meta_decode(&got, bulk, sizeof(bulk) - 1, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "evil.test:7411"));
    const uint8_t bracketed[] = "\x12\x10"
                                "[evil.test]:7411";
    assert_int_equal(meta_decode(&got, bracketed, sizeof(bracketed) - 1, &err), -1);
    const uint8_t nowhere[] = "\x12\x09"
                              "0.0.0.0:1";
    assert_int_equal(meta_decode(&got, nowhere, sizeof(nowhere) - 1, &err), 0);
    assert_false(endpoint_known(&got.bulk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_is_bounded),
        cmocka_unit_test(an_address_that_is_a_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
