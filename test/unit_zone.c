/* Zones that a machine finds out by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "node/config/zone.h"

static const char *zone_with(const char *tag, const char *uuid, bool in_container, const char *boot,
                             const char *machine)
{
    static struct zone zone;
    struct zone_hints hints = {.in_container = in_container};
    snprintf(hints.product_uuid, sizeof(hints.product_uuid), "%s", uuid);
    snprintf(hints.asset_tag, sizeof(hints.asset_tag), "%s", tag);
    snprintf(hints.boot_id, sizeof(hints.boot_id), "%s", boot);
    snprintf(hints.machine_id, sizeof(hints.machine_id), "%s", machine);
    zone_from_hints(&zone, &hints);
    assert_string_not_equal(zone.why, "");
    return zone.name;
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

/* ---- virtual machines ---------------------------------------------------------------------- */

/* Of a VM whose hardware has an id of its own, as each has. */
static const struct zone *vm(const char *address, unsigned mask_bits, const char *uuid)
{
    static struct zone zone;
    struct zone_hints hints = {.in_vm = true, .boot_id = "boot-1", .machine_id = "machine-1"};
    snprintf(hints.product_uuid, sizeof(hints.product_uuid), "%s", uuid);
    if (inet_pton(AF_INET, address, hints.address.bytes) == 1)
        hints.address.size = 4;
    else if (inet_pton(AF_INET6, address, hints.address.bytes) == 1)
        hints.address.size = 16;
    hints.address.mask_bits = mask_bits;
    zone_from_hints(&zone, &hints);
    assert_int_equal(cert_zone_guessed(zone.name), 1);
    return &zone;
}

static void same_network(const char *one, unsigned one_bits, const char *other, unsigned other_bits,
                         bool same)
{
    struct zone first = *vm(one, one_bits, "");
    const struct zone *second = vm(other, other_bits, "");
    if ((strcmp(first.name, second->name) == 0) != same)
        fail_msg("%s/%u is %s (%s), %s/%u is %s (%s)", one, one_bits, first.name, first.why, other,
                 other_bits, second->name, second->why);
}

static void virtual_machines_of_one_network_are_one_zone(void **state)
{
    (void)state;
    struct zone first = *vm("192.168.122.10", 24, UUID);
    assert_string_equal(first.name, "lan-3fa774c4"); /* it is in certificates, so it stays */
    assert_non_null(strstr(first.why, "192.168.122.0/24"));
    assert_string_equal(vm("192.168.122.11", 24, "4c4c4544-0051-3510-8052-b4c04f4d3133")->name,
                        first.name);
    same_network("192.168.122.10", 24, "192.168.123.10", 24, false);
    same_network("10.1.0.9", 16, "10.1.200.7", 16, true);
    same_network("10.1.0.9", 16, "10.2.0.9", 16, false);
    same_network("10.0.0.9", 22, "10.0.3.7", 22, true);
    same_network("10.0.0.9", 22, "10.0.4.7", 22, false);
    same_network("2001:db8:1:2::9", 64, "2001:db8:1:3::9", 128, true); /* one site */
    same_network("2001:db8:1:2::9", 64, "2001:db8:2:2::9", 64, false);
}

static void parts_of_a_network_are_not_taken_for_networks(void **state)
{
    (void)state;
    same_network("192.0.2.1", 26, "192.0.2.200", 26, true);
    same_network("192.0.2.1", 30, "192.0.2.200", 24, true);
    same_network("192.0.2.1", 0, "192.0.2.200", 24, true); /* not its own address: no mask */
}

static void virtual_machines_without_a_network_are_one_zone(void **state)
{
    (void)state;
    static const char *const nothing[] = {
        "", "0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.9", "fe80::1", "::1", "::", "ff02::1"};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
        assert_string_equal(vm(nothing[i], 16, UUID)->name, "vm");
    assert_string_equal(vm("192.0.2.1", 32, UUID)->name, "vm"); /* a line to a router */
    assert_string_equal(vm("198.51.100.1", 31, "")->name, "vm");
}

