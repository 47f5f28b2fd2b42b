/* A recover: what comes back, where to, and what is never touched. */
#include "test/vault_bench.h"

#include <fcntl.h>

#include "cli/vault/pack.h"

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
    assert_int_equal(recovered.outcome, JOB_TOO_FEW);
    assert_int_equal(recovered.corrupt, 0);
    assert_int_equal(remove_tree(target), 0);
    /* The same, because what is missing is damaged. */
    fake.damage = true;
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DAMAGED);
    assert_true(recovered.corrupt > 0);
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
    assert_int_equal(remove_tree(x), 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_store_comes_back_on_a_blank_machine),
        TEST(nothing_half_written_is_left_when_packs_are_missing),
        TEST(what_is_there_is_not_replaced_unless_told),
        TEST(only_some_paths_can_be_had),
        TEST(a_link_in_the_target_is_not_followed),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
