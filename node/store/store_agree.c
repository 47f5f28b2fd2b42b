/* The one place where catalogue and files are made to agree, at the start for all folders and later
 * for those that changed (store_look.c). Files are right: first every row is held against its file,
 * and its fragment is lost when the file is not there with its size; then every file without a row
 * proves itself (all but a fragment's row, which is proven when it is read) and gets one, or is moved
 * aside. A deleted catalogue is only the case where no row is left.
 *
 * A fragment that is lost keeps its name in the catalogue until a file has it again, be it an old one
 * that came back or a new one: so what is counted as lost is what is gone, by whichever way. */
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
#include "node/store/fragment_file.h"
#include "node/store/store_internal.h"
#include "node/trust/grant.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

#define PAGE_ROWS 128

static bool has_size(const char *path, uint64_t size)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size == size;
}

/* ---- rows without a file ---- */

/* Of the rows whose object begins with `first`: inside a transaction. */
static int lose_missing(struct store *store, uint8_t first, uint64_t *bytes, uint64_t *count,
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
            if (over || has_size(path, rows[i].file_bytes))
                continue;
            result = catalogue_lose_fragment(store->catalogue, &rows[i].key, err);
            *bytes += rows[i].file_bytes;
            (*count)++;
        }
        if (result == 0 && got > 0)
            last = rows[got - 1].key;
    }
    free(rows);
    return result;
}

