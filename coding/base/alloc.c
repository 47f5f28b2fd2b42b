/* Thin by intent: the value is that no other file has to decide what a failed allocation means. */
#include "coding/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

void *alloc_zero(size_t count, size_t size)
{
    return or_abort(calloc(count != 0 ? count : 1, size != 0 ? size : 1));
}

void *alloc_copy(const void *from, size_t size)
{
    void *copy = or_abort(malloc(size != 0 ? size : 1));
    if (size != 0)
        memcpy(copy, from, size);
    return copy;
}

char *alloc_text(const char *text)
{
    return alloc_copy(text, strlen(text) + 1);
}

char *alloc_format(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (length < 0)
        abort();
    char *text = alloc_zero((size_t)length + 1, 1);
    va_start(list, format);
    vsnprintf(text, (size_t)length + 1, format, list);
    va_end(list);
    return text;
}

void *alloc_grow(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        abort();
    return or_abort(realloc(old, bytes != 0 ? bytes : 1));
}

void *alloc_large(size_t size, struct err *err)
{
    void *memory = NULL;
    if (posix_memalign(&memory, ALLOC_LARGE_ALIGN, size != 0 ? size : 1) != 0) {
        err_set(err, ERR_MEMORY, "no memory for a buffer of %zu bytes", size);
        return NULL;
    }
    return memory;
}
