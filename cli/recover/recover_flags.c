/* Flags (chattr) are the last thing that a file or folder gets. The two that lock it come after its
 * name: an immutable file cannot be renamed or linked. So a file with one name is locked when it has
 * it, one with several at the end of the run (recover_links.c), a folder when all in it is done.
 *
 * A file system that has no such flag refuses it for every file alike, and so does a kernel without
 * the privilege: that is said once, with a number, not once a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"

void flags_put(struct recover *recover, const char *folder, const char *name, size_t name_size,
               int fd, uint32_t flags)
{
    uint32_t refused = flags != 0 ? inode_flags_add(fd, flags) : 0;
    if (refused == 0)
        return;
    pthread_mutex_lock(&recover->report_lock);
    recover->flags_refused |= refused;
    if (recover->flags_refused_count++ == 0)
        recover->flags_refused_first = alloc_format("%s/%.*s", folder, (int)name_size, name);
    pthread_mutex_unlock(&recover->report_lock);
}

void flags_complete(struct recover *recover, const struct dest *dest, const char *name,
                    uint32_t flags)
{
    if (flags == 0)
        return;
    int fd = openat(dest->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return; /* it is there, and may be nobody's to read: it stays as it is */
    flags_put(recover, dest->path, name, strlen(name), fd, flags);
    close(fd);
}

const char *flags_lock(int folder, const char *name)
{
    struct statx now;
    if (statx(folder, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_MODE, &now) != 0)
        return NULL;
    if ((now.stx_attributes & STATX_ATTR_IMMUTABLE) != 0)
        return "immutable (chattr -i ends that)";
    if ((now.stx_attributes & STATX_ATTR_APPEND) != 0)
        return "append-only (chattr -a ends that)";
    return NULL;
}

int flags_refusal(const struct dest *dest, const char *name, const char *doing, struct err *err)
{
    int number = errno;
    const char *lock = NULL;
    if (number == EPERM && name != NULL && (lock = flags_lock(dest->fd, name)) != NULL)
        return err_set(err, ERR_IO, "what is in its place is %s", lock);
    if (number == EPERM && (lock = flags_lock(dest->fd, "")) != NULL)
        return err_set(err, ERR_IO, "its folder is %s", lock);
    errno = number;
    return err_errno(err, "%s", doing);
}
