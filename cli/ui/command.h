/* command.h - several commands under one name, how a name finds its function, and what commands
 * share.
 *
 * A command takes its own argc and argv (argv[0] is its name) and returns an exit code.
 */
#ifndef ECBAK_CLI_UI_COMMAND_H
#define ECBAK_CLI_UI_COMMAND_H

#include "coding/base/err.h"

struct command {
    const char *name; /* NULL ends a table */
    const char *summary;
    int (*run)(int argc, char **argv);
};

/* A word of other tools, and what to say to whoever types it: a near miss is not asked for then,
 * since "restore" is nearer to `store` than to what was meant. */
struct command_hint {
    const char *word; /* NULL ends a table */
    const char *text; /* goes on "there is no command 'WORD'" */
};

/* Several commands under one name: `ecbak`, `ecbak lab`. */
struct command_group {
    const char *name; /* as it is typed: "ecbak lab" */
    const char *about;
    const struct command *commands;
    const char *ending;               /* last lines of the help */
    const struct command_hint *hints; /* NULL: none. A command of that name comes first */
};

/* Runs the command that argv[1] names; knows help, --help, -h, and near misses. */
int command_group_run(const struct command_group *group, int argc, char **argv);

/* Calls each() for every line of a file ("-": standard input) that is not empty, and names the file
 * in an error. */
int command_each_line(const char *path, int (*each)(void *ctx, const char *line, struct err *err),
                      void *ctx, struct err *err) MUST_CHECK;

struct command_line;
/* Calls each() for every line that the operands mean: one that begins with `armor` is such a line
 * itself (NULL: none is), any other names a file of them; without any, standard input has them. */
int command_each_operand(const struct command_line *line, const char *armor,
                         int (*each)(void *ctx, const char *line, struct err *err), void *ctx,
                         struct err *err) MUST_CHECK;

struct cert;
/* After a certificate was signed with --replace: that the other node keeps its own. Nothing when
 * `replaced` has no name. */
void command_warn_replaced(const struct cert *replaced);

#endif
