/* One write(2) a line: the journal and a pipe take it whole, and no lock is needed. */
#include "node/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

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

static void write_line(enum log_level level, const char *format, va_list args)
{
    if ((int)level > atomic_load(&level_max))
        return;
    char line[LOG_LINE_MAX];
    int used = isatty(STDERR_FILENO) ? snprintf(line, sizeof(line), "ecbakd: %s", level_word(level))
                                     : snprintf(line, sizeof(line), "<%d>", (int)level);
    size_t start = (size_t)used;
    int wanted = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
    size_t size = start;
    while (wanted > 0 && size < sizeof(line) - 2 && line[size] != '\0') {
        if ((unsigned char)line[size] < ' ' || line[size] == 0x7f)
            line[size] = '?';
        size++;
    }
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
