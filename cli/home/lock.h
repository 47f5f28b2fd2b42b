/* lock.h - one command at a time: a lock on a file, given back by the kernel however its holder ends.
 *
 *   Errors   ERR_BUSY it is still held after the wait; ERR_CANCELLED; ERR_IO
 *   Threads  any
 */
#ifndef ECBAK_CLI_HOME_LOCK_H
#define ECBAK_CLI_HOME_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "coding/base/err.h"

/* For what is held for moments only. */
#define LOCK_SHORT_MS 20000

/* Locks the file (made when it is not there) within wait_ms, or until *cancel is true (NULL: never).
 * *fd holds the lock until it is closed. */
int lock_take(int *fd, const char *path, uint64_t wait_ms, const _Atomic bool *cancel,
              struct err *err) MUST_CHECK;

#endif
