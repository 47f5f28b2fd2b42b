/* At each start catalogue and files are made to agree, files being right: first every row is held
 * against its file, and goes when the file is not there with its size; then every file without a
 * row proves itself (all but a fragment's row, which is proven when it is read) and gets one, or is
 * moved aside. A deleted catalogue is only the case where no row is left. */
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

bool store_has_size(const char *path, uint64_t size)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size == size;
}

/* ---- rows without a file ---- */

static int check_fragment_rows(struct store *store, struct err *err)
{
    struct fragment_info *rows = alloc_zero(PAGE_ROWS, sizeof(*rows));
    struct fragment_key last;
    char path[DURABLE_PATH_MAX];
    size_t count = PAGE_ROWS;
    int result = 0;
    for (bool first = true; result == 0 && count == PAGE_ROWS; first = false) {
        result = catalogue_list_fragments(store->catalogue, first ? NULL : &last, rows, PAGE_ROWS,
                                          &count, err);
        for (size_t i = 0; result == 0 && i < count; i++) {
            store_fragment_path(store, path, &rows[i].key);
            if (store_has_size(path, rows[i].file_bytes))
                continue;
            result = catalogue_remove_fragment(store->catalogue, &rows[i].key, err);
            store_count_lost(store, &rows[i].key.object, 1);
        }
        if (result == 0 && count > 0)
            last = rows[count - 1].key;
    }
    free(rows);
    return result;
}

static int check_record_rows(struct store *store, struct err *err)
{
    struct record_row rows[PAGE_ROWS];
    struct record_id last;
    char path[DURABLE_PATH_MAX];
    size_t count = PAGE_ROWS;
    int result = 0;
    for (bool first = true; result == 0 && count == PAGE_ROWS; first = false) {
        result = catalogue_list_records(store->catalogue, NULL, first ? NULL : &last, rows,
                                        PAGE_ROWS, &count, err);
        for (size_t i = 0; result == 0 && i < count; i++) {
            store_record_path(store, path, &rows[i].vault, &rows[i].hash);
            if (!store_has_size(path, rows[i].file_bytes))
                result = catalogue_remove_record(store->catalogue, &rows[i].hash, err);
        }
        if (result == 0 && count > 0)
            last = rows[count - 1].hash;
    }
    return result;
}

/* ---- files without a row ---- */

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

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

bool store_parse_fragment_name(const char *name, struct fragment_key *key)
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

int store_check_grant(const struct store *store, const struct fragment *fragment,
                      const struct grant *grant, struct err *err)
{
    const struct object *object = &fragment->object;
    if (!id_equal(&grant->cluster, &store->cluster))
        return err_set(err, ERR_FOREIGN, "the grant is for another cluster");
    if (!id_equal(&grant->pack, &object->pack_id) || grant->pack_bytes != object->shape.pack_size)
        return err_set(err, ERR_FOREIGN, "the grant is for another pack than the fragment's");
    if (!id_equal(&grant->object, &fragment->object_id) || grant->code != object->code ||
        grant->layout != object->layout || grant->data != object->shape.k ||
        grant->parity != object->shape.m)
        return err_set(err, ERR_FOREIGN, "the grant is for another object of the fragment's pack");
    return 0;
}

