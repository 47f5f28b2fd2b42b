/* ecbak invite - a ticket for one machine, and the process that redeems it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/admit/invite.h"
#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "cli/ui/phrase_io.h"
#include "coding/base/bytes.h"
#include "node/api/client.h"

#define TURN_MS      500
#define CONFIRM_S    20 /* for the machine to say that it has its certificate */
#define LINGER_S     3  /* then whoever comes second is told so */
#define LISTEN_USUAL "0.0.0.0:7413"

struct seeds {
    struct invite_seed list[INVITE_SEEDS_MAX];
    size_t count;
};

/* ADDRESS=KEY, as `ecbak authority show` prints the key. */
static int add_given(struct seeds *seeds, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    struct invite_seed *seed = &seeds->list[seeds->count];
    if (seeds->count == INVITE_SEEDS_MAX)
        return err_set(err, ERR_USAGE, "at most %d seeds can be given", INVITE_SEEDS_MAX);
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(seed->address) ||
        hex_decode(seed->curve, sizeof(seed->curve), equals + 1) != 0)
        return err_set(err, ERR_USAGE,
                       "'%s' is no seed: ADDRESS:PORT=KEY, the key as 64 hexadecimal digits", text);
    memcpy(seed->address, text, (size_t)(equals - text));
    seeds->count++;
    return 0;
}

/* The members that this machine's node sees alive; without a node there are none. */
static void add_members(struct seeds *seeds, const char *socket)
{
    struct client *client = NULL;
    struct member_list list = {0};
    struct err err = ERR_INIT;
    if (client_open(&client, socket, &err) == 0) {
        client_set_timeout(client, 5000);
        if (client_members(client, &list, &err) != 0)
            list.count = 0;
    }
    size_t start = list.count > 0 ? (size_t)time(NULL) % list.count : 0;
    for (size_t i = 0; i < list.count && seeds->count < INVITE_SEEDS_MAX; i++) {
        const struct member_info *m = &list.members[(start + i) % list.count];
        static const uint8_t unknown[32];
        struct invite_seed *seed = &seeds->list[seeds->count];
        if (strcmp(m->state, "alive") != 0 || m->address[0] == '\0' ||
            memcmp(m->curve, unknown, sizeof(unknown)) == 0)
            continue;
        *seed = (struct invite_seed){.address = ""};
        memcpy(seed->address, m->address, strlen(m->address));
        memcpy(seed->curve, m->curve, sizeof(seed->curve));
        seeds->count++;
    }
    member_list_release(&list);
    client_close(&client);
    if (seeds->count == 0)
        output_warning("no node answers on this machine and no --seed is given: the machine that "
                       "joins will be alone until others name it as their seed");
}

static int stop_descriptor(struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    int fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0
                 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                 : -1;
    return fd >= 0 ? fd : err_errno(err, "listening to signals");
}

