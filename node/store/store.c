/* The directory's sentinel is the switch of the whole store: as long as its inode is the one that
 * was opened, the disk is there. stat() is cheap enough to ask before every call; its content is
 * read again now and then, for a disk that answers from its cache only. */
#include "node/store/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/base/log.h"
#include "node/base/sentinel.h"
#include "node/common/clock.h"
#include "node/store/store_internal.h"
#include "node/trust/cert.h"

#define READ_AGAIN_MS 10000

static const char *const folders[] = {"fragments", "records", "pins", "damaged"};

/* ---- paths: store_open checks that dir is short enough for all of them ---- */

static int join(char path[DURABLE_PATH_MAX], const char *dir, const char *name, struct err *err)
{
    int length = snprintf(path, DURABLE_PATH_MAX, "%s/%s", dir, name);
    if (length < 0 || length >= DURABLE_PATH_MAX / 2)
        return err_set(err, ERR_INVALID, "the path \"%.64s...\" is too long", dir);
    return 0;
}

void store_fragment_dir(const struct store *store, char path[DURABLE_PATH_MAX], uint8_t first)
{
    snprintf(path, DURABLE_PATH_MAX, "%s/fragments/%02x", store->dir, first);
}

void store_fragment_path(const struct store *store, char path[DURABLE_PATH_MAX],
                         const struct fragment_key *key)
{
    char hex[2 * ID_SIZE + 1], vault_hex[2 * ID_SIZE + 1];
    snprintf(path, DURABLE_PATH_MAX, "%s/fragments/%02x/%s.%u.%s", store->dir, key->object.bytes[0],
             hex_encode(hex, key->object.bytes, ID_SIZE), key->index,
             hex_encode(vault_hex, key->vault.bytes, ID_SIZE));
}

void store_vault_dir(const struct store *store, char path[DURABLE_PATH_MAX],
                     const struct vault_id *vault)
{
    char hex[2 * ID_SIZE + 1];
    snprintf(path, DURABLE_PATH_MAX, "%s/records/%s", store->dir,
             hex_encode(hex, vault->bytes, ID_SIZE));
}

void store_record_path(const struct store *store, char path[DURABLE_PATH_MAX],
                       const struct vault_id *vault, const struct record_id *hash)
{
    char vault_hex[2 * ID_SIZE + 1], hash_hex[2 * ID_SIZE + 1];
    snprintf(path, DURABLE_PATH_MAX, "%s/records/%s/%s", store->dir,
             hex_encode(vault_hex, vault->bytes, ID_SIZE),
             hex_encode(hash_hex, hash->bytes, ID_SIZE));
}

/* ---- the sentinel ---- */

/* A fresh mount point has lost+found. */
static int check_empty(const char *dir, struct err *err)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    int result = 0;
    if (folder == NULL)
        return err_errno(err, "opening %s", dir);
    while (result == 0 && (entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0)
            result =
                err_set(err, ERR_EXISTS,
                        "%s is not empty: a data directory is made in an empty or new folder", dir);
    closedir(folder);
    return result;
}

