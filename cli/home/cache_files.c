/* A cache is never made anew under its old name. Other commands may have the old file open, and what
 * SQLite keeps beside a file belongs to its name: the last of them to end would remove the log of the
 * new file, with all that is in it. So each file has a name of its own, by the time it was made, and
 * the newest one is the cache; what is removed lives on for those who have it open.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/home/cache_internal.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"

#define FILE_NAME   "cache-%020" PRIu64 ".db"
#define FILE_PREFIX "cache-"

/* The number in a file's name, also of one that SQLite keeps beside it; 0 when it is none of these. */
static uint64_t number_of(const char *name)
{
    size_t prefix = strlen(FILE_PREFIX);
    if (strncmp(name, FILE_PREFIX, prefix) != 0 || strspn(name + prefix, "0123456789") != 20 ||
        strncmp(name + prefix + 20, ".db", 3) != 0)
        return 0;
    return strtoull(name + prefix, NULL, 10);
}

uint64_t cache_newest(const char *folder)
{
    uint64_t newest = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        uint64_t number = number_of(entry->d_name);
        if (number > newest && strcmp(entry->d_name + strlen(entry->d_name) - 3, ".db") == 0)
            newest = number;
    }
    if (dir != NULL)
        closedir(dir);
    return newest;
}

uint64_t cache_next(uint64_t newest)
{
    struct timespec now = wall_time();
    uint64_t number = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return number > newest ? number : newest + 1;
}

char *cache_file(const char *folder, uint64_t number)
{
    return alloc_format("%s/" FILE_NAME, folder, number);
}

void cache_remove(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char *file = alloc_format("%s%s", path, ends[i]);
        unlink(file);
        free(file);
    }
}

void cache_remove_others(const char *folder, uint64_t number)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        uint64_t other = number_of(entry->d_name);
        if (other != 0 && other != number)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL)
        closedir(dir);
}
