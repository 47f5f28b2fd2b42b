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

#include "cli/recover/recover_inner.h"
#include "coding/base/alloc.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static void name_text(char text[TREE_NAME_MAX + 1], const struct tree_entry *entry)
{
    memcpy(text, entry->name, entry->name_size);
    text[entry->name_size] = '\0';
}

struct target *target_root(struct recover *recover)
{
    struct target *target = alloc_zero(1, sizeof(*target));
    target->fd = recover->root;
    target->path = alloc_text("");
    target->tokens = 1;
    return target;
}

void target_hold(struct target *target)
{
    atomic_fetch_add(&target->tokens, 1);
}

void target_drop(struct writer_hand *hand, struct target *target)
{
    while (target != NULL && atomic_fetch_sub(&target->tokens, 1) == 1) {
        struct target *parent = target->parent;
        struct err err = ERR_INIT;
        if (target->apply &&
            attributes_apply(hand->attributes, target->entry, (struct place){.fd = target->fd},
                             &hand->recover->policy, &err) != 0)
            recover_problem(hand->recover, parent, target->entry->name, target->entry->name_size,
                            &err);
        if (parent != NULL)
            close(target->fd);
        free(target->entry);
        free(target->path);
        free(target->name);
        free(target);
        target = parent;
    }
}

/* What stands where a folder should be, and is none, goes away when it may. */
static int make_folder(struct recover *recover, const struct target *parent, const char *name,
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

int target_enter(struct recover *recover, struct target *parent, const struct tree_entry *entry,
                 bool apply, struct target **target, struct err *err)
{
    char name[TREE_NAME_MAX + 1];
    bool fresh;
    name_text(name, entry);
    if (make_folder(recover, parent, name, &fresh, err) != 0)
        return -1;
    int fd = openat(parent->fd, name, FOLDER_FLAGS);
    if (fd < 0)
        return err_errno(err, "opening the folder");
    if (!fresh && fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0)
        recover->policy.clear_inherited = true;
    struct target *new = alloc_zero(1, sizeof(*new));
    target_hold(parent);
    new->parent = parent;
    new->fd = fd;
    new->path = alloc_format("%s/%s", parent->path, name);
    new->name = alloc_text(name);
    new->fresh = fresh;
    new->apply = fresh || (apply && recover->options->overwrite);
    new->entry = entry_copy(entry);
    new->tokens = 1;
    atomic_fetch_add(&recover->directories, 1);
    *target = new;
    return 0;
}

int target_is_free(struct recover *recover, const struct target *target, const char *name,
                   struct err *err)
{
    struct stat stat;
    if (target->fresh || fstatat(target->fd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (S_ISDIR(stat.st_mode))
        return err_set(err, ERR_EXISTS, "a folder is in its place");
    if (!recover->options->overwrite)
        return err_set(err, ERR_EXISTS, "it is there already; --overwrite replaces it");
    return 0;
}

void temporary_name(struct recover *recover, char name[40])
{
    snprintf(name, 40, ".ecbak-%012llx-%llx",
             (unsigned long long)(recover->run & 0xffffffffffffull),
             (unsigned long long)atomic_fetch_add(&recover->numbers, 1));
}

int target_publish(struct recover *recover, const struct target *target, const char *temporary,
                   const char *name, struct err *err)
{
    int result;
    if (recover->options->overwrite) {
        result = renameat(target->fd, temporary, target->fd, name);
    } else {
        result =
            (int)syscall(SYS_renameat2, target->fd, temporary, target->fd, name, RENAME_NOREPLACE);
        /* Some file systems cannot; then a look just before must do. */
        if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
            if (target_is_free(recover, target, name, err) != 0) {
                (void)unlinkat(target->fd, temporary, 0);
                return -1;
            }
            result = renameat(target->fd, temporary, target->fd, name);
        }
    }
    if (result == 0)
        return 0;
    if (errno == EEXIST)
        err_set(err, ERR_EXISTS, "it is there already; --overwrite replaces it");
    else
        err_errno(err, "giving it its name");
    (void)unlinkat(target->fd, temporary, 0);
    return -1;
}

int target_reopen(struct recover *recover, const char *path, struct err *err)
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

static int make_special(const struct target *target, const char *name,
                        const struct tree_entry *entry)
{
    static const mode_t kinds[] = {[ENTRY_FIFO] = S_IFIFO,
                                   [ENTRY_CHAR_DEVICE] = S_IFCHR,
                                   [ENTRY_BLOCK_DEVICE] = S_IFBLK,
                                   [ENTRY_SOCKET] = S_IFSOCK};
    if (entry->kind != ENTRY_SYMLINK)
        return mknodat(target->fd, name, kinds[entry->kind] | 0600, (dev_t)entry->device);
    char *text = alloc_zero(entry->target_size + 1, 1);
    memcpy(text, entry->target, entry->target_size);
    int result = symlinkat(text, target->fd, name);
    free(text);
    return result;
}

int target_special(struct writer_hand *hand, struct target *target, const struct tree_entry *entry,
                   struct err *err)
{
    struct recover *recover = hand->recover;
    char name[TREE_NAME_MAX + 1], temporary[40];
    name_text(name, entry);
    if (target_is_free(recover, target, name, err) != 0)
        return -1;
    temporary_name(recover, temporary);
    if (make_special(target, temporary, entry) != 0)
        return err_errno(err, "making it");
    struct place place = {.fd = -1, .folder_fd = target->fd, .name = temporary};
    struct err problem = ERR_INIT;
    if (attributes_apply(hand->attributes, entry, place, &recover->policy, &problem) != 0)
        recover_problem(recover, target, entry->name, entry->name_size, &problem);
    if (target_publish(recover, target, temporary, name, err) != 0)
        return -1;
    atomic_fetch_add(&recover->files, 1);
    atomic_fetch_add(&recover->progress->files, 1);
    return 0;
}
