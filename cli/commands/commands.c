/* The table of commands, in the order in which the help shows them, and what to say of words that
 * are none. */
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

/* What restic, borg, tar and serf call what `ecbak` has, or has not. A command that comes to be takes
 * its line out of here: a word that is a command is never looked up, so a line that was forgotten
 * does no harm. */
#define STORE     "; 'ecbak store PATH...' makes a snapshot"
#define RECOVER   "; 'ecbak recover SNAPSHOT --to DIR' brings one back"
#define SNAPSHOTS "; 'ecbak snapshots' lists them"
#define NOT_YET   ": that is not there yet"
#define FILES     NOT_YET ". 'ecbak recover SNAPSHOT PATH --to DIR' brings single files back"
#define CHECK                                                                                      \
    NOT_YET ". 'ecbak recover --verify' proves a snapshot, each 'ecbak store' that all is held"
#define FORGET NOT_YET ": snapshots are kept for good, and their space with them"
#define UNLOCK ", and no need: a lock ends with the process that holds it"
#define STATUS "; 'ecbak status' shows this machine's node, 'ecbak members' the others"
#define DAEMON "; 'ecbakd' is the daemon: systemctl start ecbakd"
#define REVOKE "; 'ecbak authority revoke' shuts a member out"

static const struct command_hint hints[] = {
    {"add", STORE},
    {"agent", DAEMON},
    {"archive", STORE},
    {"backup", STORE},
    {"break-lock", UNLOCK},
    {"browse", FILES},
    {"c", STORE},
    {"cat", FILES},
    {"check", CHECK},
    {"compact", FORGET},
    {"compare", NOT_YET},
    {"copy", NOT_YET ": each vault is in one cluster"},
    {"create", STORE},
    {"cp", NOT_YET ": each vault is in one cluster"},
    {"daemon", DAEMON},
    {"delete", FORGET},
    {"diff", NOT_YET},
    {"download", RECOVER},
    {"dump", FILES},
    {"event", "; 'ecbak members --events' shows what happened"},
    {"events", "; 'ecbak members --events' shows what happened"},
    {"export-tar", FILES},
    {"extract", RECOVER},
    {"find", FILES},
    {"force-leave", REVOKE},
    {"forget", FORGET},
    {"fsck", CHECK},
    {"get", RECOVER},
    {"history", SNAPSHOTS},
    {"info", STATUS},
    {"key", NOT_YET ": a vault has the one phrase that 'ecbak init' showed"},
    {"keygen", "; 'ecbakd --init' makes a machine's keys, 'ecbak init' a vault's"},
    {"list", SNAPSHOTS},
    {"log", SNAPSHOTS},
    {"login", "; 'ecbak open' opens a vault from its phrase"},
    {"ls", NOT_YET ". 'ecbak snapshots' lists snapshots, 'ecbak recover' takes paths"},
    {"migrate", ", and no need: old snapshots are read as they are"},
    {"monitor", "; 'ecbak members --watch' follows what happens"},
    {"mount", NOT_YET ". 'ecbak recover SNAPSHOT PATH --to DIR' brings single files back"},
    {"nodes", "; 'ecbak members' shows the machines"},
    {"peers", "; 'ecbak members' shows the machines"},
    {"prune", FORGET},
    {"ps", "; 'ecbak members' shows the machines"},
    {"push", STORE},
    {"put", STORE},
    {"reachability", STATUS},
    {"rebuild-index", ", and no need: the next 'ecbak store' completes what is incomplete"},
    {"remove", FORGET},
    {"repair", ", and no need: the next 'ecbak store' completes what is incomplete"},
    {"restore", RECOVER},
    {"retrieve", RECOVER},
    {"rm", FORGET},
    {"rtt", "; 'ecbak members' shows round-trip times"},
    {"save", STORE},
    {"scrub", CHECK},
    {"serve", DAEMON},
    {"start", DAEMON},
    {"stat", STATUS},
    {"stats", NOT_YET ". 'ecbak snapshots' shows sizes, 'ecbak status' the space used"},
    {"t", SNAPSHOTS},
    {"tag", NOT_YET ": a snapshot has the tags of 'ecbak store --tag'"},
    {"tags", NOT_YET ": a snapshot has the tags of 'ecbak store --tag'"},
    {"umount", NOT_YET},
    {"undelete", RECOVER},
    {"unlock", UNLOCK},
    {"upload", STORE},
    {"verify", CHECK},
    {"x", RECOVER},
    {NULL, NULL},
};

const struct command_group commands_ecbak = {
    .name = "ecbak",
    .about =
        "Backups in the cluster of your own machines: encrypted here, cut into fragments, spread\n"
        "over the members; some of them may be lost, and everything still comes back.",
    .commands = commands,
    .hints = hints,
    .ending =
        "'ecbak help COMMAND' explains one, with examples. Start with 'ecbak lab up'.\n"
        "Exit status: 0 done, 1 failed, 2 usage, 3 incomplete, 4 too few members, 5 wrong key "
        "or damage, 6 no space.",
};
