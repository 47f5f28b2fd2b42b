/* Which paths a pattern leaves out of a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/files/exclude.h"

static bool leaves_out(const char *pattern, const char *path, bool is_directory)
{
    struct err err = ERR_INIT;
    struct exclude *exclude = exclude_new();
    assert_int_equal(exclude_add(exclude, pattern, &err), 0);
    bool result = exclude_matches(exclude, path, is_directory);
    exclude_destroy(&exclude);
    assert_null(exclude);
    return result;
}

static void a_bare_name_matches_at_any_depth(void **state)
{
    (void)state;
    assert_true(leaves_out("*.o", "/a/b/c.o", false));
    assert_true(leaves_out("node_modules", "/x/node_modules", true));
    assert_false(leaves_out("*.o", "/a/b.o/c", false));
    assert_false(leaves_out("b", "/a/bb", false));
    assert_true(leaves_out("?b", "/a/bb", false));
}

static void a_leading_slash_means_the_whole_path(void **state)
{
    (void)state;
    assert_true(leaves_out("/home/*/.cache", "/home/ann/.cache", true));
    assert_false(leaves_out("/home/*/.cache", "/home/ann/x/.cache", true));
    assert_false(leaves_out("/home", "/x/home", true));
    assert_false(leaves_out("/home", "/home/ann", true));
}

static void a_slash_inside_means_the_end_of_the_path(void **state)
{
    (void)state;
    assert_true(leaves_out("build/*.log", "/w/build/x.log", false));
    assert_false(leaves_out("build/*.log", "/w/build/y/x.log", false));
    assert_true(leaves_out("build/**/x.log", "/w/build/y/z/x.log", false));
    assert_true(leaves_out("build/**/x.log", "/w/build/x.log", false));
    assert_true(leaves_out("/a/**", "/a/b/c", false));
    assert_false(leaves_out("/a/**/d", "/a/b/c", false));
}

static void a_final_slash_means_folders_only(void **state)
{
    (void)state;
    assert_true(leaves_out("tmp/", "/a/tmp", true));
    assert_false(leaves_out("tmp/", "/a/tmp", false));
}

static void of_all_patterns_that_match_the_last_one_counts(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct exclude *exclude = exclude_new();
    static const char *const patterns[] = {"*.log", "!/w/keep/*.log", "/w/keep/old.log", "\\!odd"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        assert_int_equal(exclude_add(exclude, patterns[i], &err), 0);
    assert_true(exclude_matches(exclude, "/w/a.log", false));
    assert_false(exclude_matches(exclude, "/w/keep/a.log", false));
    assert_true(exclude_matches(exclude, "/w/keep/old.log", false));
    assert_true(exclude_matches(exclude, "/w/!odd", false));
    assert_false(exclude_matches(exclude, "/w/odd", false));
    assert_int_equal(exclude_add(exclude, "!", &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    exclude_destroy(&exclude);
}

static void classes_and_escapes_are_understood(void **state)
{
    (void)state;
    assert_true(leaves_out("x[0-9]", "/x7", false));
    assert_false(leaves_out("x[!0-9]", "/x7", false));
    assert_true(leaves_out("x[", "/x[", false));
    assert_true(leaves_out("a\\*b", "/a*b", false));
    assert_false(leaves_out("a\\*b", "/axb", false));
    assert_true(leaves_out("\xff*", "/\xff\xfe", false));
}

static void many_stars_do_not_explode(void **state)
{
    (void)state;
    char path[202] = "/";
    memset(path + 1, 'a', 200);
    assert_false(leaves_out("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path, false));
    assert_false(leaves_out("/**a**a**a**a**a**a**a**a**a**a**b", path, false));
    for (size_t i = 2; i < 200; i += 2)
        path[i] = '/';
    assert_false(leaves_out("/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b", path, false));
    assert_true(leaves_out("/**/a/**/a/**/a/**/a/**/a/**/a/**/aa", path, false));
}

static void a_file_of_patterns_skips_comments(void **state)
{
    (void)state;
    char path[] = "/tmp/ecbak-exclude-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char text[] = "\xef\xbb\xbf# comment\n\n \t\n*.tmp\r\n/x/y \r\n!keep.tmp\r\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    struct err err = ERR_INIT;
    struct exclude *exclude = exclude_new();
    assert_int_equal(exclude_add_file(exclude, path, &err), 0);
    assert_true(exclude_matches(exclude, "/q/a.tmp", false));
    assert_true(exclude_matches(exclude, "/x/y", true));
    assert_false(exclude_matches(exclude, "/q/keep.tmp", false));
    assert_false(exclude_matches(exclude, "/# comment", false));
    assert_int_equal(exclude_add_file(exclude, "/nonexistent/file", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(exclude_add(exclude, "", &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    exclude_destroy(&exclude);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_name_matches_at_any_depth),
        cmocka_unit_test(a_leading_slash_means_the_whole_path),
        cmocka_unit_test(a_slash_inside_means_the_end_of_the_path),
        cmocka_unit_test(a_final_slash_means_folders_only),
        cmocka_unit_test(of_all_patterns_that_match_the_last_one_counts),
        cmocka_unit_test(classes_and_escapes_are_understood),
        cmocka_unit_test(many_stars_do_not_explode),
        cmocka_unit_test(a_file_of_patterns_skips_comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
