/* walk_internal.h - listing one folder: its names, sorted, and the attributes behind them.
 *
 *   Threads  any, one at a time for one scan
 */
#ifndef ECBAK_CLI_FILES_WALK_INTERNAL_H
#define ECBAK_CLI_FILES_WALK_INTERNAL_H

#include "cli/files/walk.h"

enum scan_state { SCAN_WAITING, SCAN_RUNNING, SCAN_READY };

struct scan {
    enum scan_state state;
    struct scan *above, *below; /* in the stack, while waiting */
    struct folder *parent;      /* held; NULL for the root */
    const char *name;           /* in the parent's names */
    /* Only these targets are wanted below this folder, by their bytes from `depth` on; none: all of
     * the folder is. */
    const char *const *targets;
    size_t target_count, depth;
    struct listing listing;
    struct err err; /* code ERR_NONE: listed */
};

/* Opens the folder and reads its names. A folder that could be opened but not read to its end has
 * the names that were read. */
int scan_list(const struct walk_options *options, struct scan *scan, struct err *err) MUST_CHECK;
/* Reads the attributes behind the next names into scan->listing.entries. */
void scan_slice(const struct walk_options *options, struct scan *scan);

#endif
