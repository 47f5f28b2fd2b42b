/* Errors are values on the caller's stack: no allocation can fail while reporting that one failed.
 */
#include "coding/base/err.h"

#undef err_set
#undef err_errno
#undef err_context

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->text, sizeof(err->text), format, args);
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
    va_list args;
    va_start(args, format);
    err->code = code_of_errno(number);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(number));
    return -1;
}

int err_context(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return -1;
    char tail[ERR_TEXT_MAX];
    memcpy(tail, err->text, sizeof(tail));
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", tail);
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
