/* Zones that a machine finds out by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "node/base/zone.h"

static const char *zone_with(const char *tag, const char *uuid, bool in_container, const char *boot,
                             const char *machine)
{
    static char zone[CERT_NAME_MAX + 1];
    struct zone_hints hints = {.in_container = in_container};
    snprintf(hints.product_uuid, sizeof(hints.product_uuid), "%s", uuid);
    snprintf(hints.asset_tag, sizeof(hints.asset_tag), "%s", tag);
    snprintf(hints.boot_id, sizeof(hints.boot_id), "%s", boot);
    snprintf(hints.machine_id, sizeof(hints.machine_id), "%s", machine);
    zone_from_hints(zone, &hints);
    return zone;
}

static const char *zone_of(const char *tag, bool in_container, const char *boot,
                           const char *machine)
{
    return zone_with(tag, "", in_container, boot, machine);
}

static void what_the_operator_wrote_comes_first(void **state)
{
    (void)state;
    assert_string_equal(zone_of("ecbak-zone:rack-7", true, "b", "m"), "rack-7");
    assert_string_equal(zone_of("ecbak-zone:a b", false, "", ""), "default"); /* no name */
    assert_string_equal(zone_of("Default string", false, "", ""), "default");
}

static void containers_of_one_host_are_one_zone(void **state)
{
    (void)state;
    char first[CERT_NAME_MAX + 1];
    snprintf(first, sizeof(first), "%s", zone_of("", true, "boot-1", "machine-1"));
    assert_int_equal(strncmp(first, "host-", 5), 0);
    assert_int_equal(strlen(first), 5 + 8);
    assert_string_equal(zone_of("", true, "boot-1", "machine-2"), first);
    assert_string_not_equal(zone_of("", true, "boot-2", "machine-1"), first);
}

#define UUID "4c4c4544-0051-3510-8052-b4c04f4d3132"

static void a_host_and_its_containers_are_one_zone_whenever_it_was_started(void **state)
{
    (void)state;
    char host[CERT_NAME_MAX + 1];
    snprintf(host, sizeof(host), "%s", zone_with("", UUID, false, "boot-1", "machine-1"));
    assert_string_equal(host, "host-62ff68c0"); /* it is in certificates, so it stays */
    assert_string_equal(zone_with("", UUID, true, "boot-1", "machine-2"), host);
    assert_string_equal(zone_with("", UUID, true, "boot-2", "machine-3"), host);
    assert_string_equal(
        zone_with("", "4C4C4544-0051-3510-8052-B4C04F4D3132", false, "", "machine-1"), host);
    assert_string_not_equal(
        zone_with("", "4c4c4544-0051-3510-8052-b4c04f4d3133", false, "", "machine-1"), host);
    assert_string_equal(zone_with("ecbak-zone:rack-7", UUID, false, "b", "m"), "rack-7");
}

static void what_a_vendor_left_as_it_was_makes_no_strangers_one_zone(void **state)
{
    (void)state;
    static const char *const left[] = {"00000000-0000-0000-0000-000000000000",
                                       "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
                                       "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                       "03000200-0400-0500-0006-000700080009",
                                       "00020003-0004-0005-0006-000700080009",
                                       "Not Settable",
                                       "To be filled by O.E.M.",
                                       "4c4c4544-0051-3510-8052-b4c04f4d313",
                                       "4c4c4544-0051-3510-8052-b4c04f4d31323",
                                       "-"};
    char machine[CERT_NAME_MAX + 1], container[CERT_NAME_MAX + 1];
    snprintf(machine, sizeof(machine), "%s", zone_of("", false, "boot-1", "machine-1"));
    snprintf(container, sizeof(container), "%s", zone_of("", true, "boot-1", "machine-1"));
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        assert_string_equal(zone_with("", left[i], false, "boot-1", "machine-1"), machine);
        assert_string_equal(zone_with("", left[i], true, "boot-1", "machine-1"), container);
    }
}

static void other_machines_are_zones_of_their_own(void **state)
{
    (void)state;
    char first[CERT_NAME_MAX + 1];
    snprintf(first, sizeof(first), "%s", zone_of("", false, "boot-1", "machine-1"));
    assert_int_equal(strncmp(first, "machine-", 8), 0);
    assert_string_equal(zone_of("", false, "boot-2", "machine-1"), first); /* started anew */
    assert_string_not_equal(zone_of("", false, "boot-1", "machine-2"), first);
    assert_string_equal(zone_of("", true, "", "machine-1"), first);
}

static void the_zone_of_this_machine_is_a_name(void **state)
{
    (void)state;
    char zone[CERT_NAME_MAX + 1], again[CERT_NAME_MAX + 1];
    zone_here(zone);
    zone_here(again);
    assert_true(cert_name_valid(zone));
    assert_string_equal(zone, again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_operator_wrote_comes_first),
        cmocka_unit_test(containers_of_one_host_are_one_zone),
        cmocka_unit_test(a_host_and_its_containers_are_one_zone_whenever_it_was_started),
        cmocka_unit_test(what_a_vendor_left_as_it_was_makes_no_strangers_one_zone),
        cmocka_unit_test(other_machines_are_zones_of_their_own),
        cmocka_unit_test(the_zone_of_this_machine_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
