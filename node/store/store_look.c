/* While a node runs, files vanish and come back behind its back: a slip of the operator, a disk that
 * was not mounted, a restore. A folder that is as it was when its files and its rows agreed is not
 * looked into; of the others a few at a time are, so that a node which takes many fragments does not
 * spend its time on reading its own names. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/store/store_internal.h"

#define PAGE_ROWS   64
#define FOLDERS_MAX 4 /* changed ones that are looked into at a time */
#define SETTLED_S   2 /* a folder that changed less long ago may change again under the same time */

/* ---- what a folder was like ---- */

struct folder_seen store_see_folder(const char *path)
{
    struct folder_seen seen = {.known = true};
    struct stat status;
    if (lstat(path, &status) != 0) {
        seen.known = errno == ENOENT;
        return seen;
    }
    seen.device = status.st_dev;
    seen.inode = status.st_ino;
    seen.changed = status.st_mtim;
    int64_t age_s = wall_s() - (int64_t)status.st_mtim.tv_sec;
    seen.known = age_s > SETTLED_S || age_s < -SETTLED_S;
    return seen;
}

static bool is_same_folder(const struct folder_seen *a, const struct folder_seen *b)
{
    return a->known && b->known && a->device == b->device && a->inode == b->inode;
}

static bool is_unchanged(const struct folder_seen *a, const struct folder_seen *b)
{
    return is_same_folder(a, b) && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

ino_t store_catalogue_inode(const struct store *store)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "%s/catalogue.db", store->dir);
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

/* ---- rows without a file. With the lock held, in a transaction ---- */

static int forget_missing(struct store *store, unsigned first, uint64_t *bytes, uint64_t *count,
                          struct err *err)
{
    struct fragment_info *rows = alloc_zero(PAGE_ROWS, sizeof(*rows));
    struct fragment_key last = {.index = HOLDERS_MAX};
    char path[DURABLE_PATH_MAX];
    size_t got = PAGE_ROWS;
    bool over = false;
    int result = 0;
    memset(&last.object, 0xff, sizeof(last.object)); /* the last before those of `first` */
    memset(&last.vault, 0xff, sizeof(last.vault));
    last.object.bytes[0] = (uint8_t)(first - 1);
    for (bool begins = first == 0; result == 0 && !over && got == PAGE_ROWS; begins = false) {
        result = catalogue_list_fragments(store->catalogue, begins ? NULL : &last, rows, PAGE_ROWS,
                                          &got, err);
        for (size_t i = 0; result == 0 && !over && i < got; i++) {
            over = rows[i].key.object.bytes[0] != first;
            store_fragment_path(store, path, &rows[i].key);
            if (over || store_has_size(path, rows[i].file_bytes))
                continue;
            result = catalogue_remove_fragment(store->catalogue, &rows[i].key, err);
            *bytes += rows[i].file_bytes;
            (*count)++;
        }
        if (result == 0 && got > 0)
            last = rows[got - 1].key;
    }
    free(rows);
    return result;
}

