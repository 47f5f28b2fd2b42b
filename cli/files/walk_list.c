/* One folder at a time, all from descriptors: openat from the parent, fstatat from the folder. */
#include "cli/files/walk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/base/buffer.h"
#include "coding/base/alloc.h"

#define CACHE_TAG       "CACHEDIR.TAG"
#define CACHE_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

struct name_list {
    struct buffer bytes; /* one after the other, each with its NUL */
    uint32_t *order;
    size_t count, room;
};

static int names_add(struct name_list *names, const char *name, size_t size)
{
    if (names->bytes.size + size + 1 > UINT32_MAX)
        return -1;
    if (names->count == names->room) {
        names->room = 2 * names->room + 16;
        names->order = alloc_grow(names->order, names->room, sizeof(names->order[0]));
    }
    names->order[names->count++] = (uint32_t)names->bytes.size;
    buffer_append(&names->bytes, name, size);
    buffer_append(&names->bytes, "", 1);
    return 0;
}

static int name_order(const void *a, const void *b, void *bytes)
{
    const char *names = bytes;
    return strcmp(names + *(const uint32_t *)a, names + *(const uint32_t *)b);
}

static int read_names(struct name_list *names, int fd, const char *path, struct err *err)
{
    /* getdents64 into a large buffer: readdir's 32 KiB at a time cost calls in big folders. */
    size_t room = 64 * 1024;
    char *buffer = alloc_zero(1, room);
    ssize_t got;
    while ((got = syscall(SYS_getdents64, fd, buffer, room)) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            at += entry->d_reclen;
            const char *name = entry->d_name;
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                continue;
            if (names_add(names, name, strlen(name)) != 0) {
                free(buffer);
                return err_set(err, ERR_INVALID, "%s: more than 4 GiB of names", path);
            }
        }
    }
    if (got < 0)
        err_errno(err, "listing");
    free(buffer);
    return got < 0 ? -1 : 0;
}

static size_t component_size(const char *text)
{
    const char *slash = strchr(text, '/');
    return slash != NULL ? (size_t)(slash - text) : strlen(text);
}

/* The names that lead to the scan's targets. Targets are sorted by their components, so equal ones
 * stand together. */
static void target_names(struct name_list *names, const struct scan *scan)
{
    for (size_t i = 0; i < scan->target_count; i++) {
        const char *rest = scan->targets[i] + scan->depth;
        size_t size = component_size(rest);
        const char *before = i > 0 ? scan->targets[i - 1] + scan->depth : "";
        if (i > 0 && component_size(before) == size && memcmp(before, rest, size) == 0)
            continue;
        (void)names_add(names, rest, size); /* fewer than SNAPSHOT_PATHS_MAX short names */
    }
}

static bool is_tagged_cache(int fd)
{
    char head[sizeof(CACHE_SIGNATURE) - 1];
    int tag = openat(fd, CACHE_TAG, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (tag < 0)
        return false;
    ssize_t got = read(tag, head, sizeof(head));
    close(tag);
    return got == (ssize_t)sizeof(head) && memcmp(head, CACHE_SIGNATURE, sizeof(head)) == 0;
}

static int open_folder(struct scan *scan, struct err *err)
{
    struct folder *folder = alloc_zero(1, sizeof(*folder));
    folder->holds = 1;
    folder->path = scan->parent != NULL ? alloc_format("%s/%s", scan->parent->path, scan->name)
                                        : alloc_text("");
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int at = scan->parent != NULL ? scan->parent->fd : AT_FDCWD;
    const char *name = scan->parent != NULL ? scan->name : "/";
    folder->fd = openat(at, name, flags | O_NOATIME);
    if (folder->fd < 0 && errno == EPERM)
        folder->fd = openat(at, name, flags);
    scan->listing.folder = folder;
    struct stat stat;
    if (folder->fd < 0 || fstat(folder->fd, &stat) != 0)
        return err_errno(err, "opening the folder");
    walk_stat_of(&folder->stat, &stat);
    return 0;
}

int scan_list(const struct walk_options *options, struct scan *scan, struct err *err)
{
    if (open_folder(scan, err) != 0)
        return -1;
    struct folder *folder = scan->listing.folder;
    struct name_list names = {0};
    int result = 0;
    if (scan->target_count > 0)
        target_names(&names, scan);
    else if (options->exclude_caches && is_tagged_cache(folder->fd))
        (void)names_add(&names, CACHE_TAG, strlen(CACHE_TAG));
    else
        result = read_names(&names, folder->fd, folder->path, err);
    if (names.count > 1)
        qsort_r(names.order, names.count, sizeof(names.order[0]), name_order, names.bytes.bytes);
    folder->names = (char *)names.bytes.bytes;
    scan->listing.order = names.order;
    scan->listing.name_count = names.count;
    return result;
}

/* The child's share of its parent's targets. */
static void narrow_targets(struct scan *child, const struct scan *parent, bool *whole)
{
    *whole = parent->target_count == 0;
    size_t size = strlen(child->name);
    for (size_t i = 0; i < parent->target_count; i++) {
        const char *rest = parent->targets[i] + parent->depth;
        if (component_size(rest) != size || memcmp(rest, child->name, size) != 0)
            continue;
        if (rest[size] == '\0') {
            child->target_count = 0;
            return;
        }
        if (child->target_count++ == 0)
            child->targets = parent->targets + i;
        child->depth = parent->depth + size + 1;
    }
}

static bool left_out(const struct walk_options *options, const struct scan *scan, const char *name,
                     bool folder)
{
    /* What was named on the command line, and what leads there, is wanted. */
    if (options->exclude == NULL || scan->target_count > 0)
        return false;
    char *path = alloc_format("%s/%s", scan->listing.folder->path, name);
    bool result = exclude_matches(options->exclude, path, folder);
    free(path);
    return result;
}

static struct scan *child_scan(const struct walk_options *options, struct scan *scan,
                               struct walk_entry *entry)
{
    struct folder *folder = scan->listing.folder;
    struct scan *child = alloc_zero(1, sizeof(*child));
    child->name = entry->name;
    bool whole;
    narrow_targets(child, scan, &whole);
    if (whole && options->one_file_system && entry->stat.device != folder->stat.device) {
        free(child);
        return NULL;
    }
    child->parent = folder_hold(folder);
    return child;
}

void scan_slice(const struct walk_options *options, struct scan *scan)
{
    struct listing *listing = &scan->listing;
    size_t count = listing->name_count - listing->next;
    if (count > WALK_SLICE)
        count = WALK_SLICE;
    listing->entries = alloc_zero(count, sizeof(listing->entries[0]));
    listing->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct walk_entry *entry = &listing->entries[listing->count];
        struct stat stat;
        entry->name = listing->folder->names + listing->order[listing->next + i];
        entry->error = 0;
        if (fstatat(listing->folder->fd, entry->name, &stat, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT)
                continue; /* gone meanwhile: then it is not part of what is stored */
            entry->error = errno;
        } else {
            walk_stat_of(&entry->stat, &stat);
        }
        bool is_folder = entry->error == 0 && S_ISDIR(entry->stat.mode);
        if (left_out(options, scan, entry->name, is_folder))
            continue;
        entry->scan = is_folder ? child_scan(options, scan, entry) : NULL;
        listing->count++;
    }
    listing->next += count;
    listing->last = listing->next == listing->name_count;
}
