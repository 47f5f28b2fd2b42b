/* A file system refuses a set of flags when it has no use for one of them, so what is refused
 * together is tried one by one. Some take a flag and forget it (btrfs the one against copy-on-write,
 * on a file that has bytes): so what a file has afterwards is read again.
 */
#include "cli/files/inode_flags.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

static const struct {
    uint32_t flag;
    char letter;
} known[] = {
    {TREE_FLAG_SECURE_DELETE, 's'}, {TREE_FLAG_UNDELETE, 'u'}, {TREE_FLAG_SYNC, 'S'},
    {TREE_FLAG_DIR_SYNC, 'D'},      {TREE_FLAG_NO_DUMP, 'd'},  {TREE_FLAG_NO_ATIME, 'A'},
    {TREE_FLAG_COMPRESS, 'c'},      {TREE_FLAG_NO_COW, 'C'},   {TREE_FLAG_NO_COMPRESS, 'm'},
    {TREE_FLAG_JOURNAL_DATA, 'j'},  {TREE_FLAG_NO_TAIL, 't'},  {TREE_FLAG_TOP_DIR, 'T'},
    {TREE_FLAG_IMMUTABLE, 'i'},     {TREE_FLAG_APPEND, 'a'}, /* last: see inode_flags_add */
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

_Static_assert((int)TREE_FLAG_IMMUTABLE == FS_IMMUTABLE_FL &&
                   (int)TREE_FLAG_APPEND == FS_APPEND_FL && (int)TREE_FLAG_NO_COW == FS_NOCOW_FL,
               "the format numbers flags as Linux does");
_Static_assert(TREE_FLAGS_ALL ==
                   (FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL | FS_IMMUTABLE_FL |
                    FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_NOCOMP_FL |
                    FS_JOURNAL_DATA_FL | FS_NOTAIL_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_NOCOW_FL),
               "and knows these");
_Static_assert(KNOWN_COUNT < INODE_FLAGS_LETTERS_MAX, "all letters and a NUL fit");

/* The calls are declared for a long and take an int (ioctl_iflags(2)). */
static bool get(int fd, unsigned *all)
{
    *all = 0;
    return ioctl(fd, FS_IOC_GETFLAGS, all) == 0;
}

static bool set(int fd, unsigned all)
{
    return ioctl(fd, FS_IOC_SETFLAGS, &all) == 0;
}

int inode_flags_read(int fd, uint32_t *flags, struct err *err)
{
    unsigned all;
    bool got = get(fd, &all);
    *flags = got ? all & TREE_FLAGS_ALL : 0;
    if (got || errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ||
        errno == EPERM || errno == EACCES)
        return 0;
    return err_errno(err, "reading its flags (lsattr)");
}

uint32_t inode_flags_add(int fd, uint32_t flags)
{
    unsigned all;
    if (!get(fd, &all))
        return flags;
    if ((flags & ~all) == 0)
        return 0;
    if (!set(fd, all | flags)) {
        for (size_t i = 0; i < KNOWN_COUNT; i++) {
            if ((flags & ~all & known[i].flag) != 0 && set(fd, all | known[i].flag))
                all |= known[i].flag;
        }
    }
    return get(fd, &all) ? flags & ~all : flags;
}

const char *inode_flags_letters(char letters[INODE_FLAGS_LETTERS_MAX], uint32_t flags)
{
    size_t size = 0;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if ((flags & known[i].flag) != 0)
            letters[size++] = known[i].letter;
    }
    letters[size] = '\0';
    return letters;
}
