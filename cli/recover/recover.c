#include "cli/recover/recover.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/base/path.h"
#include "cli/recover/recover_internal.h"
#include "cli/remote/index_packs.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"
#include "node/common/open_files.h"

/* ---- what the parts share -------------------------------------------------------------------- */

void recover_problem(struct recover *recover, const struct dest *dest, const char *name,
                     size_t name_size, const struct err *err)
{
    const char *folder = dest != NULL ? dest->path : "";
    char *path = name != NULL ? alloc_format("%s/%.*s", folder, (int)name_size, name)
                              : alloc_text(folder[0] != '\0' ? folder : "/");
    pthread_mutex_lock(&recover->report_lock);
    bool unnamed = err->code == ERR_NOT_FOUND && recover->missing.code != ERR_NONE;
    switch (unnamed ? recover->missing.code : err->code) {
    case ERR_DAMAGED:
    case ERR_KEY:
    case ERR_FORMAT:
    case ERR_FOREIGN:
        recover->damaged = true;
        break;
    case ERR_FULL:
        recover->full = true;
        break;
    case ERR_TOO_FEW:
        recover->too_few = true;
        break;
    case ERR_EXISTS:
        break;
    default:
        recover->refused = true;
    }
    job_problem(recover->progress, recover->report, path, err);
    pthread_mutex_unlock(&recover->report_lock);
    free(path);
}

void entry_name(char name[TREE_NAME_MAX + 1], const struct tree_entry *entry)
{
    assert(entry->name_size <= TREE_NAME_MAX);
    memcpy(name, entry->name, entry->name_size);
    name[entry->name_size] = '\0';
}

/* Copies `size` bytes behind *end and moves it on. */
static void *lay(uint8_t **end, const void *bytes, size_t size)
{
    void *at = *end;
    if (size > 0)
        memcpy(at, bytes, size);
    *end += size;
    return at;
}

struct tree_entry *entry_copy(const struct tree_entry *entry)
{
    size_t values = 0;
    for (size_t i = 0; i < entry->xattr_count; i++)
        values += entry->xattrs[i].name_size + entry->xattrs[i].value_size;
    size_t size = sizeof(*entry) + entry->xattr_count * sizeof(entry->xattrs[0]) +
                  entry->extent_count * sizeof(entry->extents[0]) + entry->chunk_count * ID_SIZE +
                  entry->name_size + entry->user_size + entry->group_size + entry->target_size +
                  values;
    struct tree_entry *copy = alloc_zero(1, size);
    *copy = *entry;
    uint8_t *end = (uint8_t *)(copy + 1); /* what needs alignment comes first */
    copy->xattrs = lay(&end, entry->xattrs, entry->xattr_count * sizeof(entry->xattrs[0]));
    copy->extents = lay(&end, entry->extents, entry->extent_count * sizeof(entry->extents[0]));
    copy->chunks = lay(&end, entry->chunks, entry->chunk_count * ID_SIZE);
    copy->name = lay(&end, entry->name, entry->name_size);
    copy->user = lay(&end, entry->user, entry->user_size);
    copy->group = lay(&end, entry->group, entry->group_size);
    copy->target = lay(&end, entry->target, entry->target_size);
    for (size_t i = 0; i < entry->xattr_count; i++) {
        copy->xattrs[i].name = lay(&end, entry->xattrs[i].name, entry->xattrs[i].name_size);
        copy->xattrs[i].value = lay(&end, entry->xattrs[i].value, entry->xattrs[i].value_size);
    }
    assert(end == (uint8_t *)copy + size);
    return copy;
}

/* ---- before ---------------------------------------------------------------------------------- */

static int find_paths(struct recover *recover, struct err *err)
{
    const struct recover_options *options = recover->options;
    recover->paths = alloc_zero(options->path_count, sizeof(recover->paths[0]));
    for (size_t i = 0; i < options->path_count; i++) {
        char *path = path_clean(options->paths[i]);
        recover->paths[recover->path_count++] = path;
        if (recover_find(recover, path, err) != 0)
            return -1;
    }
    return 0;
}

