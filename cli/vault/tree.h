/* tree.h - directories as chunks: what a snapshot knows of each file.
 *
 * A directory is a sequence of entries sorted by name (bytewise), encoded one after the other, cut
 * into tree chunks at entry boundaries (TREE_CHUNK_BYTES); a directory entry lists the chunks of
 * its own directory.
 *
 *   Limits   a name 1 to 255 bytes, any but '/' and NUL, not "." or ".."; TREE_XATTRS_MAX
 * attributes; an encoded entry at most TREE_ENTRY_BYTES_MAX but for its chunk list Errors
 * ERR_FORMAT for anything else Memory   tree_entry_decode points into the bytes given; lists are
 * malloc'd (tree_entry_release)
 */
#ifndef ECBAK_CLI_VAULT_TREE_H
#define ECBAK_CLI_VAULT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/vault/chunker.h"
#include "coding/base/bytes.h"
#include "coding/base/err.h"

#define TREE_CHUNK_BYTES (512u * 1024)
#define TREE_XATTRS_MAX  256

enum entry_kind {
    ENTRY_FILE = 1,
    ENTRY_DIRECTORY = 2,
    ENTRY_SYMLINK = 3,
    ENTRY_FIFO = 4,
    ENTRY_CHAR_DEVICE = 5,
    ENTRY_BLOCK_DEVICE = 6,
    ENTRY_SOCKET = 7,
};

struct tree_xattr { /* ACLs are the xattrs system.posix_acl_* */
    const char *name;
    size_t name_size;
    const uint8_t *value;
    size_t value_size;
};

/* A run of a sparse file's data; what lies between runs is a hole. */
struct tree_extent {
    uint64_t offset, size;
};

struct tree_entry {
    enum entry_kind kind;
    const char *name; /* not NUL-terminated */
    size_t name_size;
    uint32_t mode; /* permission bits with setuid, setgid, sticky */
    uint32_t uid, gid;
    const char *user, *group; /* names, may be empty */
    size_t user_size, group_size;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint64_t size; /* of a file, holes included */
    uint64_t
        hard_link; /* 0: single; else a number that all names of one inode share in this snapshot */
    uint64_t device;    /* rdev of a device node */
    const char *target; /* of a symbolic link */
    size_t target_size;
    struct tree_xattr *xattrs;
    size_t xattr_count;
    struct tree_extent *extents; /* none: the file has no holes */
    size_t extent_count;
    uint8_t (*chunks)[CHUNK_ID_SIZE]; /* of a file's data, of a directory's entries */
    size_t chunk_count;
};

/* Appends the entry's bytes to a growing malloc'd buffer. */
int tree_entry_encode(const struct tree_entry *entry, uint8_t **bytes, size_t *size, size_t *room,
                      struct err *err) MUST_CHECK;
/* Reads the next entry; *end true (and no entry) at the clean end. Checks everything that a restore
 * relies on. */
int tree_entry_decode(struct tree_entry *entry, struct reader *reader, bool *end,
                      struct err *err) MUST_CHECK;
void tree_entry_release(struct tree_entry *entry);

#endif
