/* Every name is reached from the descriptor of its folder, and every folder is opened without
 * following symbolic links, from DIR down. Names come from tree_entry_decode, which lets no '/',
 * no "." and no ".." through: so nothing outside DIR can be touched, whatever a snapshot holds and
 * whatever is in DIR already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct dest *dest_root(struct recover *recover)
{
    struct dest *dest = alloc_zero(1, sizeof(*dest));
    dest->fd = recover->root;
    dest->path = alloc_text("");
    dest->tokens = 1;
    return dest;
}

void dest_hold(struct dest *dest)
{
    atomic_fetch_add(&dest->tokens, 1);
}

void dest_drop(struct recover_worker *worker, struct dest *dest)
{
    while (dest != NULL && atomic_fetch_sub(&dest->tokens, 1) == 1) {
        struct dest *parent = dest->parent;
        struct err err = ERR_INIT;
        if (dest->apply &&
            attributes_apply(worker->attributes, dest->entry, (struct file_at){.fd = dest->fd},
                             &worker->recover->policy, &err) != 0)
            recover_problem(worker->recover, parent, dest->entry->name, dest->entry->name_size,
                            &err);
        if (parent != NULL)
            close(dest->fd);
        free(dest->entry);
        free(dest->path);
        free(dest);
        dest = parent;
    }
}

/* What stands where a folder should be, and is none, goes away when it may. */
static int make_folder(struct recover *recover, const struct dest *parent, const char *name,
                       bool *fresh, struct err *err)
{
    *fresh = mkdirat(parent->fd, name, 0700) == 0;
    if (*fresh)
        return 0;
    if (errno != EEXIST)
        return err_errno(err, "making the folder");
    struct stat stat;
    if (fstatat(parent->fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode))
        return 0;
    if (!recover->options->overwrite)
        return err_set(err, ERR_EXISTS, "something that is no folder is in its place");
    if (unlinkat(parent->fd, name, 0) != 0 || mkdirat(parent->fd, name, 0700) != 0)
        return err_errno(err, "making the folder");
    *fresh = true;
    return 0;
}

int dest_enter(struct recover *recover, struct dest *parent, const struct tree_entry *entry,
               bool apply, struct dest **dest, struct err *err)
{
    char name[TREE_NAME_MAX + 1];
    bool fresh;
    entry_name(name, entry);
    if (make_folder(recover, parent, name, &fresh, err) != 0)
        return -1;
    int fd = openat(parent->fd, name, FOLDER_FLAGS);
    if (fd < 0)
        return err_errno(err, "opening the folder");
    if (!fresh && fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0)
        recover->policy.clear_inherited = true;
    struct dest *new = alloc_zero(1, sizeof(*new));
    dest_hold(parent);
    new->parent = parent;
    new->fd = fd;
    new->path = alloc_format("%s/%s", parent->path, name);
    new->fresh = fresh;
    new->apply = fresh || (apply && recover->options->overwrite);
    new->entry = entry_copy(entry);
    new->tokens = 1;
    atomic_fetch_add(&recover->directories, 1);
    *dest = new;
    return 0;
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
    snprintf(name, TEMPORARY_MAX, ".ecbak-%012llx-%llx",
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
        err_errno(err, "giving it its name");
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
        return err_errno(err, "making it");
    struct file_at handle = {.fd = -1, .folder_fd = dest->fd, .name = temporary};
    struct err problem = ERR_INIT;
    if (attributes_apply(worker->attributes, entry, handle, &recover->policy, &problem) != 0)
        recover_problem(recover, dest, entry->name, entry->name_size, &problem);
    if (dest_publish(recover, dest, temporary, name, err) != 0)
        return -1;
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->progress->files, 1);
    return 0;
}
