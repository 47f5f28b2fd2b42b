/* One write(2) a line: the journal and a pipe take it whole, and no lock is needed. */
#include "node/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "coding/base/utf8.h"

static _Atomic int level_max = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&level_max, (int)level);
}

static const char *level_word(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error: ";
    case LOG_LEVEL_WARN:
        return "warning: ";
    case LOG_LEVEL_INFO:
    case LOG_LEVEL_DEBUG:
        break;
    }
    return "";
}

/* systemd names the journal's stream; a program that it started may have redirected its own. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;
    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

static size_t begin_line(char *line, size_t size, enum log_level level)
{
    if (is_journal())
        return (size_t)snprintf(line, size, "<%d>", (int)level);
    if (isatty(STDERR_FILENO))
        return (size_t)snprintf(line, size, "ecbakd: %s", level_word(level));
    struct tm tm;
    time_t now = time(NULL);
    size_t used =
        gmtime_r(&now, &tm) != NULL ? strftime(line, size, "%Y-%m-%dT%H:%M:%SZ ", &tm) : 0;
    return used + (size_t)snprintf(line + used, size - used, "%s", level_word(level));
}

static void write_line(enum log_level level, const char *format, va_list args)
{
    if ((int)level > atomic_load(&level_max))
        return;
    char line[LOG_LINE_MAX];
    size_t start = begin_line(line, sizeof(line), level);
    int wanted = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
    size_t size = start;
    if (wanted > 0)
        size += strnlen(line + start, sizeof(line) - 2 - start);
    utf8_mask(line + start, size - start);
    line[size++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, size);
    (void)ignored; /* nowhere to say that the log is gone */
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        write_line(level, format, args);                                                           \
        va_end(args);                                                                              \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
