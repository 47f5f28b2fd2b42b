/* A store: what it sends, what it does not send again, and what it says of it. */
#include "test/vault_bench.h"

#include <glob.h>

#include "cli/home/cache.h"
#include "cli/packing/sender.h"

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
    store_well(&result);
    assert_int_equal(notices, 2);
    assert_true(fake.puts <= puts + OWN_PACKS);
    assert_int_equal(result.bytes_new, 0);
    recover_well("latest", &recovered);
    assert_same_file("a");
}

/* Damages the cache where only looking for chunks notices. */
static void damage_cache(void)
{
    char folder[HOME_PATH_MAX];
    struct err err = ERR_INIT;
    struct cache *cache;
    assert_int_equal(home_caches(folder, vault, &err), 0);
    assert_int_equal(cache_open(&cache, folder, &err), 0);
    struct pack_entry *entries = alloc_zero(20000, sizeof(*entries));
    for (size_t i = 0; i < 20000; i++) {
        randombytes_buf(entries[i].id.bytes, ID_SIZE);
        entries[i].kind = CHUNK_DATA;
    }
    const struct pack_id pack = {"of no use"};
    assert_int_equal(cache_add_pack(cache, &pack, entries, 20000, true, NULL, &err), 0);
    free(entries);
    cache_close(&cache);
    glob_t found;
    char *pattern = alloc_format("%s/cache-*.db", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    FILE *file = fopen(found.gl_pathv[0], "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 10 * 4096, SEEK_SET), 0);
    for (int i = 0; i < 200 * 4096; i++)
        fputc(0xee, file);
    fclose(file);
    globfree(&found);
    free(pattern);
}

static void a_partly_damaged_cache_is_made_anew_with_one_line(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 3 * 1000 * 1000, 1);
    store_well(&result);
    for (int round = 0; round < 2; round++) {
        restart();
        damage_cache();
        notices = 0;
        if (round == 0) {
            for (uint8_t i = 0; i < 20; i++) { /* one of them is looked for in a damaged place */
                char *name = alloc_format("new-%d", i);
                make_file(name, 1000, (uint8_t)(10 + i));
                free(name);
            }
            store_well(&result);
            assert_int_equal(result.files, 21);
        }
        recover_well("latest", &recovered);
        assert_int_equal(notices, 1);
        assert_same_file("a");
        assert_int_equal(remove_tree(target), 0);
    }
}

static void all_folders_that_can_be_made_anew_are(void **state)
{
    (void)state;
    struct store_result result;
    make_file("a", 1000, 1);
    store_well(&result);
    char *records = alloc_format("%s/records", vault->dir);
    assert_int_equal(remove_tree(records), 0);
    free(records);
    restart();
    make_file("a", 1001, 1);
    store_well(&result);
    assert_int_equal(notices, 0);
    /* And where they cannot be made, a store is as good as ever. */
    forget_cache();
    FILE *file = fopen(caches, "w");
    assert_non_null(file);
    fclose(file);
    restart();
    make_file("a", 1002, 1);
    store_well(&result);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_true(notices > 0);
    unlink(caches);
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

static void a_pack_for_which_there_are_too_few_nodes_is_coded_for_those_there_are(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("big", 40 * 1000 * 1000, 9);
    fake.data_max = FAKE_DATA - 2;
    code[0] = FAKE_DATA; /* what is said on the command line stays */
    code[1] = FAKE_PARITY;
    assert_int_equal(store(&result, &err), -1);
    assert_int_equal(err.code, ERR_TOO_FEW);
    code[0] = code[1] = 0;
    fake.too_few_met = false;
    restart();
    store_well(&result);
    assert_true(fake.too_few_met);
    forget_cache();
    recover_well("latest", &recovered);
    assert_same_file("big");
}

static void packs_are_smaller_where_all_their_fragments_would_not_fit_into_a_request(void **state)
{
    (void)state;
    assert_int_equal(sender_pack_bytes(4, 2), 16u << 20);
    assert_int_equal(sender_pack_bytes(2, 2), 16u << 20);
    assert_int_equal(sender_pack_bytes(1, 254), 16u << 20); /* one row goes for all */
    assert_int_equal(sender_pack_bytes(2, 60), 0);
    struct store_result result;
    struct recover_result recovered;
    make_file("big", 20 * 1000 * 1000, 9);
    code[0] = 3;
    code[1] = 21;
    size_t most = sender_pack_bytes(3, 21);
    assert_in_range(most, 6u << 20, 8u << 20);
    assert_true(fragment_bundle_size(most, 3, 21) <= BUNDLE_SIZE_MAX);
    store_well(&result);
    assert_true(fake.biggest_pack > 0 && fake.biggest_pack <= most);
    code[0] = code[1] = 0;
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

/* The record that was sent last, as its node got it. */
static void open_last_record(struct record *record)
{
    struct err err = ERR_INIT;
    struct cluster_id cluster;
    memset(cluster.bytes, 0xcc, ID_SIZE);
    assert_int_equal(record_open(record, fake.records[fake.record_count - 1],
                                 fake.record_sizes[fake.record_count - 1], &cluster, &err),
                     0);
}

static void a_record_says_which_run_made_it_and_what_it_stands_on(void **state)
{
    (void)state;
    struct store_result result;
    struct record first, second;
    struct err err = ERR_INIT;
    make_file("a", 1000, 1);
    store_well(&result);
    open_last_record(&first);
    assert_true(first.number == 1 && first.previous_number == 0);
    assert_true(first.head_count == 0 && first.void_count == 0);
    assert_int_equal(first.index_pack_count, 1); /* its one pack is mixed */
    restart();
    make_file("b", 1000, 2);
    fake.fail_puts_after = 1;
    assert_int_equal(store(&result, &err), -1); /* uses a number, and pins for it */
    restart();
    fake.fail_puts_after = 0;
    store_well(&result);
    open_last_record(&second);
    assert_true(second.number == 3 && second.previous_number == 1);
    assert_memory_equal(second.previous.bytes, first.hash.bytes, ID_SIZE);
    assert_memory_not_equal(second.attempt.bytes, first.attempt.bytes, ATTEMPT_SIZE);
    assert_int_equal(second.void_count, 1);
    assert_memory_not_equal(second.voids[0].bytes, second.attempt.bytes, ATTEMPT_SIZE);
    assert_int_equal(second.head_count, 1);
    assert_memory_equal(second.heads[0].writer.bytes, vault->writer.bytes, WRITER_ID_SIZE);
    assert_memory_equal(second.heads[0].hash.bytes, first.hash.bytes, ID_SIZE);
    /* All that it relies on, not only what it added. */
    assert_int_equal(second.index_pack_count, 2);
    assert_memory_equal(second.index_packs[0].bytes, first.index_packs[0].bytes, ID_SIZE);
    record_release(&first);
    record_release(&second);
}

static void a_record_that_others_have_no_room_for_is_said_with_the_reason(void **state)
{
    (void)state;
    struct store_result result;
    make_file("a", 1000, 1);
    fake.refuse_record = true;
    store_well(&result);
    assert_int_equal(result.outcome, JOB_FULL);
    assert_true(result.published);
    assert_non_null(strstr(result.note, "its share is used up"));
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

/* What happens while a store waits. */
static struct vault *holder;

static void end_the_other(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
    notices++;
    vault_close(&holder);
}

static int store_waiting(uint64_t wait_ms, bool cancel, struct err *err)
{
    const char *const paths[] = {source};
    struct store_options options = {.paths = paths, .path_count = 1, .wait_ms = wait_ms};
    struct job_progress progress = {.cancel = cancel};
    struct store_result result;
    const struct job_report to = {.notice = cancel ? on_notice : end_the_other};
    restart();
    return store_run(vault, &options, &progress, &to, &result, err);
}

static void a_store_waits_for_another_to_end_if_it_is_told_to(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    make_file("a", 100, 1);
    assert_int_equal(vault_load(&holder, NULL, &err), 0);
    assert_int_equal(vault_lock(holder, 0, NULL, &err), 0);
    assert_int_equal(store_waiting(0, false, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_int_equal(store_waiting(60 * 60 * 1000, true, &err), -1); /* ctrl-C */
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_non_null(holder);
    notices = 0;
    assert_int_equal(store_waiting(60 * 60 * 1000, false, &err), 0);
    assert_int_equal(notices, 1);
    assert_int_equal(fake.record_count, 1);
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
        TEST(a_partly_damaged_cache_is_made_anew_with_one_line),
        TEST(all_folders_that_can_be_made_anew_are),
        TEST(a_store_cut_off_is_not_listed_and_the_next_goes_on),
        TEST(a_pack_for_which_there_are_too_few_nodes_is_coded_for_those_there_are),
        TEST(packs_are_smaller_where_all_their_fragments_would_not_fit_into_a_request),
        TEST(a_record_that_was_not_sent_is_sent_by_the_next_store),
        TEST(a_record_says_which_run_made_it_and_what_it_stands_on),
        TEST(a_record_that_others_have_no_room_for_is_said_with_the_reason),
        TEST(fewer_nodes_than_meant_is_said),
        TEST(what_would_be_lost_with_this_machine_is_no_snapshot),
        TEST(a_store_waits_for_another_to_end_if_it_is_told_to),
        TEST(a_dry_run_sends_nothing),
        TEST(a_dry_run_ends_as_the_real_one_would),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
