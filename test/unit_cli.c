/* What people type and read: sizes, durations, hostile names, command lines, near misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/text.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/progress.h"
#include "cli/ui/suggest.h"

#define SAFE(bytes) (text_safe(safe, sizeof(safe), bytes, sizeof(bytes) - 1), safe)

static void sizes_are_shown_in_powers_of_1024(void **state)
{
    (void)state;
    char text[TEXT_SHORT_MAX];
    assert_string_equal(text_bytes(text, 0), "0 B");
    assert_string_equal(text_bytes(text, 1023), "1023 B");
    assert_string_equal(text_bytes(text, 1024), "1.0 KiB");
    assert_string_equal(text_bytes(text, 1024 * 1024 - 1), "1.0 MiB");
    assert_string_equal(text_bytes(text, 3ull << 29), "1.5 GiB");
    assert_string_equal(text_bytes(text, UINT64_MAX), "16.0 EiB");
}

static void durations_use_two_units_at_most(void **state)
{
    (void)state;
    char text[TEXT_SHORT_MAX];
    assert_string_equal(text_duration(text, -1), "0.0 s");
    assert_string_equal(text_duration(text, 0.44), "0.4 s");
    assert_string_equal(text_duration(text, 9.96), "10 s");
    assert_string_equal(text_duration(text, 59.7), "1 min 0 s");
    assert_string_equal(text_duration(text, 3 * 3600 + 125), "3 h 2 min");
    assert_string_equal(text_duration(text, 86400 * 5.5), "5 d 12 h");
    assert_string_equal(text_count(text, 81237), "81 237");
    assert_string_equal(text_count(text, 999), "999");
}

static void typed_sizes_and_durations_are_read(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    uint64_t value = 0;
    assert_int_equal(text_read_bytes(&value, "10G", &err), 0);
    assert_int_equal(value, 10ull << 30);
    assert_int_equal(text_read_bytes(&value, "512mib", &err), -1);
    assert_int_equal(text_read_bytes(&value, "512MiB", &err), 0);
    assert_int_equal(value, 512ull << 20);
    assert_int_equal(text_read_bytes(&value, "4096", &err), 0);
    assert_int_equal(value, 4096);
    assert_int_equal(text_read_duration(&value, "30s", &err), 0);
    assert_int_equal(value, 30000);
    assert_int_equal(text_read_duration(&value, "250ms", &err), 0);
    assert_int_equal(value, 250);
    assert_int_equal(text_read_duration(&value, "2", &err), 0);
    assert_int_equal(value, 2000);
}

static void nonsense_is_never_taken_for_a_number(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "-1", "1x",  "G",  "1 ",  " 1",
                                      "0x10",     "+1", "1.5", "5 ", "1GG", "18446744073709551616",
                                      "99999999P"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = ERR_INIT;
        uint64_t value;
        assert_int_equal(text_read_number(&value, bad[i], &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        assert_int_equal(text_read_bytes(&value, bad[i], &err), -1);
        assert_int_equal(text_read_duration(&value, bad[i], &err), -1);
    }
}

static void a_hostile_name_cannot_move_the_cursor(void **state)
{
    (void)state;
    char safe[256];
    assert_string_equal(SAFE("plain.txt"), "plain.txt");
    assert_string_equal(SAFE("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(SAFE("a\033[2Jb"), "a\\x1b[2Jb");
    assert_string_equal(SAFE("a\nb\rc\x7f"), "a\\x0ab\\x0dc\\x7f");
    assert_string_equal(SAFE("\xc2\x9b"), "\\xc2\\x9b");                          /* a C1 control */
    assert_string_equal(SAFE("exe.\xe2\x80\xae txt"), "exe.\\xe2\\x80\\xae txt"); /* an override */
    assert_string_equal(SAFE("\xff\xc0\x80"), "\\xff\\xc0\\x80");                 /* not UTF-8 */
    assert_string_equal(SAFE("\xe2\x82"), "\\xe2\\x82");                          /* cut off */
}

static void a_name_too_long_is_cut_before_a_whole_character(void **state)
{
    (void)state;
    char small[5];
    assert_int_equal(text_safe(small, sizeof(small), "abc\xc3\xbc", 5), 3);
    assert_string_equal(small, "abc");
    assert_int_equal(text_safe(small, sizeof(small), "a\033", 2), 1);
    assert_int_equal(text_safe(small, 0, "a", 1), 0);
    assert_int_equal(text_width("gr\xc3\xbc\xc3\x9f"), 4);
}

static void a_near_word_is_suggested_and_a_far_one_is_not(void **state)
{
    (void)state;
    static const char *const words[] = {"store", "recover", "snapshots", "members"};
    static const struct {
        const char *given, *meant;
    } cases[] = {{"stroe", "store"},      {"memebrs", "members"}, {"snap", "snapshots"},
                 {"recovers", "recover"}, {"frobnicate", NULL},   {"x", NULL}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct suggestion near = {0};
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
            suggest_consider(&near, cases[c].given, words[w]);
        if (cases[c].meant == NULL)
            assert_null(near.word);
        else
            assert_string_equal(near.word, cases[c].meant);
    }
}

/* A command line with one option of each kind, as a command would have it. */
struct sample {
    bool flag;
    const char *text;
    struct option_list list;
    uint64_t number, bytes, duration;
    struct option options[8];
    struct command_line line;
    int code;
    bool go;
};

