/* Every node is asked, over its own client socket, until all of them count all of them alive. */
#include "cli/lab/up.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/base/program.h"
#include "cli/lab/process.h"
#include "cli/ui/waiting.h"
#include "node/api/client.h"
#include "node/common/clock.h"
#include "node/common/wait.h"

#define NODES_DEFAULT    6
#define CAPACITY_DEFAULT ((uint64_t)10 << 30)
#define POLL_MS          50
#define ASK_MS           1000

static int take_options(struct lab *lab, const struct up_options *options, bool is_new,
                        struct err *err)
{
    static const char *const profiles[] = {"local", "lan", "wan"};
    const char *profile = options->profile;
    if (is_new) {
        lab->capacity_bytes = CAPACITY_DEFAULT;
        lab->zones = LAB_NODES_MAX;
        snprintf(lab->profile, sizeof(lab->profile), "local");
    }
    if (options->capacity_bytes > 0)
        lab->capacity_bytes = options->capacity_bytes;
    if (options->zones > 0)
        lab->zones = options->zones;
    if (profile != NULL) {
        bool known = false;
        for (size_t i = 0; i < 3; i++)
            known = known || strcmp(profile, profiles[i]) == 0;
        if (!known)
            return err_set(err, ERR_USAGE, "there is no profile '%s': local, lan or wan", profile);
        if (!is_new && strcmp(profile, lab->profile) != 0)
            return err_set(err, ERR_EXISTS, "the lab has the profile %s; 'ecbak lab down' first",
                           lab->profile);
        snprintf(lab->profile, sizeof(lab->profile), "%s", profile);
    }
    size_t count = options->nodes > 0 ? (size_t)options->nodes
                   : is_new           ? NODES_DEFAULT
                                      : lab->count;
    return lab_grow(lab, count, err);
}

static int prepare(struct lab *lab, const char *dir, const struct up_options *options,
                   const char *program, struct err *err)
{
    bool is_new = false;
    if (lab_load(lab, dir, err) != 0) {
        if (err->code != ERR_NOT_FOUND || lab_create(lab, dir, err) != 0)
            return -1;
        is_new = true;
    }
    if (lab_lock(lab, err) != 0 || take_options(lab, options, is_new, err) != 0 ||
        lab_save(lab, err) != 0)
        return -1;
    return lab_set_up(lab, program, err);
}

/* How many members this node sees alive; 0 when it does not answer yet. */
static size_t alive_at(const struct lab *lab, const struct lab_node *node)
{
    char endpoint[LAB_PATH_MAX];
    struct client *client = NULL;
    struct member_list list = {0};
    struct err ignored = ERR_INIT;
    size_t alive = 0;
    lab_node_endpoint(endpoint, lab, node);
    if (client_open(&client, endpoint, &ignored) == 0) {
        client_set_timeout(client, ASK_MS);
        if (client_members(client, &list, &ignored) == 0)
            for (size_t i = 0; i < list.count; i++)
                alive += strcmp(list.members[i].state, "alive") == 0;
    }
    member_list_release(&list);
    client_close(&client);
    return alive;
}

/* Waits until the node sees `alive` members alive (1: itself, so it answers), or ends. */
static int wait_for_node(const struct lab *lab, const struct lab_node *node, size_t alive,
                         int64_t end_ms, struct err *err)
{
    struct waiting waiting;
    waiting_init(&waiting);
    for (;;) {
        if (process_running(lab, node) == 0) {
            char last[ERR_TEXT_MAX / 2], log[LAB_PATH_MAX];
            process_last_line(last, lab, node);
            lab_node_path(log, lab, node, "log");
            return err_set(err, ERR_IO, "%s ended; the last line of %s: %s", node->name, log, last);
        }
        size_t seen = alive_at(lab, node);
        if (seen >= alive)
            return 0;
        waiting_tell(&waiting, "waiting for %s to see %zu members alive, for %lld s at most",
                     node->name, alive, (long long)(end_ms - monotonic_ms() + 999) / 1000);
        if (monotonic_ms() >= end_ms)
            return seen == 0 ? err_set(err, ERR_TIMEOUT, "%s does not answer", node->name)
                             : err_set(err, ERR_TIMEOUT, "%s sees %zu of %zu members alive",
                                       node->name, seen, lab->count);
        wait_pause(POLL_MS);
    }
}

int lab_wait_for_answer(const struct lab *lab, const struct lab_node *node, uint64_t timeout_ms,
                        struct err *err)
{
    return wait_for_node(lab, node, 1, monotonic_ms() + (int64_t)timeout_ms, err);
}

static int wait_for_all(const struct lab *lab, uint64_t timeout_ms, struct err *err)
{
    int64_t end_ms = monotonic_ms() + (int64_t)timeout_ms;
    for (size_t i = 0; i < lab->count; i++)
        if (wait_for_node(lab, &lab->nodes[i], lab->count, end_ms, err) != 0)
            return -1;
    return 0;
}

int lab_up(struct lab *lab, const char *dir, const struct up_options *options, struct err *err)
{
    char program[LAB_PATH_MAX];
    *lab = (struct lab){.lock = -1};
    if (program_find_daemon(program, err) != 0 || prepare(lab, dir, options, program, err) != 0)
        return -1;
    for (size_t i = 0; i < lab->count; i++)
        if (process_running(lab, &lab->nodes[i]) == 0 &&
            process_start(lab, &lab->nodes[i], program, err) != 0)
            return -1;
    return wait_for_all(lab, options->timeout_ms, err);
}
