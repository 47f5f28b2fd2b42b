/* ecbak recover - a snapshot, or some of its paths, back onto a disk. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/path.h"
#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/home/home.h"
#include "cli/recover/recover.h"
#include "cli/remote/snapshots.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/progress.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/api/client.h"

static void print_json(const struct recover_result *r, const struct snapshot *snapshot)
{
    json_t *object = json_object();
    json_object_set_new(object, "snapshot", json_hex(snapshot->id.bytes, ID_SIZE));
    json_object_set_new(object, "files", json_integer((json_int_t)r->files));
    json_object_set_new(object, "directories", json_integer((json_int_t)r->directories));
    json_object_set_new(object, "bytes", json_integer((json_int_t)r->bytes));
    json_object_set_new(object, "bytes_fetched", json_integer((json_int_t)r->bytes_fetched));
    json_object_set_new(object, "problems", json_integer((json_int_t)r->problems));
    json_object_set_new(object, "flags_refused", json_integer((json_int_t)r->flags_refused));
    json_object_set_new(object, "corrupt", json_integer((json_int_t)r->corrupt));
    json_object_set_new(object, "seconds", json_figure(r->seconds));
    output_json(object);
}

static void print_text(const struct recover_result *r, const struct snapshot *snapshot,
                       const char *to)
{
    if (r->files == 0 && r->outcome != JOB_DONE)
        return; /* nothing came back: the note says why */
    char files[TEXT_SHORT_MAX], bytes[TEXT_SHORT_MAX], time[TEXT_SHORT_MAX];
    char fetched[TEXT_SHORT_MAX], id[2 * ID_SIZE + 1];
    char safe[4 * HOME_PATH_MAX];
    text_safe(safe, sizeof(safe), to, strlen(to));
    printf("%s %s%.8s%s is in %s: %s file%s, %s, in %s (%s fetched)\n",
           r->outcome == JOB_DONE ? "Snapshot" : "Only a part of snapshot",
           style_on(stdout, STYLE_BOLD), hex_encode(id, snapshot->id.bytes, ID_SIZE),
           style_off(stdout), safe, text_count(files, r->files), r->files == 1 ? "" : "s",
           text_bytes(bytes, r->bytes), text_duration(time, r->seconds),
           text_bytes(fetched, r->bytes_fetched));
    if (r->corrupt > 0)
        printf("%s damaged fragment%s met on the way and replaced by other ones\n",
               text_count(files, r->corrupt), r->corrupt == 1 ? " was" : "s were");
}

/* Returns the exit status, or -1. */
static int run(const struct command_line *line, struct vault *vault,
               const struct recover_options *options, struct err *err)
{
    struct job_progress job = {0};
    struct recover_result result = {0};
    struct progress *progress = progress_start("recovering", &job, line->json, line->quiet);
    struct job_report report = {
        .problem = progress_problem, .notice = progress_notice, .ctx = progress};
    int status = recover_run(vault, options, &job, &report, &result, err);
    progress_stop(&progress);
    if (status != 0)
        return -1;
    if (line->json)
        print_json(&result, options->snapshot);
    else if (!line->quiet)
        print_text(&result, options->snapshot, options->to);
    if (result.note[0] != '\0')
        output_warning("%s", result.note);
    return (int)result.outcome;
}

static int choose_and_run(const struct command_line *line, struct recover_options *options,
                          const struct snapshot_filter *filter, struct err *err)
{
    struct vault *vault = NULL;
    struct client *client = NULL;
    struct snapshot_list list = {0};
    int status = -1;
    if (vault_load(&vault, line->vault, err) != 0 || client_open(&client, line->socket, err) != 0)
        goto done;
    client_set_patience(client, CLIENT_PATIENCE_MS);
    if (snapshot_list_load(&list, vault, client, err) == 0 &&
        snapshot_select(&options->snapshot, &list, line->operands[0], filter, err) == 0) {
        options->list = &list;
        status = run(line, vault, options, err);
    }
done:
    snapshot_list_release(&list);
    client_close(&client);
    vault_close(&vault);
    return status;
}