static int drop_missing(struct store *store, unsigned first, struct err *err)
{
    uint64_t bytes = 0, count = 0;
    int result = -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        if (forget_missing(store, first, &bytes, &count, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0) {
        assert(store->fragments >= count && store->used_bytes >= bytes);
        store->fragments -= count;
        store->used_bytes -= bytes;
        store->lost += count;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* ---- files without a row. With the stripe of the name held ---- */

static int add_fragment(struct store *store, const struct fragment_info *info,
                        const struct holders *holders, const struct opened_grant *grant,
                        struct err *err)
{
    int result = -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        if (store_add_rows(store, info, holders, grant, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0) {
        store->used_bytes += info->file_bytes;
        store->fragments++;
        store->lost -= store->lost > 0;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

static int refuse(struct store *store, const char *path, const struct err *reason, struct err *err)
{
    if (store_is_damage(reason->code)) {
        pthread_mutex_lock(&store->lock);
        store_set_aside(store, path);
        pthread_mutex_unlock(&store->lock);
    } else if (reason->code != ERR_VERSION && reason->code != ERR_NOT_FOUND) {
        return err_set(err, reason->code, "%s", reason->text);
    }
    return 0;
}

static int take_fragment(struct store *store, const char *path, const char *name, struct err *err)
{
    struct fragment_key key;
    struct fragment_info info;
    struct opened_grant grant;
    struct err reason = ERR_INIT;
    bool found;
    if (!store_parse_fragment_name(name, &key))
        return 0;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_fragment(store->catalogue, &key, NULL, NULL, &found, err);
    pthread_mutex_unlock(&store->lock);
    if (result != 0 || found)
        return result;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    result = store_prove_fragment(store, path, &key, file, &info, &grant, &reason) == 0
                 ? add_fragment(store, &info, &file->trailer.holders, &grant, err)
                 : refuse(store, path, &reason, err);
    fragment_file_release(file);
    free(file);
    return result;
}

/* A name for which a write is under way is its writer's: it holds the stripe. */
static int take_record(struct store *store, const char *path, const char *name, struct err *err)
{
    struct record_row row;
    struct record_id hash;
    struct err reason = ERR_INIT;
    bool found;
    if (hex_decode(hash.bytes, ID_SIZE, name) != 0)
        return 0;
    pthread_mutex_t *stripe = store_stripe(store, hash.bytes);
    pthread_mutex_lock(stripe);
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_record(store->catalogue, &hash, &row, &found, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && !found) {
        if (store_prove_record(store, path, &row, &reason) != 0) {
            result = refuse(store, path, &reason, err);
        } else {
            pthread_mutex_lock(&store->lock);
            result = catalogue_add_record(store->catalogue, &row, err);
            if (result == 0) {
                store->used_bytes += row.file_bytes;
                store->records++;
                store_digest_flip(store, &row.hash);
            }
            pthread_mutex_unlock(&store->lock);
        }
    }
    pthread_mutex_unlock(stripe);
    return result;
}

static int take_files(struct store *store, const char *dir,
                      int (*take)(struct store *store, const char *path, const char *name,
                                  struct err *err),
                      struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct dirent *entry;
    int result = 0;
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(err, "opening %s", dir);
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        int length = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.' && length > 0 && (size_t)length < sizeof(path))
            result = take(store, path, entry->d_name, err);
    }
    closedir(folder);
    return result;
}

/* ---- the folders ---- */

static int look_into(struct store *store, unsigned first, const char *path, struct err *err)
{
    struct object_id any = {{(uint8_t)first}};
    int place = store_begin(store);
    pthread_mutex_t *stripe = store_stripe(store, any.bytes);
    pthread_mutex_lock(stripe);
    struct folder_seen now = store_see_folder(path);
    int result = drop_missing(store, first, err);
    if (result == 0)
        result = take_files(store, path, take_fragment, err);
    if (result == 0) {
        pthread_mutex_lock(&store->lock);
        store->seen[first] = now;
        pthread_mutex_unlock(&store->lock);
    }
    pthread_mutex_unlock(stripe);
    store_end(store, place);
    return result;
}

static int look_at_fragments(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    snprintf(path, sizeof(path), "%s/fragments", store->dir);
    struct folder_seen above = store_see_folder(path);
    bool all =
        above.inode != store->fragments_seen.inode || above.device != store->fragments_seen.device;
    unsigned first = store->next_folder, looked = 0;
    for (unsigned i = 0; i < 256 && (all || looked < FOLDERS_MAX); i++, first = (first + 1) % 256) {
        store_fragment_dir(store, path, (uint8_t)first);
        struct folder_seen now = store_see_folder(path);
        pthread_mutex_lock(&store->lock);
        bool same = is_unchanged(&store->seen[first], &now);
        pthread_mutex_unlock(&store->lock);
        if (same)
            continue;
        looked++;
        if (look_into(store, first, path, err) != 0)
            return -1;
    }
    store->next_folder = first;
    store->fragments_seen = above;
    return 0;
}

/* Records are few, and what is missing of them comes from the other members once it is missed. */
static int drop_missing_records(struct store *store, struct err *err)
{
    struct record_row rows[PAGE_ROWS];
    struct record_id last;
    char path[DURABLE_PATH_MAX];
    size_t count = PAGE_ROWS;
    int result = 0;
    for (bool begins = true; result == 0 && count == PAGE_ROWS; begins = false) {
        result = catalogue_list_records(store->catalogue, NULL, begins ? NULL : &last, rows,
                                        PAGE_ROWS, &count, err);
        for (size_t i = 0; result == 0 && i < count; i++) {
            store_record_path(store, path, &rows[i].vault, &rows[i].hash);
            if (store_has_size(path, rows[i].file_bytes))
                continue;
            result = catalogue_remove_record(store->catalogue, &rows[i].hash, err);
            if (result != 0)
                break;
            assert(store->records > 0);
            store->records--;
            store->used_bytes -= rows[i].file_bytes;
            store_digest_flip(store, &rows[i].hash);
        }
        if (result == 0 && count > 0)
            last = rows[count - 1].hash;
    }
    return result;
}

static int look_at_records(struct store *store, struct err *err)
{
    char records[DURABLE_PATH_MAX], path[DURABLE_PATH_MAX];
    struct vault_id vault;
    struct dirent *entry;
    snprintf(records, sizeof(records), "%s/records", store->dir);
    struct folder_seen now = store_see_folder(records);
    if (is_unchanged(&store->records_seen, &now))
        return 0;
    pthread_mutex_lock(&store->lock);
    int result = drop_missing_records(store, err);
    pthread_mutex_unlock(&store->lock);
    DIR *folder = result == 0 ? opendir(records) : NULL;
    if (result == 0 && folder == NULL)
        return err_errno(err, "opening %s", records);
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (hex_decode(vault.bytes, ID_SIZE, entry->d_name) != 0)
            continue;
        store_vault_dir(store, path, &vault);
        result = take_files(store, path, take_record, err);
    }
    if (folder != NULL)
        closedir(folder);
    if (result == 0)
        store->records_seen = now;
    return result;
}

static int look_at_catalogue(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    ino_t now = store_catalogue_inode(store);
    if (now == store->catalogue_inode)
        return 0;
    snprintf(path, sizeof(path), "%s/catalogue.db", store->dir);
    pthread_mutex_lock(&store->lock);
    int result = catalogue_restore(store->catalogue, path, store->epoch, err);
    if (result == 0)
        store->catalogue_inode = store_catalogue_inode(store);
    pthread_mutex_unlock(&store->lock);
    if (result == 0)
        log_error("%s was %s while ecbakd ran: it is written anew, nothing in it was lost", path,
                  now == 0 ? "removed" : "replaced");
    return result;
}

static void say_lost(struct store *store)
{
    uint64_t lost = store_lost(store);
    if (lost > store->lost_said)
        log_error("%llu fragment%s gone from %s/fragments: the next `ecbak store` of their owners "
                  "makes them anew; whoever has the files puts them back, and they are known again",
                  (unsigned long long)lost, lost == 1 ? " is" : "s are", store->dir);
    else if (lost < store->lost_said)
        log_info("fragments are back in %s/fragments: %llu are still gone", store->dir,
                 (unsigned long long)lost);
    store->lost_said = lost;
}

int store_look(struct store *store, struct err *err)
{
    int place = store_begin(store);
    int result = store_check(store, err);
    if (result == 0)
        result = store_make_folders(store, err);
    if (result == 0)
        result = look_at_catalogue(store, err);
    store_end(store, place);
    if (result != 0)
        return -1;
    result = look_at_fragments(store, err);
    if (result == 0)
        result = look_at_records(store, err);
    say_lost(store);
    return result;
}
