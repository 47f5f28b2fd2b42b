/* inode_flags.h - what chattr says of a file: read for a snapshot, put back by a recover.
 *
 *   Values   of enum tree_flag
 *   Errors   ERR_IO with the system's words; that a file system has no flags is none
 *   Threads  any
 *   Source   ioctl_iflags(2)
 */
#ifndef ECBAK_CLI_FILES_INODE_FLAGS_H
#define ECBAK_CLI_FILES_INODE_FLAGS_H

#include <stdint.h>

#include "cli/vault/tree.h"
#include "coding/base/err.h"

/* With one of these a file takes neither bytes nor another name, and a folder gives none away: they
 * come after everything else. */
#define INODE_FLAGS_LOCKING ((uint32_t)TREE_FLAG_IMMUTABLE | TREE_FLAG_APPEND)
/* These are for what is written after them. */
#define INODE_FLAGS_EARLY ((uint32_t)TREE_FLAG_NO_COW | TREE_FLAG_COMPRESS | TREE_FLAG_NO_COMPRESS)

#define INODE_FLAGS_LETTERS_MAX 16

/* Of an open file or directory; 0 where the file system has none. */
int inode_flags_read(int fd, uint32_t *flags, struct err *err) MUST_CHECK;

/* Adds flags to those that a file has; what it inherited from its folder stays. Returns those that
 * it does not have afterwards: this file system has no such flag, or it needs a privilege. */
uint32_t inode_flags_add(int fd, uint32_t flags);

/* As lsattr shows them. */
const char *inode_flags_letters(char letters[INODE_FLAGS_LETTERS_MAX], uint32_t flags);

#endif
