/* ecbak join - this machine becomes a member, with a ticket from `ecbak invite`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/admit/join.h"
#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/waiting.h"
#include "node/api/client.h"
#include "node/common/wait.h"

#define ALIVE_WAIT_S 30
#define POLL_MS      300

/* What became of the node after the machine was admitted. */
struct outcome {
    bool started;
    bool answers;
    uint32_t alive;
    uint32_t reach_asked, reach_failed;
    char reach[256];
};

/* A ticket on the command line can be seen by other users of the machine; "-" reads it. */
static int read_ticket(struct ticket *ticket, const char *operand, struct err *err)
{
    char text[2 * TICKET_ARMOR_MAX] = "";
    if (strcmp(operand, "-") != 0)
        return ticket_unarmor(ticket, operand, err);
    if (fgets(text, sizeof(text), stdin) == NULL)
        return err_set(err, ERR_USAGE, "there is no ticket on standard input");
    text[strcspn(text, "\r\n")] = '\0';
    int result = ticket_unarmor(ticket, text, err);
    sodium_memzero(text, sizeof(text));
    return result;
}

static int check_label(const char *said, const char *fixed, const char *what, struct err *err)
{
    if (said != NULL && fixed[0] != '\0' && strcmp(said, fixed) != 0)
        return err_set(err, ERR_USAGE, "the ticket is for the %s %s, not for %s", what, fixed,
                       said);
    if (said != NULL && !cert_name_valid(said))
        return err_set(err, ERR_USAGE, "the %s is 1 to %d of A-Z a-z 0-9 . _ -", what,
                       CERT_NAME_MAX);
    return 0;
}

