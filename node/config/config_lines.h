/* config_lines.h - a first look at a ZPL text: is each line well formed, and which lines carry an
 * item.
 *
 * zconfig reports no line numbers, speaks on standard output, and reads past a line of more than
 * 1024 bytes. So only text that passed here is given to it; and as it makes one item of each line
 * that is neither empty nor a comment, in order, the n-th item of its tree (children after their
 * parent) is on lines.number[n].
 *
 *   Errors   ERR_FORMAT with origin and line
 *   Memory   config_lines_release
 */
#ifndef ECBAK_NODE_CONFIG_CONFIG_LINES_H
#define ECBAK_NODE_CONFIG_CONFIG_LINES_H

#include <stddef.h>

#include "coding/base/err.h"

#define CONFIG_LINE_MAX  1000 /* zconfig's own limit is 1024 */
#define CONFIG_ITEMS_MAX 256

struct config_lines {
    unsigned *number;
    size_t count;
};

int config_lines_read(struct config_lines *lines, const char *text, size_t size, const char *origin,
                      struct err *err) MUST_CHECK;
void config_lines_release(struct config_lines *lines);

#endif
