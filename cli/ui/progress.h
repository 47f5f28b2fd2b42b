/* progress.h - a long job seen by the person: one repainted line, its problems, and ctrl-C.
 *
 * The line is painted on stderr, only on a terminal and not when quiet; without one, the rest works
 * all the same. The first ctrl-C asks the job to end, the second ends the program.
 *
 *   Threads  one job at a time in a process; progress_problem from any thread
 */
#ifndef ECBAK_CLI_UI_PROGRESS_H
#define ECBAK_CLI_UI_PROGRESS_H

#include <stdbool.h>

#include "cli/base/job.h"

struct progress;

/* verb: what is going on, e.g. "storing". Painting reads `job`, which must live until
 * progress_stop. */
struct progress *progress_start(const char *verb, struct job_progress *job, bool json, bool quiet);
/* Is a line painted at all? */
bool progress_is_shown(const struct progress *progress);
/* Removes the line and gives the signals back. */
void progress_stop(struct progress **progress);

/* A line of text on stderr, between two paintings when a job's line is painted. */
void progress_note(const char *text);

/* A job_report problem callback; ctx is the struct progress. A warning on stderr, between two
 * paintings; with json also a line {"problem", "error", "message"} on stdout. */
void progress_problem(void *ctx, const char *path, const struct err *err);

/* A job_report notice callback, likewise: a warning on stderr. */
void progress_notice(void *ctx, const char *text);

/* The line as it would be painted `seconds` after the start, at `rate` bytes a second; at most
 * `width` columns. Apart, so that a test can read it. */
#define PROGRESS_LINE_MAX 512
void progress_line(char to[PROGRESS_LINE_MAX], const char *verb, struct job_progress *job,
                   double seconds, double rate, unsigned width);

#endif
