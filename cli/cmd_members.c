/* ecbak members - who is in the cluster, as this machine's node sees it now. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"
#include "node/api/client.h"

#define POLL_MS 200
#define WATCH_S 1

/* "--wait-for 6=alive": that many members in that state; "--wait-for node-3=dead": that one is. */
struct awaited {
    char who[32];
    char state[8];
    bool is_count;
    uint64_t count;
};

static json_t *member_json(const struct member_info *m)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_hex(m->id, ID_SIZE));
    json_object_set_new(object, "name", json_text(m->name));
    json_object_set_new(object, "state", json_text(m->state));
    json_object_set_new(object, "address", json_text(m->address));
    json_object_set_new(object, "zone", json_text(m->zone));
    json_object_set_new(object, "incarnation", json_integer((json_int_t)m->incarnation));
    json_object_set_new(object, "rtt_ms", json_figure(m->rtt_ms));
    json_object_set_new(object, "capacity_bytes", json_integer((json_int_t)m->capacity_bytes));
    json_object_set_new(object, "used_bytes", json_integer((json_int_t)m->used_bytes));
    json_object_set_new(object, "version", json_text(m->version));
    json_object_set_new(object, "since", json_integer((json_int_t)m->since_s));
    return object;
}

static void print_json(const struct member_list *list)
{
    json_t *members = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(members, member_json(&list->members[i]));
    json_t *object = json_object();
    json_object_set_new(object, "cluster", json_hex(list->cluster, ID_SIZE));
    json_object_set_new(object, "members", members);
    output_json(object);
}

static enum style state_style(const char *state)
{
    if (strcmp(state, "alive") == 0)
        return STYLE_GOOD;
    if (strcmp(state, "suspect") == 0)
        return STYLE_WARN;
    return strcmp(state, "dead") == 0 || strcmp(state, "revoked") == 0 ? STYLE_BAD : STYLE_DIM;
}

static void add_member(struct table *table, const struct member_info *m, int64_t now_s)
{
    char bar[BAR_TEXT_MAX], used[TEXT_SHORT_MAX], capacity[TEXT_SHORT_MAX], since[TEXT_SHORT_MAX];
    enum style dim = strcmp(m->state, "alive") == 0 ? STYLE_PLAIN : STYLE_DIM;
    table_add(table, STYLE_DIM, "%s", m->self ? "*" : "");
    table_add(table, STYLE_BOLD, "%s", m->name);
    table_add(table, state_style(m->state), "%s", m->state);
    table_add(table, dim, "%s", m->address);
    table_add(table, dim, "%s", m->zone);
    table_add(table, STYLE_DIM, "%s", output_bar(bar, 8, m->used_bytes, m->capacity_bytes));
    table_add(table, dim, "%s of %s", text_bytes(used, m->used_bytes),
              text_bytes(capacity, m->capacity_bytes));
    if (m->self || m->rtt_ms < 0 || strcmp(m->state, "alive") != 0)
        table_add(table, STYLE_DIM, "-");
    else
        table_add(table, dim, "%.1f ms", m->rtt_ms);
    table_add(table, dim, "%s", m->version);
    int64_t age_s = now_s - m->since_s;
    if (m->since_s <= 0)
        table_add(table, dim, "-");
    else if (age_s < 10)
        table_add(table, dim, "%d s", age_s > 0 ? (int)age_s : 0);
    else
        table_add(table, dim, "%s", text_duration(since, (double)age_s));
}

static void print_summary(const struct member_list *list)
{
    static const char *const states[] = {"alive", "suspect", "dead", "left", "revoked"};
    size_t counts[5] = {0};
    for (size_t i = 0; i < list->count; i++)
        for (size_t s = 0; s < 5; s++)
            counts[s] += strcmp(list->members[i].state, states[s]) == 0;
    printf("\n%zu member%s:", list->count, list->count == 1 ? "" : "s");
    const char *comma = " ";
    for (size_t s = 0; s < 5; s++)
        if (counts[s] > 0) {
            printf("%s%s%zu %s%s", comma, style_on(stdout, state_style(states[s])), counts[s],
                   states[s], style_off(stdout));
            comma = ", ";
        }
    putchar('\n');
}

static void print_table(const struct member_list *list)
{
    static const char *const heads[] = {"",     "NAME", "STATE", "ADDRESS", "ZONE",
                                        "USED", "",     "RTT",   "VERSION", "SINCE"};
    struct table table;
    table_init(&table, 10, 1u << 6 | 1u << 7 | 1u << 9);
    for (size_t i = 0; i < 10; i++)
        table_add(&table, STYLE_DIM, "%s", heads[i]);
    for (size_t i = 0; i < list->count; i++)
        add_member(&table, &list->members[i], (int64_t)time(NULL));
    table_print(&table, stdout);
    table_release(&table);
    print_summary(list);
}

