/* ecbak status - how this machine's node is doing. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "coding/base/bytes.h"
#include "node/api/client.h"
#include "node/trust/cert.h"

static void print_json(const struct node_status *s)
{
    json_t *counters = json_object();
    for (size_t i = 0; i < s->counter_count; i++) {
        json_t *value = json_integer((json_int_t)s->counters[i].value);
        if (json_object_set(counters, s->counters[i].name, value) != 0) /* not UTF-8 */
            json_object_set(counters, "?", value);
        json_decref(value);
    }
    json_t *incompatible = json_array();
    for (size_t i = 0; i < s->incompatible_count; i++)
        json_array_append_new(incompatible, json_text(s->incompatible[i]));
    json_t *troubles = json_array();
    for (size_t i = 0; i < s->trouble_count; i++)
        json_array_append_new(troubles, json_text(s->troubles[i]));
    json_t *object = json_object();
    json_object_set_new(object, "cluster", json_hex(s->cluster.bytes, ID_SIZE));
    json_object_set_new(object, "node", json_hex(s->node.bytes, ID_SIZE));
    json_object_set_new(object, "name", json_text(s->name));
    json_object_set_new(object, "software", json_text(s->version));
    json_object_set_new(object, "protocol_min", json_integer(s->protocol.lowest));
    json_object_set_new(object, "protocol_max", json_integer(s->protocol.highest));
    json_object_set_new(object, "state", json_text(s->state));
    json_object_set_new(object, "members_known", json_integer(s->members_known));
    json_object_set_new(object, "members_alive", json_integer(s->members_alive));
    json_object_set_new(object, "data", json_integer(s->data));
    json_object_set_new(object, "parity", json_integer(s->parity));
    json_object_set_new(object, "capacity_bytes", json_integer((json_int_t)s->capacity_bytes));
    json_object_set_new(object, "used_bytes", json_integer((json_int_t)s->used_bytes));
    json_object_set_new(object, "fragments", json_integer((json_int_t)s->fragments));
    json_object_set_new(object, "records", json_integer((json_int_t)s->records));
    json_object_set_new(object, "certificate_until", json_time(s->certificate_until_s, 0, 0));
    json_object_set_new(object, "reachable",
                        s->reach_asked == 0 ? json_null() : json_boolean(s->reach_failed == 0));
    json_object_set_new(object, "reach_asked", json_integer(s->reach_asked));
    json_object_set_new(object, "reach_failed", json_integer(s->reach_failed));
    json_object_set_new(object, "reach", json_text(s->reach));
    json_object_set_new(object, "incompatible", incompatible);
    json_object_set_new(object, "troubles", troubles);
    json_object_set_new(object, "counters", counters);
    output_json(object);
}

static void add_coding(struct table *table, const struct node_status *s)
{
    table_add(table, STYLE_DIM, "coding");
    if (s->data == 0)
        table_add(table, STYLE_WARN, "none: a backup needs at least two members");
    else
        table_add(table, STYLE_PLAIN,
                  "%u + %u: any %u of the %u machines with a fragment may be lost", s->data,
                  s->parity, s->parity, s->data + s->parity);
}

static void add_certificate(struct table *table, const struct node_status *s)
{
    char until[TEXT_SHORT_MAX];
    int64_t left_s = s->certificate_until_s - (int64_t)time(NULL);
    if (s->certificate_until_s == 0)
        return;
    table_add(table, STYLE_DIM, "certificate");
    if (left_s < 0)
        table_add(table, STYLE_BAD, "ended at %s: renew it (ecbakd --print-request)",
                  text_time(until, s->certificate_until_s));
    else if (left_s < CERT_SOON_S)
        table_add(table, STYLE_WARN, "ends in %lld days: renew it (ecbakd --print-request)",
                  (long long)(left_s / 86400));
    else
        table_add(table, STYLE_PLAIN, "good until %s", text_time(until, s->certificate_until_s));
}

static void add_reach(struct table *table, const struct node_status *s)
{
    table_add(table, STYLE_DIM, "reachable");
    if (s->reach_asked == 0 && s->reach[0] != '\0')
        table_add(table, STYLE_WARN, "%s", s->reach);
    else if (s->reach_asked == 0)
        table_add(table, STYLE_DIM, "not known yet: no other member has tried");
    else if (s->reach_failed == 0)
        table_add(table, STYLE_PLAIN, "yes, by %u of %u members asked", s->reach_asked,
                  s->reach_asked);
    else
        table_add(table, STYLE_BAD, "%s", s->reach);
}

