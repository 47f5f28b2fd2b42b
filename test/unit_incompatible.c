/* The list of those who are heard of and speak no version that we speak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/membership/incompatible.h"

static struct member incompatible_of(unsigned number)
{
    struct member member = {.protocol = {2, 2}, .since_s = 5};
    member.cert.node.bytes[0] = (uint8_t)number;
    return member;
}

static void those_who_are_incompatible_are_news_once_and_forgotten_in_time(void **state)
{
    (void)state;
    static struct incompatible list;
    struct member member = incompatible_of(1);
    snprintf(member.address, sizeof(member.address), "192.0.2.1:7411");
    assert_true(incompatible_note(&list, &member, 1000));
    member.address[0] = '\0';
    assert_false(incompatible_note(&list, &member, 2000));
    assert_string_equal(list.members[0].address, "192.0.2.1:7411");
    assert_int_equal(list.members[0].state, MEMBER_INCOMPATIBLE);
    member.protocol.highest = 3;
    assert_true(incompatible_note(&list, &member, 3000));
    for (unsigned i = 2; i < 100; i++) {
        member = incompatible_of(i);
        assert_int_equal(incompatible_note(&list, &member, 4000), i <= INCOMPATIBLE_MAX);
    }
    assert_int_equal(list.count, INCOMPATIBLE_MAX);
    incompatible_remove(&list, &member.cert.node); /* is not in it */
    assert_int_equal(list.count, INCOMPATIBLE_MAX);
    assert_false(incompatible_expire(&list, 2999 + INCOMPATIBLE_MS));
    assert_true(incompatible_expire(&list, 3000 + INCOMPATIBLE_MS));
    assert_int_equal(list.count, INCOMPATIBLE_MAX - 1);
    member = incompatible_of(7);
    incompatible_remove(&list, &member.cert.node);
    assert_true(incompatible_note(&list, &member, 5000));
    assert_true(incompatible_expire(&list, 4000 + INCOMPATIBLE_MS));
    assert_int_equal(list.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_are_incompatible_are_news_once_and_forgotten_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
