/* log.h - the daemon's lines for the journal, on standard error.
 *
 * In the journal each line starts with the level as <3> to <7>, which systemd reads and strips; on a
 * terminal with a word instead; in a file with the time and that word. A line never carries a secret,
 * or a path or a name out of anybody's backup: nodes see only ciphertext, and their log keeps to node
 * names, addresses, ids, counts and this node's own files.
 *
 *   Limits   one line at most LOG_LINE_MAX bytes, cut at the end; control characters become '?'
 *   Threads  any; a line is written with one call, so lines never mix
 */
#ifndef ECBAK_NODE_BASE_LOG_H
#define ECBAK_NODE_BASE_LOG_H

#define LOG_LINE_MAX 1024

enum log_level {
    LOG_LEVEL_ERROR = 3, /* syslog's numbers */
    LOG_LEVEL_WARN = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

/* Lines above this level are not written; LOG_LEVEL_INFO to begin with. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