static int drop_fragment_rows(struct store *store, uint8_t first, struct err *err)
{
    uint64_t bytes = 0, count = 0;
    int result = -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        if (lose_missing(store, first, &bytes, &count, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0 && count > 0) {
        assert(store->fragments >= count && store->used_bytes >= bytes);
        store->fragments -= count;
        store->used_bytes -= bytes;
        result = store_count_lost(store, err);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* Records are few, and what is missing of them comes from the other members once it is missed. */
static int drop_record_rows(struct store *store, struct err *err)
{
    struct record_row rows[PAGE_ROWS];
    struct record_id last;
    char path[DURABLE_PATH_MAX];
    size_t count = PAGE_ROWS;
    int result = 0;
    pthread_mutex_lock(&store->lock);
    for (bool begins = true; result == 0 && count == PAGE_ROWS; begins = false) {
        result = catalogue_list_records(store->catalogue, NULL, begins ? NULL : &last, rows,
                                        PAGE_ROWS, &count, err);
        for (size_t i = 0; result == 0 && i < count; i++) {
            store_record_path(store, path, &rows[i].vault, &rows[i].hash);
            if (has_size(path, rows[i].file_bytes))
                continue;
            result = catalogue_remove_record(store->catalogue, &rows[i].hash, err);
            if (result != 0)
                break;
            assert(store->records > 0 && store->used_bytes >= rows[i].file_bytes);
            store->records--;
            store->used_bytes -= rows[i].file_bytes;
            store_digest_flip(store, &rows[i].hash);
        }
        if (result == 0 && count > 0)
            last = rows[count - 1].hash;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* ---- files without a row ---- */

/* Reads the hexadecimal digits of an id at the start of a name; NULL when there are none. */
static const char *read_hex(const char *at, uint8_t id[ID_SIZE])
{
    char hex[2 * ID_SIZE + 1];
    if (strlen(at) < 2 * ID_SIZE)
        return NULL;
    memcpy(hex, at, 2 * ID_SIZE);
    hex[2 * ID_SIZE] = '\0';
    return hex_decode(id, ID_SIZE, hex) == 0 ? at + 2 * ID_SIZE : NULL;
}

static bool parse_name(const char *name, struct fragment_key *key)
{
    char again[4 * ID_SIZE + 16], hex[2 * ID_SIZE + 1], vault_hex[2 * ID_SIZE + 1];
    const char *at = read_hex(name, key->object.bytes);
    if (at == NULL || *at != '.')
        return false;
    char *end;
    unsigned long number = strtoul(at + 1, &end, 10);
    if (*end != '.' || number >= HOLDERS_MAX || read_hex(end + 1, key->vault.bytes) == NULL)
        return false;
    key->index = (uint32_t)number;
    snprintf(again, sizeof(again), "%s.%lu.%s", hex_encode(hex, key->object.bytes, ID_SIZE), number,
             hex_encode(vault_hex, key->vault.bytes, ID_SIZE));
    return strcmp(again, name) == 0;
}

/* Does a file without a row prove itself as this fragment, and is its grant for it? */
static int prove_fragment(const struct store *store, const char *path,
                          const struct fragment_key *key, struct fragment_file *file,
                          struct fragment_info *info, struct opened_grant *grant, struct err *err)
{
    if (fragment_file_read(file, path, false, err) != 0 ||
        fragment_expect(&file->fragment, &key->object, (int)key->index, err) != 0 ||
        grant_open(&grant->grant, &grant->writer, file->trailer.grant, file->trailer.grant_size,
                   store->authority_public, err) != 0)
        return -1;
    if (store_check_grant(store, &file->fragment, &grant->grant, err) != 0)
        return err_context(err, "%s", path);
    if (!id_equal(&grant->grant.vault, &key->vault))
        return err_set(err, ERR_FOREIGN, "%s: the grant in its trailer is of another vault", path);
    fragment_file_info(info, &file->fragment, grant, &file->trailer.bringer, file->file_bytes);
    return 0;
}

/* What to do about a file that did not prove itself: bad ones go aside, those of a newer ecbakd are
 * left for it, and what vanished meanwhile is gone; what says nothing about the file is an error. */
static int refuse(struct store *store, const char *path, const struct err *reason, struct err *err)
{
    if (store_is_damage(reason->code)) {
        pthread_mutex_lock(&store->lock);
        store_set_aside(store, path);
        pthread_mutex_unlock(&store->lock);
    } else if (reason->code != ERR_VERSION && reason->code != ERR_NOT_FOUND) {
        return err_copy(err, reason);
    }
    return 0;
}

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
        result = store_count_lost(store, err);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* With the stripe of the name held. */
static int take_fragment(struct store *store, const char *path, const char *name, struct err *err)
{
    struct fragment_key key;
    struct fragment_info info;
    struct opened_grant grant;
    struct err reason = ERR_INIT;
    bool found;
    if (!parse_name(name, &key))
        return 0; /* not ours: left alone */
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_fragment(store->catalogue, &key, NULL, NULL, &found, err);
    pthread_mutex_unlock(&store->lock);
    if (result != 0 || found)
        return result;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    result = prove_fragment(store, path, &key, file, &info, &grant, &reason) == 0
                 ? add_fragment(store, &info, &file->trailer.holders, &grant, err)
                 : refuse(store, path, &reason, err);
    fragment_file_release(file);
    free(file);
    return result;
}

/* Does a file without a row prove itself as the record of its name, in its vault's folder? opened is to
 * be released. */
static int prove_record(const struct store *store, const char *path, struct record_row *row,
                        struct record *opened, struct err *err)
{
    struct node_id sponsor;
    char expected[DURABLE_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    if (durable_read(path, RECORD_BYTES_MAX, &bytes, &size, err) != 0)
        return -1;
    int result = record_open_held(opened, &sponsor, bytes, size, store->authority_public, err);
    free(bytes);
    if (result != 0)
        return -1;
    store_record_row(row, opened, &sponsor, size);
    store_record_path(store, expected, &row->vault, &row->hash);
    if (strcmp(expected, path) != 0)
        return err_set(err, ERR_FOREIGN, "%s holds another record", path);
    return 0;
}

/* A name for which a write is under way is its writer's: it holds the stripe. */
static int take_record(struct store *store, const char *path, const char *name, struct err *err)
{
    struct record_row row;
    struct record opened = {.number = 0};
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
        if (prove_record(store, path, &row, &opened, &reason) != 0) {
            result = refuse(store, path, &reason, err);
        } else {
            pthread_mutex_lock(&store->lock);
            result = store_add_record(store, &row, &opened, err);
            if (result == 0) {
                store->used_bytes += row.file_bytes;
                store->records++;
                store_digest_flip(store, &row.hash);
            }
            pthread_mutex_unlock(&store->lock);
        }
        record_release(&opened);
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

int store_agree_fragments(struct store *store, uint8_t first, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    store_fragment_dir(store, path, first);
    return drop_fragment_rows(store, first, err) == 0 ? take_files(store, path, take_fragment, err)
                                                      : -1;
}

int store_each_vault(struct store *store,
                     int (*visit)(struct store *store, const char *path, struct err *err),
                     struct err *err)
{
    char records[DURABLE_PATH_MAX], path[DURABLE_PATH_MAX];
    struct vault_id vault;
    struct dirent *entry;
    int result = 0;
    snprintf(records, sizeof(records), "%s/records", store->dir);
    DIR *folder = opendir(records);
    if (folder == NULL)
        return err_errno(err, "opening %s", records);
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (hex_decode(vault.bytes, ID_SIZE, entry->d_name) != 0)
            continue;
        store_vault_dir(store, path, &vault);
        result = visit(store, path, err);
    }
    closedir(folder);
    return result;
}

static int take_records(struct store *store, const char *path, struct err *err)
{
    return take_files(store, path, take_record, err);
}

int store_agree_records(struct store *store, struct err *err)
{
    return drop_record_rows(store, err) == 0 ? store_each_vault(store, take_records, err) : -1;
}
