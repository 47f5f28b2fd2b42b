/* ecbak store - files and directories in, one snapshot in the cluster out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/files/exclude.h"
#include "cli/home/home.h"
#include "cli/packing/sender.h"
#include "cli/store/store_run.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/progress.h"
#include "cli/vault/snapshot.h"
#include "coding/base/bytes.h"

#define LEVEL_MAX     19
#define WORD_SIZE_MAX 255 /* of a host's name, and of a tag */
#define SHAPE_MAX     255 /* fragments of an object, data and parity together */

struct store_command {
    struct option_list tags, exclude, exclude_files;
    const char *code;
    uint64_t level;
    struct store_options options;
};

/* "4+2" */
static int read_code(struct store_options *options, const char *text, struct err *err)
{
    char data[8], parity[8];
    int end = 0;
    uint64_t k, m;
    struct err why;
    if (sscanf(text, "%7[0-9]+%7[0-9]%n", data, parity, &end) != 2 || text[end] != '\0' ||
        text_read_number(&k, data, &why) != 0 || text_read_number(&m, parity, &why) != 0 || k < 1 ||
        m < 1 || k + m > SHAPE_MAX)
        return err_set(err, ERR_USAGE, "--code takes DATA+PARITY, such as 4+2; not '%s'", text);
    if (sender_pack_bytes((uint32_t)k, (uint32_t)m) == 0)
        return err_set(
            err, ERR_USAGE,
            "--code %s makes %.0f times as much of what is stored, more than can be sent "
            "at once: take fewer parity fragments, more data fragments, or 1 of data",
            text, (double)(k + m) / (double)k);
    options->data = (uint32_t)k;
    options->parity = (uint32_t)m;
    return 0;
}

/* Said before anything is sent: they go into the record, which is the last thing that is made. */
static int check_words(const struct store_command *c, struct err *err)
{
    if (c->options.host != NULL && strlen(c->options.host) > WORD_SIZE_MAX)
        return err_set(err, ERR_USAGE, "--host takes a name of at most %d bytes", WORD_SIZE_MAX);
    for (size_t i = 0; i < c->tags.count; i++)
        if (strlen(c->tags.items[i]) > WORD_SIZE_MAX)
            return err_set(err, ERR_USAGE, "--tag takes a word of at most %d bytes", WORD_SIZE_MAX);
    return 0;
}

static int read_excludes(struct exclude *exclude, const struct store_command *c, struct err *err)
{
    for (size_t i = 0; i < c->exclude.count; i++)
        if (exclude_add(exclude, c->exclude.items[i], err) != 0)
            return err_context(err, "--exclude");
    for (size_t i = 0; i < c->exclude_files.count; i++)
        if (exclude_add_file(exclude, c->exclude_files.items[i], err) != 0)
            return err_context(err, "--exclude-file");
    return 0;
}

static json_t *json_unproven(const struct store_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->unproven_count; i++) {
        const struct unproven *from = &r->unproven[i];
        json_t *object = json_object();
        json_object_set_new(object, "node", json_hex(from->node.bytes, ID_SIZE));
        json_object_set_new(object, "name", json_text(from->name));
        json_object_set_new(object, "excluded", json_boolean(from->excluded));
        json_object_set_new(object, "read", json_integer(from->read));
        json_object_set_new(object, "damaged", json_integer(from->damaged));
        json_object_set_new(object, "message", json_text(from->text));
        json_array_append_new(list, object);
    }
    return list;
}

static void print_json(const struct store_result *r, bool dry_run)
{
    json_t *object = json_object();
    json_object_set_new(object, "snapshot",
                        r->published ? json_hex(r->snapshot.bytes, ID_SIZE) : json_null());
    json_object_set_new(object, "files", json_integer((json_int_t)r->files));
    json_object_set_new(object, "bytes", json_integer((json_int_t)r->bytes));
    json_object_set_new(object, "bytes_new", json_integer((json_int_t)r->bytes_new));
    json_object_set_new(object, "bytes_sent", json_integer((json_int_t)r->bytes_sent));
    json_object_set_new(object, "objects", json_integer((json_int_t)r->objects));
    json_object_set_new(object, "data", json_integer(r->data));
    json_object_set_new(object, "parity", json_integer(r->parity));
    json_object_set_new(object, "survives", dry_run ? json_null() : json_integer(r->survives));
    json_object_set_new(object, "unproven", json_unproven(r));
    json_object_set_new(object, "grown", json_integer((json_int_t)r->grown));
    json_object_set_new(object, "seconds", json_figure(r->seconds));
    output_json(object);
}