/* Usage errors go to stderr, which is no part of a test's output. */
static void read_sample(struct sample *s, int argc, const char *const *argv)
{
    const struct option options[] = {
        {'f', "flag", OPTION_FLAG, &s->flag, NULL, "a flag"},
        {'t', "text", OPTION_TEXT, &s->text, "TEXT", "a text"},
        {'l', "list", OPTION_LIST, &s->list, "ITEM", "a list"},
        {'n', "number", OPTION_NUMBER, &s->number, "N", "a number"},
        {0, "bytes", OPTION_BYTES, &s->bytes, "SIZE", "a size"},
        {0, "duration", OPTION_DURATION, &s->duration, "TIME", "a duration"},
        {0},
    };
    memcpy(s->options, options, sizeof(options));
    s->line = (struct command_line){.name = "sample",
                                    .synopsis = "A [B]",
                                    .about = "",
                                    .examples = "",
                                    .options = s->options,
                                    .uses = USES_NODE,
                                    .operands_min = 1,
                                    .operands_max = 2};
    fflush(stderr);
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    s->go = command_line_read(&s->line, argc, (char **)(uintptr_t)argv, &s->code);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
}

#define READ(s, ...)                                                                               \
    do {                                                                                           \
        const char *const argv[] = {"sample", __VA_ARGS__, NULL};                                  \
        read_sample(s, (int)(sizeof(argv) / sizeof(argv[0])) - 1, argv);                           \
    } while (0)

static void options_and_operands_may_be_mixed(void **state)
{
    (void)state;
    struct sample s = {0};
    READ(&s, "one", "-fn7", "--list=a", "two", "-l", "b", "--bytes", "2K", "--duration=5m", "-qtx",
         "--socket=ipc:///s");
    assert_true(s.go);
    assert_true(s.flag && s.line.quiet && !s.line.json);
    assert_string_equal(s.text, "x");
    assert_int_equal(s.number, 7);
    assert_int_equal(s.bytes, 2048);
    assert_int_equal(s.duration, 300000);
    assert_int_equal(s.list.count, 2);
    assert_string_equal(s.list.items[1], "b");
    assert_string_equal(s.line.socket, "ipc:///s");
    assert_int_equal(s.line.operand_count, 2);
    assert_string_equal(s.line.operands[1], "two");
    assert_int_equal(command_end(&s.line, EXIT_DONE, NULL), EXIT_DONE);
    assert_null(s.list.items);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    struct sample s = {0};
    READ(&s, "--", "-f", "--text");
    assert_true(s.go);
    assert_false(s.flag);
    assert_string_equal(s.line.operands[0], "-f");
    assert_string_equal(s.line.operands[1], "--text");
    assert_int_equal(command_end(&s.line, EXIT_DONE, NULL), EXIT_DONE);
}

static void wrong_command_lines_are_usage_errors(void **state)
{
    (void)state;
    struct sample s = {0};
    static const char *const wrong[][4] = {
        {"sample", "a", "--nothing", NULL}, {"sample", "a", "-x", NULL},
        {"sample", "a", "--text", NULL},    {"sample", "a", "-n", NULL},
        {"sample", "a", "-nx", NULL},       {"sample", "a", "--flag=1", NULL},
        {"sample", NULL, NULL, NULL},       {"sample", "a", "--vault=1", NULL},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int argc = 0;
        while (argc < 4 && wrong[i][argc] != NULL)
            argc++;
        s.code = -1;
        read_sample(&s, argc, wrong[i]);
        assert_false(s.go);
        assert_int_equal(s.code, EXIT_USAGE);
    }
    READ(&s, "a", "b", "c");
    assert_false(s.go);
}

static void progress_tells_what_is_known_and_fits_the_line(void **state)
{
    (void)state;
    char line[PROGRESS_LINE_MAX];
    struct job_progress job = {.phase = JOB_RUNNING, .files = 1234, .bytes = 1 << 20};
    progress_line(line, "storing", &job, 2, 0, 80);
    assert_string_equal(line, "storing  1 234 files  1.0 MiB");
    atomic_store(&job.bytes_all, 4 << 20);
    progress_line(line, "storing", &job, 2, 1 << 20, 200);
    assert_non_null(strstr(line, "25 %  1.0 MiB of 4.0 MiB  1.0 MiB/s  3.0 s left"));
    progress_line(line, "storing", &job, 2, 1 << 20, 10);
    assert_string_equal(line, "storing  1");
    atomic_store(&job.bytes, 9 << 20); /* the estimate was too low: it is not shown */
    progress_line(line, "storing", &job, 2, 0, 80);
    assert_string_equal(line, "storing  1 234 files  9.0 MiB");
}

static void trouble_has_the_same_status_everywhere(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        enum exit_code exit;
    } cases[] = {{ERR_NONE, 0},      {ERR_IO, 1},      {ERR_TIMEOUT, 1},
                 {ERR_NOT_FOUND, 1}, {ERR_USAGE, 2},   {ERR_TOO_FEW, 4},
                 {ERR_KEY, 5},       {ERR_DAMAGED, 5}, {ERR_FULL, 6}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {.code = cases[i].code};
        assert_int_equal(exit_code_of(&err), cases[i].exit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_shown_in_powers_of_1024),
        cmocka_unit_test(durations_use_two_units_at_most),
        cmocka_unit_test(typed_sizes_and_durations_are_read),
        cmocka_unit_test(nonsense_is_never_taken_for_a_number),
        cmocka_unit_test(a_hostile_name_cannot_move_the_cursor),
        cmocka_unit_test(a_name_too_long_is_cut_before_a_whole_character),
        cmocka_unit_test(a_near_word_is_suggested_and_a_far_one_is_not),
        cmocka_unit_test(options_and_operands_may_be_mixed),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(wrong_command_lines_are_usage_errors),
        cmocka_unit_test(progress_tells_what_is_known_and_fits_the_line),
        cmocka_unit_test(trouble_has_the_same_status_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
