/* commands.h - the commands of ecbak. A new one is a file cmd_NAME.c in this folder, its line here
 * and in the table of commands.c, and its part of the man page.
 *
 * A command takes its own argc and argv (argv[0] is its name) and returns an exit code.
 */
#ifndef ECBAK_CLI_COMMANDS_COMMANDS_H
#define ECBAK_CLI_COMMANDS_COMMANDS_H

#include "cli/ui/command.h"

/* All of them. */
extern const struct command_group commands_ecbak;

int cmd_authority(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_invite(int argc, char **argv);
int cmd_join(int argc, char **argv);
int cmd_lab(int argc, char **argv);
int cmd_leave(int argc, char **argv);
int cmd_members(int argc, char **argv);
int cmd_open(int argc, char **argv);
int cmd_recover(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_snapshots(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_store(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Of `ecbak authority`. */
int cmd_authority_revoke(int argc, char **argv);

/* Of `ecbak lab`. */
int cmd_lab_kill(int argc, char **argv);
int cmd_lab_start(int argc, char **argv);
int cmd_lab_stop(int argc, char **argv);

#endif
