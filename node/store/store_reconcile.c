/* The start: what unfinished writes left behind is removed, what the catalogue says is summed up, and
 * then every folder is made to agree with it (store_agree.c), which keeps the sums right. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "node/store/store_internal.h"

#define PAGE_ROWS 128

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

int store_sum_rows(struct store *store, struct err *err)
{
    uint64_t bytes, fragments, records;
    memset(store->digest, 0, sizeof(store->digest));
    if (sum_records(store, err) != 0 ||
        catalogue_totals(store->catalogue, &bytes, &fragments, &records, err) != 0)
        return -1;
    store->used_bytes = bytes + store->reserved_bytes;
    store->fragments = fragments;
    store->records = records;
    return store_count_lost(store, err);
}

/* ---- the start ---- */

static int clear_leftovers(struct store *store, const char *path, struct err *err)
{
    (void)store, (void)err;
    durable_clear_leftovers(path, NULL);
    return 0;
}

/* Fragments that are lost are counted from the start on. */
static int prepare_rows(struct store *store, struct err *err)
{
    return catalogue_remove_malformed(store->catalogue, err) != 0 ||
                   catalogue_forget_lost(store->catalogue, err) != 0
               ? -1
               : store_sum_rows(store, err);
}

int store_reconcile(struct store *store, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    if (count_damaged(store, err) != 0 || prepare_rows(store, err) != 0)
        return -1;
    for (unsigned first = 0; first < 256; first++) {
        store_fragment_dir(store, path, (uint8_t)first);
        durable_clear_leftovers(path, NULL);
        store->seen[first] = store_see_folder(path);
        if (store_agree_fragments(store, (uint8_t)first, err) != 0)
            return -1;
    }
    return store_each_vault(store, clear_leftovers, err) != 0 ? -1
                                                              : store_agree_records(store, err);
}
