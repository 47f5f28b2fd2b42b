/* ecbak - store a directory in the cluster, recover it, watch the members.
 *
 * Nothing but the table of commands; each lives in its own file cmd_NAME.c.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "cli/ui/command.h"
#include "cli/ui/exit_code.h"
#include "cli/ui/output.h"

static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
    {"init", "make a vault and show its recovery phrase", cmd_init},
    {"open", "open a vault on this machine, from its recovery phrase", cmd_open},
    {"store", "store files and directories: make a snapshot", cmd_store},
    {"snapshots", "list the snapshots of the vault", cmd_snapshots},
    {"recover", "bring a snapshot back", cmd_recover},
    {"members", "watch the machines of the cluster", cmd_members},
    {"status", "how this machine's node is doing", cmd_status},
    {"invite", "for the operator: a ticket that admits one machine", cmd_invite},
    {"join", "make this machine a member, with a ticket", cmd_join},
    {"revoke", "tell the cluster that the authority has shut a member out", cmd_revoke},
    {"leave", "take this machine's node out of the cluster for good", cmd_leave},
    {"authority", "for the operator: the key that admits machines", cmd_authority},
    {"lab", "a cluster on this machine alone, to try things out", cmd_lab},
    {"version", "show the version", cmd_version},
    {NULL, NULL, NULL},
};

static const struct command_group ecbak = {
    .name = "ecbak",
    .about =
        "Backups in the cluster of your own machines: encrypted here, cut into fragments, spread\n"
        "over the members; some of them may be lost, and everything still comes back.",
    .commands = commands,
    .ending =
        "'ecbak help COMMAND' explains one, with examples. Start with 'ecbak lab up'.\n"
        "Exit status: 0 done, 1 failed, 2 usage, 3 incomplete, 4 too few members, 5 wrong key "
        "or damage.",
};

static int cmd_version(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        printf(
            "Usage: ecbak version [--json]\n\nShows the version.\n\nExamples\n  ecbak version\n");
    else if (argc > 1 && strcmp(argv[1], "--json") == 0)
        printf("{\"version\":\"%s\"}\n", ECBAK_VERSION);
    else
        printf("ecbak %s\n", ECBAK_VERSION);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    output_setup();
    if (sodium_init() < 0) {
        fprintf(stderr, "ecbak: the system has no random numbers to give\n");
        return EXIT_FAILED;
    }
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        return cmd_version(1, argv);
    int code = command_group_run(&ecbak, argc, argv);
    /* A result that could not be written (a full disk, a closed pipe) was not given. */
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        if (code == EXIT_DONE)
            code = EXIT_FAILED;
    }
    return code;
}
