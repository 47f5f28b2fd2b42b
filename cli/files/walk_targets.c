/* From what a user typed to absolute paths: the folder part is resolved, the last component is not
 * (a symbolic link that was named is stored as one).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/base/path.h"
#include "cli/files/walk.h"
#include "coding/base/alloc.h"

/* Malloc'd, or NULL with errno. */
static char *resolve(const char *path)
{
    char *copy = alloc_text(path);
    size_t size = strlen(copy);
    char *slash = strrchr(copy, '/');
    const char *last = slash != NULL ? slash + 1 : copy;
    struct stat stat;
    char *result = NULL;
    if (size == 0) {
        errno = ENOENT;
    } else if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0) {
        result = realpath(path, NULL);
    } else if (lstat(path, &stat) == 0) {
        char *name = alloc_text(last);
        if (slash != NULL)
            slash[1] = '\0';
        char *folder = realpath(slash != NULL ? copy : ".", NULL);
        if (folder != NULL)
            result = alloc_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
        free(folder);
        free(name);
    }
    free(copy);
    return result;
}

/* Byte order, but that the end of a path comes first and '/' next: what is inside a folder stands
 * right behind it. */
static int weight(unsigned char c)
{
    return c == '\0' ? 0 : c == '/' ? 1 : c + 2;
}

static int path_order(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    while (*x == *y && *x != '\0') {
        x++;
        y++;
    }
    return weight((unsigned char)*x) - weight((unsigned char)*y);
}

int walk_targets(char ***targets, size_t *count, const char *const *paths, size_t path_count,
                 void (*problem)(void *ctx, const char *path, const struct err *err), void *ctx,
                 struct err *err)
{
    char **list = alloc_zero(path_count, sizeof(list[0]));
    size_t found = 0, kept = 0;
    for (size_t i = 0; i < path_count; i++) {
        list[found] = resolve(paths[i]);
        if (list[found] != NULL) {
            found++;
            continue;
        }
        err_errno(err, "finding %s", paths[i]);
        if (path_count > 1) /* a single one is the error that this returns */
            problem(ctx, paths[i], err);
    }
    if (found == 0) {
        free(list);
        if (path_count == 0)
            return err_set(err, ERR_USAGE, "no path was given");
        return path_count == 1
                   ? -1
                   : err_set(err, ERR_NOT_FOUND, "none of the %zu paths can be stored", path_count);
    }
    qsort(list, found, sizeof(list[0]), path_order);
    for (size_t i = 0; i < found; i++) {
        if (kept > 0 && path_is_inside(list[i], list[kept - 1]))
            free(list[i]);
        else
            list[kept++] = list[i];
    }
    *targets = list;
    *count = kept;
    return 0;
}