static const char about[] =
    "Brings a snapshot back, whole or only some paths of it, below DIR: what was stored as\n"
    "/home/ann/work comes to DIR/home/ann/work. SNAPSHOT is the beginning of an id, or 'latest'.\n"
    "Nothing that is there is replaced without --overwrite; a file appears only once every byte "
    "of\n"
    "it was checked. A run that was stopped is finished by another: what is there with its size "
    "and\n"
    "time is not fetched again, unless --overwrite says so; --verify compares every byte of it.\n"
    "Root recovers into no folder that another user owns or may write, unless the snapshot has it\n"
    "so or --into-shared is given, and follows no symbolic link of another user to DIR. Until a\n"
    "folder or a file is complete, only its owner can see into it.\n"
    "Exit status 3 when some files could not be brought back whole (flags of chattr count), or\n"
    "others are in their place;\n"
    "whatever else came back, 4 when too few members are there for all of it, 5 when data is\n"
    "damaged, 6 when there is no space here; 1 when nothing came back.";

int cmd_recover(int argc, char **argv)
{
    struct recover_options recover = {0};
    struct snapshot_filter filter = {0};
    const struct option options[] = {
        {0, "to", OPTION_TEXT, &recover.to, "DIR", "where to (made when it is not there)"},
        {0, "overwrite", OPTION_FLAG, &recover.overwrite, NULL, "replace files that are there"},
        {0, "into-shared", OPTION_FLAG, &recover.into_shared, NULL,
         "as root: also into folders that others may write"},
        {0, "verify", OPTION_FLAG, &recover.verify, NULL,
         "read every file back and compare; also those that are there"},
        {0, "numeric-owner", OPTION_FLAG, &recover.numeric_owners, NULL,
         "owners by number, not by name"},
        {0, "host", OPTION_TEXT, &filter.host, "NAME", "'latest' of this host"},
        {0, "path", OPTION_TEXT, &filter.path, "PATH",
         "'latest' that was made of PATH, or of a part of it"},
        {'t', "tag", OPTION_TEXT, &filter.tag, "TAG", "'latest' with this tag"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak recover",
        .exits = EXIT_BIT(EXIT_INCOMPLETE) | EXIT_BIT(EXIT_TOO_FEW) | EXIT_BIT(EXIT_KEY) |
                 EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... SNAPSHOT [PATH]... --to DIR",
        .about = about,
        .examples = "  ecbak recover latest --to /mnt/new\n"
                    "  ecbak recover 3f2a91c0 /home/ann/work/thesis.tex --to ~/found\n"
                    "  ecbak recover latest --host attic --to /mnt/attic --verify",
        .options = options,
        .uses = USES_NODE | USES_VAULT,
        .operands_min = 1,
        .operands_max = SIZE_MAX,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    if (recover.to == NULL)
        return command_end(&line, err_set(&err, ERR_USAGE, "where to? say --to DIR"), &err);
    if (strcmp(line.operands[0], "latest") != 0 &&
        (filter.host != NULL || filter.path != NULL || filter.tag != NULL))
        return command_end(
            &line,
            err_set(&err, ERR_USAGE,
                    "--host, --path and --tag say which 'latest' is meant; %.64s is one already",
                    line.operands[0]),
            &err);
    recover.endpoint = line.socket;
    recover.path_count = line.operand_count - 1;
    char **paths = alloc_zero(recover.path_count, sizeof(*paths));
    for (size_t i = 0; i < recover.path_count; i++)
        paths[i] = path_whole(line.operands[i + 1]);
    recover.paths = (const char *const *)paths;
    char *filter_path = filter.path != NULL ? path_whole(filter.path) : NULL;
    filter.path = filter_path;
    int status = choose_and_run(&line, &recover, &filter, &err);
    free(filter_path);
    for (size_t i = 0; i < recover.path_count; i++)
        free(paths[i]);
    free(paths);
    return command_end(&line, status, &err);
}