/* An index that could not be read may name chunks of other snapshots only: each file finds out. */
static void note_missing(void *ctx, const struct pack_id *pack, const struct err *err)
{
    (void)pack;
    *(struct err *)ctx = *err;
}

/* A file that cannot be read is made anew now: later, each file that it leads to would be lost. */
static int open_cache(struct recover *recover, struct err *err)
{
    char folder[HOME_PATH_MAX];
    const struct vault *vault = recover->vault;
    if (home_caches(folder, vault, err) != 0 || cache_open(&recover->cache, folder, err) != 0)
        return -1;
    bool expected = snapshot_newest_of(recover->options->list, &vault->writer) != NULL;
    job_notice(recover->report, cache_notice(recover->cache, expected));
    if (cache_is_whole(recover->cache))
        return 0;
    job_notice(recover->report, "this vault's cache is damaged: it is made anew");
    return cache_renew(&recover->cache, err);
}

static int load_index(struct recover *recover, struct err *err)
{
    struct client *client = NULL;
    const struct err *missing = &recover->missing;
    const struct index_report report = {
        .missing = note_missing, .ctx = &recover->missing, .corrupt = &recover->index_corrupt};
    int result = open_cache(recover, err);
    if (result == 0)
        result = client_open_patient(&client, recover->options->endpoint, CLIENT_PATIENCE_MS, err);
    /* What a store found lost, and forgot, may be held again. */
    if (result == 0 && cache_has_dropped(recover->cache))
        result = cache_forget_indexes(recover->cache, err);
    if (result == 0)
        result = index_packs_load(recover->cache, recover->vault->keys, client,
                                  recover->options->list, &report, err);
    if (client != NULL)
        client_close(&client);
    if (result == 0)
        result = cache_begin_reading(recover->cache, err);
    struct chunk_location location;
    for (size_t i = 0; i < recover->snapshot->root_count && result == 0; i++) {
        if (cache_find(recover->cache, &recover->snapshot->root[i], &location, err) == 0)
            continue;
        result = -1;
        if (missing->code != ERR_NONE)
            *err = *missing;
    }
    return result;
}

/* ---- after ----------------------------------------------------------------------------------- */

/* One line for all of them. */
static void note_flags(const struct recover *recover)
{
    char letters[INODE_FLAGS_LETTERS_MAX];
    struct recover_result *result = recover->result;
    size_t size = strlen(result->note);
    snprintf(result->note + size, sizeof(result->note) - size,
             "%s%llu file%s or folder%s did not get all flags (chattr %s), which need root, or a "
             "file system that has them: the first is %.200s",
             size > 0 ? "; " : "", (unsigned long long)recover->flags_refused_count,
             recover->flags_refused_count == 1 ? "" : "s",
             recover->flags_refused_count == 1 ? "" : "s",
             inode_flags_letters(letters, recover->flags_refused), recover->flags_refused_first);
}

static void judge(struct recover *recover)
{
    struct recover_result *result = recover->result;
    result->files = recover->files;
    result->directories = recover->directories;
    result->bytes = recover->bytes;
    result->problems = recover->progress->problems;
    result->flags_refused = recover->flags_refused_count;
    result->bytes_fetched = fetcher_bytes(recover->fetcher);
    result->corrupt = fetcher_corrupt(recover->fetcher) + recover->index_corrupt;
    recover->progress->bytes_sent = result->bytes_fetched;
    /* Nothing at all came back: not incomplete, but failed. */
    bool failed = recover->refused && result->files == 0 && recover->snapshot->files > 0;
    result->outcome = recover->damaged            ? JOB_DAMAGED
                      : recover->full             ? JOB_FULL
                      : recover->too_few          ? JOB_TOO_FEW
                      : failed                    ? JOB_FAILED
                      : result->problems > 0      ? JOB_INCOMPLETE
                      : result->flags_refused > 0 ? JOB_INCOMPLETE
                                                  : JOB_DONE;
    if (result->problems > 0)
        snprintf(result->note, sizeof(result->note),
                 "%llu file%s or folder%s could not be recovered whole",
                 (unsigned long long)result->problems, result->problems == 1 ? "" : "s",
                 result->problems == 1 ? "" : "s");
    if (result->flags_refused > 0)
        note_flags(recover);
}

