/* ecbakd's configuration: what is refused, and where it says that the fault is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/config/config.h"

static int parse(struct config *config, const char *text, struct err *err)
{
    return config_parse(config, text, strlen(text), "t.conf", err);
}

/* Refused, with these words in the error. */
static void refuse(const char *text, const char *where, const char *what)
{
    struct config config;
    struct err err = ERR_INIT;
    if (parse(&config, text, &err) == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, ERR_FORMAT);
    if (strncmp(err.text, where, strlen(where)) != 0 || strstr(err.text, what) == NULL)
        fail_msg("\"%s\" does not start with \"%s\" or say \"%s\"", err.text, where, what);
}

static void an_empty_file_is_the_defaults(void **state)
{
    (void)state;
    struct config config, defaults;
    config_defaults(&defaults);
    assert_int_equal(parse(&config, "", NULL), 0);
    assert_memory_equal(&config, &defaults, sizeof(config));
    assert_true(defaults.name[0] != '\0');
    assert_string_equal(defaults.zone, "auto");
    assert_string_equal(defaults.advertise_address, defaults.listen_address);
    assert_true(defaults.capacity_bytes == 100ull << 30);
}

static void the_sample_is_the_defaults(void **state)
{
    (void)state;
    struct config config, defaults;
    struct err err = ERR_INIT;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    config_print_sample(to);
    assert_int_equal(fclose(to), 0);
    config_defaults(&defaults);
    assert_int_equal(config_parse(&config, text, size, "sample", &err), 0);
    assert_memory_equal(&config, &defaults, sizeof(config));
    assert_non_null(strstr(text, "\ncapacity = 100G\n"));
    assert_non_null(strstr(text, "# Allowed: 1 to 64.\n"));
    free(text);
}

static void every_key_is_read(void **state)
{
    (void)state;
    struct config c;
    struct err err = ERR_INIT;
    int result = parse(&c,
                       "# comment\n"
                       "name = alpha\n"
                       "zone = cellar   # with a comment\n"
                       "data_dir = \"/srv/with # and space\"\n"
                       "capacity = 1T\n"
                       "key_file = /k\n"
                       "certificate_file = '/c'\n"
                       "authority_file = /a\r\n"
                       "listen_address = 192.0.2.1\n"
                       "advertise_address = node.example.org\n"
                       "member_port = 1000\n"
                       "bulk_port = 1001\n"
                       "client_endpoint = ipc:///tmp/s\n"
                       "profile = wan\n"
                       "client_jobs = 7\n"
                       "peer_jobs = 8\n"
                       "members_max = 99\n"
                       "connections_max = 8\n"
                       "seed\n"
                       "    address = 192.0.2.2:7411\n"
                       "    key = \"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"\n"
                       "\n"
                       "seed\n"
                       "    key = 8bb2a4b8d0d3c6a1"
                       "000000000000000000000000000000000000000000000000"
                       "\n"
                       "    address = [2001:db8::1]:7411",
                       &err);
    assert_string_equal(err.text, "");
    assert_int_equal(result, 0);
    assert_string_equal(c.name, "alpha");
    assert_string_equal(c.zone, "cellar");
    assert_string_equal(c.data_dir, "/srv/with # and space");
    assert_true(c.capacity_bytes == 1ull << 40);
    assert_string_equal(c.key_file, "/k");
    assert_string_equal(c.certificate_file, "/c");
    assert_string_equal(c.authority_file, "/a");
    assert_string_equal(c.listen_address, "192.0.2.1");
    assert_string_equal(c.advertise_address, "node.example.org");
    assert_int_equal(c.member_port, 1000);
    assert_int_equal(c.bulk_port, 1001);
    assert_string_equal(c.client_endpoint, "ipc:///tmp/s");
    assert_string_equal(c.profile, "wan");
    assert_int_equal(c.client_jobs, 7);
    assert_int_equal(c.peer_jobs, 8);
    assert_int_equal(c.members_max, 99);
    assert_int_equal(c.connections_max, 8);
    assert_int_equal(c.seed_count, 2);
    assert_string_equal(c.seeds[0].address, "192.0.2.2:7411");
    assert_int_equal(c.seeds[0].curve_public[0], 0x54);
    assert_string_equal(c.seeds[1].address, "[2001:db8::1]:7411");
    assert_int_equal(c.seeds[1].curve_public[0], 0x8b);
}

