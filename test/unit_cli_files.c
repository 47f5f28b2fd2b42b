/* A store of files that are not what they seem, or do not stay as they are while they are read. */
#include "test/vault_bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#define BIG_BYTES (8 * 1000 * 1000)

static int store_paths(const char *const *paths, size_t count, struct store_result *result,
                       struct err *err)
{
    struct store_options options = {.paths = paths, .path_count = count, .threads = 2};
    struct job_progress progress = {0};
    return store_run(vault, &options, &progress, &report, result, err);
}

static size_t read_whole(const char *path, char *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

static void files_that_are_said_to_be_empty_are_stored_with_what_they_hold(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    struct stat said;
    char left[4096], right[4096];
    const char *const paths[] = {"/proc/version", "/proc/filesystems"};
    assert_int_equal(stat(paths[0], &said), 0);
    assert_int_equal(said.st_size, 0);
    for (int again = 0; again < 2; again++) { /* nor is what cannot be known taken over */
        assert_int_equal(store_paths(paths, 2, &result, &err), 0);
        assert_int_equal(result.outcome, JOB_DONE);
        assert_int_equal(result.files, 2);
        assert_true(result.bytes > 0);
        restart();
    }
    recover_well("latest", &recovered);
    for (size_t i = 0; i < 2; i++) {
        char *back = alloc_format("%s%s", target, paths[i]);
        size_t size = read_whole(paths[i], left, sizeof(left));
        assert_true(size > 0);
        assert_int_equal(read_whole(back, right, sizeof(right)), size);
        assert_memory_equal(left, right, size);
        free(back);
    }
}

/* Changes a file again and again, from before it is read until after. */
struct changer {
    void (*change)(int fd, uint64_t number);
    char *path;
    _Atomic bool stop;
    _Atomic uint64_t changes;
};

static void *keep_changing(void *ctx)
{
    struct changer *changer = ctx;
    int fd = open(changer->path, O_RDWR);
    while (!changer->stop)
        changer->change(fd, ++changer->changes);
    close(fd);
    return NULL;
}

static void store_while_it_changes(void (*change)(int fd, uint64_t number),
                                   struct store_result *result)
{
    struct changer changer = {.change = change};
    pthread_t thread;
    make_file("log", BIG_BYTES, 1);
    changer.path = alloc_format("%s/log", source);
    assert_int_equal(pthread_create(&thread, NULL, keep_changing, &changer), 0);
    while (changer.changes == 0)
        sched_yield();
    store_well(result);
    changer.stop = true;
    pthread_join(thread, NULL);
    free(changer.path);
}

static void append(int fd, uint64_t number)
{
    assert_int_equal(pwrite(fd, &number, 8, lseek(fd, 0, SEEK_END)), 8);
}

static void rewrite(int fd, uint64_t number)
{
    append(fd, number);
    assert_int_equal(pwrite(fd, &number, 8, BIG_BYTES / 2), 8);
}

static void shrink(int fd, uint64_t number)
{
    if (number < BIG_BYTES)
        assert_int_equal(ftruncate(fd, (off_t)(BIG_BYTES - number)), 0);
}

static void a_file_that_only_grows_is_stored_as_of_when_it_was_opened(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    struct stat stored, now;
    store_while_it_changes(append, &result);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_int_equal(problems, 0);
    assert_int_equal(result.grown, 1);
    recover_well("latest", &recovered);
    char *left = alloc_format("%s/log", source), *right = alloc_format("%s%s/log", target, source);
    assert_int_equal(stat(left, &now), 0);
    assert_int_equal(stat(right, &stored), 0);
    assert_in_range(stored.st_size, BIG_BYTES, now.st_size);
    assert_int_equal(truncate(left, stored.st_size), 0);
    assert_int_equal(chmod(right, now.st_mode & 07777), 0);
    struct timespec times[2] = {stored.st_mtim, stored.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, left, times, 0), 0);
    assert_same_file("log");
    /* It is not taken for unchanged. */
    restart();
    store_well(&result);
    assert_int_equal(result.grown, 0);
    free(left);
    free(right);
}

static void a_file_that_is_rewritten_or_shrinks_meanwhile_is_reported(void **state)
{
    (void)state;
    struct store_result result;
    store_while_it_changes(rewrite, &result);
    assert_int_equal(result.outcome, JOB_INCOMPLETE);
    assert_int_equal(problems, 1);
    assert_int_equal(result.grown, 0);
    restart();
    store_while_it_changes(shrink, &result);
    assert_int_equal(result.outcome, JOB_INCOMPLETE);
    assert_int_equal(problems, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_that_are_said_to_be_empty_are_stored_with_what_they_hold),
        TEST(a_file_that_only_grows_is_stored_as_of_when_it_was_opened),
        TEST(a_file_that_is_rewritten_or_shrinks_meanwhile_is_reported),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
