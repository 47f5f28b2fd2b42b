/* Every name is reached from the descriptor of its folder, and every folder is opened without
 * following symbolic links, from DIR down. Names come from tree_entry_decode, which lets no '/',
 * no "." and no ".." through: so nothing outside DIR can be touched, whatever a snapshot holds and
 * whatever is in DIR already.
 *
 * A run may be killed. A folder is made with a mode that nobody gives by hand, and has it until it
 * gets its attributes: so the next run knows what it has to finish. Temporary files that nobody
 * writes any more are removed from each folder that is entered; a run keeps those that it entered
 * locked, so that it is known whether somebody does.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#define TEMPORARY_PREFIX ".ecbak-"
#define RUN_DIGITS       12

static bool is_temporary(const char *name)
{
    static const char digits[] = "0123456789abcdef";
    if (strncmp(name, TEMPORARY_PREFIX, sizeof(TEMPORARY_PREFIX) - 1) != 0)
        return false;
    name += sizeof(TEMPORARY_PREFIX) - 1;
    if (strspn(name, digits) != RUN_DIGITS || name[RUN_DIGITS] != '-')
        return false;
    name += RUN_DIGITS + 1;
    size_t number = strspn(name, digits);
    return number > 0 && number <= 16 && name[number] == '\0';
}

/* Whoever writes temporary files into a folder holds a shared lock on it. */
static void remove_leftovers(int fd)
{
    int again = flock(fd, LOCK_EX | LOCK_NB) == 0 ? openat(fd, ".", FOLDER_FLAGS) : -1;
    DIR *folder = again >= 0 ? fdopendir(again) : NULL;
    if (folder == NULL && again >= 0)
        close(again);
    for (const struct dirent *at; folder != NULL && (at = readdir(folder)) != NULL;) {
        if (is_temporary(at->d_name))
            (void)unlinkat(fd, at->d_name, 0);
    }
    if (folder != NULL)
        closedir(folder);
}

struct dest *dest_root(struct recover *recover)
{
    struct dest *dest = alloc_zero(1, sizeof(*dest));
    dest->fd = recover->root;
    dest->fresh = recover->root_fresh;
    if (!dest->fresh)
        remove_leftovers(dest->fd);
    (void)flock(dest->fd, LOCK_SH | LOCK_NB);
    dest->path = alloc_text("");
    dest->tokens = 1;
    return dest;
}

void dest_hold(struct dest *dest)
{
    size_t tokens = atomic_fetch_add(&dest->tokens, 1);
    assert(tokens > 0); /* who holds one may add one */
}

void dest_drop(struct recover_worker *worker, struct dest *dest)
{
    while (dest != NULL && atomic_fetch_sub(&dest->tokens, 1) == 1) {
        struct dest *parent = dest->parent;
        struct err err = ERR_INIT;
        if (dest->apply &&
            attributes_apply(worker->attributes, dest->entry, (struct file_at){.fd = dest->fd},
                             &worker->recover->policy, &err) != 0) {
            const char *lock = flags_lock(dest->fd, "");
            if (lock != NULL)
                err_set(&err, ERR_IO, "it is %s", lock);
            recover_problem(worker->recover, parent, dest->entry->name, dest->entry->name_size,
                            &err);
        }
        if (dest->apply)
            flags_put(worker->recover, parent->path, dest->entry->name, dest->entry->name_size,
                      dest->fd, dest->entry->flags);
        if (parent == NULL && worker->recover->root_mode != 0 &&
            fchmod(dest->fd, worker->recover->root_mode) != 0) {
            err_errno(&err, "setting the mode");
            recover_problem(worker->recover, dest, NULL, 0, &err);
        }
        if (parent != NULL) {
            close(dest->fd);
            atomic_fetch_sub(&worker->recover->folders_open, 1);
        }
        free(dest->entry);
        free(dest->path);
        free(dest);
        dest = parent;
    }
}

/* One of the user's own that he may not write into: it may be, to replace what is in it, and gets
 * its attributes at the end like one that was made. */
static bool open_up(const struct recover *recover, const struct dest *parent, const char *name,
                    const struct stat *stat)
{
    return recover->options->overwrite && !recover->policy.root && stat->st_uid == recover->uid &&
           (stat->st_mode & S_IRWXU) != S_IRWXU &&
           fchmodat(parent->fd, name, FOLDER_UNFINISHED, AT_SYMLINK_NOFOLLOW) == 0;
}

