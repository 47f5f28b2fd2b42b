/* The one place that knows the order of write, fsync, rename and fsync of the folder. The temporary
 * name lies in the target's own folder, so that the rename never crosses a file system, and one
 * fsync of that folder makes both the new name and the absence of the old one durable. */
#include "node/common/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "coding/base/alloc.h"

#define READ_WHOLE_SMALL (64 * 1024)

static int write_all(int fd, const struct durable_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = pieces[i].bytes;
        size_t left = pieces[i].size;
        while (left > 0) {
            ssize_t done = write(fd, at, left);
            if (done < 0 && errno == EINTR)
                continue;
            if (done < 0)
                return -1;
            at += done;
            left -= (size_t)done;
        }
    }
    return 0;
}

/* The folder part of path into dir; "." when there is none. */
static int parent_of(char dir[DURABLE_PATH_MAX], const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= DURABLE_PATH_MAX)
        return err_set(err, ERR_INVALID, "the path \"%.64s...\" is too long", path);
    if (slash == NULL || length == 0) {
        dir[0] = slash == NULL ? '.' : '/';
        dir[1] = '\0';
        return 0;
    }
    memcpy(dir, path, length);
    dir[length] = '\0';
    return 0;
}

/* The system says "no space" also of a file system that has no inode left. */
static int name_lack(const char *dir, struct err *err)
{
    struct statvfs found;
    char text[ERR_TEXT_MAX];
    if (err == NULL || err->code != ERR_FULL || statvfs(dir, &found) != 0)
        return -1;
    memcpy(text, err->text, sizeof(text));
    if (found.f_files > 0 && found.f_favail == 0)
        return err_set(err, ERR_FULL, "no inode is left on the disk: %.400s", text);
    return err_set(err, ERR_FULL, "%.1f MB are left on the disk: %.400s",
                   (double)found.f_bavail * (double)found.f_frsize / 1e6, text);
}

int durable_sync_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "opening the folder %s", path);
    int result = fsync(fd);
    if (result != 0)
        err_errno(err, "syncing the folder %s", path);
    close(fd);
    return result;
}

int durable_make_dir(const char *path, unsigned permissions, struct err *err)
{
    char dir[DURABLE_PATH_MAX];
    if (mkdir(path, permissions) != 0) {
        if (errno == EEXIST)
            return 0;
        err_errno(err, "making the folder %s", path);
        return parent_of(dir, path, NULL) == 0 ? name_lack(dir, err) : -1;
    }
    if (parent_of(dir, path, err) == 0 && durable_sync_dir(dir, err) == 0)
        return 0;
    (void)rmdir(path); /* else the next caller finds it, and takes its name for durable */
    return -1;
}

/* Gives the finished temporary file its name. link() refuses a taken name atomically, on every
 * file system that rename(2)'s flags may not know. */
static int publish(const char *temporary, const char *path, enum durable_how how, struct err *err)
{
    if (how == DURABLE_REPLACE) {
        if (rename(temporary, path) != 0)
            return err_errno(err, "renaming to %s", path);
        return 0;
    }
    if (link(temporary, path) != 0) {
        if (errno == EEXIST)
            return err_set(err, ERR_EXISTS, "%s is there already, and is not overwritten", path);
        return err_errno(err, "naming %s", path);
    }
    unlink(temporary);
    return 0;
}

int durable_write(const char *path, const struct durable_piece *pieces, size_t count,
                  unsigned permissions, enum durable_how how, struct err *err)
{
    char temporary[DURABLE_PATH_MAX];
    char dir[DURABLE_PATH_MAX];
    int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX" DURABLE_TEMPORARY, path);
    if (length < 0 || (size_t)length >= sizeof(temporary))
        return err_set(err, ERR_INVALID, "the path \"%.64s...\" is too long", path);
    if (parent_of(dir, path, err) != 0)
        return -1;
    int fd = mkostemps(temporary, (int)strlen(DURABLE_TEMPORARY), O_CLOEXEC);
    if (fd < 0) {
        err_errno(err, "making %s", path);
        return name_lack(dir, err);
    }
    int result = 0;
    if (write_all(fd, pieces, count) != 0 || fchmod(fd, permissions) != 0 || fsync(fd) != 0)
        result = err_errno(err, "writing %s", path);
    if (close(fd) != 0 && result == 0)
        result = err_errno(err, "closing %s", path);
    if (result == 0)
        result = publish(temporary, path, how, err);
    if (result != 0) {
        (void)name_lack(dir, err);
        unlink(temporary);
        return -1;
    }
    if (durable_sync_dir(dir, err) != 0) {
        /* The name may or may not survive a power cut: a new file is taken back, so that the caller
         * has one meaning of failure; a replaced one is whole either way. */
        if (how == DURABLE_NEW)
            unlink(path);
        return -1;
    }
    return 0;
}

