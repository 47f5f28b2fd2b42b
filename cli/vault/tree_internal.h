/* tree_internal.h - the limits of a tree's entry, as its writer and its reader share them. The
 * table of its bytes is in tree.c.
 */
#ifndef ECBAK_CLI_VAULT_TREE_INTERNAL_H
#define ECBAK_CLI_VAULT_TREE_INTERNAL_H

#include "cli/vault/tree.h"

#define TREE_ENTRY_VERSION 1
/* With flags. An entry without has the first version, so that it is the same bytes as ever. */
#define TREE_ENTRY_VERSION_FLAGS 2
#define TREE_OWNER_NAME_MAX      255
#define TREE_XATTR_NAME_MAX      255
#define TREE_XATTR_VALUE_MAX     (64u * 1024)
#define TREE_TARGET_MAX          4095
#define TREE_MODE_MAX            07777
#define TREE_FILE_SIZE_MAX       ((uint64_t)INT64_MAX)
#define TREE_NANOSECONDS_MAX     999999999u
#define TREE_LENGTH_SIZE         4
#define TREE_ENTRY_LENGTH_MAX    (TREE_ENTRY_BYTES_MAX + (size_t)TREE_CHUNKS_MAX * ID_SIZE)

/* What both directions hold to: the writer must not store what no reader would take. NULL when all
 * is well, else what is not. */
const char *tree_entry_fault(const struct tree_entry *entry);

#endif