bool folder_is_unfinished(const struct recover *recover, const struct stat *stat)
{
    return stat->st_uid == recover->uid &&
           (stat->st_mode & 07777 & ~(mode_t)S_ISGID) == FOLDER_UNFINISHED;
}

/* What stands where a folder should be, and is none, goes away when it may. */
static int make_folder(struct recover *recover, const struct dest *parent, const char *name,
                       bool *fresh, struct err *err)
{
    *fresh = mkdirat(parent->fd, name, FOLDER_UNFINISHED) == 0;
    if (*fresh)
        return 0;
    if (errno != EEXIST)
        return flags_refusal(parent, NULL, "making the folder", err);
    struct stat stat;
    if (fstatat(parent->fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode)) {
        (void)open_up(recover, parent, name, &stat);
        return 0;
    }
    if (!recover->options->overwrite)
        return err_set(err, ERR_EXISTS, "something that is no folder is in its place");
    if (unlinkat(parent->fd, name, 0) != 0 || mkdirat(parent->fd, name, FOLDER_UNFINISHED) != 0)
        return flags_refusal(parent, name, "making the folder", err);
    *fresh = true;
    return 0;
}

/* Makes or opens it; *unfinished: it has yet to get its attributes. */
static int open_folder(struct recover_worker *worker, const struct dest *parent,
                       const struct tree_entry *entry, int *fd, bool *fresh, bool *unfinished,
                       struct err *err)
{
    char name[TREE_NAME_MAX + 1];
    struct stat stat;
    entry_name(name, entry);
    if (make_folder(worker->recover, parent, name, fresh, err) != 0)
        return -1;
    *fd = openat(parent->fd, name, FOLDER_FLAGS);
    if (*fd < 0 || fstat(*fd, &stat) != 0)
        err_errno(err, "opening the folder");
    else if (folder_check(worker, &stat, *fresh ? NULL : entry, err) == 0) {
        *unfinished = *fresh || folder_is_unfinished(worker->recover, &stat);
        return 0;
    }
    if (*fd >= 0)
        close(*fd);
    return -1;
}

int dest_enter(struct recover_worker *worker, struct dest *parent, const struct tree_entry *entry,
               bool apply, struct dest **dest, struct err *err)
{
    struct recover *recover = worker->recover;
    bool fresh, unfinished;
    int fd;
    if (open_folder(worker, parent, entry, &fd, &fresh, &unfinished, err) != 0)
        return -1;
    if (!fresh && fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0)
        recover->policy.clear_inherited = true;
    if (!fresh)
        remove_leftovers(fd);
    (void)flock(fd, LOCK_SH | LOCK_NB);
    struct dest *new = alloc_zero(1, sizeof(*new));
    dest_hold(parent);
    new->parent = parent;
    new->fd = fd;
    new->path = alloc_format("%s/%.*s", parent->path, (int)entry->name_size, entry->name);
    new->fresh = fresh;
    new->apply = unfinished || (apply && recover->options->overwrite);
    new->entry = entry_copy(entry);
    new->tokens = 1;
    atomic_fetch_add(&recover->directories, 1);
    atomic_fetch_add(&recover->folders_open, 1);
    *dest = new;
    return 0;
}