/* No reason to worry: logs always do. */
static void print_grown(const struct store_result *r)
{
    char count[TEXT_SHORT_MAX];
    if (r->grown > 0)
        printf("%s file%s grew meanwhile: stored as of when %s opened\n",
               text_count(count, r->grown), r->grown == 1 ? "" : "s",
               r->grown == 1 ? "it was" : "they were");
}

static void print_text(const struct store_result *r, bool dry_run)
{
    char a[TEXT_SHORT_MAX], b[TEXT_SHORT_MAX], c[TEXT_SHORT_MAX], id[2 * ID_SIZE + 1];
    hex_encode(id, r->snapshot.bytes, ID_SIZE);
    if (dry_run) {
        printf("%s file%s, %s; %s would be new. Nothing was sent.\n", text_count(a, r->files),
               r->files == 1 ? "" : "s", text_bytes(b, r->bytes), text_bytes(c, r->bytes_new));
        return;
    }
    if (r->published)
        printf("Snapshot %s%.8s%s", style_on(stdout, STYLE_BOLD), id, style_off(stdout));
    else
        printf("%sNo snapshot%s", style_on(stdout, STYLE_BAD), style_off(stdout));
    printf(": %s file%s, %s, in %s\n", text_count(a, r->files), r->files == 1 ? "" : "s",
           text_bytes(b, r->bytes), text_duration(c, r->seconds));
    printf("%s new, %s sent; %s object%s of %u data and %u parity fragments\n",
           text_bytes(a, r->bytes_new), text_bytes(b, r->bytes_sent), text_count(c, r->objects),
           r->objects == 1 ? "" : "s", r->data, r->parity);
    print_grown(r);
    enum style style = r->survives <= 0         ? STYLE_BAD
                       : r->outcome == JOB_DONE ? STYLE_GOOD
                                                : STYLE_WARN;
    if (r->survives == STORE_LOST_WITH_US)
        printf("%sLost with this machine: survives no loss at all%s\n", style_on(stdout, style),
               style_off(stdout));
    else if (r->survives == 0)
        printf("%sSurvives no loss beyond that of this machine%s\n", style_on(stdout, style),
               style_off(stdout));
    else
        printf("%sSurvives the loss of this machine and of any %d other%s%s\n",
               style_on(stdout, style), r->survives, r->survives == 1 ? "" : "s",
               style_off(stdout));
}

/* Runs the store with its progress shown, and prints the result. Returns the exit status, or -1. */
static int run(const struct command_line *line, struct vault *vault, struct store_options *options,
               struct err *err)
{
    struct job_progress job = {0};
    struct store_result result = {0};
    struct progress *progress = progress_start("storing", &job, line->json, line->quiet);
    struct job_report report = {
        .problem = progress_problem, .notice = progress_notice, .ctx = progress};
    options->count_ahead = progress_is_shown(progress);
    int status = store_run(vault, options, &job, &report, &result, err);
    progress_stop(&progress);
    if (status != 0)
        return -1;
    if (line->json)
        print_json(&result, options->dry_run);
    else if (!line->quiet)
        print_text(&result, options->dry_run);
    for (size_t i = 0; i < result.unproven_count; i++)
        output_warning("node %s: %s", result.unproven[i].name, result.unproven[i].text);
    if (result.note[0] != '\0')
        output_warning("%s", result.note);
    return (int)result.outcome;
}

static int check_options(struct store_command *c, struct err *err)
{
    if (c->level > LEVEL_MAX)
        return err_set(err, ERR_USAGE, "--compression takes 1 to %d", LEVEL_MAX);
    if (c->tags.count > SNAPSHOT_TAGS_MAX)
        return err_set(err, ERR_USAGE, "at most %d tags", SNAPSHOT_TAGS_MAX);
    if (c->code != NULL && read_code(&c->options, c->code, err) != 0)
        return -1;
    return check_words(c, err);
}

