/* Going through folders: order, slices, targets, what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/base/buffer.h"
#include "cli/files/walk.h"
#include "cli/store/store_count.h"
#include "coding/base/alloc.h"
#include "test/remove_tree.h"
#include "test/wait_for.h"

#define PATH_TEMPLATE "/tmp/ecbak-walk-XXXXXX"

static char base[sizeof(PATH_TEMPLATE)];

static int set_up(void **state)
{
    (void)state;
    memcpy(base, PATH_TEMPLATE, sizeof(PATH_TEMPLATE));
    return mkdtemp(base) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return remove_tree(base);
}

static char *path_of(const char *name)
{
    return alloc_format("%s/%s", base, name);
}

static void make_folder(const char *name)
{
    char *path = path_of(name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static void make_file(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

/* Writes every path below the targets, with a '/' behind folders, a line each. */
static void go_through(struct walk *walk, struct scan **scan, struct buffer *out, bool *failed)
{
    struct listing listing;
    struct err err = ERR_INIT;
    if (walk_enter(walk, scan, &listing, &err) != 0)
        *failed = true;
    for (;;) {
        struct walk_entry *entries = listing.entries;
        listing.entries = NULL;
        for (size_t i = 0; i < listing.count; i++) {
            char *line = alloc_format("%s/%s%s\n", listing.folder->path, entries[i].name,
                                      S_ISDIR(entries[i].stat.mode) ? "/" : "");
            buffer_append(out, line, strlen(line));
            free(line);
            if (entries[i].scan != NULL)
                go_through(walk, &entries[i].scan, out, failed);
        }
        free(entries);
        if (listing.last)
            break;
        walk_next_slice(walk, &listing);
    }
    listing_release(&listing);
}

/* What a walk of these paths finds, without what leads there; "BASE" stands for the test's folder. */
static char *found_by(const char *const *paths, size_t count, struct walk_options options)
{
    struct err err = ERR_INIT;
    char **targets;
    size_t target_count;
    struct walk *walk;
    struct buffer out = {0};
    bool failed = false;
    assert_int_equal(walk_targets(&targets, &target_count, paths, count, NULL, NULL, &err), 0);
    options.targets = (const char *const *)targets;
    options.target_count = target_count;
    assert_int_equal(walk_new(&walk, &options, &err), 0);
    go_through(walk, NULL, &out, &failed);
    walk_destroy(&walk);
    for (size_t i = 0; i < target_count; i++)
        free(targets[i]);
    free(targets);
    buffer_append(&out, "", 1);
    char *text = alloc_zero(out.size, 1);
    size_t used = 0;
    for (char *line = (char *)out.bytes; *line != '\0';) {
        char *end = strchr(line, '\n');
        size_t prefix = strlen(base) + 1;
        if ((size_t)(end - line) > prefix && strncmp(line, base, prefix - 1) == 0 &&
            line[prefix - 1] == '/') {
            memcpy(text + used, line + prefix, (size_t)(end + 1 - line) - prefix);
            used += (size_t)(end + 1 - line) - prefix;
        }
        line = end + 1;
    }
    buffer_release(&out);
    return text;
}

static void check(const char *const *paths, size_t count, struct walk_options options,
                  const char *expected)
{
    for (unsigned threads = 0; threads <= 3; threads++) {
        options.threads = threads;
        char *text = found_by(paths, count, options);
        assert_string_equal(text, expected);
        free(text);
    }
}

static void make_sample(void)
{
    make_folder("b");
    make_folder("b/inner");
    make_file("b/inner/x", "x");
    make_file("b-file", "");
    make_file("a", "a");
    make_folder("c");
    make_file("c/z", "z");
    char *path = path_of("c/link");
    assert_int_equal(symlink("..", path), 0);
    free(path);
}

static void goes_depth_first_in_the_order_of_bytes(void **state)
{
    (void)state;
    make_sample();
    const char *const paths[] = {base};
    check(paths, 1, (struct walk_options){0},
          "a\nb/\nb/inner/\nb/inner/x\nb-file\nc/\nc/link\nc/z\n");
}

static void several_targets_lead_to_themselves_only(void **state)
{
    (void)state;
    make_sample();
    char *x = path_of("b/inner/x"), *c = path_of("c/"), *z = path_of("c/z");
    const char *const paths[] = {x, z, c, x};
    check(paths, 4, (struct walk_options){0}, "b/\nb/inner/\nb/inner/x\nc/\nc/link\nc/z\n");
    free(x);
    free(c);
    free(z);
}

