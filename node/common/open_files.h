/* open_files.h - how many files a process may have open: as many as the system lets it.
 *
 *   Errors   ERR_IO the limit stays as it was
 *   Threads  the main one, before others open files
 */
#ifndef ECBAK_NODE_COMMON_OPEN_FILES_H
#define ECBAK_NODE_COMMON_OPEN_FILES_H

#include <stddef.h>

#include "coding/base/err.h"

int open_files_raise(struct err *err) MUST_CHECK;
/* How many may be open now; OPEN_FILES_LEAST when the system does not say. */
#define OPEN_FILES_LEAST 256
size_t open_files_limit(void);

#endif