static void a_virtual_machine_is_in_the_zone_that_is_named_or_told(void **state)
{
    (void)state;
    struct zone zone, again;
    struct zone_hints hints = {.in_vm = true,
                               .asset_tag = "ecbak-zone:rack1",
                               .physical_host = "HV7.example.org",
                               .product_uuid = UUID,
                               .address = {{192, 0, 2, 1}, 4, 24}};
    zone_from_hints(&zone, &hints);
    assert_string_equal(zone.name, "rack1");
    hints.asset_tag[0] = '\0';
    zone_from_hints(&zone, &hints);
    assert_int_equal(strncmp(zone.name, "host-", 5), 0);
    assert_false(cert_zone_guessed(zone.name));
    assert_non_null(strstr(zone.why, "HV7.example.org"));
    snprintf(hints.physical_host, sizeof(hints.physical_host), "hv7.example.org");
    snprintf(hints.product_uuid, sizeof(hints.product_uuid), "another");
    zone_from_hints(&again, &hints);
    assert_string_equal(again.name, zone.name);
    snprintf(hints.physical_host, sizeof(hints.physical_host), "hv8.example.org");
    zone_from_hints(&again, &hints);
    assert_string_not_equal(again.name, zone.name);
}

static void containers_in_virtual_machines_are_in_their_zone(void **state)
{
    (void)state;
    struct zone machine = *vm("192.168.122.10", 24, UUID), zone;
    struct zone_hints hints = {.in_vm = true,
                               .in_container = true,
                               .product_uuid = UUID,
                               .boot_id = "boot-1",
                               .address = {{192, 168, 122, 10}, 4, 0}};
    zone_from_hints(&zone, &hints); /* at a port of the VM's */
    assert_string_equal(zone.name, machine.name);
    assert_non_null(strstr(zone.why, "container"));
    hints.address = (struct zone_address){{192, 168, 122, 77}, 4, 24}; /* on a bridge to its LAN */
    zone_from_hints(&zone, &hints);
    assert_string_equal(zone.name, machine.name);
    hints.address.size = 0; /* not configured yet: those of one host and of others */
    zone_from_hints(&zone, &hints);
    assert_string_equal(zone.name, "vm");
}

static void a_guess_is_told_from_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"lan-1a2b3c4",   "lan-1a2b3c4d5", "lan-1A2B3C4D", "lan-",
                                        "lan-kitchenet", "host-1a2b3c4d", "vms",          ""};
    assert_true(cert_zone_guessed("lan-1a2b3c4d"));
    assert_true(cert_zone_guessed("vm"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(cert_zone_guessed(names[i]));
}

static void the_zone_of_this_machine_is_a_name(void **state)
{
    (void)state;
    struct zone zone, again;
    struct zone_hints hints;
    zone_hints_read(&hints, "127.0.0.1");
    zone_from_hints(&zone, &hints);
    zone_hints_read(&hints, "127.0.0.1");
    zone_from_hints(&again, &hints);
    assert_true(cert_name_valid(zone.name));
    assert_string_equal(zone.name, again.name);
    if (!hints.in_vm)
        assert_int_equal(hints.address.size, 0);
    else if (hints.in_container)
        assert_int_equal(hints.address.mask_bits, 8); /* what is said, with the mask that lo has */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_operator_wrote_comes_first),
        cmocka_unit_test(containers_of_one_host_are_one_zone),
        cmocka_unit_test(a_host_and_its_containers_are_one_zone_whenever_it_was_started),
        cmocka_unit_test(what_a_vendor_left_as_it_was_makes_no_strangers_one_zone),
        cmocka_unit_test(other_machines_are_zones_of_their_own),
        cmocka_unit_test(virtual_machines_of_one_network_are_one_zone),
        cmocka_unit_test(parts_of_a_network_are_not_taken_for_networks),
        cmocka_unit_test(virtual_machines_without_a_network_are_one_zone),
        cmocka_unit_test(a_virtual_machine_is_in_the_zone_that_is_named_or_told),
        cmocka_unit_test(containers_in_virtual_machines_are_in_their_zone),
        cmocka_unit_test(a_guess_is_told_from_a_name),
        cmocka_unit_test(the_zone_of_this_machine_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
