/* process.h - the ecbakd processes of a lab: start, look at, signal, wait for.
 *
 * A process is known by its number, its start time and the boot it belongs to, all kept in
 * nodes/NAME/pid; a number that was given to another process since is never signalled.
 *
 *   Threads  one; lab_lock held for changes
 */
#ifndef ECBAK_CLI_LAB_PROCESS_H
#define ECBAK_CLI_LAB_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/lab/lab.h"

#define PROCESS_STOP_MS 15000 /* how long a node may take to end in good order */
#define PROCESS_KILL_MS 5000  /* and when it is killed */

/* Its number while it runs, else 0. */
pid_t process_running(const struct lab *lab, const struct lab_node *node);
/* Starts it in the background, its output going to nodes/NAME/log. */
int process_start(const struct lab *lab, const struct lab_node *node, const char *program,
                  struct err *err) MUST_CHECK;
/* Sends a signal and waits until it is gone; ERR_TIMEOUT when it is not after timeout_ms. Not
 * running: done already, *was_running says which. */
int process_end(const struct lab *lab, const struct lab_node *node, int signal, int timeout_ms,
                bool *was_running, struct err *err) MUST_CHECK;

/* The last line of its log, "" without one. */
void process_last_line(char last[ERR_TEXT_MAX / 2], const struct lab *lab,
                       const struct lab_node *node);

#endif