static bool systemctl(const char *verb)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("systemctl", "systemctl", "--quiet", verb, "ecbakd", (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* systemd runs, and has the unit that runs ecbakd with the usual configuration. A node that runs
 * already (--force) has the old certificate: it starts anew. */
static bool start_service(const char *config)
{
    return strcmp(config, JOIN_CONFIG_DEFAULT) == 0 && access("/run/systemd/system", F_OK) == 0 &&
           systemctl("enable") && systemctl("restart");
}

/* Until the node sees another member alive, and some have tried to reach it; the first of a cluster
 * waits for none. */
static void watch(struct outcome *outcome, const char *socket, bool alone)
{
    time_t end = time(NULL) + ALIVE_WAIT_S;
    struct waiting waiting;
    waiting_init(&waiting);
    while (time(NULL) < end) {
        struct client *client = NULL;
        struct node_status status;
        struct err err = ERR_INIT;
        if (client_open(&client, socket, &err) == 0) {
            client_set_timeout(client, 5000);
            if (client_status(client, &status, &err) == 0) {
                outcome->answers = true;
                outcome->alive = status.members_alive;
                outcome->reach_asked = status.reach_asked;
                outcome->reach_failed = status.reach_failed;
                memcpy(outcome->reach, status.reach, sizeof(outcome->reach));
            }
        }
        client_close(&client);
        if (outcome->answers && (alone || (outcome->alive > 1 && outcome->reach_asked > 0)))
            return;
        waiting_tell(&waiting, "waiting for this machine's node to %s, for %d s at most",
                     outcome->answers ? "see others and be reached" : "answer", ALIVE_WAIT_S);
        wait_pause(POLL_MS);
    }
}

static int report(const struct command_line *line, const char *config, bool no_start,
                  const struct joined *joined, const struct outcome *outcome)
{
    bool alone = joined->seed_count == 0;
    bool good = no_start || (outcome->answers && (alone || outcome->alive > 1));
    if (line->json)
        output_json(json_pack(
            "{s:o, s:o, s:b, s:o, s:o, s:o, s:b, s:i, s:o}", "name", json_text(joined->cert.name),
            "zone", json_text(joined->cert.zone), "zone_guessed",
            (int)cert_zone_guessed(joined->cert.zone), "node",
            json_hex(joined->cert.node.bytes, ID_SIZE), "address", json_text(joined->advertise),
            "config", json_text(config), "started", outcome->started, "members_alive",
            (int)outcome->alive, "reachable",
            outcome->reach_asked == 0 ? json_null() : json_boolean(outcome->reach_failed == 0)));
    if (!line->json && !line->quiet) {
        printf("%s is admitted, in the zone %s; others reach it at %s.\n", joined->cert.name,
               joined->cert.zone, joined->advertise);
        if (cert_zone_guessed(joined->cert.zone))
            printf(
                "That zone is a guess: which physical host this virtual machine runs on cannot be "
                "found out, so it counts\nas one zone with all that it may share one with. Who "
                "knows better sets `zone` in %s\nand has what `ecbakd --print-request` prints "
                "signed.\n",
                config);
        if (outcome->answers)
            printf("Its node runs and sees %u member%s alive.\n", outcome->alive,
                   outcome->alive == 1 ? "" : "s");
    }
    if (!no_start && !outcome->started) {
        output_warning("the node is not started: run `ecbakd%s%s` (or let your init system)",
                       strcmp(config, JOIN_CONFIG_DEFAULT) == 0 ? "" : " --config ",
                       strcmp(config, JOIN_CONFIG_DEFAULT) == 0 ? "" : config);
        return EXIT_DONE;
    }
    if (outcome->reach_failed > 0)
        output_warning("others cannot reach this machine: %s", outcome->reach);
    if (!good)
        output_warning(
            outcome->answers
                ? "the node runs, but sees nobody else: can this machine reach the seeds "
                  "in %s?"
                : "the node does not answer: see `journalctl -u ecbakd` (%s)",
            config);
    return good ? EXIT_DONE : EXIT_FAILED;
}

int cmd_join(int argc, char **argv)
{
    struct join_options join = {.config = JOIN_CONFIG_DEFAULT, .tell = waiting_say};
    struct option_list settings = {0};
    bool no_start = false;
    const struct option options[] = {
        {'n', "name", OPTION_TEXT, &join.name, "NAME",
         "what to call this machine (default: its host name)"},
        {'z', "zone", OPTION_TEXT, &join.zone, "ZONE",
         "what fails together with it: a room, a house, a host"},
        {'a', "advertise", OPTION_TEXT, &join.advertise, "ADDR",
         "where others reach it (default: the address that it reaches\nthe inviter from)"},
        {'c', "capacity", OPTION_TEXT, &join.capacity, "SIZE",
         "how much others may store here (default 100G)"},
        {0, "config", OPTION_TEXT, &join.config, "FILE",
         "the configuration to write (default /etc/ecbak/ecbakd.conf);\nthe certificate goes "
         "beside it"},
        {0, "data-dir", OPTION_TEXT, &join.data_dir, "DIR",
         "where to keep what others store (default /var/lib/ecbak/data)"},
        {0, "set", OPTION_LIST, &settings, "KEY=VALUE",
         "another line of the configuration, see ecbakd.conf(5);\nrepeatable"},
        {0, "force", OPTION_FLAG, &join.force, NULL, "overwrite a configuration or a certificate"},
        {0, "no-start", OPTION_FLAG, &no_start, NULL, "do not start the node"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak join",
        .exits = EXIT_BIT(EXIT_KEY) | EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... TICKET | -",
        .about =
            "Makes this machine a member: writes the configuration, makes its keys, has them\n"
            "certified by the 'ecbak invite' that printed the ticket, starts the node, and waits\n"
            "until it sees others. '-' reads the ticket from standard input. Exit status 5 when\n"
            "the ticket is cut, expired or used. What was cut off is taken up by a second call.",
        .examples = "  ecbak join ecbak-ticket-1:RVRL...\n"
                    "  ecbak join --zone attic --capacity 500G - < ticket\n"
                    "  ecbak join --advertise 198.51.100.7 --no-start ecbak-ticket-1:RVRL...",
        .options = options,
        .uses = USES_NODE,
        .operands_min = 1,
        .operands_max = 1,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct ticket ticket = {0};
    struct joined joined;
    join.ticket = &ticket;
    join.settings = settings.items;
    join.setting_count = settings.count;
    int status = -1;
    if (read_ticket(&ticket, line.operands[0], &err) == 0 &&
        check_label(join.name, ticket.name, "name", &err) == 0 &&
        check_label(join.zone, ticket.zone, "zone", &err) == 0 &&
        join_cluster(&join, &joined, &err) == 0) {
        struct outcome outcome = {0};
        outcome.started = !no_start && start_service(join.config);
        if (outcome.started)
            watch(&outcome, line.socket, joined.seed_count == 0);
        status = report(&line, join.config, no_start, &joined, &outcome);
    }
    sodium_memzero(&ticket, sizeof(ticket));
    return command_end(&line, status, &err);
}
