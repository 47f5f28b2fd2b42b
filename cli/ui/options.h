/* options.h - command lines, read by one declarative table a command.
 *
 * Options may stand before, between and after the operands: -v, -vq, -n 3, -n3, --nodes 3,
 * --nodes=3; "--" ends them. The lines of a profile (cli/ui/profile.h) stand for options and, as
 * "path", for operands, which are absolute paths there. Every command also takes --json, --quiet
 * and --help, and, where it says so in `uses`, --socket and --vault.
 *
 * An empty value or operand is a variable that a script forgot to fill: it is refused, not taken for
 * "any".
 *
 *   Errors   a usage error is reported on stderr with the way to the help, exit status 2
 *   Memory   values point into argv or into the profile; command_end frees that, operands and lists
 *   Threads  one
 */
#ifndef ECBAK_CLI_UI_OPTIONS_H
#define ECBAK_CLI_UI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *; never empty */
    OPTION_LIST,     /* struct option_list, zeroed; the option may be repeated; no item is empty */
    OPTION_NUMBER,   /* uint64_t, 1 or more: 0 is what a command takes for "not given" */
    OPTION_BYTES,    /* uint64_t, 1 or more, "10G" */
    OPTION_DURATION, /* uint64_t milliseconds, "30s" */
    OPTION_PROFILE,  /* nothing: a file whose lines are options, as if they stood here */
};

struct profile;

struct option_list {
    const char **items;
    size_t count;
};

struct option {
    char letter;      /* 0: only the long form */
    const char *name; /* NULL ends a table */
    enum option_kind kind;
    void *value;          /* of the kind's type; left alone when the option is not given */
    const char *argument; /* what the help calls it, e.g. "DIR" */
    const char *help;     /* one sentence; "\n" continues on the next line */
};

enum command_uses {
    USES_NODE = 1,  /* --socket */
    USES_VAULT = 2, /* --vault */
};

struct command_line {
    /* What the command says of itself. */
    const char *name;     /* "ecbak lab up" */
    const char *synopsis; /* "[OPTION]... PATH..." */
    const char *about;    /* a short paragraph, lines broken by hand */
    const char *examples; /* lines */
    const struct option *options;
    unsigned uses;
    unsigned
        exits; /* EXIT_BIT of each status that it can end with, beside done, failed and usage */
    size_t operands_min, operands_max; /* SIZE_MAX: any number */
    /* What it is given. */
    const char **operands;
    size_t operand_count;
    bool json, quiet;
    const char *socket, *vault;
    struct profile *profile;
};

/* True when the command is to go on. False when it ends here: help was shown, or the usage error
 * reported; *exit_code is its status. */
bool command_line_read(struct command_line *line, int argc, char **argv, int *exit_code) MUST_CHECK;
/* The end of a command that went on: reports err when `status` is -1, releases what was read, and
 * gives the exit status: the one that err means, or `status` itself. */
int command_end(struct command_line *line, int status, const struct err *err) MUST_CHECK;

#endif