static const char about[] =
    "Stores files and directories in the cluster, as one snapshot of the vault. What an earlier\n"
    "snapshot holds is not sent again. Everything is encrypted before it leaves this program.\n"
    "With --profile, what else would stand on the command line stands in a file; a timer can "
    "store\n"
    "that regularly.\n"
    "A file that grows meanwhile is stored as of when it was opened.\n"
    "Exit status 3 when some files could not be read, or changed while they were, or when fewer\n"
    "losses are survived than meant; 4 when too few members are there: what would be lost with\n"
    "this machine is no snapshot, and not listed (--json: snapshot null, survives -1), and the\n"
    "next store completes it; 6 when the members have no space.";

int cmd_store(int argc, char **argv)
{
    struct store_command c = {0};
    const struct option options[] = {
        {'e', "exclude", OPTION_LIST, &c.exclude, "PATTERN",
         "leave out what matches: '*.o', '/home/*/.cache', 'build/';\n'!keep.o' takes in again"},
        {0, "exclude-file", OPTION_LIST, &c.exclude_files, "FILE", "patterns, one a line"},
        {0, "exclude-caches", OPTION_FLAG, &c.options.exclude_caches, NULL,
         "leave out folders marked by a CACHEDIR.TAG"},
        {'x', "one-file-system", OPTION_FLAG, &c.options.one_file_system, NULL,
         "do not enter other file systems"},
        {0, "read-all", OPTION_FLAG, &c.options.read_all, NULL,
         "read every file, also those that look unchanged"},
        {'n', "dry-run", OPTION_FLAG, &c.options.dry_run, NULL, "read and count, send nothing"},
        {'t', "tag", OPTION_LIST, &c.tags, "TAG", "a word to find the snapshot by"},
        {0, "host", OPTION_TEXT, &c.options.host, "NAME", "instead of this machine's name"},
        {0, "code", OPTION_TEXT, &c.code, "DATA+PARITY",
         "fragments of an object (default: by the number of members)"},
        {0, "profile", OPTION_PROFILE, NULL, "NAME",
         "options and paths from /etc/ecbak/store.d/NAME.conf,\na line each, as "
         "ecbak-store@.service(8) has it"},
        {'w', "wait", OPTION_DURATION, &c.options.wait_ms, "TIME",
         "for another store into this vault to end: '30m'\n(default: do not wait)"},
        {0, "compression", OPTION_NUMBER, &c.level, "LEVEL", "of zstd, 1 to 19 (default 3)"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak store",
        .exits = EXIT_BIT(EXIT_INCOMPLETE) | EXIT_BIT(EXIT_TOO_FEW) | EXIT_BIT(EXIT_KEY) |
                 EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... PATH...",
        .about = about,
        .examples = "  ecbak store ~/work\n"
                    "  ecbak store --exclude '*.o' --exclude-caches --tag nightly /home /etc\n"
                    "  ecbak store --profile home --dry-run\n"
                    "  ecbak store --json ~/work | tail -1 | jq .survives",
        .options = options,
        .uses = USES_NODE | USES_VAULT,
        .operands_min = 1,
        .operands_max = SNAPSHOT_PATHS_MAX,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct vault *vault = NULL;
    struct exclude *exclude = exclude_new();
    int status = check_options(&c, &err);
    if (status == 0)
        status = read_excludes(exclude, &c, &err);
    if (status == 0)
        status = vault_load(&vault, line.vault, &err);
    if (status == 0) {
        c.options.paths = line.operands;
        c.options.path_count = line.operand_count;
        c.options.tags = c.tags.items;
        c.options.tag_count = c.tags.count;
        c.options.exclude = exclude;
        c.options.endpoint = line.socket;
        c.options.zstd_level = (unsigned)c.level;
        status = run(&line, vault, &c.options, &err);
    }
    vault_close(&vault);
    exclude_destroy(&exclude);
    return command_end(&line, status, &err);
}
