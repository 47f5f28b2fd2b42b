/* ecbak lab - a cluster on this machine alone: real nodes, real keys, loopback only. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/lab/lab.h"
#include "cli/lab/process.h"
#include "cli/lab/show.h"
#include "cli/lab/up.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"

/* As a shell takes it for one word, whatever is in it: 'a'\''b'. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    putchar('\'');
}

static void print_export(const char *name, const char *value, const char *after)
{
    printf("export %s=", name);
    print_quoted(value);
    puts(after);
}

static int cmd_lab_up(int argc, char **argv)
{
    const char *dir = NULL;
    struct up_options up = {.timeout_ms = 60000};
    const struct option options[] = {
        LAB_DIR_OPTION(dir),
        {'n', "nodes", OPTION_NUMBER, &up.nodes, "N",
         "how many (default 6, or as many as there are);\nmore than there are: the lab grows"},
        {'p', "profile", OPTION_TEXT, &up.profile, "NAME",
         "timing of the membership: local (default), lan or wan"},
        {'c', "capacity", OPTION_BYTES, &up.capacity_bytes, "SIZE",
         "what each node offers (default 10G)"},
        {'z', "zones", OPTION_NUMBER, &up.zones, "N",
         "deal the nodes to N zones (default: each its own)"},
        {'t', "timeout", OPTION_DURATION, &up.timeout_ms, "TIME",
         "how long to wait until all see all (default 60s)"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak lab up",
        .exits = EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]...",
        .about =
            "Starts a cluster on this machine's loopback, with an authority, keys and "
            "certificates\n"
            "of its own, and waits until every node sees every other one alive. A lab that is\n"
            "there already is started again; what runs is left alone.",
        .examples = "  ecbak lab up\n"
                    "  ecbak lab up -n 8 --zones 4 --dir /tmp/lab\n"
                    "  eval \"$(ecbak lab env)\" && ecbak members",
        .options = options,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct lab lab = {.lock = -1};
    int status = lab_up(&lab, dir, &up, &err);
    if (status == 0) {
        lab_show(&line, &lab);
        if (!line.json && !line.quiet) {
            printf("\nPoint the other commands at it:  eval \"$(ecbak lab env");
            if (dir != NULL) {
                printf(" --dir ");
                print_quoted(dir);
            }
            printf(")\"\n");
        }
    }
    lab_unlock(&lab);
    return command_end(&line, status, &err);
}

static int cmd_lab_status(int argc, char **argv)
{
    const char *dir = NULL;
    const struct option options[] = {LAB_DIR_OPTION(dir), {0}};
    struct command_line line = {
        .name = "ecbak lab status",
        .synopsis = "[OPTION]...",
        .about = "Shows the processes of the lab, their addresses and where they log.",
        .examples = "  ecbak lab status\n"
                    "  ecbak lab status --json | jq -r '.nodes[] | select(.pid).name'",
        .options = options,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct lab lab;
    int status = lab_load(&lab, dir, &err);
    if (status == 0)
        lab_show(&line, &lab);
    return command_end(&line, status, &err);
}

/* The folder of this program, when a plain `ecbak` would not find it. */
static bool own_folder(char folder[LAB_PATH_MAX])
{
    const char *search = getenv("PATH");
    ssize_t size = readlink("/proc/self/exe", folder, LAB_PATH_MAX - 1);
    if (size <= 0)
        return false;
    folder[size] = '\0';
    *strrchr(folder, '/') = '\0';
    for (const char *at = search; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ":");
        if (length == strlen(folder) && strncmp(at, folder, length) == 0)
            return false;
        at += length + (at[length] == ':');
    }
    return folder[0] != '\0';
}

