/* Profiles: what a file says of a store, read as if it stood on the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/profile.h"

static char file[] = "/tmp/ecbak-profile-XXXXXX";

struct sample {
    bool flag;
    const char *code;
    struct option_list list;
    struct option options[8];
    struct command_line line;
    bool go;
    char said[1024]; /* on standard error */
};

static void write_file(const char *text, size_t size)
{
    int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
}

static void read_words(struct sample *s, int argc, const char *const *argv)
{
    const struct option options[] = {
        {'f', "flag", OPTION_FLAG, &s->flag, NULL, "a flag"},
        {0, "code", OPTION_TEXT, &s->code, "CODE", "a text"},
        {'e', "exclude", OPTION_LIST, &s->list, "PATTERN", "a list"},
        {0, "profile", OPTION_PROFILE, NULL, "NAME", "a profile"},
        {0},
    };
    *s = (struct sample){.line = {.name = "sample",
                                  .synopsis = "",
                                  .about = "",
                                  .examples = "",
                                  .options = s->options,
                                  .uses = USES_VAULT,
                                  .operands_min = 1,
                                  .operands_max = 4}};
    memcpy(s->options, options, sizeof(options));
    int ends[2], code = -1;
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    s->go = command_line_read(&s->line, argc, (char **)(uintptr_t)argv, &code);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    ssize_t got = read(ends[0], s->said, sizeof(s->said) - 1);
    s->said[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    if (!s->go)
        assert_int_equal(code, EXIT_USAGE);
}

/* The text as a profile, with these words on the command line. */
#define READ(s, text, ...)                                                                         \
    do {                                                                                           \
        const char *const argv[] = {"sample", __VA_ARGS__, NULL};                                  \
        write_file(text, sizeof(text) - 1);                                                        \
        read_words(s, (int)(sizeof(argv) / sizeof(argv[0])) - 1, argv);                            \
    } while (0)

static void release(struct sample *s)
{
    assert_int_equal(command_end(&s->line, EXIT_DONE, NULL), EXIT_DONE);
}

static void its_lines_are_options_and_paths(void **state)
{
    (void)state;
    struct sample s;
    READ(&s,
         "# what is dear\n"
         "path /home\n"
         "  path\t/srv/with blanks  \r\n"
         "\n"
         "exclude *.o\n"
         "exclude \"#\"\n"
         "flag\n"
         "vault 12ab\n"
         "code 4+2",
         "--profile", file, "/etc");
    assert_true(s.go);
    assert_int_equal(s.line.operand_count, 3);
    assert_string_equal(s.line.operands[0], "/home");
    assert_string_equal(s.line.operands[1], "/srv/with blanks");
    assert_string_equal(s.line.operands[2], "/etc");
    assert_int_equal(s.list.count, 2);
    assert_string_equal(s.list.items[0], "*.o");
    assert_string_equal(s.list.items[1], "\"#\""); /* as it stands */
    assert_true(s.flag);
    assert_string_equal(s.line.vault, "12ab");
    assert_string_equal(s.code, "4+2");
    release(&s);
}

static void it_counts_as_if_it_stood_there(void **state)
{
    (void)state;
    struct sample s;
    READ(&s, "path /a\ncode 4+2\n", "--profile", file, "--code", "2+1");
    assert_true(s.go);
    assert_string_equal(s.code, "2+1");
    release(&s);
    READ(&s, "path /a\ncode 4+2\n", "--code", "2+1", "--profile", file);
    assert_string_equal(s.code, "4+2");
    release(&s);
}

static void a_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"path /a\nexlude x\n", "line 2: there is no option exlude; did you mean exclude?"},
        {"pathh /a\n", "line 1: there is no option pathh; did you mean path?"},
        {"\n\npath work\n", "line 3: path needs an absolute path"},
        {"path\n", "line 1: path needs an absolute path"},
        {"path /a\nflag yes\n", "line 2: flag takes no value"},
        {"path /a\nexclude\n", "line 2: exclude needs a value: exclude PATTERN"},
        {"path /a\nprofile other\n", "line 2: 'profile' is for the command line only"},
        {"path /a\nhelp\n", "line 2: 'help' is for the command line only"},
        {"--path /a\n", "line 1: there is no option"},
        {"# nothing\n", "something is missing"},
    };
    const char *const argv[] = {"sample", "--profile", file, NULL};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sample s;
        write_file(wrong[i].text, strlen(wrong[i].text));
        read_words(&s, 3, argv);
        assert_false(s.go);
        if (strstr(s.said, wrong[i].said) == NULL)
            fail_msg("of %s: %s", wrong[i].text, s.said);
        if (strstr(wrong[i].said, "line") != NULL)
            assert_non_null(strstr(s.said, file));
        release(&s);
    }
}

static void what_is_no_profile_is_refused(void **state)
{
    (void)state;
    struct sample s;
    READ(&s, "path /a\0b\n", "--profile", file);
    assert_false(s.go);
    assert_non_null(strstr(s.said, "is no text"));
    release(&s);
    READ(&s, "path /a\n", "--profile", file, "--profile", file);
    assert_false(s.go);
    assert_non_null(strstr(s.said, "one profile at a time"));
    release(&s);
    READ(&s, "", "--profile", "no-such-profile");
    assert_false(s.go);
    assert_non_null(strstr(s.said, PROFILE_FOLDER "/no-such-profile.conf"));
    release(&s);
    READ(&s, "", "--profile", "..");
    assert_false(s.go);
    release(&s);
    assert_int_equal(truncate(file, (off_t)PROFILE_SIZE_MAX + 1), 0);
    const char *const argv[] = {"sample", "--profile", file, NULL};
    read_words(&s, 3, argv);
    assert_false(s.go);
    release(&s);
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_lines_are_options_and_paths),
        cmocka_unit_test(it_counts_as_if_it_stood_there),
        cmocka_unit_test(a_mistake_is_named_with_its_line),
        cmocka_unit_test(what_is_no_profile_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
