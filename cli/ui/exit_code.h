/* exit_code.h - what the exit status of every command means.
 *
 * Scripts and timers branch on these seven numbers and on nothing else, so they never change meaning.
 */
#ifndef ECBAK_CLI_UI_EXIT_CODE_H
#define ECBAK_CLI_UI_EXIT_CODE_H

#include "coding/base/err.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* it did not work; the message says why */
    EXIT_USAGE = 2,  /* the command line is wrong; nothing was done */
    EXIT_INCOMPLETE =
        3,            /* done, but some files are missing or fewer losses are survived than asked */
    EXIT_TOO_FEW = 4, /* too few members for what was asked */
    EXIT_KEY = 5,     /* a wrong key or phrase, or damaged data */
    EXIT_FULL = 6,    /* no space: at the members for what is stored, here for what is written */
};

#define EXIT_CODES 7
/* One of a set of them: of what a command can end with. */
#define EXIT_BIT(code) (1u << (code))

/* In the words of the README's table, for the help; "\n" continues on the next line. */
const char *exit_code_text(enum exit_code code);
/* The status that a command ends with when it failed with err. */
enum exit_code exit_code_of(const struct err *err);

#endif
