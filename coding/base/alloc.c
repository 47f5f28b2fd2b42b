/* Thin on purpose: no other file has to decide what a failed allocation means. */
#include "coding/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_SIZE ((size_t)2 << 20)

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

/* Buffers of mebibytes are given back to the system when freed, and the next ones are faulted in anew:
 * with pages of 4 KiB that takes longer than to code and hash what goes into them. */
void *alloc_large(size_t size, struct err *err)
{
    void *memory = NULL;
    size_t align = size >= HUGE_PAGE_SIZE ? HUGE_PAGE_SIZE : ALLOC_LARGE_ALIGN;
    if (posix_memalign(&memory, align, size != 0 ? size : 1) != 0) {
        err_set(err, ERR_MEMORY, "no memory for a buffer of %zu bytes", size);
        return NULL;
    }
    if (size >= HUGE_PAGE_SIZE) /* a wish: where it is refused, nothing is lost */
        (void)madvise(memory, size & ~(HUGE_PAGE_SIZE - 1), MADV_HUGEPAGE);
    return memory;
}