static bool is_stopped(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* A ticket that nobody saw is one that nobody should wait for. */
static int show_ticket(const struct command_line *line, const struct ticket *ticket,
                       const char *armor, struct err *err)
{
    char until[TEXT_SHORT_MAX], text[TICKET_ARMOR_MAX + 128];
    if (line->json) {
        json_t *expires = json_time(ticket->expires_s, 0, 0);
        snprintf(text, sizeof(text), "{\"version\":%d,\"ticket\":\"%s\",\"expires\":\"%s\"}\n",
                 OUTPUT_JSON_VERSION, armor, json_string_value(expires));
        json_decref(expires);
    } else {
        snprintf(text, sizeof(text), "%s\n", armor);
    }
    if (!line->json && !line->quiet)
        fprintf(stderr,
                "On the machine that is to join (one machine, until %s), run\n"
                "\n    ecbak join TICKET\n\nwith this ticket; keep it secret until then:\n\n",
                text_time(until, ticket->expires_s));
    int status = secret_print(text, err);
    sodium_memzero(text, sizeof(text));
    if (!line->json && !line->quiet)
        fputc('\n', stderr);
    return status == 0 ? 0 : err_context(err, "the ticket is void, it cannot be shown");
}

static void show_wait(const struct ticket *ticket, bool shown)
{
    char left[TEXT_SHORT_MAX];
    int64_t left_s = ticket->expires_s - (int64_t)time(NULL);
    if (shown)
        fprintf(stderr, "\r\033[Kwaiting for the machine, %s left (ctrl-C takes the ticket back)",
                text_duration(left, (double)(left_s > 0 ? left_s : 0)));
}

static void show_admitted(const struct command_line *line, const struct cert *admitted,
                          bool confirmed)
{
    if (line->json)
        output_json(json_pack("{s:o, s:o, s:o, s:b}", "name", json_text(admitted->name), "zone",
                              json_text(admitted->zone), "node",
                              json_hex(admitted->node.bytes, ID_SIZE), "confirmed", confirmed));
    else if (!line->quiet)
        printf("%s joined.\n", admitted->name);
    if (!confirmed)
        output_warning("%s was admitted, but did not say that it has its certificate: if it has "
                       "not, let it ask again with a new ticket",
                       admitted->name);
    fflush(stdout);
}

/* Until the ticket was used, has expired, or is taken back. */
static int wait_for_machine(const struct command_line *line, struct invitation *invitation,
                            int stop, struct err *err)
{
    const struct ticket *ticket = invite_ticket(invitation);
    bool shown = !line->quiet && isatty(STDERR_FILENO) == 1;
    enum invite_state state = INVITE_WAITING;
    int64_t used_s = 0;
    bool stopped = false;
    while (!stopped) {
        show_wait(ticket, shown && state == INVITE_WAITING);
        state = invite_turn(invitation, stop, TURN_MS);
        stopped = is_stopped(stop);
        int64_t now_s = (int64_t)time(NULL);
        if (state == INVITE_USED && used_s == 0)
            used_s = now_s;
        if (state == INVITE_DONE || state == INVITE_EXPIRED ||
            (state == INVITE_USED && now_s - used_s >= CONFIRM_S))
            break;
    }
    if (shown)
        fputs("\r\033[K", stderr);
    int result = 0;
    if (state == INVITE_USED || state == INVITE_DONE) {
        show_admitted(line, invite_admitted(invitation), state == INVITE_DONE);
        command_warn_replaced(invite_replaced(invitation));
        for (int64_t end_s = (int64_t)time(NULL) + LINGER_S;
             !stopped && (int64_t)time(NULL) < end_s; stopped = is_stopped(stop))
            (void)invite_turn(invitation, stop, TURN_MS);
    } else if (stopped) {
        result = err_set(err, ERR_CANCELLED, "stopped: the ticket is void");
    } else {
        result = err_set(err, ERR_TIMEOUT, "nobody used the ticket before it expired");
    }
    return result;
}

/* Shows the ticket and waits for the machine. */
static int run(const struct command_line *line, const struct invite_options *options,
               struct err *err)
{
    struct invitation *invitation = NULL;
    char armor[TICKET_ARMOR_MAX];
    int stop = -1, status = invite_open(&invitation, options, err);
    if (status == 0)
        status = ticket_armor(armor, invite_ticket(invitation), err);
    if (status == 0)
        status = stop = stop_descriptor(err); /* before anybody can know the ticket */
    if (stop >= 0) {
        status = show_ticket(line, invite_ticket(invitation), armor, err);
        if (status == 0)
            status = wait_for_machine(line, invitation, stop, err);
        close(stop);
    }
    sodium_memzero(armor, sizeof(armor));
    invite_close(&invitation);
    return status;
}

int cmd_invite(int argc, char **argv)
{
    struct invite_options invite = {
        .dir = ".", .listen = LISTEN_USUAL, .terms.days = ISSUER_DAYS_DEFAULT};
    uint64_t expires_ms = 3600 * 1000;
    struct option_list advertise = {0}, given = {0};
    struct seeds seeds = {.count = 0};
    const struct option options[] = {
        {'d', "dir", OPTION_TEXT, &invite.dir, "DIR",
         "where the authority is (default: this folder)"},
        {'n', "name", OPTION_TEXT, &invite.terms.name, "NAME",
         "the machine gets this name, not the one it asks for"},
        {'z', "zone", OPTION_TEXT, &invite.terms.zone, "ZONE",
         "the machine gets this zone, not the one it asks for"},
        {'e', "expires", OPTION_DURATION, &expires_ms, "TIME",
         "how long the ticket is good (default 1h, at most 7d)"},
        {'l', "listen", OPTION_TEXT, &invite.listen, "ADDR:PORT",
         "where to wait for the machine (default 0.0.0.0:7413)"},
        {'a', "advertise", OPTION_LIST, &advertise, "ADDR[:PORT]",
         "how the machine reaches this one (default: the addresses\nof this machine); repeatable"},
        {'s', "seed", OPTION_LIST, &given, "ADDR:PORT=KEY",
         "a member that it finds the others through (default: those\nthat this machine's node sees "
         "alive); repeatable"},
        {0, "days", OPTION_NUMBER, &invite.terms.days, "DAYS",
         "the certificate is valid for so long (default 3650)"},
        {0, "replace", OPTION_FLAG, &invite.terms.replace, NULL,
         "also a name that another machine has a certificate for"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak invite",
        .exits = EXIT_BIT(EXIT_KEY) | EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]...",
        .about =
            "Prints a ticket and waits for the machine that shows it: 'ecbak join TICKET' there\n"
            "does the rest. For the operator: it needs the authority's folder. A ticket admits "
            "one\n"
            "machine, while this command runs; whoever has it may join, so hand it over as you\n"
            "would a password. The machine must reach this one at --listen's port.",
        .examples = "  ecbak invite --dir ~/ecbak-authority\n"
                    "  ecbak invite -d ~/authority --name attic --zone home --expires 10m\n"
                    "  ecbak invite -d ~/authority --listen 0.0.0.0:7413 --advertise 192.0.2.10",
        .options = options,
        .uses = USES_NODE,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    int status = 0;
    for (size_t i = 0; i < given.count && status == 0; i++)
        status = add_given(&seeds, given.items[i], &err);
    if (status == 0 && given.count == 0)
        add_members(&seeds, line.socket);
    invite.seconds = (int64_t)(expires_ms / 1000);
    invite.advertise = advertise.items;
    invite.advertise_count = advertise.count;
    invite.seeds = seeds.list;
    invite.seed_count = seeds.count;
    if (status == 0)
        status = run(&line, &invite, &err);
    return command_end(&line, status, &err);
}
