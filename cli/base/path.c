#include "cli/base/path.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/alloc.h"

char *path_clean(const char *path)
{
    size_t room = strlen(path) + 2, used = 0;
    char *clean = alloc_zero(room, 1);
    for (const char *at = path; *at != '\0';) {
        at += strspn(at, "/");
        size_t size = strcspn(at, "/");
        if (size == 2 && memcmp(at, "..", 2) == 0) {
            while (used > 0 && clean[--used] != '/')
                ;
        } else if (size > 0 && !(size == 1 && at[0] == '.')) {
            clean[used++] = '/';
            memcpy(clean + used, at, size);
            used += size;
        }
        at += size;
    }
    assert(used < room);
    clean[used] = '\0';
    return clean;
}

char *path_whole(const char *path)
{
    char *here = path[0] != '/' ? getcwd(NULL, 0) : NULL;
    char *from = alloc_format("%s/%s", here != NULL ? here : "", path);
    char *whole = path_clean(from);
    free(from);
    free(here);
    return whole;
}

static size_t size_of(const char *path)
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    return size;
}

bool path_is_inside(const char *path, const char *folder)
{
    size_t size = size_of(path), above = size_of(folder);
    return size >= above && memcmp(path, folder, above) == 0 &&
           (size == above || path[above] == '/');
}
