/* The store and recover engines, whole, with their threads, against a stand-in for the cluster. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "cli/recover.h"
#include "cli/snapshots.h"
#include "cli/store.h"
#include "cli/vault/pack.h"
#include "coding/base/bytes.h"
#include "test/fake_node.h"

#define PATH_TEMPLATE "/tmp/ecbak-engines-XXXXXX"

/* Others use /tmp too, and its time is part of a snapshot of what is below: a store of what did not
 * change may send one small pack with the root's new listing. */
#define OWN_PACKS 1

static char base[sizeof(PATH_TEMPLATE)];
static char *source, *target; /* what is stored, where it is recovered to */
static struct vault *vault;
static unsigned problems;
static char problem_path[4096];

static void on_problem(void *ctx, const char *path, const struct err *err)
{
    (void)ctx;
    (void)err;
    problems++;
    snprintf(problem_path, sizeof(problem_path), "%s", path);
}

static const struct job_report report = {.problem = on_problem};

static int set_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    memcpy(base, PATH_TEMPLATE, sizeof(PATH_TEMPLATE));
    if (mkdtemp(base) == NULL)
        return -1;
    char *home = alloc_format("%s/home", base);
    setenv("ECBAK_HOME", home, 1);
    free(home);
    source = alloc_format("%s/source", base);
    target = alloc_format("%s/target", base);
    problems = 0;
    return mkdir(source, 0755) == 0 ? vault_create(&vault, NULL, &err) : -1;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    vault_close(&vault);
    fake_reset();
    free(source);
    free(target);
    return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* `size` bytes that nothing compresses, a function of the seed. */
static void make_file(const char *name, size_t size, uint8_t seed)
{
    uint8_t key[randombytes_SEEDBYTES];
    uint8_t *bytes = alloc_zero(size + 1, 1);
    char *path = alloc_format("%s/%s", source, name);
    memset(key, seed, sizeof(key));
    randombytes_buf_deterministic(bytes, size, key);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(path);
    free(bytes);
}

