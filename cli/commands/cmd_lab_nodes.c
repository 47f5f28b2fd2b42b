/* ecbak lab kill, stop, start - what can happen to single nodes of a lab. */
#include <signal.h>
#include <stdio.h>

#include "cli/base/program.h"
#include "cli/commands/commands.h"
#include "cli/lab/lab.h"
#include "cli/lab/process.h"
#include "cli/lab/show.h"
#include "cli/lab/up.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"

#define START_TIMEOUT_MS 30000

/* What kill, stop and start do to one node. */
struct action {
    int signal; /* 0: start */
    int timeout_ms;
    const char *done, *idle; /* what is said when it was done, when there was nothing to do */
};

static int do_one(const struct lab *lab, const struct lab_node *node, const struct action *action,
                  const char *program, bool *was_idle, struct err *err)
{
    if (action->signal == 0) {
        *was_idle = process_running(lab, node) != 0;
        return *was_idle ? 0 : process_start(lab, node, program, err);
    }
    bool was_running;
    int status = process_end(lab, node, action->signal, action->timeout_ms, &was_running, err);
    *was_idle = !was_running;
    return status;
}

/* All names are looked up before anything is done to one. */
static int choose(const struct lab_node **chosen, size_t *count, const struct lab *lab,
                  const struct command_line *line, bool all, struct err *err)
{
    *count = 0;
    for (size_t i = 0; !all && i < line->operand_count; i++) {
        const struct lab_node *node = lab_find(lab, line->operands[i], err);
        if (node == NULL)
            return -1;
        if (*count < LAB_NODES_MAX)
            chosen[(*count)++] = node;
    }
    for (size_t i = 0; all && i < lab->count; i++)
        chosen[(*count)++] = &lab->nodes[i];
    return 0;
}

static int run_action(int argc, char **argv, struct command_line *line, const struct action *action)
{
    const char *dir = NULL;
    bool all = false;
    const struct option options[] = {
        LAB_DIR_OPTION(dir),
        {'a', "all", OPTION_FLAG, &all, NULL, "every node of the lab"},
        {0},
    };
    line->options = options;
    line->operands_max = LAB_NODES_MAX;
    int code;
    if (!command_line_read(line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct lab lab = {.lock = -1};
    const struct lab_node *chosen[LAB_NODES_MAX];
    char program[LAB_PATH_MAX] = "";
    size_t count = 0;
    int status = 0;
    if (line->operand_count == 0 && !all)
        status = err_set(&err, ERR_USAGE, "name the nodes, or say --all");
    if (status == 0)
        status = lab_load(&lab, dir, &err);
    if (status == 0)
        status = lab_lock(&lab, &err);
    if (status == 0)
        status = choose(chosen, &count, &lab, line, all, &err);
    if (status == 0 && action->signal == 0)
        status = program_find_daemon(program, &err);
    for (size_t i = 0; status == 0 && i < count; i++) {
        bool was_idle = false;
        status = do_one(&lab, chosen[i], action, program, &was_idle, &err);
        if (status == 0 && !line->json && !line->quiet)
            printf("%s %s\n", chosen[i]->name, was_idle ? action->idle : action->done);
    }
    /* All are started before any is waited for: they may need each other. */
    for (size_t i = 0; status == 0 && action->signal == 0 && i < count; i++)
        status = lab_wait_for_answer(&lab, chosen[i], START_TIMEOUT_MS, &err);
    if (status == 0 && line->json)
        lab_show(line, &lab);
    lab_unlock(&lab);
    return command_end(line, status, &err);
}

int cmd_lab_kill(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak lab kill",
        .synopsis = "[OPTION]... NAME...",
        .about = "Kills nodes on the spot (SIGKILL), as a power cut would.",
        .examples = "  ecbak lab kill node-2 node-5",
    };
    static const struct action action = {SIGKILL, PROCESS_KILL_MS, "is killed",
                                         "was stopped already"};
    return run_action(argc, argv, &line, &action);
}

int cmd_lab_stop(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak lab stop",
        .synopsis = "[OPTION]... NAME...",
        .about = "Ends nodes in good order (SIGTERM): they tell the others that they are away.",
        .examples = "  ecbak lab stop node-3\n"
                    "  ecbak lab stop --all",
    };
    static const struct action action = {SIGTERM, PROCESS_STOP_MS, "is stopped",
                                         "was stopped already"};
    return run_action(argc, argv, &line, &action);
}

int cmd_lab_start(int argc, char **argv)
{
    struct command_line line = {
        .name = "ecbak lab start",
        .exits = EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]... NAME...",
        .about = "Starts nodes that are down, and waits until they answer on their sockets. When "
                 "the others\n"
                 "see them again, 'ecbak members --wait-for' tells.",
        .examples = "  ecbak lab start node-3\n"
                    "  ecbak lab start --all && ecbak members --wait-for 6=alive",
    };
    static const struct action action = {0, 0, "is started", "runs already"};
    return run_action(argc, argv, &line, &action);
}
