/* What a recover fetches: every pack once, wherever its chunks go, and with few files open. */
#include "test/vault_bench.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "cli/remote/fetcher.h"
#include "cli/vault/pack.h"

#define FOLDERS      12
#define VERSIONS     12
#define BIG_BYTES    (650 * 1000)
#define OPEN_MAX     160
#define OPEN_FOLDERS 400

/* Each version adds a file to each folder: the packs of all versions are needed in each folder. */
static void store_versions(unsigned versions, size_t bytes)
{
    struct store_result result;
    char name[64];
    for (unsigned i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof(name), "folder-%02u", i);
        make_folder(name);
    }
    for (unsigned v = 0; v < versions; v++) {
        for (unsigned i = 0; i < FOLDERS; i++) {
            snprintf(name, sizeof(name), "folder-%02u/%02u", i, v);
            make_file(name, bytes, (uint8_t)(v * FOLDERS + i));
        }
        store_well(&result);
    }
}

static void forget_gets(void)
{
    fake.gets = 0;
    for (size_t i = 0; i < fake.pack_count; i++)
        fake.packs[i].gets = 0;
}

/* Recovers with the cache that the stores left, so that no index pack is asked for; returns how
 * many packs were. */
static size_t assert_each_pack_is_fetched_once(struct recover_result *recovered)
{
    struct err err = ERR_INIT;
    const struct recover_options options = {.to = target};
    uint64_t needed = 0;
    size_t packs = 0;
    forget_gets();
    assert_int_equal(recover("latest", &options, recovered, &err), 0);
    assert_int_equal(recovered->outcome, JOB_DONE);
    for (size_t i = 0; i < fake.pack_count; i++) {
        if (fake.packs[i].gets > 1)
            fail_msg("pack %zu of %zu was fetched %u times", i, fake.pack_count,
                     fake.packs[i].gets);
        needed += fake.packs[i].gets * fake.packs[i].size;
        packs += fake.packs[i].gets;
    }
    assert_int_equal(fake.gets, packs);
    assert_int_equal(recovered->bytes_fetched, needed);
    return packs;
}

static void no_pack_is_fetched_twice_when_versions_share_a_tree(void **state)
{
    (void)state;
    struct recover_result recovered;
    store_versions(VERSIONS, BIG_BYTES);
    size_t packs = assert_each_pack_is_fetched_once(&recovered);
    /* More of them than there is room for: they cannot have waited in memory. */
    assert_true(packs > VERSIONS && recovered.bytes_fetched > FETCHER_BYTES);
    assert_int_equal(recovered.files, FOLDERS * VERSIONS);
    assert_same_file("folder-00/00");
    assert_same_file("folder-05/11");
    assert_same_file("folder-11/06");
}

static void no_pack_is_fetched_twice_when_all_are_small(void **state)
{
    (void)state;
    struct recover_result recovered;
    store_versions(20, 3000);
    size_t packs = assert_each_pack_is_fetched_once(&recovered);
    assert_true(packs >= 20);
    assert_same_file("folder-03/19");
}

/* Under so low a limit that neither all folders nor all begun files can be open. */
static bool comes_back_with_few_files(void)
{
    struct err err = ERR_INIT;
    struct recover_result recovered;
    const struct rlimit few = {OPEN_MAX, OPEN_MAX};
    const struct recover_options options = {.to = target};
    bool whole = setrlimit(RLIMIT_NOFILE, &few) == 0 &&
                 recover("latest", &options, &recovered, &err) == 0 &&
                 recovered.outcome == JOB_DONE;
    if (!whole)
        print_error("%s; %u problems, the last with %s\n", err.text, problems, problem_path);
    return whole;
}

/* In a process of its own: a limit that was lowered stays low. */
static void assert_comes_back_with_few_files(void)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(comes_back_with_few_files() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void more_folders_than_may_be_open_come_back(void **state)
{
    (void)state;
    struct store_result result;
    char name[64];
    for (unsigned i = 0; i < OPEN_FOLDERS; i++) {
        snprintf(name, sizeof(name), "folder-%03u", i);
        make_folder(name);
        snprintf(name, sizeof(name), "folder-%03u/file", i);
        make_file(name, 100 + i, (uint8_t)i);
    }
    /* So deep that what is planned has to be written in the middle of a file. */
    char *deep = alloc_text("the-last");
    for (unsigned i = 0; i < OPEN_MAX / 2; i++) {
        make_folder(deep);
        char *below = alloc_format("%s/d", deep);
        free(deep);
        deep = below;
    }
    make_file(deep, 6 * 1000 * 1000, 7);
    store_well(&result);
    assert_comes_back_with_few_files();
    assert_same_file("folder-000/file");
    assert_same_file("folder-123/file");
    assert_same_file("folder-399/file");
    assert_same_file(deep);
    free(deep);
}

static void more_begun_files_than_may_be_open_come_back(void **state)
{
    (void)state;
    struct store_result result;
    char name[64];
    /* All begin with the same chunk and end with one of their own: when the first is written, all
     * are begun. */
    const size_t size = 2500 * 1000;
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        snprintf(name, sizeof(name), "file-%03u", i);
        make_file(name, size, 1);
        char *path = alloc_format("%s/%s", source, name);
        FILE *file = fopen(path, "ab");
        assert_non_null(file);
        assert_true(fprintf(file, "the end of %u", i) > 0);
        fclose(file);
        free(path);
    }
    store_well(&result);
    assert_comes_back_with_few_files();
    assert_same_file("file-000");
    assert_same_file("file-080");
    assert_same_file("file-159");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_pack_is_fetched_twice_when_versions_share_a_tree),
        TEST(no_pack_is_fetched_twice_when_all_are_small),
        TEST(more_folders_than_may_be_open_come_back),
        TEST(more_begun_files_than_may_be_open_come_back),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
