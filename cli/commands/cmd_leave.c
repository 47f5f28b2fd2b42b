/* ecbak leave - takes this machine's node out of the cluster for good. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/text.h"
#include "cli/commands/commands.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/options.h"
#include "cli/ui/output.h"
#include "node/api/client.h"

/* The name is going to be printed: certificates know only harmless ones, but this came by a
 * socket. */
static int check_name(const char *name, struct err *err)
{
    char safe[4 * sizeof(((struct node_status *)0)->name)];
    text_safe(safe, sizeof(safe), name, strlen(name));
    return strcmp(safe, name) == 0 ? 0 : err_set(err, ERR_FORMAT, "the node's name is %s", safe);
}

/* Asks on the terminal; a pipe has to say --yes. */
static int confirm(const char *name, struct err *err)
{
    if (isatty(STDIN_FILENO) != 1)
        return err_set(err, ERR_USAGE, "leaving is for good: confirm it with --yes");
    fprintf(stderr,
            "The node %s leaves the cluster for good; its name has to be certified anew to\n"
            "come back. Type its name to confirm: ",
            name);
    char answer[64] = "";
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        answer[0] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    if (strcmp(answer, name) != 0)
        return err_set(err, ERR_CANCELLED, "not confirmed; nothing was done");
    return 0;
}

int cmd_leave(int argc, char **argv)
{
    bool yes = false;
    const struct option options[] = {
        {'y', "yes", OPTION_FLAG, &yes, NULL, "do not ask"},
        {0},
    };
    struct command_line line = {
        .name = "ecbak leave",
        .exits = EXIT_BIT(EXIT_FULL),
        .synopsis = "[OPTION]...",
        .about = "Tells the cluster that this machine's node is gone for good. The others stop "
                 "counting\n"
                 "on what it holds. It does not start again with the same certificate: to come "
                 "back, its\n"
                 "request is signed anew. A machine that is only switched off for a while needs "
                 "nothing: its\n"
                 "node says by itself that it is away.",
        .examples = "  ecbak leave\n"
                    "  ecbak leave --yes",
        .options = options,
        .uses = USES_NODE,
    };
    int code;
    if (!command_line_read(&line, argc, argv, &code))
        return code;
    struct err err = ERR_INIT;
    struct client *client = NULL;
    struct node_status node;
    int status = -1;
    if (client_open(&client, line.socket, &err) != 0 || client_status(client, &node, &err) != 0 ||
        check_name(node.name, &err) != 0 || (!yes && confirm(node.name, &err) != 0) ||
        client_leave(client, &err) != 0)
        goto done;
    if (line.json)
        output_json(json_pack("{s:o, s:s}", "name", json_text(node.name), "state", "left"));
    else if (!line.quiet)
        printf("%s has left the cluster.\n", node.name);
    status = 0;
done:
    client_close(&client);
    return command_end(&line, status, &err);
}
