/* text.h - values as people write and read them: sizes, durations, names from strangers.
 *
 *   Units    sizes in powers of 1024, shown as "1.4 GiB", read as "10G", "512M", "4096"
 *   Limits   every short text fits TEXT_SHORT_MAX
 *   Errors   ERR_USAGE with the text as it was given and what would be right
 *   Memory   writes only into the caller's buffers, always NUL-terminated
 *   Threads  any
 */
#ifndef ECBAK_CLI_BASE_TEXT_H
#define ECBAK_CLI_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

#define TEXT_SHORT_MAX 32

/* "0 B", "812 B", "1.4 GiB". Returns `to`. */
char *text_bytes(char to[TEXT_SHORT_MAX], uint64_t bytes);
/* "0.4 s", "38 s", "4 min 10 s", "3 h 2 min", "5 d 4 h". Returns `to`. */
char *text_duration(char to[TEXT_SHORT_MAX], double seconds);
/* A local time to the second: "2024-05-01 13:37:00". Returns `to`. */
char *text_time(char to[TEXT_SHORT_MAX], int64_t time_s);
/* With the digits in groups of three: "81 237". Returns `to`. */
char *text_count(char to[TEXT_SHORT_MAX], uint64_t count);

/* A plain decimal number. */
int text_read_number(uint64_t *number, const char *text, struct err *err) MUST_CHECK;
/* A size: a number with an optional K, M, G, T or P (and B or iB after it). */
int text_read_bytes(uint64_t *bytes, const char *text, struct err *err) MUST_CHECK;
/* A duration in milliseconds: a number with ms, s, m, h or d; s when nothing follows. */
int text_read_duration(uint64_t *duration_ms, const char *text, struct err *err) MUST_CHECK;

/* Makes bytes from a stranger (a file name, a member's name) safe to print: control characters,
 * bidirectional overrides and bytes that are not UTF-8 come out as \xNN, so that no name can move
 * the cursor, colour the screen or pose as another. What does not fit is cut before a whole
 * character. Returns the length written. */
size_t text_safe(char *to, size_t room, const char *bytes, size_t size);
/* Columns that a UTF-8 text takes, one for each code point. */
size_t text_width(const char *text);
/* How many bytes of it fit into `width` columns. */
size_t text_fit(const char *text, size_t width);

#endif
