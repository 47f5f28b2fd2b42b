/* A recover into what an earlier one left: one that was killed, one that was finished. */
#include "test/vault_bench.h"

#include <fcntl.h>

#define NOBODY 65534

static char *target_of(const char *name)
{
    return alloc_format("%s%s/%s", target, source, name);
}

static mode_t mode_of(const char *name)
{
    struct stat found;
    char *path = target_of(name);
    assert_int_equal(lstat(path, &found), 0);
    free(path);
    return found.st_mode & 07777;
}

static ino_t inode_of(const char *name)
{
    struct stat found;
    char *path = target_of(name);
    assert_int_equal(lstat(path, &found), 0);
    free(path);
    return found.st_ino;
}

static void set_mode(const char *folder, const char *name, mode_t mode)
{
    char *path = alloc_format("%s/%s", folder, name);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static void put_text(const char *name, const char *text)
{
    char *path = target_of(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void remove_name(const char *name)
{
    char *path = target_of(name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static bool is_there(const char *name)
{
    char *path = target_of(name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static void link_in_source(const char *old, const char *new)
{
    char *from = alloc_format("%s/%s", source, old), *to = alloc_format("%s/%s", source, new);
    assert_int_equal(link(from, to), 0);
    free(from);
    free(to);
}

static void recover_again(bool overwrite, enum job_outcome outcome,
                          struct recover_result *recovered)
{
    struct err err = ERR_INIT;
    const struct recover_options options = {.to = target, .overwrite = overwrite};
    if (recover("latest", &options, recovered, &err) != 0)
        fail_msg("recover: %s", err.text);
    assert_int_equal(recovered->outcome, outcome);
}

static void what_a_killed_run_left_is_finished(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_folder("tmp");
    make_folder("tmp/deep");
    make_file("tmp/done", 1000, 1);
    make_file("tmp/deep/missing", 2000, 2);
    set_mode(source, "tmp", 01777);
    set_mode(source, "tmp/deep", 0750);
    store_well(&result);
    recover_well("latest", &recovered);
    /* As it looks when the run is killed while it writes the last file. */
    remove_name("tmp/deep/missing");
    put_text("tmp/deep/.ecbak-0123456789ab-1f", "half of it");
    put_text("tmp/deep/.ecbak-notes", "somebody's own");
    put_text("tmp/deep/.ecbak-0123456789ab-", "this, too");
    char *unfinished = target_of("");
    set_mode(unfinished, "tmp", 01700);
    set_mode(unfinished, "tmp/deep", 01700);
    free(unfinished);
    recover_again(false, JOB_DONE, &recovered);
    assert_int_equal(problems, 0);
    assert_int_equal(recovered.files, 2);
    assert_int_equal(mode_of("tmp"), 01777);
    assert_int_equal(mode_of("tmp/deep"), 0750);
    assert_same_file("tmp/done");
    assert_same_file("tmp/deep/missing");
    assert_false(is_there("tmp/deep/.ecbak-0123456789ab-1f"));
    assert_true(is_there("tmp/deep/.ecbak-notes"));
    assert_true(is_there("tmp/deep/.ecbak-0123456789ab-"));
}

static void a_folder_that_was_there_keeps_its_mode_unless_told(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_folder("x");
    make_file("x/a", 1000, 1);
    store_well(&result);
    recover_well("latest", &recovered);
    char *back = target_of("");
    set_mode(back, "x", 0700);
    free(back);
    recover_again(false, JOB_DONE, &recovered);
    assert_int_equal(mode_of("x"), 0700);
    recover_again(true, JOB_DONE, &recovered);
    assert_int_equal(mode_of("x"), 0755);
}

static void a_user_replaces_what_is_in_folders_without_write_permission(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_folder("ro");
    make_folder("ro/deep");
    make_file("ro/deep/a", 1000, 1);
    set_mode(source, "ro/deep", 0555);
    set_mode(source, "ro", 0555);
    store_well(&result);
    recover_well("latest", &recovered);
    assert_int_equal(mode_of("ro"), 0555);
    put_text("ro/deep/a", "other");
    recover_again(true, JOB_DONE, &recovered);
    assert_int_equal(problems, 0);
    assert_same_file("ro/deep/a");
    assert_int_equal(mode_of("ro"), 0555);
    assert_int_equal(mode_of("ro/deep"), 0555);
    char *back = target_of("");
    const char *const folders[] = {source, back};
    for (size_t i = 0; i < 2; i++) { /* to be removed */
        set_mode(folders[i], "ro", 0755);
        set_mode(folders[i], "ro/deep", 0755);
    }
    free(back);
}

/* Writes one byte at that place of what was recovered, and gives the file its time back. */
static void change(const char *name, off_t at, char byte)
{
    struct stat before;
    char *path = target_of(name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &before) == 0);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    free(path);
}

static void what_is_there_is_compared_byte_by_byte_when_that_is_asked_for(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    const struct recover_options options = {.to = target, .verify = true};
    make_file("a", 3000000, 1);
    make_file("b", 1000, 2);
    make_file("empty", 0, 3);
    make_file("sparse", 1000, 4);
    char *sparse = alloc_format("%s/sparse", source);
    assert_int_equal(truncate(sparse, 40 << 20), 0);
    free(sparse);
    store_well(&result);
    recover_well("latest", &recovered);
    ino_t inode = inode_of("a");
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_int_equal(recovered.files, 4);
    assert_int_equal(inode_of("a"), inode); /* left as it is */
    change("a", 2000000, 'x');
    change("sparse", 30 << 20, 'x'); /* in its hole */
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(recovered.problems, 2);
    assert_int_equal(recovered.files, 2);
    assert_int_equal(inode_of("a"), inode);
    recover_again(true, JOB_DONE, &recovered);
    assert_int_equal(recover("latest", &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
}

static void a_name_of_a_file_whose_other_name_is_there_comes_back(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 1000, 1);
    link_in_source("a", "b");
    link_in_source("a", "c");
    store_well(&result);
    recover_well("latest", &recovered);
    recover_again(false, JOB_DONE, &recovered);
    /* The one that is there is what it should be: linked to. */
    remove_name("b");
    recover_again(false, JOB_DONE, &recovered);
    assert_int_equal(problems, 0);
    assert_int_equal(inode_of("b"), inode_of("a"));
    /* It is not, and must stay: the others are one file. */
    remove_name("a");
    put_text("a", "mine");
    remove_name("b");
    remove_name("c");
    recover_again(false, JOB_INCOMPLETE, &recovered);
    assert_int_equal(problems, 1);
    assert_non_null(strstr(problem_path, "/a"));
    assert_same_file("b");
    assert_int_equal(inode_of("b"), inode_of("c"));
    assert_int_not_equal(inode_of("a"), inode_of("b"));
    recover_again(true, JOB_DONE, &recovered);
    assert_int_equal(inode_of("a"), inode_of("b"));
}

/* Root may write anywhere: some tests need somebody else. */
static int set_up_user(void **state)
{
    if (geteuid() == 0 && seteuid(NOBODY) != 0)
        return -1;
    return set_up(state);
}

static int tear_down_user(void **state)
{
    if (getuid() == 0 && seteuid(0) != 0)
        return -1;
    return tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_killed_run_left_is_finished),
        TEST(a_folder_that_was_there_keeps_its_mode_unless_told),
        cmocka_unit_test_setup_teardown(a_user_replaces_what_is_in_folders_without_write_permission,
                                        set_up_user, tear_down_user),
        TEST(a_name_of_a_file_whose_other_name_is_there_comes_back),
        TEST(what_is_there_is_compared_byte_by_byte_when_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
