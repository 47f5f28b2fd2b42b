/* attributes.h - what a file is besides its contents: read for a snapshot, put back by a recover.
 *
 * One struct attributes belongs to one thread: it remembers owner names and lends out its buffers.
 *
 *   Limits   TREE_XATTRS_MAX extended attributes, each at most 64 KiB (the kernel's own limit)
 *   Errors   ERR_IO with the system's words
 *   Memory   what attributes_read points entry to is valid until its next call
 *   Threads  one at a time for one struct attributes
 */
#ifndef ECBAK_CLI_FILES_ATTRIBUTES_H
#define ECBAK_CLI_FILES_ATTRIBUTES_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/files/walk.h"
#include "cli/vault/tree.h"
#include "coding/base/err.h"

struct attributes;

struct attributes *attributes_new(void);
void attributes_destroy(struct attributes **attributes);

/* The kind of entry that a mode stands for; 0: none that is known. */
enum entry_kind attributes_kind(uint32_t mode);

/* Where a file is: an open descriptor, or (fd -1) a name in an open folder. Where the name is "", the
 * file is what folder_fd itself was opened to, with O_PATH. */
struct file_at {
    int fd, folder_fd;
    const char *name;
};

/* Fills everything in entry but its name, hard link, contents and target. -1: extended attributes
 * or flags could not be read; the rest of entry is good then. */
int attributes_read(struct attributes *attributes, struct tree_entry *entry,
                    const struct walk_stat *stat, struct file_at file, struct err *err) MUST_CHECK;

struct attributes_policy {
    bool root;                    /* may give files away */
    bool numeric_owners;          /* never by name */
    _Atomic bool clear_inherited; /* remove access lists that a folder's default gave */
};

/* Who an entry's owner and group are here, going by name unless the policy says otherwise. */
void attributes_owner(struct attributes *attributes, const struct tree_entry *entry,
                      const struct attributes_policy *policy, uid_t *uid, gid_t *gid);
/* Puts them back, but for flags (inode_flags.h; to an open descriptor, or one of O_PATH: nothing is told by its name, which somebody
 * else may have given to another file meanwhile), in the order in which they do not undo each other: owner (clears set-user-id and
 * capabilities), extended attributes (need write permission), mode, access lists (change the mode's
 * group bits), times. Goes on after a failure; -1 with the first one. A set-user-id or set-group-id
 * bit is only put back where the owner or group it speaks of was. */
int attributes_apply(struct attributes *attributes, const struct tree_entry *entry,
                     struct file_at file, const struct attributes_policy *policy,
                     struct err *err) MUST_CHECK;

#endif
