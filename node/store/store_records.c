/* Records are few and small: each is a file named by the hash of what was signed, in a folder named
 * by its vault, and is opened (its signatures checked) whenever it is read. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/store/store_internal.h"
#include "node/trust/record.h"

#define PAGE_ROWS 64

static int find(struct store *store, const struct record_id *hash, struct record_row *row,
                bool *found, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_record(store->catalogue, hash, row, found, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* Takes a record whose file is gone or bad out of the catalogue. With the record's stripe held. */
static void drop(struct store *store, const struct record_row *row, const char *path, bool bad)
{
    pthread_mutex_lock(&store->lock);
    if (bad)
        store_set_aside(store, path);
    if (catalogue_begin(store->catalogue, false, NULL) == 0) {
        if (catalogue_remove_record(store->catalogue, &row->hash, NULL) != 0) {
            catalogue_rollback(store->catalogue);
        } else if (catalogue_commit(store->catalogue, NULL) == 0) {
            assert(store->records > 0);
            store->used_bytes -= row->file_bytes;
            store->records--;
            store_digest_flip(store, &row->hash);
        }
    }
    pthread_mutex_unlock(&store->lock);
}

int store_add_record(struct store *store, const struct record_row *row, const struct record *opened,
                     struct err *err)
{
    if (catalogue_add_record(store->catalogue, row, err) != 0)
        return -1;
    for (size_t i = 0; i < opened->void_count; i++)
        if (catalogue_add_void(store->catalogue, &row->vault, &row->writer, &opened->voids[i],
                               err) != 0)
            return -1;
    return 0;
}

