/* Not getopt_long: its messages name no near option, its table carries no help, and its permuting
 * of argv is global state. Every option is found in the command's own table first, then in the
 * common one. */
#include "cli/ui/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/text.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/output.h"
#include "cli/ui/profile.h"
#include "cli/ui/suggest.h"
#include "cli/ui/waiting.h"
#include "coding/base/alloc.h"

#define COMMON_MAX 6

/* Fills `common` with the options that every such command has. */
static void common_options(struct option common[COMMON_MAX], struct command_line *line, bool *help)
{
    size_t n = 0;
    if ((line->uses & USES_NODE) != 0)
        common[n++] = (struct option){0,
                                      "socket",
                                      OPTION_TEXT,
                                      &line->socket,
                                      "ENDPOINT",
                                      "the node to talk to (default $ECBAK_SOCKET,\n"
                                      "then ipc:///run/ecbak/client.sock)"};
    if ((line->uses & USES_VAULT) != 0)
        common[n++] = (struct option){0,
                                      "vault",
                                      OPTION_TEXT,
                                      &line->vault,
                                      "ID",
                                      "which vault, when this machine has several\n"
                                      "(default $ECBAK_VAULT)"};
    common[n++] = (struct option){0, "json", OPTION_FLAG, &line->json, NULL, "answer in JSON"};
    common[n++] =
        (struct option){'q', "quiet", OPTION_FLAG, &line->quiet, NULL, "say only what went wrong"};
    common[n++] = (struct option){'h', "help", OPTION_FLAG, help, NULL, "show this help"};
    common[n] = (struct option){0};
}

/* The lines after the first begin at this column. */
static void print_lines(const char *text, int column)
{
    for (const char *at = text; *at != '\0'; at++) {
        putchar(*at);
        if (*at == '\n')
            printf("%*s", column, "");
    }
    putchar('\n');
}

static void print_option(const struct option *o)
{
    char left[64], letter[] = {'-', o->letter, ',', ' ', '\0'};
    snprintf(left, sizeof(left), "%s--%s%s%s", o->letter != 0 ? letter : "    ", o->name,
             o->argument != NULL ? " " : "", o->argument != NULL ? o->argument : "");
    printf("  %-24s ", left);
    if (strlen(left) > 24)
        printf("\n%27s", "");
    print_lines(o->help, 27);
}

static void print_exits(unsigned exits)
{
    exits |= EXIT_BIT(EXIT_DONE) | EXIT_BIT(EXIT_FAILED) | EXIT_BIT(EXIT_USAGE);
    for (unsigned code = 0; code < EXIT_CODES; code++)
        if ((exits & EXIT_BIT(code)) != 0) {
            printf("  %u  ", code);
            print_lines(exit_code_text(code), 5);
        }
}

static void print_help(const struct command_line *line, const struct option *common)
{
    const char *on = style_on(stdout, STYLE_BOLD), *off = style_off(stdout);
    printf("%sUsage:%s %s %s\n\n%s\n", on, off, line->name, line->synopsis, line->about);
    if (line->options != NULL && line->options[0].name != NULL) {
        printf("\n%sOptions%s\n", on, off);
        for (const struct option *o = line->options; o->name != NULL; o++)
            print_option(o);
    }
    printf("\n%sEverywhere%s\n", on, off);
    for (const struct option *o = common; o->name != NULL; o++)
        print_option(o);
    printf("\n%sExit status%s\n", on, off);
    print_exits(line->exits);
    printf("\n%sExamples%s\n%s\n", on, off, line->examples);
}

static int read_positive(int (*read)(uint64_t *to, const char *text, struct err *err), uint64_t *to,
                         const char *text, struct err *err)
{
    if (read(to, text, err) != 0)
        return -1;
    return *to > 0 ? 0 : err_set(err, ERR_USAGE, "'%s' is too little: 1 or more", text);
}

static int set_option(const struct option *o, const char *value, struct err *err)
{
    if (value != NULL && value[0] == '\0')
        return err_set(err, ERR_USAGE, "its value is empty");
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->value = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)o->value = value;
        return 0;
    case OPTION_LIST: {
        struct option_list *list = o->value;
        list->items = alloc_grow(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = value;
        return 0;
    }
    case OPTION_NUMBER:
        return read_positive(text_read_number, o->value, value, err);
    case OPTION_BYTES:
        return read_positive(text_read_bytes, o->value, value, err);
    case OPTION_DURATION:
        return text_read_duration(o->value, value, err);
    case OPTION_PROFILE:
        break; /* read_profile's */
    }
    return err_set(err, ERR_USAGE, "option --%s has no kind", o->name);
}

