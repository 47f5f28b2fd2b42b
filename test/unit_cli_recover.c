/* A recover: what comes back, where to, and what is never touched. */
#include "test/vault_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "cli/vault/pack.h"
#include "cli/vault/tree.h"

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

/* ---- flags (chattr) -------------------------------------------------------------------------- */

#define BUSY_FLAGS (FS_NODUMP_FL | FS_NOATIME_FL)

static unsigned flags_of(const char *path)
{
    unsigned flags = 0;
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
            flags = 0;
        close(fd);
    }
    return flags & TREE_FLAGS_ALL;
}

static bool set_flags(const char *path, unsigned flags)
{
    unsigned now = 0;
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    bool set = ioctl(fd, FS_IOC_GETFLAGS, &now) == 0;
    now = (now & ~TREE_FLAGS_ALL) | flags;
    set = set && ioctl(fd, FS_IOC_SETFLAGS, &now) == 0;
    close(fd);
    return set;
}

static int unlock_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)walk;
    if (kind == FTW_F || kind == FTW_D)
        (void)set_flags(path, 0);
    return 0;
}

/* What is locked cannot be removed. */
static int tear_down_flags(void **state)
{
    (void)nftw(base, unlock_one, 16, FTW_PHYS);
    return tear_down(state);
}

/* Of a name in the source, there or where it was recovered to. */
static char *path_of(const char *below, const char *name)
{
    return alloc_format("%s%s/%s", below, source, name);
}

static void flag(const char *name, unsigned flags)
{
    char *path = path_of("", name);
    if (!set_flags(path, flags)) {
        printf("SKIPPED: no flags (chattr) can be set here: %s\n", strerror(errno));
        free(path);
        skip();
    }
    free(path);
}

static void assert_flags(const char *name, unsigned flags)
{
    char *path = path_of(target, name);
    assert_int_equal(flags_of(path), flags);
    free(path);
}

static void make_flagged(void)
{
    make_folder("d");
    make_folder("locked");
    make_file("a", 100, 1);
    make_file("busy", 100, 2);
    make_file("d/log", 100, 3);
    make_file("locked/first", 100, 4);
    char *first = path_of("", "locked/first"), *second = path_of("", "second");
    assert_int_equal(link(first, second), 0);
    free(first);
    free(second);
    flag("a", FS_IMMUTABLE_FL);
    flag("busy", BUSY_FLAGS);
    flag("d/log", FS_APPEND_FL | BUSY_FLAGS);
    flag("second", FS_IMMUTABLE_FL);
    flag("locked", FS_IMMUTABLE_FL);
    flag("d", FS_NODUMP_FL);
}

static void assert_flagged(void)
{
    assert_flags("a", FS_IMMUTABLE_FL);
    assert_flags("busy", BUSY_FLAGS);
    assert_flags("d/log", FS_APPEND_FL | BUSY_FLAGS);
    assert_flags("second", FS_IMMUTABLE_FL);
    assert_flags("locked", FS_IMMUTABLE_FL);
    assert_flags("locked/first", FS_IMMUTABLE_FL);
    assert_flags("d", FS_NODUMP_FL);
    assert_same_file("a");
    assert_same_file("d/log");
    assert_same_file("locked/first");
    assert_same_file("second");
}

static void flags_come_back_and_lock_what_is_whole(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_flagged();
    store_well(&result);
    recover_well("latest", &recovered);
    assert_int_equal(recovered.flags_refused, 0);
    assert_flagged();
    /* A run that ended between a file's name and its lock is finished by the next. */
    char *path = path_of(target, "a");
    assert_true(set_flags(path, 0));
    free(path);
    const struct recover_options options = {.to = target};
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_flagged();
}

static void what_is_locked_is_not_replaced_and_says_so(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 100, 1);
    make_folder("d");
    make_file("d/b", 100, 1);
    store_well(&result);
    recover_well("latest", &recovered);
    char *path = path_of(target, "a");
    if (!set_flags(path, FS_IMMUTABLE_FL)) {
        free(path);
        printf("SKIPPED: no file can be made immutable here: %s\n", strerror(errno));
        skip();
    }
    struct recover_options options = {.to = target, .overwrite = true};
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(recovered.problems, 1);
    assert_string_equal(problem_text, "what is in its place is immutable (chattr -i ends that)");
    assert_true(set_flags(path, 0));
    free(path);
    path = path_of(target, "d");
    assert_true(set_flags(path, FS_APPEND_FL));
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.problems, 2); /* its file, then itself */
    assert_string_equal(problem_text, "it is append-only (chattr -a ends that)");
    char *inside = path_of("", "d/b");
    const char *const paths[] = {inside};
    options.paths = paths;
    options.path_count = 1;
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.problems, 1);
    assert_string_equal(problem_text, "its folder is append-only (chattr -a ends that)");
    free(inside);
    free(path);
}

/* tmpfs knows four of them. */
static void flags_that_are_refused_are_counted_and_said_once(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    char shm[] = "/dev/shm/ecbak-flags-XXXXXX";
    make_file("a", 100, 1);
    make_file("b", 100, 2);
    make_file("c", 100, 2);
    flag("a", FS_SYNC_FL | FS_NODUMP_FL);
    flag("b", FS_SYNC_FL);
    store_well(&result);
    assert_non_null(mkdtemp(shm));
    const struct recover_options options = {.to = shm};
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    char *path = path_of(shm, "a");
    unsigned flags = flags_of(path);
    free(path);
    assert_int_equal(remove_tree(shm), 0);
    if ((flags & FS_SYNC_FL) != 0) {
        printf("SKIPPED: /dev/shm has all flags\n");
        skip();
    }
    assert_int_equal(recovered.files, 3);
    assert_int_equal(recovered.problems, 0);
    assert_int_equal(recovered.flags_refused, 2);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_non_null(strstr(recovered.note, "2 files or folders did not get all flags (chattr S"));
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_FLAGS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_flags)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_store_comes_back_on_a_blank_machine),
        TEST(nothing_half_written_is_left_when_packs_are_missing),
        TEST(what_is_there_is_not_replaced_unless_told),
        TEST(only_some_paths_can_be_had),
        TEST(a_link_in_the_target_is_not_followed),
        TEST_FLAGS(flags_come_back_and_lock_what_is_whole),
        TEST_FLAGS(what_is_locked_is_not_replaced_and_says_so),
        TEST_FLAGS(flags_that_are_refused_are_counted_and_said_once),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