int store_prove_fragment(const struct store *store, const char *path,
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

int store_add_rows(struct store *store, const struct fragment_info *info,
                   const struct holders *holders, const struct opened_grant *grant, struct err *err)
{
    const struct pin pin = grant_pin(&grant->grant);
    const struct belief belief = belief_of(&grant->grant, &grant->writer);
    struct catalogue *c = store->catalogue;
    return catalogue_add_fragment(c, info, holders, err) != 0 ||
                   catalogue_pin(c, &info->pack, &pin, err) != 0 ||
                   catalogue_believe(c, &belief, err) != 0
               ? -1
               : 0;
}

/* What to do about a file that did not prove itself: bad ones go aside, those of a newer ecbakd are
 * left for it; what says nothing about the file is an error. */
static int refuse(struct store *store, const char *path, const struct err *reason, struct err *err)
{
    if (store_is_damage(reason->code))
        store_set_aside(store, path);
    else if (reason->code != ERR_VERSION)
        return err_set(err, reason->code, "%s", reason->text);
    return 0;
}

static int visit_fragment(struct store *store, const char *path, const char *name, struct err *err)
{
    struct fragment_key key;
    bool found;
    struct fragment_info info;
    struct opened_grant grant;
    struct err reason = ERR_INIT;
    if (!store_parse_fragment_name(name, &key))
        return 0; /* not ours: left alone */
    if (catalogue_find_fragment(store->catalogue, &key, NULL, NULL, &found, err) != 0)
        return -1;
    if (found)
        return 0;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    int result = store_prove_fragment(store, path, &key, file, &info, &grant, &reason) == 0
                     ? store_add_rows(store, &info, &file->trailer.holders, &grant, err)
                     : refuse(store, path, &reason, err);
    fragment_file_release(file);
    free(file);
    return result;
}

int store_prove_record(const struct store *store, const char *path, struct record_row *row,
                       struct err *err)
{
    struct record record;
    struct writer_cert writer;
    char expected[DURABLE_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    if (durable_read(path, RECORD_BYTES_MAX, &bytes, &size, err) != 0)
        return -1;
    int result = record_open(&record, &writer, bytes, size, &store->cluster, err);
    free(bytes);
    if (result != 0)
        return -1;
    row->hash = record.hash;
    row->vault = record.vault;
    row->file_bytes = size;
    record_release(&record);
    store_record_path(store, expected, &row->vault, &row->hash);
    if (strcmp(expected, path) != 0)
        return err_set(err, ERR_FOREIGN, "%s holds another record", path);
    return 0;
}

static int visit_record(struct store *store, const char *path, const char *name, struct err *err)
{
    struct record_row row;
    struct err reason = ERR_INIT;
    struct record_id hash;
    bool found;
    if (hex_decode(hash.bytes, ID_SIZE, name) != 0)
        return 0;
    if (catalogue_find_record(store->catalogue, &hash, &row, &found, err) != 0)
        return -1;
    if (found)
        return 0;
    if (store_prove_record(store, path, &row, &reason) != 0)
        return refuse(store, path, &reason, err);
    return catalogue_add_record(store->catalogue, &row, err);
}

/* Visits the files of a folder in one transaction; leftovers of unfinished writes are removed. */
static int walk_files(struct store *store, const char *dir,
                      int (*visit)(struct store *store, const char *path, const char *name,
                                   struct err *err),
                      struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct dirent *entry;
    int result = 0;
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(err, "opening %s", dir);
    if (catalogue_begin(store->catalogue, false, err) != 0) {
        closedir(folder);
        return -1;
    }
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        int length = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] == '.' || length < 0 || (size_t)length >= sizeof(path))
            continue;
        if (ends_with(entry->d_name, DURABLE_TEMPORARY))
            unlink(path);
        else
            result = visit(store, path, entry->d_name, err);
    }
    closedir(folder);
    if (result == 0)
        return catalogue_commit(store->catalogue, err);
    catalogue_rollback(store->catalogue);
    return -1;
}

static int walk_records(struct store *store, struct err *err)
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
        result = walk_files(store, path, visit_record, err);
    }
    closedir(folder);
    return result;
}

/* ---- sums ---- */

static int count_damaged(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct dirent *entry;
    snprintf(path, sizeof(path), "%s/damaged", store->dir);
    if (durable_make_dir(path, 0700, err) != 0)
        return -1;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return err_errno(err, "opening %s", path);
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            store->damaged_kept++;
    closedir(folder);
    return 0;
}

static int sum_records(struct store *store, struct err *err)
{
    struct record_row rows[PAGE_ROWS];
    struct record_id last;
    size_t count = PAGE_ROWS;
    for (bool first = true; count == PAGE_ROWS; first = false) {
        if (catalogue_list_records(store->catalogue, NULL, first ? NULL : &last, rows, PAGE_ROWS,
                                   &count, err) != 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            store_digest_flip(store, &rows[i].hash);
        if (count > 0)
            last = rows[count - 1].hash;
    }
    return 0;
}

static int check_rows(struct store *store, struct err *err)
{
    if (catalogue_begin(store->catalogue, false, err) != 0)
        return -1;
    if (check_fragment_rows(store, err) == 0 && check_record_rows(store, err) == 0)
        return catalogue_commit(store->catalogue, err);
    catalogue_rollback(store->catalogue);
    return -1;
}

int store_reconcile(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    if (count_damaged(store, err) != 0 || check_rows(store, err) != 0)
        return -1;
    for (unsigned first = 0; first < 256; first++) {
        store_fragment_dir(store, path, (uint8_t)first);
        store->seen[first] = store_see_folder(path);
        if (walk_files(store, path, visit_fragment, err) != 0)
            return -1;
    }
    if (walk_records(store, err) != 0 || sum_records(store, err) != 0)
        return -1;
    uint64_t bytes, fragments, records;
    if (catalogue_totals(store->catalogue, &bytes, &fragments, &records, err) != 0)
        return -1;
    store->used_bytes = bytes;
    store->fragments = fragments;
    store->records = records;
    return 0;
}
