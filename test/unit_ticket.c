/* Tickets: their bytes, what copying may do to them, and their dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/admit/ticket.h"

static struct ticket sample(void)
{
    struct ticket t = {.made_s = 1700000000, .expires_s = 1700003600, .address_count = 2};
    memset(t.authority, 0x11, sizeof(t.authority));
    memset(t.curve, 0x22, sizeof(t.curve));
    memset(t.token, 0x33, sizeof(t.token));
    snprintf(t.name, sizeof(t.name), "attic");
    snprintf(t.addresses[0], TICKET_ADDRESS_SIZE, "192.0.2.10:7413");
    snprintf(t.addresses[1], TICKET_ADDRESS_SIZE, "[2001:db8::1]:7413");
    return t;
}

static void the_text_of_a_ticket_is_settled(void **state)
{
    (void)state;
    struct ticket t = sample(), back;
    struct err err = ERR_INIT;
    char line[TICKET_ARMOR_MAX];
    assert_int_equal(ticket_armor(line, &t, &err), 0);
    assert_string_equal(
        line, "ecbak-ticket-1:RVRLVAEAAgARERERERERERERERERERERERERERERERERERERERERESIiIiIiIiIiI"
              "iIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiMzMzMzMzMzMzMzMzMzMzMwDxU2UAAAAAEP9TZQAAAAAFYXR0a"
              "WMADzE5Mi4wLjIuMTA6NzQxMxJbMjAwMTpkYjg6OjFdOjc0MTOr8x2UBBvc0g==");
    assert_int_equal(ticket_unarmor(&back, line, &err), 0);
    assert_memory_equal(&back, &t, sizeof(t));
}

static void the_largest_ticket_fits(void **state)
{
    (void)state;
    struct ticket t = sample(), back;
    struct err err = ERR_INIT;
    char line[TICKET_ARMOR_MAX];
    t.address_count = TICKET_ADDRESSES_MAX;
    memset(t.name, 'n', CERT_NAME_MAX);
    memset(t.zone, 'z', CERT_NAME_MAX);
    for (size_t i = 0; i < TICKET_ADDRESSES_MAX; i++)
        memset(t.addresses[i], 'a', TICKET_ADDRESS_SIZE - 1);
    assert_int_equal(ticket_armor(line, &t, &err), 0);
    assert_int_equal(ticket_unarmor(&back, line, &err), 0);
    assert_memory_equal(&back, &t, sizeof(t));
    t.address_count = 0;
    assert_int_equal(ticket_armor(line, &t, NULL), -1);
}

/* Else the machine that joins would be told that its ticket has a mistake in it. */
static void an_address_that_no_ticket_can_carry_is_refused_when_it_is_made(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "192.0.2.10 :7413", "b\xc3\xbcro:7413", "a\tb:1"};
    struct err err = ERR_INIT;
    char line[TICKET_ARMOR_MAX];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ticket t = sample();
        snprintf(t.addresses[1], TICKET_ADDRESS_SIZE, "%s", bad[i]);
        assert_int_equal(ticket_armor(line, &t, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
}

static void what_was_cut_or_mistyped_is_no_ticket(void **state)
{
    (void)state;
    struct ticket t = sample(), back;
    struct err err = ERR_INIT;
    char line[TICKET_ARMOR_MAX], bad[TICKET_ARMOR_MAX];
    assert_int_equal(ticket_armor(line, &t, &err), 0);
    size_t length = strlen(line);
    for (size_t cut = 0; cut < length; cut++) {
        snprintf(bad, sizeof(bad), "%.*s", (int)cut, line);
        assert_int_equal(ticket_unarmor(&back, bad, &err), -1);
        assert_true(err.code == ERR_KEY || err.code == ERR_VERSION);
    }
    for (size_t i = strlen("ecbak-ticket-1:"); i < length; i++) {
        snprintf(bad, sizeof(bad), "%s", line);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        assert_int_equal(ticket_unarmor(&back, bad, &err), -1);
        assert_int_equal(err.code, ERR_KEY);
    }
    assert_int_equal(ticket_unarmor(&back, "ecbak-ticket-2:AAAA", &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
}

static void its_dates_are_held_against_this_machines_clock(void **state)
{
    (void)state;
    struct ticket t = sample();
    struct err err = ERR_INIT;
    assert_int_equal(ticket_check_dates(&t, t.made_s, &err), 0);
    assert_int_equal(ticket_check_dates(&t, t.made_s - CERT_SLACK_S, &err), 0);
    assert_int_equal(ticket_check_dates(&t, t.expires_s, &err), 0);
    assert_int_equal(ticket_check_dates(&t, t.expires_s + 1, &err), -1);
    assert_int_equal(err.code, ERR_KEY);
    assert_int_equal(ticket_check_dates(&t, t.made_s - CERT_SLACK_S - 1, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "clock"));
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_a_ticket_is_settled),
        cmocka_unit_test(the_largest_ticket_fits),
        cmocka_unit_test(an_address_that_no_ticket_can_carry_is_refused_when_it_is_made),
        cmocka_unit_test(what_was_cut_or_mistyped_is_no_ticket),
        cmocka_unit_test(its_dates_are_held_against_this_machines_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
