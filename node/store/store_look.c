/* Where catalogue and files are made to agree (store_agree.c). At the start that is everywhere, once what
 * unfinished writes left behind is removed and what the catalogue says is summed up.
 *
 * While a node runs, files vanish and come back behind its back: a slip of the operator, a disk that
 * was not mounted, a restore. A folder that is as it was when its files and its rows agreed is not
 * looked into; of the others a few at a time are, so that a node which takes many fragments does not
 * spend its time on reading its own names. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/store/store_internal.h"

#define PAGE_ROWS   128
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
    if (catalogue_sum_sponsors(store->catalogue, err) != 0)
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
    if (store_each_vault(store, clear_leftovers, err) != 0 || store_agree_records(store, err) != 0)
        return -1;
    store_clear_pin_leftovers(store);
    store->pins_agree = true;
    return store_agree_pins(store, err);
}

/* ---- while it runs: the folders ---- */

static int look_into(struct store *store, unsigned first, const char *path, struct err *err)
{
    struct object_id any = {{(uint8_t)first}};
    int place = store_begin(store);
    pthread_mutex_t *stripe = store_stripe(store, any.bytes);
    pthread_mutex_lock(stripe);
    struct folder_seen now = store_see_folder(path);
    int result = store_agree_fragments(store, (uint8_t)first, err);
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

static int look_at_records(struct store *store, struct err *err)
{
    char records[DURABLE_PATH_MAX];
    snprintf(records, sizeof(records), "%s/records", store->dir);
    struct folder_seen now = store_see_folder(records);
    if (is_unchanged(&store->records_seen, &now))
        return 0;
    if (store_agree_records(store, err) != 0)
        return -1;
    store->records_seen = now;
    return 0;
}

/* The catalogue is another than it was: what it lacks is found by looking into every folder. With the
 * lock held. */
static int look_anew(struct store *store, struct err *err)
{
    for (size_t i = 0; i < sizeof(store->seen) / sizeof(store->seen[0]); i++)
        store->seen[i].known = false;
    store->fragments_seen.inode = 0; /* so that all of its folders are looked into at once */
    store->records_seen.known = false;
    store->pins_agree = false;
    store->catalogue_inode = store_catalogue_inode(store);
    return store_sum_rows(store, err);
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
        result = look_anew(store, err);
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

/* Rows that cannot be are dropped, and what they were of is found again by its files. A catalogue that
 * cannot even be searched for them is made anew. */
static int mend_catalogue(struct store *store, const struct err *why, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct err reason = ERR_INIT;
    snprintf(path, sizeof(path), "%s/catalogue.db", store->dir);
    log_error("%s: what cannot be read of it is made anew from the files", why->text);
    pthread_mutex_lock(&store->lock);
    int result = catalogue_remove_malformed(store->catalogue, &reason);
    if (result != 0 && reason.code == ERR_DAMAGED)
        result = catalogue_renew(store->catalogue, path, store->epoch, err);
    else if (result != 0)
        err_copy(err, &reason);
    if (result == 0)
        result = look_anew(store, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}

static int look_at_files(struct store *store, struct err *err)
{
    if (look_at_fragments(store, err) != 0 || look_at_records(store, err) != 0)
        return -1;
    /* Whoever appends to a file finds out when it is not the one that it was. */
    if (!store->pins_agree && store_agree_pins(store, err) != 0)
        return -1;
    store->pins_agree = true;
    return 0;
}

int store_look(struct store *store, struct err *err)
{
    struct err reason = ERR_INIT;
    int place = store_begin(store);
    int result = store_check(store, err);
    if (result == 0)
        result = store_make_folders(store, err);
    if (result == 0)
        result = look_at_catalogue(store, err);
    store_end(store, place);
    if (result != 0)
        return -1;
    result = look_at_files(store, &reason);
    if (result != 0 && reason.code == ERR_DAMAGED && mend_catalogue(store, &reason, err) == 0)
        result = look_at_files(store, err);
    else if (result != 0 && reason.code != ERR_DAMAGED)
        err_copy(err, &reason);
    say_lost(store);
    return result;
}