static int add_row(struct store *store, const struct record_row *row, const struct record *opened,
                   struct err *err)
{
    int result = -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        if (store_add_record(store, row, opened, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0) {
        store_settle(store, row->file_bytes);
        store->records++;
        store_digest_flip(store, &row->hash);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* Reads a record that has a row; one that is gone or bad is dropped. With its stripe held. */
static int read_row(struct store *store, const struct record_row *row, uint8_t **bytes,
                    size_t *size, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct err reason = ERR_INIT;
    struct record record;
    struct node_id sponsor;
    store_record_path(store, path, &row->vault, &row->hash);
    if (durable_read(path, RECORD_BYTES_MAX, bytes, size, &reason) == 0) {
        if (record_open_held(&record, &sponsor, *bytes, *size, store->authority_public, &reason) ==
            0) {
            bool same = id_equal(&record.hash, &row->hash);
            record_release(&record);
            if (same)
                return 0;
            err_set(&reason, ERR_FOREIGN, "%s holds another record", path);
        }
        free(*bytes);
        *bytes = NULL;
    }
    if (reason.code == ERR_NOT_FOUND || store_is_damage(reason.code))
        drop(store, row, path, reason.code != ERR_NOT_FOUND);
    if (store_is_damage(reason.code))
        reason.code = ERR_DAMAGED;
    return err_set(err, reason.code, "%s", reason.text);
}

void store_record_row(struct record_row *row, const struct record *opened,
                      const struct node_id *sponsor, size_t size)
{
    *row = (struct record_row){.file_bytes = size, .kind = opened->kind};
    row->hash = opened->hash;
    row->vault = opened->vault;
    row->writer = opened->writer;
    row->number = opened->kind == RECORD_CLOSED ? opened->previous_number : opened->number;
    row->attempt = opened->attempt;
    row->previous = opened->previous;
    row->sponsor = *sponsor;
}

/* ---- what is not taken ---- */

int store_check_share(struct store *store, const struct node_id *sponsor, uint64_t bytes,
                      struct err *err)
{
    uint64_t has;
    char hex[2 * 4 + 1];
    if (catalogue_sponsored(store->catalogue, sponsor, &has, err) != 0)
        return -1;
    if (has <= store->share_bytes && bytes <= store->share_bytes - has)
        return 0;
    return err_set(err, ERR_FULL,
                   "records and pins that node %s brought take %.1f MB here, of %.1f MB that one "
                   "node's may (sponsor_share)",
                   hex_encode(hex, sponsor->bytes, 4), (double)has / 1e6,
                   (double)store->share_bytes / 1e6);
}

/* A writer that is closed says nothing new; what is here of it stays. */
static int check_closed(struct store *store, const struct record *opened, struct err *err)
{
    struct record_row closed_at;
    bool closed;
    if (opened->kind == RECORD_CLOSED)
        return 0;
    if (catalogue_closed(store->catalogue, &opened->vault, &opened->writer, &closed, &closed_at,
                         err) != 0)
        return -1;
    if (!closed || opened->number < closed_at.number ||
        (opened->number == closed_at.number && id_equal(&opened->hash, &closed_at.previous)))
        return 0;
    return err_set(err, ERR_DENIED,
                   "the vault's key has closed this writer at record %" PRIu64
                   ": run `ecbak open` to go on as a new one",
                   closed_at.number);
}

/* Is a new record to be taken? What is refused for reasons that will last is remembered. */
static int check_welcome(struct store *store, const struct record *opened,
                         const struct node_id *sponsor, size_t size, struct err *err)
{
    struct err why = ERR_INIT;
    pthread_mutex_lock(&store->lock);
    int result = check_closed(store, opened, &why);
    if (result == 0)
        result = store_check_share(store, sponsor, catalogue_charge(size), &why);
    if (result != 0 && (why.code == ERR_DENIED || why.code == ERR_FULL))
        /* Where that fails, it is refused again. */
        (void)!catalogue_refuse(store->catalogue, &opened->hash,
                                why.code == ERR_FULL ? store->share_bytes : UINT64_MAX, NULL);
    pthread_mutex_unlock(&store->lock);
    return result == 0 ? 0 : err_copy(err, &why);
}

bool store_has_refused(struct store *store, const struct record_id *hash)
{
    bool refused = false;
    pthread_mutex_lock(&store->lock);
    if (catalogue_is_refused(store->catalogue, hash, store->share_bytes, &refused, NULL) != 0)
        refused = false;
    pthread_mutex_unlock(&store->lock);
    return refused;
}

/* ---- put and get ---- */

static int write_new(struct store *store, const uint8_t *bytes, size_t size,
                     const struct record *opened, const struct node_id *sponsor, struct err *err)
{
    char path[DURABLE_PATH_MAX], dir[DURABLE_PATH_MAX];
    struct durable_piece piece = {bytes, size};
    struct record_row row;
    store_record_row(&row, opened, sponsor, size);
    if (check_welcome(store, opened, sponsor, size, err) != 0)
        return -1;
    if (store_reserve(store, size, err) != 0)
        return -1;
    store_vault_dir(store, dir, &row.vault);
    store_record_path(store, path, &row.vault, &row.hash);
    /* One at a time: who finds the folder made must find its name durable as well. */
    pthread_mutex_lock(&store->lock);
    int made = durable_make_dir(dir, 0700, err);
    pthread_mutex_unlock(&store->lock);
    if (made == 0 && durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, err) == 0 &&
        add_row(store, &row, opened, err) == 0)
        return 0;
    unlink(path);
    store_give_back(store, size);
    return -1;
}

static int do_put_record(struct store *store, const uint8_t *bytes, size_t size,
                         const struct record *opened, const struct node_id *sponsor,
                         struct err *err)
{
    struct record_row row;
    bool found = false;
    if (size > RECORD_BYTES_MAX)
        return err_set(err, ERR_INVALID, "a record of %zu bytes is too large", size);
    if (!id_equal(&opened->cluster, &store->cluster))
        return err_set(err, ERR_FOREIGN, "the record is for another cluster");
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_t *stripe = store_stripe(store, opened->hash.bytes);
    pthread_mutex_lock(stripe);
    int result = find(store, &opened->hash, &row, &found, err);
    if (result == 0 && found) {
        uint8_t *kept;
        size_t kept_size;
        struct err reason = ERR_INIT;
        found = read_row(store, &row, &kept, &kept_size, &reason) == 0;
        if (found)
            free(kept);
        else if (reason.code != ERR_NOT_FOUND && reason.code != ERR_DAMAGED)
            result = err_set(err, reason.code, "%s", reason.text); /* it may be whole: it stays */
    }
    if (result == 0 && !found)
        result = write_new(store, bytes, size, opened, sponsor, err);
    pthread_mutex_unlock(stripe);
    return result;
}

int store_put_record(struct store *store, const uint8_t *bytes, size_t size,
                     const struct record *opened, const struct node_id *sponsor, struct err *err)
{
    int place = store_begin(store);
    int result = do_put_record(store, bytes, size, opened, sponsor, err);
    store_end(store, place);
    return result;
}

static int do_get_record(struct store *store, const struct record_id *hash, uint8_t **bytes,
                         size_t *size, struct err *err)
{
    struct record_row row;
    bool found = false;
    *bytes = NULL;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_t *stripe = store_stripe(store, hash->bytes);
    pthread_mutex_lock(stripe);
    int result = find(store, hash, &row, &found, err);
    if (result == 0)
        result = found ? read_row(store, &row, bytes, size, err)
                       : err_set(err, ERR_NOT_FOUND, "this record is not here");
    pthread_mutex_unlock(stripe);
    return result;
}

int store_get_record(struct store *store, const struct record_id *hash, uint8_t **bytes,
                     size_t *size, struct err *err)
{
    int place = store_begin(store);
    int result = do_get_record(store, hash, bytes, size, err);
    store_end(store, place);
    return result;
}

int store_list_records(struct store *store, const struct vault_id *vault,
                       const struct record_id *after, struct record_id *hashes, size_t max,
                       size_t *count, struct err *err)
{
    struct record_row rows[PAGE_ROWS];
    size_t got = PAGE_ROWS;
    int result = store_check(store, err);
    *count = 0;
    while (result == 0 && *count < max && got == PAGE_ROWS) {
        size_t wanted = max - *count < PAGE_ROWS ? max - *count : PAGE_ROWS;
        pthread_mutex_lock(&store->lock);
        result = catalogue_list_records(store->catalogue, vault,
                                        *count > 0 ? &hashes[*count - 1] : after, rows, wanted,
                                        &got, err);
        pthread_mutex_unlock(&store->lock);
        for (size_t i = 0; result == 0 && i < got; i++)
            hashes[(*count)++] = rows[i].hash;
    }
    return result;
}

int store_record_digest(struct store *store, uint8_t digest[256][8], struct err *err)
{
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    memcpy(digest, store->digest, sizeof(store->digest));
    pthread_mutex_unlock(&store->lock);
    return 0;
}