static void add_version(struct table *table, const struct node_status *s)
{
    char range[PROTOCOL_TEXT_MAX];
    if (s->protocol.lowest == 0) /* an older node did not say */
        table_add(table, STYLE_PLAIN, "%s", s->version);
    else
        table_add(table, STYLE_PLAIN, "%s, protocol %s", s->version,
                  protocol_text(range, s->protocol));
}

static void print_text(const struct node_status *s)
{
    char used[TEXT_SHORT_MAX], capacity[TEXT_SHORT_MAX], bar[BAR_TEXT_MAX];
    char fragments[TEXT_SHORT_MAX], records[TEXT_SHORT_MAX], id[2 * ID_SIZE + 1];
    bool serving = strcmp(s->state, "serving") == 0;
    struct table table;
    table_init(&table, 2, 0);
    table_add(&table, STYLE_DIM, "node");
    table_add(&table, STYLE_BOLD, "%s", s->name);
    table_add(&table, STYLE_DIM, "state");
    table_add(&table, serving ? STYLE_GOOD : STYLE_BAD, "%s", s->state);
    table_add(&table, STYLE_DIM, "version");
    add_version(&table, s);
    table_add(&table, STYLE_DIM, "id");
    table_add(&table, STYLE_PLAIN, "%s", hex_encode(id, s->node.bytes, ID_SIZE));
    table_add(&table, STYLE_DIM, "cluster");
    table_add(&table, STYLE_PLAIN, "%s", hex_encode(id, s->cluster.bytes, ID_SIZE));
    table_add(&table, STYLE_DIM, "members");
    table_add(&table, s->members_alive < s->members_known ? STYLE_WARN : STYLE_PLAIN,
              "%u alive of %u", s->members_alive, s->members_known);
    for (size_t i = 0; i < s->incompatible_count; i++) {
        table_add(&table, STYLE_DIM, "incompatible");
        table_add(&table, STYLE_BAD, "%s", s->incompatible[i]);
    }
    for (size_t i = 0; i < s->trouble_count; i++) {
        table_add(&table, STYLE_DIM, "trouble");
        table_add(&table, STYLE_BAD, "%s", s->troubles[i]);
    }
    add_certificate(&table, s);
    add_reach(&table, s);
    add_coding(&table, s);
    table_add(&table, STYLE_DIM, "space");
    table_add(&table, STYLE_PLAIN, "%s  %s of %s used",
              output_bar(bar, 8, s->used_bytes, s->capacity_bytes), text_bytes(used, s->used_bytes),
              text_bytes(capacity, s->capacity_bytes));
    table_add(&table, STYLE_DIM, "holds");
    table_add(&table, STYLE_PLAIN, "%s fragment%s, %s snapshot record%s",
              text_count(fragments, s->fragments), s->fragments == 1 ? "" : "s",
              text_count(records, s->records), s->records == 1 ? "" : "s");
    for (size_t i = 0; i < s->counter_count; i++) {
        if (s->counters[i].value == 0)
            continue;
        table_add(&table, STYLE_DIM, "%s", s->counters[i].name);
        table_add(&table, STYLE_PLAIN, "%s", text_count(used, s->counters[i].value));
    }
    table_print(&table, stdout);
    table_release(&table);
}

int cmd_status(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak status",
        .synopsis = "[OPTION]...",
        .about =
            "Shows this machine's node: whether it serves, what it holds, how data would be coded\n"
            "now, whether other members can reach it, and what it refused. Exit status 1 when its\n"
            "storage is out of service.",
        .examples = "  ecbak status\n"
                    "  ecbak status --json | jq .counters",
        .uses = USES_NODE,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct client *client = NULL;
    struct node_status node;
    int status = -1;
    if (client_open(&client, line.socket, &err) != 0 || client_status(client, &node, &err) != 0)
        goto done;
    if (line.json)
        print_json(&node);
    else if (!line.quiet)
        print_text(&node);
    status = strcmp(node.state, "serving") == 0 ? EXIT_DONE : EXIT_FAILED;
done:
    client_close(&client);
    return command_end(&line, status, &err);
}