static void a_link_that_was_named_is_not_followed(void **state)
{
    (void)state;
    make_sample();
    char *link = path_of("c/link");
    const char *const paths[] = {link};
    check(paths, 1, (struct walk_options){0}, "c/\nc/link\n");
    free(link);
}

static void what_matches_is_left_out_with_all_below(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    make_sample();
    struct exclude *exclude = exclude_new();
    assert_int_equal(exclude_add(exclude, "inner/", &err), 0);
    assert_int_equal(exclude_add(exclude, "z", &err), 0);
    const char *const paths[] = {base};
    check(paths, 1, (struct walk_options){.exclude = exclude}, "a\nb/\nb-file\nc/\nc/link\n");
    exclude_destroy(&exclude);
}

static void a_tagged_cache_keeps_only_its_tag(void **state)
{
    (void)state;
    make_folder("cache");
    make_file("cache/big", "data");
    make_file("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    make_folder("other");
    make_file("other/CACHEDIR.TAG", "not the signature");
    const char *const paths[] = {base};
    check(paths, 1, (struct walk_options){.exclude_caches = true},
          "cache/\ncache/CACHEDIR.TAG\nother/\nother/CACHEDIR.TAG\n");
}

static void a_folder_of_many_files_comes_in_slices(void **state)
{
    (void)state;
    struct buffer expected = {0};
    make_folder("many");
    buffer_append(&expected, "many/\n", 6);
    for (int i = 0; i < 2 * WALK_SLICE + 5; i++) {
        char *name = alloc_format("many/%05d", i), *line = alloc_format("%s\n", name);
        make_file(name, "");
        buffer_append(&expected, line, strlen(line));
        free(name);
        free(line);
    }
    buffer_append(&expected, "", 1);
    const char *const paths[] = {base};
    check(paths, 1, (struct walk_options){0}, (const char *)expected.bytes);
    buffer_release(&expected);
}

static void count_problem(void *ctx, const char *path, const struct err *err)
{
    (void)path;
    (void)err;
    ++*(int *)ctx;
}

static void a_path_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char **targets;
    size_t count;
    int problems = 0;
    char *missing = path_of("missing");
    const char *const paths[] = {missing, base};
    assert_int_equal(walk_targets(&targets, &count, paths, 2, count_problem, &problems, &err), 0);
    assert_int_equal(problems, 1);
    assert_int_equal(count, 1);
    free(targets[0]);
    free(targets);
    assert_int_equal(walk_targets(&targets, &count, paths, 1, count_problem, &problems, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    free(missing);
}

static void a_walk_can_be_broken_off(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    make_sample();
    const char *const targets[] = {"/"};
    struct walk_options options = {.targets = targets, .target_count = 1, .threads = 2};
    struct walk *walk;
    struct listing listing;
    assert_int_equal(walk_new(&walk, &options, &err), 0);
    assert_int_equal(walk_enter(walk, NULL, &listing, &err), 0);
    for (size_t i = 0; i < listing.count; i++)
        walk_skip(walk, &listing.entries[i].scan);
    listing_release(&listing);
    walk_destroy(&walk);
    assert_null(walk);
}

static void a_tree_is_counted_beside(void **state)
{
    (void)state;
    make_folder("a");
    make_folder("a/b");
    make_file("one", "1234");
    make_file("a/two", "12");
    make_file("a/b/three", "123");
    make_file("a/b/left-out.o", "123456");
    struct err err = ERR_INIT;
    struct exclude *exclude = exclude_new();
    assert_int_equal(exclude_add(exclude, "*.o", &err), 0);
    const char *targets[] = {base};
    struct walk_options options = {.targets = targets, .target_count = 1, .exclude = exclude};
    struct job_progress progress = {0};
    struct store_count *count = NULL;
    store_count_start(&count, &options, &progress);
    assert_non_null(count);
    WAIT_FOR(progress.bytes_all != 0);
    store_count_stop(&count, false);
    assert_null(count);
    assert_int_equal(progress.files_all, 3);
    assert_int_equal(progress.bytes_all, 9);
    exclude_destroy(&exclude);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_depth_first_in_the_order_of_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_targets_lead_to_themselves_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_that_was_named_is_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_matches_is_left_out_with_all_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tagged_cache_keeps_only_its_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_of_many_files_comes_in_slices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_that_is_not_there_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_walk_can_be_broken_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tree_is_counted_beside, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