/* The two tables of a command line, and where in argv the reader stands. */
struct parser {
    struct command_line *line;
    const struct option *tables[2];
    int argc;
    char **argv;
    int at;
};

/* What other tools call an option, where near misses would not lead to it. */
static const char *const other_names[][2] = {
    {"target", "to"},
    {"destination", "to"},
    {"output", "to"},
    {"dir", "to"},
    {"password-file", "phrase-file"},
    {"repo", "vault"},
    {"iexclude", "exclude"},
    {"exclude-from", "exclude-file"},
    {"force", "read-all"},
};

/* NULL: there is none, and err says what was meant: in a profile words have no dashes, and one more
 * is known. */
static const struct option *find_name(const struct parser *parser, const char *name,
                                      bool in_profile, struct err *err)
{
    const char *dashes = in_profile ? "" : "--";
    struct suggestion near = {0};
    if (in_profile)
        suggest_consider(&near, name, "path");
    for (size_t t = 0; t < 2; t++)
        for (const struct option *o = parser->tables[t]; o != NULL && o->name != NULL; o++) {
            suggest_consider(&near, name, o->name);
            if (strcmp(o->name, name) == 0)
                return o;
            for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
                if (strcmp(other_names[i][0], name) == 0 && strcmp(other_names[i][1], o->name) == 0)
                    near = (struct suggestion){.word = o->name, .distance = 0};
        }
    if (near.word != NULL)
        err_set(err, ERR_USAGE, "there is no option %s%s; did you mean %s%s?", dashes, name, dashes,
                near.word);
    else
        err_set(err, ERR_USAGE, "there is no option %s%s", dashes, name);
    return NULL;
}

static void add_operand(struct command_line *line, const char *text)
{
    line->operands = alloc_grow(line->operands, line->operand_count + 1, sizeof(*line->operands));
    line->operands[line->operand_count++] = text;
}

static int read_profile_line(struct parser *parser, const struct profile_line *at, struct err *err)
{
    if (strcmp(at->word, "path") == 0 && at->value != NULL && at->value[0] == '/') {
        add_operand(parser->line, at->value);
        return 0;
    }
    if (strcmp(at->word, "path") == 0)
        return err_set(err, ERR_USAGE, "path needs an absolute path, such as: path /home");
    const struct option *o = find_name(parser, at->word, true, err);
    if (o == NULL)
        return -1;
    if (o->kind == OPTION_PROFILE || strcmp(o->name, "help") == 0)
        return err_set(err, ERR_USAGE, "'%s' is for the command line only", o->name);
    if (o->kind == OPTION_FLAG && at->value != NULL)
        return err_set(err, ERR_USAGE, "%s takes no value", o->name);
    if (o->kind != OPTION_FLAG && at->value == NULL)
        return err_set(err, ERR_USAGE, "%s needs a value: %s %s", o->name, o->name, o->argument);
    return set_option(o, at->value, err) == 0 ? 0 : err_context(err, "%s", o->name);
}

static int read_profile(struct parser *parser, const char *name, struct err *err)
{
    if (parser->line->profile != NULL)
        return err_set(err, ERR_USAGE, "one profile at a time");
    if (profile_load(&parser->line->profile, name, err) != 0)
        return -1;
    const struct profile *profile = parser->line->profile;
    for (size_t i = 0; i < profile->count; i++)
        if (read_profile_line(parser, &profile->lines[i], err) != 0)
            return err_context(err, "%s line %u", profile->path, profile->lines[i].number);
    return 0;
}

static int apply(struct parser *parser, const struct option *o, const char *value, struct err *err)
{
    return o->kind == OPTION_PROFILE ? read_profile(parser, value, err) : set_option(o, value, err);
}

