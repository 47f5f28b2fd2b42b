/* durable.h - files that are whole or absent, whatever happens.
 *
 * Written under a temporary name, fsynced, renamed into place, and the folder fsynced: when
 * durable_write returns 0, a power cut loses nothing. A file whose fsync failed is removed, never
 * fsynced again: the kernel may have dropped the pages and forgotten the failure.
 *
 *   Units    sizes in bytes
 *   Errors   ERR_EXISTS; ERR_FULL no space; ERR_NOT_FOUND; ERR_FORMAT larger than allowed; ERR_IO
 *   Memory   borrows everything; durable_read returns a malloc'd buffer
 *   Threads  any
 */
#ifndef ECBAK_NODE_COMMON_DURABLE_H
#define ECBAK_NODE_COMMON_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

#define DURABLE_PATH_MAX 4096
/* How a name ends while its file is not whole yet: whoever finds one at start removes it. */
#define DURABLE_TEMPORARY ".tmp"

struct durable_piece {
    const void *bytes;
    size_t size;
};

enum durable_how {
    DURABLE_NEW,     /* ERR_EXISTS when the name is taken */
    DURABLE_REPLACE, /* atomically */
};

/* Writes the pieces one after another to `path` with these permission bits. On failure no part of
 * them is left behind, and what was there before is untouched; but when only the folder could not be
 * fsynced, DURABLE_REPLACE has replaced it whole, and a power cut may bring the old one back. */
int durable_write(const char *path, const struct durable_piece *pieces, size_t count,
                  unsigned permissions, enum durable_how how, struct err *err) MUST_CHECK;

/* Gives a file, or a folder, that was written under a temporary name beside it the name `path`: its
 * bytes are on disk before it has the name, and the name is when this returns 0. A file that has the
 * name is replaced, a folder with anything in it is not (ERR_EXISTS). What is in a folder must be
 * durable before. */
int durable_rename(const char *temporary, const char *path, struct err *err) MUST_CHECK;

/* Removes what writes of files in `dir` left behind when their processes were killed: of the file
 * `name`, or of every file when that is NULL. Only for whoever keeps others from writing these files
 * meanwhile: what is being written would vanish too. */
void durable_clear_leftovers(const char *dir, const char *name);

/* A folder, made durable in its parent; one that is there already is fine. */
int durable_make_dir(const char *path, unsigned permissions, struct err *err) MUST_CHECK;

/* Makes the names in a folder durable. */
int durable_sync_dir(const char *path, struct err *err) MUST_CHECK;

/* The whole of a regular file of at most size_max bytes. */
int durable_read(const char *path, size_t size_max, uint8_t **bytes, size_t *size,
                 struct err *err) MUST_CHECK;

/* durable_read for secrets: ERR_DENIED when the group or others may touch the file. */
int durable_read_secret(const char *path, size_t size_max, uint8_t **bytes, size_t *size,
                        struct err *err) MUST_CHECK;

#endif
