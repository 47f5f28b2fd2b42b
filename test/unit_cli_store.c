/* A store: what it sends, what it does not send again, and what it says of it. */
#include "test/vault_bench.h"

/* Others use /tmp too, and its time is part of a snapshot of what is below: a store of what did not
 * change may send one small pack with the root's new listing. */
#define OWN_PACKS 1

static void a_small_store_is_one_pack(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("one", 1000, 1);
    make_folder("empty");
    make_file("nothing", 0, 0);
    store_well(&result);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_int_equal(fake.pack_count, 1);
    assert_int_equal(result.files, 2);
    assert_int_equal(result.bytes, 1000);
    assert_int_equal(result.bytes_new, 1000);
    assert_int_equal(result.survives, 1);
    forget_cache();
    recover_well("latest", &recovered);
    assert_int_equal(recovered.files, 2);
    assert_same_file("one");
    assert_same_file("nothing");
}

static void what_did_not_change_is_not_sent_again(void **state)
{
    (void)state;
    struct store_result result;
    make_folder("sub");
    make_file("sub/a", 3 * 1000 * 1000, 1);
    make_file("b", 10, 2);
    let_times_settle();
    store_well(&result);
    uint64_t puts = fake.puts;
    restart();
    store_well(&result);
    assert_true(fake.puts <= puts + OWN_PACKS);
    assert_int_equal(result.bytes_new, 0);
    assert_int_equal(result.files, 2);
    assert_true(result.objects > 0);
    restart();
    make_file("b", 11, 3);
    puts = fake.puts;
    store_well(&result);
    assert_int_equal(fake.puts, puts + 1);
    assert_int_equal(result.bytes_new, 11);
    assert_int_equal(fake.record_count, 3);
}

static void a_deleted_state_or_cache_costs_time_only(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 3 * 1000 * 1000, 1);
    store_well(&result);
    uint64_t puts = fake.puts;
    restart();
    forget_cache();
    char *states = alloc_format("%s/state", vault->dir);
    assert_int_equal(remove_tree(states), 0);
    assert_int_equal(mkdir(states, 0700), 0);
    free(states);
    store_well(&result);
    assert_true(fake.puts <= puts + OWN_PACKS);
    assert_int_equal(result.bytes_new, 0);
    recover_well("latest", &recovered);
    assert_same_file("a");
}

static void a_store_cut_off_is_not_listed_and_the_next_goes_on(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("big", 60 * 1000 * 1000, 9);
    fake.fail_puts_after = 2;
    assert_int_equal(store(&result, &err), -1);
    assert_int_equal(err.code, ERR_TOO_FEW);
    assert_int_equal(fake.record_count, 0);
    size_t kept = fake.pack_count;
    assert_true(kept >= 1);
    fake.fail_puts_after = 0;
    fake.puts = 0;
    restart();
    store_well(&result);
    assert_true(result.bytes_new < 60 * 1000 * 1000);
    forget_cache();
    recover_well("latest", &recovered);
    assert_same_file("big");
}

static void a_record_that_was_not_sent_is_sent_by_the_next_store(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    make_file("a", 100, 1);
    fake.fail_record = true;
    assert_int_equal(store(&result, &err), -1);
    assert_int_equal(fake.record_count, 0);
    fake.fail_record = false;
    restart();
    store_well(&result);
    assert_int_equal(fake.record_count, 2);
    struct client *client;
    struct snapshot_list list;
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.finding_count, 0);
    snapshot_list_release(&list);
    client_close(&client);
}

static void fewer_nodes_than_meant_is_said(void **state)
{
    (void)state;
    struct store_result result;
    make_file("a", 100, 1);
    fake.members = FAKE_MEMBERS - 1;
    store_well(&result);
    assert_int_equal(result.outcome, JOB_INCOMPLETE);
    assert_int_equal(result.survives, 0);
    assert_true(result.note[0] != '\0');
    fake.members = FAKE_DATA;
    make_file("a", 101, 1);
    restart();
    store_well(&result);
    assert_int_equal(result.outcome, JOB_TOO_FEW);
    /* All members are back: the next store completes what is incomplete. */
    fake.members = FAKE_MEMBERS;
    restart();
    store_well(&result);
    assert_int_equal(result.outcome, JOB_DONE);
}

static void what_would_be_lost_with_this_machine_is_no_snapshot(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 3 * 1000 * 1000, 1);
    fake.members = FAKE_DATA; /* one of them is this machine, and FAKE_DATA are needed */
    store_well(&result);
    assert_int_equal(result.outcome, JOB_TOO_FEW);
    assert_int_equal(result.survives, STORE_LOST_WITH_US);
    assert_false(result.published);
    assert_int_equal(fake.record_count, 0);
    assert_non_null(strstr(result.note, "lost with this machine"));
    uint64_t puts = fake.puts;
    assert_true(puts > 0);
    fake.members = FAKE_MEMBERS;
    restart();
    store_well(&result);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_true(result.published);
    assert_int_equal(result.bytes_new, 0);
    assert_int_equal(fake.record_count, 1);
    recover_well("latest", &recovered);
    assert_same_file("a");
}

static void a_dry_run_sends_nothing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    make_file("a", 5 * 1000 * 1000, 1);
    const char *const paths[] = {source};
    struct store_options options = {.paths = paths, .path_count = 1, .dry_run = true};
    struct job_progress progress = {0};
    assert_int_equal(store_run(vault, &options, &progress, &report, &result, &err), 0);
    assert_int_equal(result.bytes_new, 5 * 1000 * 1000);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_false(result.published);
    assert_int_equal(fake.puts, 0);
    assert_int_equal(fake.record_count, 0);
}

static void a_dry_run_ends_as_the_real_one_would(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    make_file("a", 1000, 1);
    char *missing = alloc_format("%s/missing", source);
    const char *const paths[] = {source, missing};
    for (int dry = 1; dry >= 0; dry--) {
        struct store_options options = {.paths = paths, .path_count = 2, .dry_run = dry == 1};
        struct job_progress progress = {0};
        assert_int_equal(store_run(vault, &options, &progress, &report, &result, &err), 0);
        assert_int_equal(result.outcome, JOB_INCOMPLETE);
        assert_non_null(strstr(result.note, "1 file could not"));
    }
    free(missing);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_small_store_is_one_pack),
        TEST(what_did_not_change_is_not_sent_again),
        TEST(a_deleted_state_or_cache_costs_time_only),
        TEST(a_store_cut_off_is_not_listed_and_the_next_goes_on),
        TEST(a_record_that_was_not_sent_is_sent_by_the_next_store),
        TEST(fewer_nodes_than_meant_is_said),
        TEST(what_would_be_lost_with_this_machine_is_no_snapshot),
        TEST(a_dry_run_sends_nothing),
        TEST(a_dry_run_ends_as_the_real_one_would),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
