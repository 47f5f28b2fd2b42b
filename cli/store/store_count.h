/* store_count.h - how much there is to store, counted while it is being stored.
 *
 * Fills files_all and bytes_all of the progress once it has seen everything, so that the progress
 * line can show a share and the time left. An estimate: the tree may change, and what cannot be
 * read is left out.
 *
 *   Threads  one of its own between start and stop
 */
#ifndef ECBAK_CLI_STORE_STORE_COUNT_H
#define ECBAK_CLI_STORE_STORE_COUNT_H

#include "cli/base/job.h"
#include "cli/files/walk.h"

struct store_count;

/* *count must be NULL, and stays so when counting cannot start. What options point to is borrowed
 * until store_count_stop. */
void store_count_start(struct store_count **count, const struct walk_options *options,
                       struct job_progress *progress);
/* Waits until all is counted, unless `now`: of few files the walk that stores sees the last one long
 * before they are read. A cancelled job is not counted to its end. */
void store_count_stop(struct store_count **count, bool now);

#endif