static int read_awaited(struct awaited *awaited, const char *text, struct err *err)
{
    static const char *const states[] = {"alive", "suspect", "dead", "left", "revoked"};
    const char *equals = strchr(text, '=');
    struct err ignored;
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(awaited->who))
        return err_set(err, ERR_USAGE, "--wait-for wants N=STATE or NAME=STATE, such as 6=alive");
    memcpy(awaited->who, text, (size_t)(equals - text));
    awaited->who[equals - text] = '\0';
    awaited->is_count = text_read_number(&awaited->count, awaited->who, &ignored) == 0;
    for (size_t s = 0; s < 5; s++)
        if (strcmp(equals + 1, states[s]) == 0) {
            snprintf(awaited->state, sizeof(awaited->state), "%s", states[s]);
            return 0;
        }
    return err_set(err, ERR_USAGE, "'%s' is not a state: alive, suspect, dead, left or revoked",
                   equals + 1);
}

static bool is_met(const struct awaited *awaited, const struct member_list *list)
{
    uint64_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->members[i].state, awaited->state) == 0 &&
            (awaited->is_count || strcmp(list->members[i].name, awaited->who) == 0))
            count++;
    return count >= (awaited->is_count ? awaited->count : 1);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Fills list; with `awaited` asks again until it is met. A node that does not answer yet is waited
 * for too. ERR_TOO_FEW at the end of the time, the list then being the last one seen. */
static int ask(struct client *client, struct member_list *list, const struct awaited *awaited,
               uint64_t timeout_ms, struct err *err)
{
    if (awaited == NULL)
        return client_members(client, list, err);
    int64_t end = now_ms() + (int64_t)(timeout_ms < INT_MAX ? timeout_ms : INT_MAX);
    for (;;) {
        int64_t left = end - now_ms();
        client_set_timeout(client, left > 1 ? (int)left : 1);
        member_list_release(list);
        int status = client_members(client, list, err);
        if (status == 0 && is_met(awaited, list))
            return 0;
        if (status != 0 && err->code != ERR_TIMEOUT)
            return -1;
        if (now_ms() + POLL_MS >= end)
            return err_set(err, ERR_TOO_FEW, "still waiting for %s %s %s after %.1f s",
                           awaited->who, awaited->is_count ? "members to be" : "to be",
                           awaited->state, (double)timeout_ms / 1000);
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
}

static void print_list(const struct command_line *line, const struct member_list *list)
{
    if (line->json)
        print_json(list);
    else if (!line->quiet && list->count > 0)
        print_table(list);
}

/* Until ctrl-C or an error. On a terminal each table takes the place of the one before. */
static int watch(const struct command_line *line, struct client *client, struct err *err)
{
    bool repaint = !line->json && isatty(STDOUT_FILENO) == 1;
    for (;;) {
        struct member_list list = {0};
        if (client_members(client, &list, err) != 0)
            return -1;
        if (repaint)
            fputs("\033[H\033[2J", stdout);
        print_list(line, &list);
        member_list_release(&list);
        if (fflush(stdout) != 0)
            return err_errno(err, "writing to standard output");
        nanosleep(&(struct timespec){.tv_sec = WATCH_S}, NULL);
    }
}

int cmd_members(int argc, char **argv)
{
    const char *wait_for = NULL;
    bool watching = false;
    uint64_t timeout_ms = 30000;
    const struct option options[] = {
        {'w', "wait-for", OPTION_TEXT, &wait_for, "N=STATE",
         "wait until N members are in STATE, or the member\nof that name is: 6=alive, node-3=dead"},
        {'t', "timeout", OPTION_DURATION, &timeout_ms, "TIME",
         "how long to wait (default 30s); then the exit status is 4"},
        {0, "watch", OPTION_FLAG, &watching, NULL, "show it again every second, until ctrl-C"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak members",
        .synopsis = "[OPTION]...",
        .about =
            "Shows the machines of the cluster as this machine's node sees them: state, space\n"
            "offered and used, round-trip time, version, and how long they have been so.",
        .examples = "  ecbak members\n"
                    "  ecbak members --json | jq -r '.members[] | select(.state==\"dead\").name'\n"
                    "  ecbak members --watch\n"
                    "  ecbak members --wait-for 6=alive --timeout 30s",
        .options = options,
        .uses = USES_NODE,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct awaited awaited = {0};
    struct client *client = NULL;
    struct member_list list = {0};
    int status = -1;
    if (wait_for != NULL && read_awaited(&awaited, wait_for, &err) != 0)
        goto done;
    if (client_open(&client, line.socket, &err) != 0)
        goto done;
    if (watching) {
        status = watch(&line, client, &err);
        goto done;
    }
    status = ask(client, &list, wait_for != NULL ? &awaited : NULL, timeout_ms, &err);
    if (status != 0 && err.code != ERR_TOO_FEW)
        goto done;
    print_list(&line, &list);
done:
    code = status == 0 ? EXIT_DONE : command_failed(&line, &err);
    member_list_release(&list);
    client_close(&client);
    command_line_release(&line);
    return code;
}