static int cmd_lab_env(int argc, char **argv)
{
    const char *dir = NULL, *name = NULL;
    const struct option options[] = {
        LAB_DIR_OPTION(dir),
        {'n', "node", OPTION_TEXT, &name, "NAME",
         "the node to talk to (default: the first that runs)"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak lab env",
        .synopsis = "[OPTION]...",
        .about = "Prints what a shell needs to point the other commands at the lab.",
        .examples = "  eval \"$(ecbak lab env)\"\n"
                    "  eval \"$(ecbak lab env --node node-3)\"",
        .options = options,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct lab lab;
    const struct lab_node *node = NULL;
    int status = lab_load(&lab, dir, &err);
    if (status == 0 && lab.count == 0)
        status = err_set(&err, ERR_NOT_FOUND, "the lab has no nodes");
    if (status == 0 && name != NULL && (node = lab_find(&lab, name, &err)) == NULL)
        status = -1;
    for (size_t i = 0; status == 0 && node == NULL && i < lab.count; i++)
        if (process_running(&lab, &lab.nodes[i]) != 0)
            node = &lab.nodes[i];
    if (status == 0) {
        char socket[LAB_PATH_MAX], home[LAB_PATH_MAX + 8], cache[LAB_PATH_MAX + 8];
        char folder[LAB_PATH_MAX];
        lab_node_endpoint(socket, &lab, node != NULL ? node : &lab.nodes[0]);
        snprintf(home, sizeof(home), "%s/home", lab.dir);
        snprintf(cache, sizeof(cache), "%s/cache", lab.dir);
        if (line.json) {
            output_json(json_pack("{s:o, s:o, s:o, s:o}", "ECBAK_SOCKET", json_text(socket),
                                  "ECBAK_HOME", json_text(home), "ECBAK_CACHE", json_text(cache),
                                  "ECBAK_LAB", json_text(lab.dir)));
        } else {
            print_export("ECBAK_SOCKET", socket, "");
            print_export("ECBAK_HOME", home, "");
            print_export("ECBAK_CACHE", cache, "");
            print_export("ECBAK_LAB", lab.dir, "");
            if (own_folder(folder))
                print_export("PATH", folder, ":\"$PATH\"");
        }
    }
    return command_end(&line, status, &err);
}

/* In good order where possible, by force where not. */
static int end_all(const struct lab *lab, struct err *err)
{
    bool was_running;
    for (size_t i = 0; i < lab->count; i++) {
        pid_t pid = process_running(lab, &lab->nodes[i]);
        if (pid != 0) /* all at once; the wait comes after */
            (void)!process_end(lab, &lab->nodes[i], SIGTERM, 0, &was_running, &ERR_INIT);
    }
    for (size_t i = 0; i < lab->count; i++)
        if (process_end(lab, &lab->nodes[i], 0, PROCESS_STOP_MS, &was_running, &ERR_INIT) != 0 &&
            process_end(lab, &lab->nodes[i], SIGKILL, PROCESS_KILL_MS, &was_running, err) != 0)
            return -1;
    return 0;
}

static int cmd_lab_down(int argc, char **argv)
{
    const char *dir = NULL;
    const struct option options[] = {LAB_DIR_OPTION(dir), {0}};
    struct command_line line = {
        .name = "ecbak lab down",
        .synopsis = "[OPTION]...",
        .about = "Ends the lab's nodes and removes everything that the lab made: nodes, data, "
                 "keys, and\n"
                 "the vaults that were made in it. ('ecbak lab stop --all' only ends the nodes.)",
        .examples = "  ecbak lab down\n"
                    "  ecbak lab down --dir /tmp/lab",
        .options = options,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct lab lab = {.lock = -1};
    int status = -1;
    if (lab_load(&lab, dir, &err) != 0 || lab_lock(&lab, &err) != 0 || end_all(&lab, &err) != 0 ||
        lab_remove(&lab, &err) != 0)
        goto done;
    if (line.json)
        output_json(json_pack("{s:o, s:b}", "dir", json_text(lab.dir), "removed", true));
    else if (!line.quiet)
        printf("The lab in %s is gone.\n", lab.dir);
    status = 0;
done:
    lab_unlock(&lab);
    return command_end(&line, status, &err);
}

int cmd_lab(int argc, char **argv)
{
    static const struct command commands[] = {
        {"up", "make or start it, and wait until all see all", cmd_lab_up},
        {"status", "its processes, addresses and logs", cmd_lab_status},
        {"env", "shell lines that point the other commands at it", cmd_lab_env},
        {"kill", "kill nodes, as a power cut would", cmd_lab_kill},
        {"stop", "end nodes in good order", cmd_lab_stop},
        {"start", "start nodes again", cmd_lab_start},
        {"down", "end it and remove all that it made", cmd_lab_down},
        {NULL, NULL, NULL},
    };
    static const struct command_group group = {
        .name = "ecbak lab",
        .about = "A lab is a cluster on this machine alone, for trying things and for tests: real "
                 "nodes\n"
                 "on the loopback, with keys of their own.",
        .commands = commands,
        .ending = "Example\n"
                  "  ecbak lab up && eval \"$(ecbak lab env)\" && ecbak members",
    };
    return command_group_run(&group, argc, argv);
}
