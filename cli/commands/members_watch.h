/* members_watch.h - `ecbak members --watch`: follows the cluster until it is stopped.
 *
 * On a terminal one view, painted again in its place: the table, and below it what happened last.
 * Elsewhere a line for each event, written at once, so that a script can follow; with JSON one line
 * with the whole list before them, and again after the node was away. A node that goes away is
 * waited for.
 *
 *   Errors   those of the first question: later ones are shown, and asked again; ERR_IO when the
 *            output is gone
 *   Threads  the command's main thread
 */
#ifndef ECBAK_CLI_COMMANDS_MEMBERS_WATCH_H
#define ECBAK_CLI_COMMANDS_MEMBERS_WATCH_H

#include <stdbool.h>

#include "coding/base/err.h"

/* socket as client_open takes it. Returns only with an error. */
int members_watch(const char *socket, bool json, struct err *err) MUST_CHECK;

#endif
