/* tree.h - directories as chunks: what a snapshot knows of each file.
 *
 * A directory is a sequence of entries sorted by name (bytewise), encoded one after the other. The
 * stream is cut into tree chunks: after the entry that fills TREE_CHUNK_BYTES, and, since the chunk
 * list of one huge file may be longer than a chunk can be, anywhere at CHUNK_BYTES_MAX. A directory
 * entry lists the chunks of its own directory. The reader takes chunk after chunk and carries what
 * is left of an entry over to the next.
 *
 *   Limits   a name 1 to 255 bytes, any but '/' and NUL, not "." or ".."; TREE_XATTRS_MAX
 *            attributes; an encoded entry at most TREE_ENTRY_BYTES_MAX but for its chunk list;
 *            TREE_CHUNKS_MAX chunks a file
 *   Errors   encode: ERR_INVALID an entry beyond those limits; decode: ERR_VERSION, ERR_FORMAT for
 *            anything else, also names that are not in order or double
 *   Memory   tree_entry_decode points into the reader's bytes: valid until the next
 *            tree_reader_give or tree_entry_decode; lists are malloc'd (tree_entry_release)
 *   Threads  any, one at a time for one reader
 */
#ifndef ECBAK_CLI_VAULT_TREE_H
#define ECBAK_CLI_VAULT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/buffer.h"
#include "cli/vault/chunker.h"
#include "coding/base/bytes.h"
#include "coding/base/err.h"

#define TREE_CHUNK_BYTES     (512u * 1024)
#define TREE_XATTRS_MAX      256
#define TREE_NAME_MAX        255
#define TREE_ENTRY_BYTES_MAX (4u * 1024 * 1024)
#define TREE_CHUNKS_MAX      (4u * 1024 * 1024)

/* What chattr sets, numbered as Linux numbers it. Flags that say how a file system keeps a file, and
 * that nobody sets, are not among them. */
enum tree_flag {
    TREE_FLAG_SECURE_DELETE = 0x1,   /* s */
    TREE_FLAG_UNDELETE = 0x2,        /* u */
    TREE_FLAG_COMPRESS = 0x4,        /* c */
    TREE_FLAG_SYNC = 0x8,            /* S */
    TREE_FLAG_IMMUTABLE = 0x10,      /* i */
    TREE_FLAG_APPEND = 0x20,         /* a */
    TREE_FLAG_NO_DUMP = 0x40,        /* d */
    TREE_FLAG_NO_ATIME = 0x80,       /* A */
    TREE_FLAG_NO_COMPRESS = 0x400,   /* m */
    TREE_FLAG_JOURNAL_DATA = 0x4000, /* j */
    TREE_FLAG_NO_TAIL = 0x8000,      /* t */
    TREE_FLAG_DIR_SYNC = 0x10000,    /* D */
    TREE_FLAG_TOP_DIR = 0x20000,     /* T */
    TREE_FLAG_NO_COW = 0x800000,     /* C */
};
#define TREE_FLAGS_ALL 0x83c4ffu

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
    uint32_t flags;              /* of enum tree_flag; files and directories only */
    struct tree_extent *extents; /* none: no holes, or nothing but a hole: then it has no chunks */
    size_t extent_count;
    struct chunk_id *chunks; /* of a file's data, of a directory's entries */
    size_t chunk_count;
};

/* Appends the entry's bytes; on failure the buffer's size is as it was. */
int tree_entry_encode(const struct tree_entry *entry, struct buffer *to,
                      struct err *err) MUST_CHECK;

/* Reads one directory from its chunks, in order, and knows the last name, so that an entry out of
 * order or a double one is refused. Zero-initialise it, or tree_reader_init. */
struct tree_reader {
    struct reader bytes; /* what is not decoded yet, in the chunk given or in `carry` */
    uint8_t *carry;      /* the beginning of an entry that goes on in the next chunk, then that */
    size_t carry_room;
    bool carried; /* `bytes` is in carry */
    char last[TREE_NAME_MAX];
    size_t last_size;
};

void tree_reader_init(struct tree_reader *reader);
void tree_reader_release(struct tree_reader *reader);
/* The next chunk; borrowed until tree_entry_decode says *end. Only when the reader is at its start
 * or said *end. */
int tree_reader_give(struct tree_reader *reader, const uint8_t *bytes, size_t size,
                     struct err *err) MUST_CHECK;
/* Reads the next entry; *end true (and no entry) when the chunks given hold no further whole one:
 * give the next chunk, or finish. Checks everything that a recover relies on. */
int tree_entry_decode(struct tree_entry *entry, struct tree_reader *reader, bool *end,
                      struct err *err) MUST_CHECK;
/* After the last chunk: an error when half an entry is left. */
int tree_reader_finish(const struct tree_reader *reader, struct err *err) MUST_CHECK;
void tree_entry_release(struct tree_entry *entry);

#endif
