/* walk.h - folders and what is in them, in a fixed order, read ahead by threads of its own.
 *
 * The consumer goes depth first: it takes the listing of a folder, handles its entries in the order
 * of their names (bytewise), and enters sub-folders as it meets them; scanner threads have mostly
 * read those by then. Every folder is opened from its parent's descriptor without following
 * symbolic links, so that a tree that changes meanwhile leads nowhere else.
 *
 *   Limits   read ahead at most WALK_AHEAD_ENTRIES; a listing hands out WALK_SLICE entries at a
 *            time
 *   Memory   a folder is shared and counted: folder_hold, folder_drop; the names of its entries
 *            live as long as it does. Entries of a slice are the consumer's to free
 *   Threads  one consumer; folder_hold, folder_drop and reading a folder: any
 */
#ifndef ECBAK_CLI_FILES_WALK_H
#define ECBAK_CLI_FILES_WALK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cli/files/exclude.h"
#include "coding/base/err.h"

#define WALK_SLICE         2048
#define WALK_AHEAD_ENTRIES 65536
#define WALK_AHEAD_FOLDERS 256

/* What of a struct stat matters here. */
struct walk_stat {
    uint64_t device, inode, size, blocks, special_device;
    int64_t mtime_s, ctime_s;
    uint32_t mtime_ns, ctime_ns;
    uint32_t mode, uid, gid;
    bool linked; /* more than one name */
};
void walk_stat_of(struct walk_stat *to, const struct stat *from);

struct folder {
    int fd;
    char *path;            /* absolute, no '/' at the end ("" for the root) */
    struct walk_stat stat; /* of the folder itself */
    char *names;           /* of its entries, one after the other */
    _Atomic unsigned holds;
};
struct folder *folder_hold(struct folder *folder);
void folder_drop(struct folder **folder);

struct scan; /* a folder to be listed */

struct walk_entry {
    const char *name; /* lives as long as its folder */
    struct walk_stat stat;
    int error;         /* errno of lstat, else 0 */
    struct scan *scan; /* a directory to enter, by walk_enter; NULL: not to be entered */
};

struct listing {
    struct folder *folder;
    struct walk_entry *entries; /* this slice, malloc'd; the consumer takes it */
    size_t count;
    bool last; /* no slice follows */
    /* the walk's own */
    uint32_t *order; /* offsets into folder->names, sorted */
    size_t name_count, next;
    struct scan *scan;
};

struct walk_options {
    const char *const *targets; /* absolute and clean, none inside another: see walk_targets */
    size_t target_count;
    const struct exclude *exclude; /* may be NULL */
    bool exclude_caches;
    bool one_file_system;
    unsigned threads; /* that read ahead, at most THREADS_MAX; 0: none */
};

/* Makes absolute, clean, sorted, distinct targets of what a user gave. Each that cannot be found is
 * given to problem(); -1 when none is left. free() each and the list. */
int walk_targets(char ***targets, size_t *count, const char *const *paths, size_t path_count,
                 void (*problem)(void *ctx, const char *path, const struct err *err), void *ctx,
                 struct err *err) MUST_CHECK;

struct walk;
int walk_new(struct walk **walk, const struct walk_options *options, struct err *err) MUST_CHECK;
void walk_destroy(struct walk **walk);

/* The first slice of "/" (scan NULL) or of an entry's folder (scan is taken, also on failure).
 * release with listing_release. */
int walk_enter(struct walk *walk, struct scan **scan, struct listing *listing,
               struct err *err) MUST_CHECK;
/* The next slice of the same folder into listing->entries. */
void walk_next_slice(struct walk *walk, struct listing *listing);
void listing_release(struct listing *listing);
/* Gives up a scan that is not going to be entered. */
void walk_skip(struct walk *walk, struct scan **scan);

#endif
