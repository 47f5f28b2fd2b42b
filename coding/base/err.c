/* Errors are values on the caller's stack: no allocation can fail while reporting that one failed.
 */
#include "coding/base/err.h"

#undef err_set
#undef err_errno
#undef err_context

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_MAX 8192 /* the longest path, and words around it */
#define HEAD_SIZE 200

/* "whole", or "its beginning...its end". */
static void take(struct err *err, const char *whole)
{
    static const char gap[] = "...";
    size_t size = strlen(whole), tail = sizeof(err->text) - HEAD_SIZE - sizeof(gap);
    if (size < sizeof(err->text)) {
        memcpy(err->text, whole, size + 1);
        return;
    }
    memcpy(err->text, whole, HEAD_SIZE);
    memcpy(err->text + HEAD_SIZE, gap, sizeof(gap) - 1);
    memcpy(err->text + HEAD_SIZE + sizeof(gap) - 1, whole + size - tail, tail + 1);
}

/* The text of format and args, and `more` after it, whatever the length of the first. */
static void put(struct err *err, const char *more, const char *format, va_list args)
{
    char whole[WHOLE_MAX];
    size_t room = sizeof(whole) - strlen(more);
    vsnprintf(whole, room, format, args);
    size_t used = strlen(whole);
    memcpy(whole + used, more, strlen(more) + 1);
    take(err, whole);
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, format);
    err->code = code;
    put(err, "", format, args);
    va_end(args);
    return -1;
}

static enum err_code code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

int err_errno(struct err *err, const char *format, ...)
{
    int number = errno;
    if (err == NULL)
        return -1;
    char why[128];
    snprintf(why, sizeof(why), ": %s", strerror(number));
    va_list args;
    va_start(args, format);
    err->code = code_of_errno(number);
    put(err, why, format, args);
    va_end(args);
    return -1;
}

int err_context(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return -1;
    char tail[ERR_TEXT_MAX + 2];
    snprintf(tail, sizeof(tail), ": %s", err->text);
    va_list args;
    va_start(args, format);
    put(err, tail, format, args);
    va_end(args);
    return -1;
}

const char *err_name(enum err_code code)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",       [ERR_INVALID] = "invalid",
        [ERR_FORMAT] = "format",   [ERR_VERSION] = "version",
        [ERR_DAMAGED] = "damaged", [ERR_FOREIGN] = "foreign",
        [ERR_TOO_FEW] = "too_few", [ERR_NOT_FOUND] = "not_found",
        [ERR_EXISTS] = "exists",   [ERR_FULL] = "full",
        [ERR_IO] = "io",           [ERR_TIMEOUT] = "timeout",
        [ERR_DENIED] = "denied",   [ERR_BUSY] = "busy",
        [ERR_MEMORY] = "memory",   [ERR_KEY] = "key",
        [ERR_USAGE] = "usage",     [ERR_CANCELLED] = "cancelled",
        [ERR_LEFT] = "left",
    };
    if ((unsigned)code >= sizeof(names) / sizeof(names[0]))
        return "unknown";
    return names[code];
}

int err_copy(struct err *err, const struct err *from)
{
    if (err != NULL)
        *err = *from;
    return -1;
}