int durable_rename(const char *temporary, const char *path, struct err *err)
{
    char dir[DURABLE_PATH_MAX];
    if (parent_of(dir, path, err) != 0)
        return -1;
    int fd = open(temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "opening %s", temporary);
    int result = fsync(fd) == 0 ? 0 : err_errno(err, "writing %s", temporary);
    close(fd);
    if (result == 0 && rename(temporary, path) != 0)
        result = errno == EEXIST || errno == ENOTEMPTY
                     ? err_set(err, ERR_EXISTS, "%s is there already", path)
                     : err_errno(err, "renaming to %s", path);
    return result == 0 ? durable_sync_dir(dir, err) : -1;
}

void durable_clear_leftovers(const char *dir, const char *name)
{
    static const size_t end_size = sizeof(".XXXXXX" DURABLE_TEMPORARY) - 1;
    DIR *stream = opendir(dir);
    for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;) {
        const char *found = entry->d_name;
        size_t size = strlen(found);
        if (size <= end_size || found[size - end_size] != '.' ||
            strcmp(found + size - strlen(DURABLE_TEMPORARY), DURABLE_TEMPORARY) != 0)
            continue;
        if (name != NULL &&
            (size - end_size != strlen(name) || strncmp(found, name, size - end_size) != 0))
            continue;
        unlinkat(dirfd(stream), found, 0);
    }
    if (stream != NULL)
        closedir(stream);
}

static int read_open(const char *path, size_t size_max, bool secret, int *fd, size_t *size,
                     struct err *err)
{
    struct stat status;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0)
        return err_errno(err, "opening %s", path);
    int result = 0;
    if (fstat(*fd, &status) != 0)
        result = err_errno(err, "looking at %s", path);
    else if (!S_ISREG(status.st_mode))
        result = err_set(err, ERR_FORMAT, "%s is not a regular file", path);
    else if (secret && (status.st_mode & 077) != 0)
        result = err_set(err, ERR_DENIED,
                         "%s holds a secret, but others may touch it (mode %03o): run chmod 600 %s",
                         path, (unsigned)status.st_mode & 0777, path);
    else if ((uint64_t)status.st_size > size_max)
        result = err_set(err, ERR_FORMAT, "%s has %lld bytes, at most %zu are expected", path,
                         (long long)status.st_size, size_max);
    *size = result == 0 ? (size_t)status.st_size : 0;
    if (result != 0)
        close(*fd);
    return result;
}

static int read_whole(const char *path, size_t size_max, bool secret, uint8_t **bytes, size_t *size,
                      struct err *err)
{
    int fd;
    size_t used = 0;
    *bytes = NULL;
    if (read_open(path, size_max, secret, &fd, size, err) != 0)
        return -1;
    uint8_t *buffer = *size <= READ_WHOLE_SMALL ? alloc_zero(*size, 1) : alloc_large(*size, err);
    if (buffer == NULL) {
        close(fd);
        return -1;
    }
    while (used < *size) {
        ssize_t got = read(fd, buffer + used, *size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            err_errno(err, "reading %s", path);
            break;
        }
        if (got == 0) {
            err_set(err, ERR_IO, "reading %s: it shrank meanwhile", path);
            break;
        }
        used += (size_t)got;
    }
    close(fd);
    if (used < *size) {
        free(buffer);
        return -1;
    }
    *bytes = buffer;
    return 0;
}

int durable_read(const char *path, size_t size_max, uint8_t **bytes, size_t *size, struct err *err)
{
    return read_whole(path, size_max, false, bytes, size, err);
}

int durable_read_secret(const char *path, size_t size_max, uint8_t **bytes, size_t *size,
                        struct err *err)
{
    return read_whole(path, size_max, true, bytes, size, err);
}
