/* program.h - other programs, run for the line that they print: ecbakd makes a node's keys.
 *
 *   Errors   ERR_NOT_FOUND no such program; ERR_IO it failed, with what it said
 *   Threads  one: it forks
 */
#ifndef ECBAK_CLI_BASE_PROGRAM_H
#define ECBAK_CLI_BASE_PROGRAM_H

#include <stddef.h>

#include "coding/base/err.h"

#define PROGRAM_PATH_MAX 4096

/* ecbakd: beside this program, in ../sbin, in $PATH, or in the sbin folders. */
int program_find_daemon(char path[PROGRAM_PATH_MAX], struct err *err) MUST_CHECK;

/* Runs a program to its end and takes the first line that it prints; argv ends with NULL. A status
 * other than 0 is ERR_IO, with what it said on stderr. */
int program_ask(const char *const *argv, char *line, size_t room, struct err *err) MUST_CHECK;

#endif
