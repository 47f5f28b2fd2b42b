/* Where a recover goes, and whom it may meet there. Root recovers what others may not read, so for root a folder
 * is good only when nobody else can put things into it, or out of it: its own, or one that the
 * snapshot gives to that very owner with that very mode (an earlier run made it). What is checked is
 * what was opened, not a name. An ordinary user's folders are that user's affair.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

#define LINKS_MAX    40 /* as the kernel has it */
#define INTO_SHARED  "--into-shared recovers into it all the same"
#define OTHERS       (S_IRWXG | S_IRWXO)
#define OTHERS_WRITE (S_IWGRP | S_IWOTH)

int folder_check(struct recover_worker *worker, const struct stat *stat,
                 const struct tree_entry *entry, struct err *err)
{
    const struct recover *recover = worker->recover;
    uid_t uid = recover->uid;
    gid_t gid = recover->gid;
    if (!recover->policy.root || recover->options->into_shared)
        return 0;
    if (entry != NULL)
        attributes_owner(worker->attributes, entry, &recover->policy, &uid, &gid);
    bool own = stat->st_uid == recover->uid;
    mode_t more = stat->st_mode & ~(entry != NULL ? entry->mode : 0);
    if (!own && (stat->st_uid != uid || (more & OTHERS) != 0))
        return err_set(
            err, ERR_DENIED,
            "it is there, and belongs to another user (uid %u), who could read or change "
            "what comes into it; " INTO_SHARED,
            (unsigned)stat->st_uid);
    bool group = (stat->st_mode & S_IWGRP) != 0 && stat->st_gid != gid;
    if ((more & OTHERS_WRITE) != 0 || group)
        return err_set(
            err, ERR_DENIED,
            "it is there, and other users may write into it (mode %04o, gid %u); " INTO_SHARED,
            (unsigned)(stat->st_mode & 07777), (unsigned)stat->st_gid);
    return 0;
}

/* ---- the way to DIR -------------------------------------------------------------------------- */

/* A folder on the way, and what of the path is ahead. */
struct way {
    int fd;
    char *path, *ahead; /* ahead points into path */
    unsigned links;
};

/* Moves on to fd (taken, also on failure). */
static int step_to(struct way *way, int fd)
{
    if (way->fd >= 0)
        close(way->fd);
    way->fd = fd;
    return fd >= 0 ? 0 : -1;
}

/* The path goes on with what the link says. fd (taken) is the link's. */
static int follow_link(const struct recover *recover, struct way *way, int fd,
                       const struct stat *link, struct err *err)
{
    char text[PATH_MAX];
    ssize_t size = readlinkat(fd, "", text, sizeof(text));
    close(fd);
    if (size < 0 || size == sizeof(text) || ++way->links > LINKS_MAX) {
        errno = size < 0 ? errno : ELOOP;
        return err_errno(err, "following the symbolic links to %s", recover->options->to);
    }
    if (recover->policy.root && link->st_uid != recover->uid)
        return err_set(err, ERR_DENIED,
                       "%s leads through a symbolic link of another user (uid %u): name the folder "
                       "that is meant",
                       recover->options->to, (unsigned)link->st_uid);
    char *path = alloc_format("%.*s/%s", (int)size, text, way->ahead);
    free(way->path);
    way->path = path;
    way->ahead = path + strspn(path, "/");
    if (path[0] == '/' && step_to(way, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) != 0)
        return err_errno(err, "opening /");
    return 0;
}

/* One name further; the last one is made when nothing is there. */
static int go_on(struct recover *recover, struct way *way, struct err *err)
{
    const char *to = recover->options->to;
    struct stat stat;
    const char *name = way->ahead;
    way->ahead += strcspn(way->ahead, "/");
    if (*way->ahead != '\0')
        *way->ahead++ = '\0';
    way->ahead += strspn(way->ahead, "/");
    if (*way->ahead == '\0') {
        recover->root_fresh = mkdirat(way->fd, name, FOLDER_UNFINISHED) == 0;
        if (!recover->root_fresh && errno != EEXIST)
            return err_errno(err, "making %s", to);
    }
    int fd = openat(way->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        if (fd >= 0)
            close(fd);
        return err_errno(err, "opening %s", to);
    }
    if (S_ISLNK(stat.st_mode))
        return follow_link(recover, way, fd, &stat, err);
    return step_to(way, fd);
}

static int open_way(struct recover *recover, struct err *err)
{
    const char *to = recover->options->to;
    struct way way = {.fd = open(to[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    way.path = way.ahead = alloc_text(to);
    way.ahead += strspn(way.ahead, "/");
    int result = way.fd >= 0 ? 0 : err_errno(err, "opening %s", to);
    while (result == 0 && *way.ahead != '\0')
        result = go_on(recover, &way, err);
    if (result == 0)
        recover->root = openat(way.fd, ".", FOLDER_FLAGS);
    if (result == 0 && recover->root < 0)
        result = err_errno(err, "opening %s", to);
    if (way.fd >= 0)
        close(way.fd);
    free(way.path);
    return result;
}

int target_open(struct recover *recover, struct err *err)
{
    struct recover_worker worker = {.recover = recover}; /* no entry: no owner is looked up */
    struct stat stat;
    mode_t mask = umask(0);
    umask(mask);
    if (open_way(recover, err) != 0)
        return -1;
    if (fstat(recover->root, &stat) != 0)
        return err_errno(err, "opening %s", recover->options->to);
    if (folder_check(&worker, &stat, NULL, err) != 0)
        return err_context(err, "%s", recover->options->to);
    if (folder_is_unfinished(recover, &stat))
        recover->root_mode = (stat.st_mode & S_ISGID) | (0777 & ~mask);
    if (fgetxattr(recover->root, "system.posix_acl_default", NULL, 0) > 0)
        recover->policy.clear_inherited = true;
    return 0;
}