static int run(struct recover *recover, struct err *err)
{
    struct job_progress *progress = recover->progress;
    if (load_index(recover, err) != 0 ||
        fetcher_new(&recover->fetcher, recover->vault->keys, recover->options->endpoint,
                    &recover->failure, err) != 0 ||
        find_paths(recover, err) != 0 || target_open(recover, err) != 0)
        return -1;
    if (recover->path_count == 0) {
        progress->files_all = recover->snapshot->files;
        progress->bytes_all = recover->snapshot->bytes;
    }
    progress->phase = JOB_RUNNING;
    if (work_queue_start(&recover->queue, err) != 0)
        return -1;
    int result = recover_walk(recover, err);
    work_queue_end(&recover->queue);
    links_lock(recover);
    if (result == 0)
        result = failure_check(&recover->failure, err);
    judge(recover);
    return result;
}

static void release(struct recover *recover)
{
    fetcher_destroy(&recover->fetcher);
    links_release(recover);
    free(recover->flags_refused_first);
    for (size_t i = 0; i < recover->path_count; i++)
        free(recover->paths[i]);
    free(recover->paths);
    if (recover->root >= 0)
        close(recover->root);
    if (recover->cache != NULL)
        cache_close(&recover->cache);
    failure_release(&recover->failure);
    pthread_mutex_destroy(&recover->report_lock);
    pthread_mutex_destroy(&recover->link_lock);
    order_release(recover);
}

/* Packs come and go at 16 MiB each. Left alone, the allocator learns from the first one freed to
 * keep them in its arenas, where they fragment: a recovery then holds half as much again as it
 * uses. */
static void bound_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
}

int recover_run(struct vault *vault, const struct recover_options *options,
                struct job_progress *progress, const struct job_report *report,
                struct recover_result *result, struct err *err)
{
    int64_t begin_ms = monotonic_ms();
    bound_memory();
    /* A folder a level is open, and those that are read ahead or not finished. */
    struct err ignored = ERR_INIT; /* the limit there is may do */
    (void)(open_files_raise(&ignored) == 0);
    *result = (struct recover_result){0};
    struct recover *recover = alloc_zero(1, sizeof(*recover));
    recover->options = options;
    recover->vault = vault;
    recover->snapshot = options->snapshot;
    recover->progress = progress;
    recover->report = report;
    recover->result = result;
    recover->root = -1;
    recover->uid = geteuid();
    recover->gid = getegid();
    recover->policy.root = recover->uid == 0;
    recover->wary = recover->policy.root; /* some file systems of users have no lasting inodes */
    recover->policy.numeric_owners = options->numeric_owners;
    randombytes_buf(&recover->run, sizeof(recover->run));
    failure_init(&recover->failure, &progress->cancel);
    pthread_mutex_init(&recover->report_lock, NULL);
    pthread_mutex_init(&recover->link_lock, NULL);
    order_init(recover, job_threads(options->threads, RECOVER_THREADS_MAX));
    int status = run(recover, err);
    if (status != 0 && (err->code == ERR_FORMAT || err->code == ERR_FOREIGN))
        err->code = ERR_DAMAGED; /* what the cluster gave, which nobody may have changed */
    result->seconds = (double)(monotonic_ms() - begin_ms) / 1000;
    progress->phase = JOB_ENDED;
    release(recover);
    free(recover);
    return status;
}