static void make_folder(const char *name)
{
    char *path = alloc_format("%s/%s", source, name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

/* A store relies on times only when they are older than the clock's grain. */
static void let_times_settle(void)
{
    usleep(150 * 1000);
}

static int store(struct store_result *result, struct err *err)
{
    const char *const paths[] = {source};
    struct store_options options = {.paths = paths, .path_count = 1, .threads = 2};
    struct job_progress progress = {0};
    return store_run(vault, &options, &progress, &report, result, err);
}

static void store_well(struct store_result *result)
{
    struct err err = ERR_INIT;
    if (store(result, &err) != 0)
        fail_msg("store: %s", err.text);
}

/* A new process has no lock and remembers only what is in files. */
static void restart(void)
{
    struct err err = ERR_INIT;
    vault_close(&vault);
    assert_int_equal(vault_load(&vault, NULL, &err), 0);
}

static void forget_cache(void)
{
    char *path = alloc_format("%s/cache.db", vault->dir);
    unlink(path);
    free(path);
}

static int recover(const char *name, const struct recover_options *options,
                   struct recover_result *result, struct err *err)
{
    struct client *client;
    struct snapshot_list list;
    const struct snapshot *snapshot;
    struct job_progress progress = {0};
    *result = (struct recover_result){0};
    assert_int_equal(client_open(&client, NULL, err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, err), 0);
    int status = snapshot_select(&snapshot, &list, name, NULL, err);
    if (status == 0)
        status = recover_run(vault, &list, snapshot, options, &progress, &report, result, err);
    snapshot_list_release(&list);
    client_close(&client);
    return status;
}

static void assert_same_file(const char *name)
{
    char *left = alloc_format("%s/%s", source, name);
    char *right = alloc_format("%s%s/%s", target, source, name);
    FILE *a = fopen(left, "rb"), *b = fopen(right, "rb");
    assert_non_null(a);
    assert_non_null(b);
    int x, y;
    do {
        x = fgetc(a);
        y = fgetc(b);
        assert_int_equal(x, y);
    } while (x != EOF);
    fclose(a);
    fclose(b);
    struct stat s, t;
    assert_int_equal(stat(left, &s), 0);
    assert_int_equal(stat(right, &t), 0);
    assert_int_equal(s.st_mode, t.st_mode);
    assert_int_equal(s.st_mtim.tv_sec, t.st_mtim.tv_sec);
    assert_int_equal(s.st_mtim.tv_nsec, t.st_mtim.tv_nsec);
    free(left);
    free(right);
}

static void recover_well(const char *name, struct recover_result *result)
{
    struct err err = ERR_INIT;
    const struct recover_options options = {.to = target, .verify = true};
    if (recover(name, &options, result, &err) != 0)
        fail_msg("recover: %s", err.text);
    assert_int_equal(result->outcome, JOB_DONE);
}

/* The id of the earliest snapshot. */
static const char *first_snapshot(char id[2 * ID_SIZE + 1])
{
    struct err err = ERR_INIT;
    struct client *client;
    struct snapshot_list list;
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    hex_encode(id, list.snapshots[0].id, ID_SIZE);
    snapshot_list_release(&list);
    client_close(&client);
    return id;
}

/* ---- what must hold -------------------------------------------------------------------------- */

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

static void a_large_store_comes_back_on_a_blank_machine(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    char name[32];
    make_file("big", 40 * 1000 * 1000, 3);
    make_folder("sub");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "sub/%d", i);
        make_file(name, 20000, (uint8_t)i);
    }
    store_well(&result);
    assert_true(fake.pack_count > 3);
    assert_true(fake.biggest_pack <= PACK_BYTES_MAX);
    /* 300 files of 256 different contents: what is the same is stored once. */
    assert_true(result.bytes_new == 40 * 1000 * 1000 + 256 * 20000);
    forget_cache();
    recover_well("latest", &recovered);
    assert_int_equal(recovered.files, 301);
    assert_same_file("big");
    assert_same_file("sub/7");
    assert_same_file("sub/299");
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
    assert_int_equal(nftw(states, remove_one, 4, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(mkdir(states, 0700), 0);
    free(states);
    store_well(&result);
    assert_true(fake.puts <= puts + OWN_PACKS);
    assert_int_equal(result.bytes_new, 0);
    recover_well("latest", &recovered);
    assert_same_file("a");
}

static void what_was_lost_is_read_and_sent_again(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 3 * 1000 * 1000, 1);
    make_file("b", 3 * 1000 * 1000, 2);
    let_times_settle();
    store_well(&result);
    /* Every pack loses more fragments than it can: data, tree and index. */
    for (size_t i = 0; i < fake.pack_count; i++) {
        restart();
        for (size_t j = 0; j < fake.pack_count; j++)
            fake.packs[j].nodes = FAKE_MEMBERS;
        fake.packs[i].nodes = FAKE_DATA - 1;
        uint64_t before = fake.pack_count;
        store_well(&result);
        assert_int_equal(result.outcome, JOB_DONE);
        assert_true(fake.pack_count > before);
        fake.packs[i].nodes = 0;
        forget_cache();
        recover_well("latest", &recovered);
        assert_same_file("a");
        assert_same_file("b");
        assert_int_equal(nftw(target, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        if (i == 3)
            break;
    }
}

static void what_was_lost_for_a_while_is_recovered_when_it_is_back(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 20 * 1000 * 1000, 1);
    make_file("b", 1000, 2);
    let_times_settle();
    store_well(&result);
    uint32_t nodes = fake.packs[0].nodes;
    size_t first = fake.pack_count;
    for (size_t i = 0; i < first; i++) {
        if (fake.packs[i].size > 15 * 1000 * 1000)
            fake.packs[i].nodes = FAKE_DATA - 1;
    }
    /* "a" is away meanwhile, so that nothing sends it again. */
    char *kept = alloc_format("%s/a", source), *aside = alloc_format("%s/kept", base);
    assert_int_equal(rename(kept, aside), 0);
    restart();
    store_well(&result);
    char earlier[2 * ID_SIZE + 1];
    for (size_t i = 0; i < first; i++)
        fake.packs[i].nodes = nodes;
    assert_int_equal(rename(aside, kept), 0);
    restart();
    recover_well(first_snapshot(earlier), &recovered);
    assert_same_file("a");
    assert_same_file("b");
    free(kept);
    free(aside);
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

static void nothing_half_written_is_left_when_packs_are_missing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("small", 100, 1);
    make_file("zbig", 40 * 1000 * 1000, 2);
    store_well(&result);
    /* The packs of data are full of "zbig", but for the first, which has "small" too and is spared.
     * How full a pack gets depends on where the vault's key cuts the chunks. */
    unsigned gone = 0;
    for (size_t i = 1; i < fake.pack_count; i++) {
        if (fake.packs[i].size > 1000 * 1000) {
            fake.packs[i].nodes = 1;
            gone++;
        }
    }
    assert_true(gone > 0);
    const struct recover_options options = {.to = target};
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_FAILED);
    assert_int_equal(recovered.problems, 1);
    assert_non_null(strstr(problem_path, "zbig"));
    char *path = alloc_format("%s%s", target, source);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(faccessat(fd, "zbig", F_OK, 0), -1);
    close(fd);
    free(path);
    assert_same_file("small");
}

static void what_is_there_is_not_replaced_unless_told(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 100, 1);
    store_well(&result);
    recover_well("latest", &recovered);
    char *path = alloc_format("%s%s/a", target, source);
    FILE *file = fopen(path, "w");
    fputs("mine", file);
    fclose(file);
    struct recover_options options = {.to = target};
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    struct stat stat_now;
    assert_int_equal(stat(path, &stat_now), 0);
    assert_int_equal(stat_now.st_size, 4);
    options.overwrite = true;
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_same_file("a");
    free(path);
}

