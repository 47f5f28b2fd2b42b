/* alloc.h - memory, with one answer to running out of it.
 *
 * A small allocation that fails ends the process: no caller could do better, and code that pretends
 * otherwise is never tested. A large buffer (a pack, a row, a fragment) can fail with an error,
 * since the rest of the process is well and the job can be tried again later.
 *
 *   Units    size in bytes
 *   Memory   everything is released with free()
 *   Threads  any
 */
#ifndef ECBAK_CODING_BASE_ALLOC_H
#define ECBAK_CODING_BASE_ALLOC_H

#include <stddef.h>

#include "coding/base/err.h"

/* What alloc_large aligns to: a cache line, the widest vector register there is, and RS_ALIGN. */
#define ALLOC_LARGE_ALIGN 64

/* count elements of size bytes, all zero; never NULL, also when count is 0. Aborts without memory.
 */
void *alloc_zero(size_t count, size_t size);

/* A copy of size bytes; never NULL. */
void *alloc_copy(const void *from, size_t size);

/* A copy of a string. */
char *alloc_text(const char *text);

/* A string built by snprintf. */
char *alloc_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `old` (or NULL) resized to count elements of size bytes, the new ones not initialised. Aborts on
 * failure, so `list = alloc_grow(list, ...)` never leaks. */
void *alloc_grow(void *old, size_t count, size_t size);

/* A large buffer aligned to ALLOC_LARGE_ALIGN, its bytes not initialised; NULL with ERR_MEMORY. From
 * 2 MiB on it asks for huge pages: much cheaper than malloc() for what is written through at once. */
void *alloc_large(size_t size, struct err *err) MUST_CHECK;

#endif
