/* The table of commands, in the order in which the help shows them. */
#include "cli/commands/commands.h"

#include <stddef.h>

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

const struct command_group commands_ecbak = {
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
