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
    struct fragment_info *rows = alloc_zero(PAGE_ROWS, sizeof(*rows)), last;
    char path[DURABLE_PATH_MAX];
    size_t count = PAGE_ROWS;
    int result = 0;
    for (bool first = true; result == 0 && count == PAGE_ROWS; first = false) {
        result = catalogue_list_fragments(store->catalogue, first ? NULL : &last, rows, PAGE_ROWS,
                                          &count, err);
        for (size_t i = 0; result == 0 && i < count; i++) {
            store_fragment_path(store, path, &rows[i].object, rows[i].index);
            if (store_has_size(path, rows[i].file_bytes))
                continue;
            result =
                catalogue_remove_fragment(store->catalogue, &rows[i].object, rows[i].index, err);
            store_count_lost(store, &rows[i].object, 1);
        }
        if (result == 0 && count > 0)
            last = rows[count - 1];
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

bool store_parse_fragment_name(const char *name, struct object_id *object, uint32_t *index)
{
    char hex[2 * ID_SIZE + 1], again[16];
    if (strlen(name) < sizeof(hex) + 1 || name[2 * ID_SIZE] != '.')
        return false;
    memcpy(hex, name, 2 * ID_SIZE);
    hex[2 * ID_SIZE] = '\0';
    char *end;
    unsigned long number = strtoul(name + sizeof(hex), &end, 10);
    if (*end != '\0' || number >= HOLDERS_MAX || hex_decode(object->bytes, ID_SIZE, hex) != 0)
        return false;
    *index = (uint32_t)number;
    snprintf(again, sizeof(again), "%lu", number);
    return strcmp(again, name + sizeof(hex)) == 0;
}

int store_prove_fragment(const struct store *store, const char *path,
                         const struct object_id *object, uint32_t index, struct fragment_file *file,
                         struct fragment_info *info, struct err *err)
{
    struct grant grant;
    struct writer_cert writer;
    if (fragment_file_read(file, path, false, err) != 0 ||
        fragment_expect(&file->fragment, object, (int)index, err) != 0 ||
        grant_open(&grant, &writer, file->trailer.grant, file->trailer.grant_size, &store->cluster,
                   err) != 0)
        return -1;
    if (!id_equal(&grant.pack, &file->fragment.object.pack_id))
        return err_set(err, ERR_FOREIGN, "%s: the grant in its trailer is for another pack", path);
    fragment_file_info(info, &file->fragment, &grant, file->file_bytes);
    return 0;
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
    struct object_id object;
    uint32_t index;
    bool found, added;
    struct fragment_info info;
    struct err reason = ERR_INIT;
    if (!store_parse_fragment_name(name, &object, &index))
        return 0; /* not ours: left alone */
    if (catalogue_find_fragment(store->catalogue, &object, index, NULL, NULL, &found, err) != 0)
        return -1;
    if (found)
        return 0;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    int result;
    if (store_prove_fragment(store, path, &object, index, file, &info, &reason) != 0)
        result = refuse(store, path, &reason, err);
    else
        result =
            catalogue_add_fragment(store->catalogue, &info, &file->trailer.holders, err) != 0 ||
                    catalogue_pin(store->catalogue, &info.pack, &file->trailer.pin, PIN_IN_TRAILER, &added,
                                  err) != 0
                ? -1
                : 0;
    fragment_file_release(file);
    free(file);
    return result;
}

int store_prove_record(const struct store *store, const char *path, struct record_row *row,
                       struct record *opened, struct err *err)
{
    struct node_id sponsor;
    char expected[DURABLE_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    *opened = (struct record){.number = 0};
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

static int visit_record(struct store *store, const char *path, const char *name, struct err *err)
{
    struct record_row row;
    struct record opened;
    struct err reason = ERR_INIT;
    struct record_id hash;
    bool found;
    if (hex_decode(hash.bytes, ID_SIZE, name) != 0)
        return 0;
    if (catalogue_find_record(store->catalogue, &hash, &row, &found, err) != 0)
        return -1;
    if (found)
        return 0;
    int result = store_prove_record(store, path, &row, &opened, &reason) != 0
                     ? refuse(store, path, &reason, err)
                     : store_add_record(store, &row, &opened, err);
    record_release(&opened);
    return result;
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
    if (walk_records(store, err) != 0 || sum_records(store, err) != 0 ||
        store_reconcile_pins(store, err) != 0 ||
        catalogue_sum_sponsors(store->catalogue, err) != 0)
        return -1;
    uint64_t bytes, fragments, records;
    if (catalogue_totals(store->catalogue, &bytes, &fragments, &records, err) != 0)
        return -1;
    store->used_bytes = bytes;
    store->fragments = fragments;
    store->records = records;
    return 0;
}