static void sizes_take_suffixes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"capacity = 500M", 500ull << 20}, {"capacity = 10G", 10ull << 30},
        {"capacity = 16777216", 16777216}, {"capacity = 32768K", 32ull << 20},
        {"capacity = 2P", 2ull << 50},
    };
    struct config config;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(parse(&config, good[i].text, NULL), 0);
        assert_true(config.capacity_bytes == good[i].bytes);
    }
    refuse("capacity = 15M", "t.conf:1: capacity", "16M to 1024P");
    refuse("capacity = 10g", "t.conf:1: capacity", "allowed");
    refuse("capacity = 10GB", "t.conf:1: capacity", "allowed");
    refuse("capacity = 99999999999999999999", "t.conf:1: capacity", "allowed");
    refuse("capacity = 99999999999P", "t.conf:1: capacity", "allowed");
    refuse("capacity = -1", "t.conf:1: capacity", "allowed");
    refuse("capacity =", "t.conf:1: capacity", "allowed");
    refuse("capacity", "t.conf:1: capacity", "allowed");
}

static void faults_are_named_with_file_line_and_range(void **state)
{
    (void)state;
    refuse("# c\n\nclient_jobs = 0\n", "t.conf:3: client_jobs is \"0\"", "1 to 64");
    refuse("name = a\nclient_jobs = 65\n", "t.conf:2: client_jobs is \"65\"", "1 to 64");
    refuse("member_port = 70000", "t.conf:1: member_port", "1 to 65535");
    refuse("member_port = 10G", "t.conf:1: member_port", "1 to 65535");
    refuse("\nprofile = fast", "t.conf:2: profile is \"fast\"", "lan, wan or local");
    refuse("data_dir = here", "t.conf:1: data_dir", "absolute");
    refuse("name = a b", "t.conf:1: name", "A-Z");
    refuse("name = abcdefghijklmnopqrstuvwxyz-123456", "t.conf:1: name", "1 to 31");
    refuse("listen_address = \"\"", "t.conf:1: listen_address", "host");
    refuse("client_endpoint = tcp://1.2.3.4:5", "t.conf:1: client_endpoint", "ipc://");
    refuse("colour = red", "t.conf:1: unknown key \"colour\"", "--print-config");
    refuse("name = a\nzone = b\nname = c\n", "t.conf:3: \"name\"", "line 1");
    refuse("name = a\n    zone = b\n", "t.conf:1: \"name\"", "not a section");
    refuse("member_port = 5\nbulk_port = 5\n", "t.conf:2: member_port", "differ");
}

static void malformed_lines_are_named(void **state)
{
    (void)state;
    char longer[1200];
    refuse("name = a\n   zone = b", "t.conf:2:", "four spaces");
    refuse("seed\n        address = a:1", "t.conf:2:", "deeper");
    refuse("seed\n\taddress = a:1", "t.conf:2:", "spaces only");
    refuse("name: a", "t.conf:1:", "letters");
    refuse("name a", "t.conf:1:", "\"=\"");
    refuse("data_dir = \"/x", "t.conf:1:", "quotes");
    refuse("data_dir = \"/x\" y", "t.conf:1:", "closing quote");
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    refuse(longer, "t.conf:1:", "longer");
    struct config config;
    struct err err = ERR_INIT;
    assert_int_equal(config_parse(&config, "name = a\0b", 10, "t.conf", &err), -1);
    assert_non_null(strstr(err.text, "zero byte"));
}

static void seeds_are_checked(void **state)
{
    (void)state;
    refuse("seed\n    address = 192.0.2.2:7411\n", "t.conf:1:", "needs address and key");
    refuse("seed\n    address = 192.0.2.2\n", "t.conf:2:", "host:port");
    refuse("seed\n    address = 192.0.2.2:0\n", "t.conf:2:", "1 to 65535");
    refuse("seed\n    key = 00\n", "t.conf:2:", "Z85");
    refuse("seed\n    colour = red\n", "t.conf:2:", "nothing else");
    refuse("seed\n    address = a:1\n    address = a:1\n", "t.conf:3:", "twice");
    /* A "#" outside of quotes cuts the key. */
    refuse("seed\n    key = rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]y#7\n", "t.conf:2:", "in quotes");
    char many[4096] = "";
    for (int i = 0; i < CONFIG_SEEDS_MAX + 1; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many),
                 "seed\n    address = a:%d\n    key = %064d\n", i + 1, i);
    refuse(many, "t.conf:49:", "more than 16");
}

static void a_file_is_loaded_by_name(void **state)
{
    (void)state;
    struct config config;
    struct err err = ERR_INIT;
    char path[] = "/tmp/unit_config.XXXXXX", expected[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "zone = x\nzone2 = y\n", 19), 19);
    close(fd);
    assert_int_equal(config_load(&config, path, &err), -1);
    snprintf(expected, sizeof(expected), "%s:2: unknown key", path);
    assert_int_equal(strncmp(err.text, expected, strlen(expected)), 0);
    unlink(path);
    assert_int_equal(config_load(&config, path, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_the_defaults),
        cmocka_unit_test(the_sample_is_the_defaults),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(sizes_take_suffixes),
        cmocka_unit_test(faults_are_named_with_file_line_and_range),
        cmocka_unit_test(malformed_lines_are_named),
        cmocka_unit_test(seeds_are_checked),
        cmocka_unit_test(a_file_is_loaded_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
