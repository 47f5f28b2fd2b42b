/* exclude.h - patterns of what a store leaves out.
 *
 * A pattern without '/' is matched against names at any depth; one with a '/' at its start against
 * whole paths from the root; another one against the end of paths. `*` and `?` and [...] stay
 * within a name, `**` crosses '/', `\` takes the next character as it is, and a '/' at the end
 * means folders only. What is below a left-out folder is left out with it.
 *
 * A pattern that begins with '!' takes what it matches in again: of all patterns that match, the
 * last one counts. It is not looked for below a left-out folder. `\!` begins a name.
 *
 *   Limits   a pattern EXCLUDE_PATTERN_MAX - 1 bytes; as many as memory takes
 *   Threads  any, after the last exclude_add
 */
#ifndef ECBAK_CLI_FILES_EXCLUDE_H
#define ECBAK_CLI_FILES_EXCLUDE_H

#include <stdbool.h>
#include <stddef.h>

#include "coding/base/err.h"

#define EXCLUDE_PATTERN_MAX 4096

struct exclude;

struct exclude *exclude_new(void);
void exclude_destroy(struct exclude **exclude);
int exclude_add(struct exclude *exclude, const char *pattern, struct err *err) MUST_CHECK;
/* One pattern a line, without the blanks around it; empty lines and lines that begin with '#' are
 * skipped. Lines may end as Windows ends them, and its mark at the beginning of a file is no
 * pattern. */
int exclude_add_file(struct exclude *exclude, const char *path, struct err *err) MUST_CHECK;
/* path is absolute, without a '/' at its end. */
bool exclude_matches(const struct exclude *exclude, const char *path, bool is_directory);

#endif
