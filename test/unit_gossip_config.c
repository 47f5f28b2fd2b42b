/* What can be configured, and what a core costs. */
#include "test/gossip_bench.h"

static void profiles_are_valid_and_others_refused(void **state)
{
    (void)state;
    struct swim_config config;
    struct err err;
    static const char *const names[] = {"lan", "wan", "local"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(swim_profile(&config, names[i], &err), 0);
        assert_int_equal(swim_config_check(&config, &err), 0);
    }
    assert_int_equal(swim_profile(&config, "moon", &err), -1);
    config.probe_timeout_ms = config.probe_interval_ms;
    assert_int_equal(swim_config_check(&config, &err), -1);
    assert_non_null(strstr(err.text, "probe_timeout_ms"));
}

static void a_member_without_a_name_cannot_start(void **state)
{
    struct bench *bench = *state;
    struct swim *swim = NULL;
    struct err err;
    struct swim_self self = self_text(0);
    self.name = "";
    assert_int_equal(swim_new(&swim, &bench->config, &bench->swim->ops, &self, NOW, &err), -1);
    self = self_text(0);
    self.metadata_size = SWIM_METADATA_MAX + 1;
    assert_int_equal(swim_new(&swim, &bench->config, &bench->swim->ops, &self, NOW, &err), -1);
}

/* 100 members, all of it counted; these claims lack the 200 bytes of metadata that a node has. */
static void a_core_takes_at_most_a_kibibyte_for_each_member_known(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 100; i++)
        hear(bench, i, SWIM_ALIVE, 1);
    tick(bench, 60000); /* news has been told on */
    assert_in_range(stats_of(bench).memory_bytes, 100 * 200, 100 * (1024 - 200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_core_takes_at_most_a_kibibyte_for_each_member_known),
        TEST(profiles_are_valid_and_others_refused),
        TEST(a_member_without_a_name_cannot_start),
    };
    return cmocka_run_group_tests_name("unit_gossip_config", tests, NULL, NULL);
}
