/* ecbak members - who is in the cluster, as this machine's node sees it now. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/members_show.h"
#include "cli/commands/members_watch.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/waiting.h"
#include "node/api/client.h"
#include "node/common/clock.h"
#include "node/common/wait.h"

#define POLL_MS 200

/* "--wait-for 6=alive": that many members in that state; "--wait-for node-3=dead": that one is. */
struct awaited {
    char who[32];
    char state[16];
    bool is_count;
    uint64_t count;
};

static int read_awaited(struct awaited *awaited, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    struct err ignored;
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(awaited->who))
        return err_set(err, ERR_USAGE, "--wait-for wants N=STATE or NAME=STATE, such as 6=alive");
    memcpy(awaited->who, text, (size_t)(equals - text));
    awaited->who[equals - text] = '\0';
    awaited->is_count = text_read_number(&awaited->count, awaited->who, &ignored) == 0;
    for (size_t s = 0; s < MEMBERS_STATES; s++)
        if (strcmp(equals + 1, members_states[s]) == 0) {
            snprintf(awaited->state, sizeof(awaited->state), "%s", members_states[s]);
            return 0;
        }
    return err_set(err, ERR_USAGE,
                   "'%s' is not a state: alive, suspect, away, dead, left, revoked or incompatible",
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

/* Fills list; with `awaited` asks again until it is met. ERR_TOO_FEW at the end of the time, the
 * list then being the last one seen: empty when the node never answered. */
static int ask(struct client *client, struct member_list *list, const struct awaited *awaited,
               uint64_t timeout_ms, struct err *err)
{
    const struct members_wanted wanted = {.members = true, .events_max = CLIENT_EVENTS_MAX};
    if (awaited == NULL)
        return client_members_wanted(client, &wanted, list, err);
    int64_t end = monotonic_ms() + (int64_t)(timeout_ms < INT_MAX ? timeout_ms : INT_MAX);
    struct waiting waiting;
    waiting_init(&waiting);
    for (;;) {
        int64_t left = end - monotonic_ms();
        struct member_list now = {0};
        client_set_timeout(client, left > 1 ? (int)left : 1);
        if (client_members_wanted(client, &wanted, &now, err) == 0) {
            member_list_release(list);
            *list = now;
            if (is_met(awaited, list))
                return 0;
        } else if (err->code != ERR_TIMEOUT) {
            return -1;
        }
        waiting_tell(&waiting, "waiting for %s %s %s, for %lld s at most", awaited->who,
                     awaited->is_count ? "members to be" : "to be", awaited->state,
                     (long long)(left + 999) / 1000);
        if (monotonic_ms() + POLL_MS >= end)
            return err_set(err, ERR_TOO_FEW, "still waiting for %s %s %s after %.1f s",
                           awaited->who, awaited->is_count ? "members to be" : "to be",
                           awaited->state, (double)timeout_ms / 1000);
        wait_pause(POLL_MS);
    }
}

/* Who waits for members waits for this machine's node too: it may be about to start. */
static int open_node(struct client **client, const char *socket, bool waiting, struct err *err)
{
    if (client_open(client, socket, err) == 0) {
        client_set_patience(*client, waiting ? CLIENT_PATIENCE_ENDLESS : 0);
        return 0;
    }
    if (!waiting || err->code != ERR_TIMEOUT)
        return -1;
    output_warning("%s; waiting for it", err->text);
    return client_open_patient(client, socket, CLIENT_PATIENCE_ENDLESS, err);
}

static void print_events(const struct member_list *list)
{
    for (size_t i = 0; i < list->event_count; i++) {
        char at[TEXT_SHORT_MAX], text[MEMBER_EVENT_TEXT_MAX];
        printf("%s %s\n", text_time(at, list->events[i].time_ms / 1000),
               member_event_text(text, &list->events[i]));
    }
}

static void print_list(const struct command_line *line, const struct member_list *list, bool events)
{
    if (line->json)
        output_json(members_json(list, events));
    else if (!line->quiet && events)
        print_events(list);
    else if (!line->quiet && list->count > 0)
        members_print(list);
}

int cmd_members(int argc, char **argv)
{
    const char *wait_for = NULL;
    bool watching = false, events = false;
    uint64_t timeout_ms = 30000;
    const struct option options[] = {
        {'w', "wait-for", OPTION_TEXT, &wait_for, "N=STATE",
         "wait until N members are in STATE, or the member\nof that name is: 6=alive, node-3=dead"},
        {'t', "timeout", OPTION_DURATION, &timeout_ms, "TIME",
         "how long to wait (default 30s); then the members last\nseen are shown, and the exit "
         "status "
         "is 4"},
        {0, "watch", OPTION_FLAG, &watching, NULL,
         "follow the cluster until ctrl-C: the table and what\nhappened last, kept up to date; not "
         "on a "
         "terminal a line\nfor each event"},
        {0, "events", OPTION_FLAG, &events, NULL,
         "show the newest events, at most 256; with --json beside\nthe members"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak members",
        .exits = EXIT_BIT(EXIT_TOO_FEW),
        .synopsis = "[OPTION]...",
        .about =
            "Shows the machines of the cluster as this machine's node sees them: state, space\n"
            "used and offered, round-trip time (~: not measured, but that of others in its\n"
            "zone), version, and how long they have been so.",
        .examples = "  ecbak members\n"
                    "  ecbak members --json | jq -r '.members[] | select(.state==\"dead\").name'\n"
                    "  ecbak members --watch\n"
                    "  ecbak members --watch --json | jq -r 'select(.event==\"dead\").name'\n"
                    "  ecbak members --events | grep node-3\n"
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
    if (wait_for != NULL && watching) {
        err_set(&err, ERR_USAGE, "--wait-for ends when it is met and --watch never ends: give one");
        goto done;
    }
    if (wait_for != NULL && read_awaited(&awaited, wait_for, &err) != 0)
        goto done;
    if (watching) {
        status = members_watch(line.socket, line.json, &err);
        goto done;
    }
    if (open_node(&client, line.socket, wait_for != NULL, &err) != 0)
        goto done;
    status = ask(client, &list, wait_for != NULL ? &awaited : NULL, timeout_ms, &err);
    if (status == 0 || list.count > 0)
        print_list(&line, &list, events);
done:
    member_list_release(&list);
    client_close(&client);
    return command_end(&line, status, &err);
}