static int read_long(struct parser *parser, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
    char name[32];
    snprintf(name, sizeof(name), "%.*s", (int)length, text);
    const struct option *o = find_name(parser, name, false, err);
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (o == NULL)
        return -1;
    if (o->kind == OPTION_FLAG && value != NULL)
        return err_set(err, ERR_USAGE, "option --%s takes no value", o->name);
    if (o->kind != OPTION_FLAG && value == NULL) {
        if (parser->at + 1 >= parser->argc)
            return err_set(err, ERR_USAGE, "option --%s needs a value: --%s %s", o->name, o->name,
                           o->argument);
        value = parser->argv[++parser->at];
    }
    return apply(parser, o, value, err) == 0 ? 0 : err_context(err, "option --%s", o->name);
}

static const struct option *find_letter(const struct parser *parser, char letter)
{
    for (size_t t = 0; t < 2; t++)
        for (const struct option *o = parser->tables[t]; o != NULL && o->name != NULL; o++)
            if (o->letter == letter)
                return o;
    return NULL;
}

static int read_short(struct parser *parser, const char *letters, struct err *err)
{
    for (const char *at = letters; *at != '\0'; at++) {
        const struct option *o = find_letter(parser, *at);
        if (o == NULL)
            return err_set(err, ERR_USAGE, "there is no option -%c", *at);
        const char *value = NULL;
        if (o->kind != OPTION_FLAG) {
            value = at[1] != '\0'                   ? at + 1
                    : parser->at + 1 < parser->argc ? parser->argv[++parser->at]
                                                    : NULL;
            if (value == NULL)
                return err_set(err, ERR_USAGE, "option -%c needs a value: -%c %s", *at, *at,
                               o->argument);
        }
        if (apply(parser, o, value, err) != 0)
            return err_context(err, "option -%c", *at);
        if (value != NULL)
            break;
    }
    return 0;
}

static int read_all(struct command_line *line, struct parser *parser, struct err *err)
{
    bool only_operands = false;
    for (parser->at = 1; parser->at < parser->argc; parser->at++) {
        const char *text = parser->argv[parser->at];
        int status = 0;
        if (text[0] == '\0')
            status = err_set(err, ERR_USAGE, "operand %zu is empty", line->operand_count + 1);
        else if (only_operands || text[0] != '-' || text[1] == '\0')
            add_operand(line, text);
        else if (strcmp(text, "--") == 0)
            only_operands = true;
        else if (text[1] == '-')
            status = read_long(parser, text + 2, err);
        else
            status = read_short(parser, text + 1, err);
        if (status != 0)
            return -1;
    }
    if (line->operand_count < line->operands_min)
        return err_set(err, ERR_USAGE, "something is missing: %s %s", line->name, line->synopsis);
    if (line->operand_count > line->operands_max)
        return err_set(err, ERR_USAGE, "'%s' is one too many", line->operands[line->operands_max]);
    return 0;
}

/* Whoever asked for JSON gets it, also when the command line is wrong before that. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

bool command_line_read(struct command_line *line, int argc, char **argv, int *exit_code)
{
    bool help = false;
    struct option common[COMMON_MAX];
    struct err err = ERR_INIT;
    common_options(common, line, &help);
    struct parser parser = {
        .line = line, .tables = {line->options, common}, .argc = argc, .argv = argv};
    int status = read_all(line, &parser, &err);
    waiting_start(line->json);
    if (status == 0 && !help)
        return true;
    if (help) {
        print_help(line, common);
        status = EXIT_DONE;
    }
    err.code = ERR_USAGE; /* also of a profile that cannot be read */
    line->json = line->json || wants_json(argc, argv);
    *exit_code = command_end(line, status, &err);
    return false;
}

int command_end(struct command_line *line, int status, const struct err *err)
{
    output_end();
    if (status < 0) {
        output_error(err);
        status = (int)exit_code_of(err);
        if (line->json)
            output_json_error(err, status);
        if (status == EXIT_USAGE)
            fprintf(stderr, "Try '%s --help'.\n", line->name);
    }
    for (const struct option *o = line->options; o != NULL && o->name != NULL; o++)
        if (o->kind == OPTION_LIST) {
            struct option_list *list = o->value;
            free(list->items);
            *list = (struct option_list){0};
        }
    free(line->operands);
    line->operands = NULL;
    line->operand_count = 0;
    profile_destroy(&line->profile);
    return status;
}
