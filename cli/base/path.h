/* path.h - paths as texts: nothing is looked up but the folder that the program runs in.
 *
 *   Memory   results are malloc'd
 *   Threads  any
 */
#ifndef ECBAK_CLI_BASE_PATH_H
#define ECBAK_CLI_BASE_PATH_H

#include <stdbool.h>

/* Absolute and clean, by its names alone: "." goes, ".." takes the name before it away, slashes are
 * single. "a//b/./c/../d/" gives "/a/b/d"; the root is "". */
char *path_clean(const char *path);
/* The same of what a person typed: "work/a" is taken from the folder that the program runs in. What
 * it names need not exist here. */
char *path_whole(const char *path);
/* Is the path the folder itself, or something below it? Slashes at their ends do not count; "" is
 * the root. */
bool path_is_inside(const char *path, const char *folder);

#endif
