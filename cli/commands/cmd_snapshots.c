/* ecbak snapshots - what can be recovered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/base/path.h"
#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/home/home.h"
#include "cli/remote/snapshots.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "coding/base/bytes.h"
#include "node/api/client.h"

#define ID_SHOWN 8 /* hex digits of a snapshot's id that people see */

static json_t *texts_json(char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_text(texts[i]));
    return array;
}

static json_t *snapshot_json(const struct snapshot *s)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_hex(s->id.bytes, ID_SIZE));
    json_object_set_new(object, "short_id", json_hex(s->id.bytes, ID_SHOWN / 2));
    json_object_set_new(object, "time", json_time(s->time_s, s->time_ns, 9));
    json_object_set_new(object, "host", json_text(s->host));
    json_object_set_new(object, "user", json_text(s->user));
    json_object_set_new(object, "paths", texts_json(s->paths, s->path_count));
    json_object_set_new(object, "tags", texts_json(s->tags, s->tag_count));
    json_object_set_new(object, "files", json_integer((json_int_t)s->files));
    json_object_set_new(object, "bytes", json_integer((json_int_t)s->bytes));
    json_object_set_new(object, "bytes_new", json_integer((json_int_t)s->bytes_new));
    json_object_set_new(object, "writer", json_hex(s->writer.bytes, WRITER_ID_SIZE));
    json_object_set_new(object, "number", json_integer((json_int_t)s->number));
    return object;
}

static void print_json(const struct snapshot_list *list, const struct vault *vault,
                       const struct snapshot_filter *filter)
{
    static const char *const kinds[] = {"",           "gap",   "fork",     "rollback",
                                        "unreadable", "newer", "forgetful"};
    json_t *snapshots = json_array(), *findings = json_array();
    for (size_t i = 0; i < list->count; i++)
        if (snapshot_matches(&list->snapshots[i], filter))
            json_array_append_new(snapshots, snapshot_json(&list->snapshots[i]));
    for (size_t i = 0; i < list->finding_count; i++) {
        const struct finding *f = &list->findings[i];
        json_array_append_new(findings,
                              json_pack("{s:s, s:o, s:I, s:I, s:o}", "kind", kinds[f->kind],
                                        "writer", json_hex(f->writer.bytes, WRITER_ID_SIZE),
                                        "number", (json_int_t)f->number, "count",
                                        (json_int_t)f->count, "message", json_text(f->text)));
    }
    output_json(json_pack("{s:o, s:i, s:i, s:o, s:o}", "vault",
                          json_hex(vault->keys->vault.bytes, ID_SIZE), "nodes_asked",
                          (int)list->nodes_asked, "nodes_answered", (int)list->nodes_answered,
                          "snapshots", snapshots, "findings", findings));
}

/* "a b c" into room bytes, "..." at the end when they do not fit. */
static void join(char *to, size_t room, char *const *texts, size_t count)
{
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(to + used, room - used, "%s%s", i > 0 ? " " : "", texts[i]);
        if (length < 0 || (size_t)length >= room - used) {
            memcpy(to + room - 4, "...", 4);
            return;
        }
        used += (size_t)length;
    }
}

static void add_snapshot(struct table *table, const struct snapshot *s)
{
    char id[2 * ID_SIZE + 1], when[TEXT_SHORT_MAX], files[TEXT_SHORT_MAX], size[TEXT_SHORT_MAX];
    char fresh[TEXT_SHORT_MAX], paths[64], tags[32];
    join(paths, sizeof(paths), s->paths, s->path_count);
    join(tags, sizeof(tags), s->tags, s->tag_count);
    table_add(table, STYLE_BOLD, "%.*s", ID_SHOWN, hex_encode(id, s->id.bytes, ID_SIZE));
    table_add(table, STYLE_PLAIN, "%s", text_time(when, s->time_s));
    table_add(table, STYLE_PLAIN, "%s", s->host);
    table_add(table, STYLE_PLAIN, "%s", text_count(files, s->files));
    table_add(table, STYLE_PLAIN, "%s", text_bytes(size, s->bytes));
    table_add(table, STYLE_DIM, "%s", text_bytes(fresh, s->bytes_new));
    table_add(table, STYLE_DIM, "%s", tags);
    table_add(table, STYLE_PLAIN, "%s", paths);
}

static void print_text(const struct snapshot_list *list, const struct snapshot_filter *filter)
{
    static const char *const heads[] = {"ID",   "TIME", "HOST", "FILES",
                                        "SIZE", "NEW",  "TAGS", "PATHS"};
    struct table table;
    size_t shown = 0;
    table_init(&table, 8, 1u << 3 | 1u << 4 | 1u << 5);
    for (size_t i = 0; i < 8; i++)
        table_add(&table, STYLE_DIM, "%s", heads[i]);
    for (size_t i = 0; i < list->count; i++)
        if (snapshot_matches(&list->snapshots[i], filter)) {
            add_snapshot(&table, &list->snapshots[i]);
            shown++;
        }
    if (shown > 0) {
        table_print(&table, stdout);
        putchar('\n');
    }
    table_release(&table);
    printf("%zu snapshot%s", shown, shown == 1 ? "" : "s");
    if (shown < list->count)
        printf(" of %zu", list->count);
    printf(", as %u of %u nodes know them\n", list->nodes_answered, list->nodes_asked);
    struct err why = ERR_INIT;
    if (shown == 0 && list->count > 0 && snapshot_explain(list, filter, &why) != 0)
        output_warning("%s", why.text);
}

int cmd_snapshots(int argc, char **argv)
{
    struct snapshot_filter filter = {0};
    const struct option options[] = {
        {0, "host", OPTION_TEXT, &filter.host, "NAME", "only those of this host"},
        {0, "path", OPTION_TEXT, &filter.path, "PATH",
         "only those that were made of PATH, or of a part of it"},
        {'t', "tag", OPTION_TEXT, &filter.tag, "TAG", "only those with this tag"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak snapshots",
        .exits = EXIT_BIT(EXIT_KEY),
        .synopsis = "[OPTION]...",
        .about =
            "Lists the snapshots of the vault, oldest first, with what is odd about them: records\n"
            "that are missing, forked, or older than what this machine has seen before.",
        .examples = "  ecbak snapshots\n"
                    "  ecbak snapshots --host attic --tag nightly\n"
                    "  ecbak snapshots --json | jq -r '.snapshots[-1].id'",
        .options = options,
        .uses = USES_NODE | USES_VAULT,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct vault *vault = NULL;
    char *path = filter.path != NULL ? path_whole(filter.path) : NULL;
    filter.path = path;
    struct client *client = NULL;
    struct snapshot_list list = {0};
    int status = -1;
    if (vault_load(&vault, line.vault, &err) != 0 || client_open(&client, line.socket, &err) != 0 ||
        snapshot_list_load(&list, vault, client, &err) != 0)
        goto done;
    if (line.json)
        print_json(&list, vault, &filter);
    else if (!line.quiet)
        print_text(&list, &filter);
    for (size_t i = 0; i < list.finding_count && !line.json; i++)
        output_warning("%s", list.findings[i].text);
    status = 0;
done:
    free(path);
    snapshot_list_release(&list);
    client_close(&client);
    vault_close(&vault);
    return command_end(&line, status, &err);
}