static void only_some_paths_can_be_had(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_folder("x");
    make_folder("x/y");
    make_file("x/y/wanted", 100, 1);
    make_file("x/other", 100, 2);
    store_well(&result);
    char *wanted = alloc_format("%s/x/y", source), *missing = alloc_format("%s/x/none", source);
    const char *const paths[] = {wanted, missing};
    struct recover_options options = {.to = target, .paths = paths, .path_count = 2};
    assert_int_equal(recover("latest", &options, &recovered, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(access(target, F_OK), -1);
    options.path_count = 1;
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.files, 1);
    assert_same_file("x/y/wanted");
    free(wanted);
    free(missing);
}

static void a_link_in_the_target_is_not_followed(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_folder("x");
    make_file("x/a", 100, 1);
    store_well(&result);
    recover_well("latest", &recovered);
    char *outside = alloc_format("%s/outside", base), *x = alloc_format("%s%s/x", target, source);
    char *trap = alloc_format("%s/a", outside);
    assert_int_equal(nftw(x, remove_one, 4, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(symlink(outside, x), 0);
    struct recover_options options = {.to = target};
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(access(trap, F_OK), -1);
    options.overwrite = true;
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_int_equal(access(trap, F_OK), -1);
    assert_same_file("x/a");
    free(outside);
    free(x);
    free(trap);
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
    assert_int_equal(fake.puts, 0);
    assert_int_equal(fake.record_count, 0);
}

static void missing_and_forked_records_are_found(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct client *client;
    struct snapshot_list list;
    const struct snapshot *snapshot;
    for (uint8_t i = 0; i < 3; i++) {
        make_file("a", 100, i);
        store_well(&result);
        restart();
    }
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.finding_count, 0);
    assert_int_equal(snapshot_select(&snapshot, &list, "latest", NULL, &err), 0);
    assert_memory_equal(snapshot->id, result.snapshot, ID_SIZE);
    const struct snapshot_filter elsewhere = {.path = "/nowhere"};
    assert_int_equal(snapshot_select(&snapshot, &list, "latest", &elsewhere, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    snapshot_list_release(&list);
    /* The second of three goes missing, then the last. */
    uint8_t *second = fake.records[1];
    size_t second_size = fake.record_sizes[1];
    fake.records[1] = fake.records[2];
    fake.record_sizes[1] = fake.record_sizes[2];
    fake.record_count = 2;
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.finding_count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_GAP);
    snapshot_list_release(&list);
    uint8_t *third = fake.records[1];
    fake.record_count = 1;
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.finding_count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_ROLLBACK);
    snapshot_list_release(&list);
    /* A damaged record is told, and does not hide the others. */
    fake.records[1] = second;
    fake.record_sizes[1] = second_size;
    fake.record_count = 2;
    second[second_size / 2] ^= 1;
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_UNREADABLE);
    snapshot_list_release(&list);
    free(third);
    client_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(a_small_store_is_one_pack),
        TEST(a_large_store_comes_back_on_a_blank_machine),
        TEST(what_did_not_change_is_not_sent_again),
        TEST(a_deleted_state_or_cache_costs_time_only),
        TEST(what_was_lost_is_read_and_sent_again),
        TEST(what_was_lost_for_a_while_is_recovered_when_it_is_back),
        TEST(a_store_cut_off_is_not_listed_and_the_next_goes_on),
        TEST(a_record_that_was_not_sent_is_sent_by_the_next_store),
        TEST(fewer_nodes_than_meant_is_said),
        TEST(nothing_half_written_is_left_when_packs_are_missing),
        TEST(what_is_there_is_not_replaced_unless_told),
        TEST(only_some_paths_can_be_had),
        TEST(a_link_in_the_target_is_not_followed),
        TEST(a_dry_run_sends_nothing),
        TEST(missing_and_forked_records_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