bool dest_has(const struct recover *recover, const struct dest *dest,
              const struct tree_entry *entry)
{
    char name[TREE_NAME_MAX + 1];
    struct stat stat;
    entry_name(name, entry);
    if (dest->fresh || recover->options->overwrite ||
        fstatat(dest->fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    bool sized = entry->kind == ENTRY_FILE || entry->kind == ENTRY_SYMLINK;
    uint64_t size = entry->kind == ENTRY_FILE ? entry->size : entry->target_size;
    return attributes_kind(stat.st_mode) == entry->kind &&
           (!sized || (uint64_t)stat.st_size == size) && stat.st_mtim.tv_sec == entry->mtime_s &&
           (uint64_t)stat.st_mtim.tv_nsec == entry->mtime_ns;
}

void dest_count(struct recover *recover, const struct tree_entry *entry)
{
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->bytes, entry->size);
    atomic_fetch_add(&recover->progress->files, 1);
    atomic_fetch_add(&recover->progress->bytes, entry->size);
}

int dest_is_free(struct recover *recover, const struct dest *dest, const char *name,
                 struct err *err)
{
    struct stat stat;
    if (dest->fresh || fstatat(dest->fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (S_ISDIR(stat.st_mode))
        return err_set(err, ERR_EXISTS, "a folder is in its place");
    if (!recover->options->overwrite)
        return err_set(err, ERR_EXISTS, "it is there already; --overwrite replaces it");
    return 0;
}

void temporary_name(struct recover *recover, char name[TEMPORARY_MAX])
{
    snprintf(name, TEMPORARY_MAX, TEMPORARY_PREFIX "%0*llx-%llx", RUN_DIGITS,
             (unsigned long long)(recover->run & 0xffffffffffffull),
             (unsigned long long)atomic_fetch_add(&recover->numbers, 1));
}

int dest_publish(struct recover *recover, const struct dest *dest, const char *temporary,
                 const char *name, struct err *err)
{
    int result;
    if (recover->options->overwrite) {
        result = renameat(dest->fd, temporary, dest->fd, name);
    } else {
        result = (int)syscall(SYS_renameat2, dest->fd, temporary, dest->fd, name, RENAME_NOREPLACE);
        /* Some file systems cannot; then a look just before must do. */
        if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
            if (dest_is_free(recover, dest, name, err) != 0) {
                (void)unlinkat(dest->fd, temporary, 0);
                return -1;
            }
            result = renameat(dest->fd, temporary, dest->fd, name);
        }
    }
    if (result == 0)
        return 0;
    if (errno == EEXIST)
        err_set(err, ERR_EXISTS, "it is there already; --overwrite replaces it");
    else
        flags_refusal(dest, name, "giving it its name", err);
    (void)unlinkat(dest->fd, temporary, 0);
    return -1;
}

int dest_reopen(struct recover *recover, const char *path, struct err *err)
{
    int fd = dup(recover->root);
    while (fd >= 0 && *path != '\0') {
        char name[TREE_NAME_MAX + 1];
        size_t size = strcspn(++path, "/");
        if (size > TREE_NAME_MAX)
            size = TREE_NAME_MAX;
        memcpy(name, path, size);
        name[size] = '\0';
        path += size;
        int next = openat(fd, name, FOLDER_FLAGS);
        int number = errno;
        close(fd);
        errno = number;
        fd = next;
    }
    return fd >= 0 ? fd : err_errno(err, "opening the folder of its other name");
}

static int make_special(const struct dest *dest, const char *name, const struct tree_entry *entry)
{
    static const mode_t kinds[] = {[ENTRY_FIFO] = S_IFIFO,
                                   [ENTRY_CHAR_DEVICE] = S_IFCHR,
                                   [ENTRY_BLOCK_DEVICE] = S_IFBLK,
                                   [ENTRY_SOCKET] = S_IFSOCK};
    if (entry->kind != ENTRY_SYMLINK)
        return mknodat(dest->fd, name, kinds[entry->kind] | 0600, (dev_t)entry->device);
    char *text = alloc_zero(entry->target_size + 1, 1);
    memcpy(text, entry->target, entry->target_size);
    int result = symlinkat(text, dest->fd, name);
    free(text);
    return result;
}

/* What was just made, and not what somebody may have put in its place: a name of another file, say,
 * to be given its owner. */
static int open_special(const struct recover *recover, const struct dest *dest, const char *name,
                        const struct tree_entry *entry, struct err *err)
{
    struct stat stat;
    int fd = openat(dest->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        err_errno(err, "opening it");
    } else if (attributes_kind(stat.st_mode) == entry->kind && stat.st_nlink == 1 &&
               (stat.st_uid == recover->uid || !recover->policy.root)) {
        return fd;
    } else {
        err_set(err, ERR_DENIED, "somebody put something else in its place");
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

int dest_special(struct recover_worker *worker, struct dest *dest, const struct tree_entry *entry,
                 struct err *err)
{
    struct recover *recover = worker->recover;
    char name[TREE_NAME_MAX + 1], temporary[TEMPORARY_MAX];
    entry_name(name, entry);
    if (dest_is_free(recover, dest, name, err) != 0)
        return -1;
    temporary_name(recover, temporary);
    if (make_special(dest, temporary, entry) != 0)
        return flags_refusal(dest, NULL, "making it", err);
    int fd = open_special(recover, dest, temporary, entry, err);
    if (fd < 0)
        return -1;
    struct file_at handle = {.fd = -1, .folder_fd = fd, .name = ""};
    struct err problem = ERR_INIT;
    if (attributes_apply(worker->attributes, entry, handle, &recover->policy, &problem) != 0)
        recover_problem(recover, dest, entry->name, entry->name_size, &problem);
    close(fd);
    if (dest_publish(recover, dest, temporary, name, err) != 0)
        return -1;
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->progress->files, 1);
    return 0;
}