int store_create(const char *dir, const struct node_id *node, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    if (durable_make_dir(dir, 0700, err) != 0 || check_empty(dir, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (join(path, dir, folders[i], err) != 0 || durable_make_dir(path, 0700, err) != 0)
            return -1;
    if (join(path, dir, SENTINEL_NAME, err) != 0)
        return -1;
    return sentinel_create(path, node, err);
}

/* Opens, locks and reads the sentinel. */
static int take_sentinel(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    if (join(path, store->dir, SENTINEL_NAME, err) != 0 ||
        sentinel_read(path, &store->node, &store->epoch, err) != 0)
        return -1;
    store->sentinel = open(path, O_RDONLY | O_CLOEXEC);
    if (store->sentinel < 0 || fstat(store->sentinel, &status) != 0)
        return err_errno(err, "opening %s", path);
    if (flock(store->sentinel, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return err_set(err, ERR_BUSY, "%s: another ecbakd uses this data directory",
                           store->dir);
        return err_errno(err, "locking %s", path);
    }
    store->device = status.st_dev;
    store->inode = status.st_ino;
    store->read_ms = monotonic_ms();
    return 0;
}

static int look_at_sentinel(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    uint64_t epoch = 0;
    if (join(path, store->dir, SENTINEL_NAME, err) != 0)
        return -1;
    if (stat(path, &status) != 0)
        return err_errno(err, "the data directory cannot be reached: %s", path);
    if (status.st_dev != store->device || status.st_ino != store->inode)
        return err_set(err, ERR_FOREIGN,
                       "%s was replaced while ecbakd ran: restart it when the right one is back",
                       store->dir);
    int64_t now = monotonic_ms();
    pthread_mutex_lock(&store->lock);
    bool again = now - store->read_ms >= READ_AGAIN_MS;
    if (again)
        store->read_ms = now;
    pthread_mutex_unlock(&store->lock);
    if (!again)
        return 0;
    int result = sentinel_read(path, &store->node, &epoch, err);
    if (result == 0 && epoch != store->epoch)
        result = err_set(err, ERR_FOREIGN, "%s: the sentinel was rewritten", store->dir);
    if (result != 0) {
        pthread_mutex_lock(&store->lock);
        store->read_ms = now - READ_AGAIN_MS; /* ask again each time until it is well */
        pthread_mutex_unlock(&store->lock);
    }
    /* That nothing can be opened now says nothing about the directory, and stat() found it well. */
    return result != 0 && err->code == ERR_MEMORY ? 0 : result;
}

int store_check(struct store *store, struct err *err)
{
    struct err found = ERR_INIT;
    int result = look_at_sentinel(store, &found);
    pthread_mutex_lock(&store->state_lock);
    if (result == 0)
        store->state = (struct err)ERR_INIT;
    else if (found.code != ERR_MEMORY)
        store->state = found;
    pthread_mutex_unlock(&store->state_lock);
    return result == 0 ? 0 : err_copy(err, &found);
}

int store_state(struct store *store, struct err *err)
{
    pthread_mutex_lock(&store->state_lock);
    struct err state = store->state;
    pthread_mutex_unlock(&store->state_lock);
    return state.code == ERR_NONE ? 0 : err_copy(err, &state);
}

/* ---- how long the disk keeps us waiting ---- */

int store_begin(struct store *store)
{
    int64_t now = monotonic_ms() + 1; /* never 0 */
    for (int i = 0; i < STORE_UNDER_WAY; i++) {
        int64_t free_place = 0;
        if (atomic_compare_exchange_strong(&store->under_way_ms[i], &free_place, now))
            return i;
    }
    return -1;
}

void store_end(struct store *store, int place)
{
    if (place >= 0)
        atomic_store(&store->under_way_ms[place], 0);
}

int64_t store_waits_ms(struct store *store)
{
    int64_t longest = 0, now = monotonic_ms() + 1;
    for (int i = 0; i < STORE_UNDER_WAY; i++) {
        int64_t since = atomic_load(&store->under_way_ms[i]);
        if (since != 0 && now - since > longest)
            longest = now - since;
    }
    return longest;
}

/* ---- life cycle ---- */

int store_make_folders(const struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (join(path, store->dir, folders[i], err) != 0)
            return -1;
        if (lstat(path, &status) == 0 || errno != ENOENT)
            continue;
        if (durable_make_dir(path, 0700, err) != 0)
            return -1;
        log_error("%s was gone, with all that was in it: it is made anew, empty", path);
    }
    return 0;
}

/* A process that was killed may have made a folder in one of these and not have synced its name. */
static int sync_folders(const struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    if (store_make_folders(store, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (join(path, store->dir, folders[i], err) != 0 || durable_sync_dir(path, err) != 0)
            return -1;
    return durable_sync_dir(store->dir, err);
}

/* A catalogue that cannot be read through is as good as none: it is made anew from the files, once. */
static int open_catalogue(struct store *s, const char *path, struct err *err)
{
    struct err why = ERR_INIT;
    if (catalogue_open(&s->catalogue, path, s->epoch, err) != 0)
        return -1;
    if (store_reconcile(s, &why) == 0)
        return 0;
    if (why.code != ERR_DAMAGED)
        return err_copy(err, &why);
    log_warn("%s: %s: it is made anew from the files", path, why.text);
    catalogue_close(&s->catalogue);
    catalogue_remove(path);
    s->damaged_kept = 0;
    if (catalogue_open(&s->catalogue, path, s->epoch, err) != 0)
        return -1;
    return store_reconcile(s, err);
}

int store_open(struct store **store, const char *dir, const struct store_terms *terms,
               struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct store *s = alloc_zero(1, sizeof(*s));
    s->sentinel = -1;
    s->capacity_bytes = terms->capacity_bytes;
    s->share_bytes = terms->capacity_bytes / 100 * terms->sponsor_percent;
    s->node = terms->node;
    memcpy(s->authority_public, terms->authority_public, sizeof(s->authority_public));
    cluster_id(&s->cluster, s->authority_public);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->state_lock, NULL);
    for (size_t i = 0; i < STORE_STRIPES; i++)
        pthread_mutex_init(&s->stripes[i], NULL);
    *store = NULL;
    if (join(path, dir, "catalogue.db", err) != 0)
        goto fail;
    snprintf(s->dir, sizeof(s->dir), "%s", dir);
    if (take_sentinel(s, err) != 0 || sync_folders(s, err) != 0 ||
        open_catalogue(s, path, err) != 0)
        goto fail;
    s->catalogue_inode = store_catalogue_inode(s);
    snprintf(path, sizeof(path), "%s/fragments", dir);
    s->fragments_seen = store_see_folder(path);
    *store = s;
    return 0;
fail:
    store_close(&s);
    return -1;
}

void store_close(struct store **store)
{
    struct store *s = *store;
    if (s == NULL)
        return;
    assert(s->reserved_bytes == 0);
    catalogue_close(&s->catalogue);
    if (s->sentinel >= 0)
        close(s->sentinel);
    for (size_t i = 0; i < STORE_STRIPES; i++)
        pthread_mutex_destroy(&s->stripes[i]);
    pthread_mutex_destroy(&s->state_lock);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *store = NULL;
}

/* ---- sums ---- */

uint64_t store_epoch(const struct store *store)
{
    return store->epoch;
}

void store_usage(struct store *store, uint64_t *used_bytes, uint64_t *fragments, uint64_t *records)
{
    *used_bytes = store->used_bytes;
    *fragments = store->fragments;
    *records = store->records;
}

uint64_t store_lost(struct store *store)
{
    return store->lost;
}

int store_count_lost(struct store *store, struct err *err)
{
    uint64_t lost;
    if (catalogue_lost(store->catalogue, &lost, err) != 0)
        return -1;
    store->lost = lost;
    return 0;
}

uint64_t store_damaged(struct store *store)
{
    return store->damaged;
}

pthread_mutex_t *store_stripe(struct store *store, const uint8_t id[ID_SIZE])
{
    return &store->stripes[id[0] % STORE_STRIPES];
}

int store_reserve(struct store *store, uint64_t bytes, struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&store->lock);
    uint64_t capacity = store->capacity_bytes, used = store->used_bytes;
    if (used > capacity || bytes > capacity - used)
        result = err_set(err, ERR_FULL,
                         "%.1f MB of its capacity of %.1f MB are used: %.1f MB too little",
                         (double)used / 1e6, (double)capacity / 1e6,
                         ((double)bytes + (double)used - (double)capacity) / 1e6);
    if (result == 0) {
        store->used_bytes += bytes;
        store->reserved_bytes += bytes;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

void store_settle(struct store *store, uint64_t bytes)
{
    assert(store->reserved_bytes >= bytes);
    store->reserved_bytes -= bytes;
}

void store_give_back(struct store *store, uint64_t bytes)
{
    pthread_mutex_lock(&store->lock);
    store_settle(store, bytes);
    store->used_bytes -= bytes;
    pthread_mutex_unlock(&store->lock);
}

bool store_is_damage(enum err_code code)
{
    return code == ERR_FORMAT || code == ERR_DAMAGED || code == ERR_FOREIGN || code == ERR_DENIED;
}

void store_set_aside(struct store *store, const char *path)
{
    char aside[DURABLE_PATH_MAX];
    const char *name = strrchr(path, '/') + 1;
    snprintf(aside, sizeof(aside), "%s/damaged/%s", store->dir, name);
    if (store->damaged_kept >= STORE_DAMAGED_KEPT || rename(path, aside) != 0)
        unlink(path);
    else
        store->damaged_kept++;
    store->damaged++;
}

void store_digest_flip(struct store *store, const struct record_id *hash)
{
    for (size_t i = 0; i < 8; i++)
        store->digest[hash->bytes[0]][i] ^= hash->bytes[8 + i];
}
