/* profile.h - options and paths in a file, for a store that is done again and again.
 *
 *     # /etc/ecbak/store.d/home.conf
 *     path /home
 *     exclude *.o
 *     exclude-caches
 *
 * A line is an option without its dashes, blanks, and its value up to the end of the line as it is:
 * nothing is quoted, and blanks at its end do not count. Which options there are, cli/ui/options.h
 * knows. Empty lines and lines that begin with '#' say nothing.
 *
 *   Limits   PROFILE_SIZE_MAX bytes
 *   Errors   ERR_USAGE not a name, no such profile, or a NUL in it; those of durable_read
 *   Memory   words and values are the profile's
 *   Threads  any
 */
#ifndef ECBAK_CLI_UI_PROFILE_H
#define ECBAK_CLI_UI_PROFILE_H

#include <stddef.h>

#include "coding/base/err.h"

#define PROFILE_FOLDER   "/etc/ecbak/store.d"
#define PROFILE_SIZE_MAX ((size_t)64 * 1024)

struct profile_line {
    unsigned number;   /* in the file, from 1 */
    const char *word;  /* without blanks */
    const char *value; /* NULL: none */
};

struct profile {
    char *path;
    char *text;
    struct profile_line *lines;
    size_t count;
};

/* name: PROFILE_FOLDER/name.conf; with a '/' in it the path of a file. */
int profile_load(struct profile **profile, const char *name, struct err *err) MUST_CHECK;
void profile_destroy(struct profile **profile);

#endif
