/* A put is one file write, one fsync, one rename, one fsync of its folder and one catalogue
 * transaction. The row is hashed once, before anything is written; what is read back is hashed
 * again, since disks forget. */
#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"
#include "node/store/fragment_file.h"
#include "node/store/store_internal.h"
#include "node/store/trailer.h"
#include "node/trust/grant.h"

_Static_assert(HOLDERS_MAX == RS_TOTAL_MAX, "a place in the list for each row");

/* ---- what is gone ---- */

/* Takes a fragment whose file is gone or bad out of the catalogue. inode is the bad file's, which is
 * moved aside; 0: there was none. When another file has its place meanwhile, nothing is done. */
static void drop(struct store *store, const struct fragment_key *key, ino_t inode)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    struct fragment_info info;
    bool found = false;
    store_fragment_path(store, path, key);
    pthread_mutex_lock(&store->lock);
    bool there = lstat(path, &status) == 0;
    if (there && (inode == 0 || status.st_ino != inode)) {
        pthread_mutex_unlock(&store->lock);
        return;
    }
    if (there)
        store_set_aside(store, path);
    if (catalogue_find_fragment(store->catalogue, key, &info, NULL, &found, NULL) == 0 && found &&
        catalogue_begin(store->catalogue, false, NULL) == 0) {
        int removed = there ? catalogue_remove_fragment(store->catalogue, key, NULL)
                            : catalogue_lose_fragment(store->catalogue, key, NULL);
        if (removed != 0) {
            catalogue_rollback(store->catalogue);
        } else if (catalogue_commit(store->catalogue, NULL) == 0) {
            assert(store->fragments > 0);
            store->used_bytes -= info.file_bytes;
            store->fragments--;
            (void)!store_count_lost(store, NULL);
        }
    }
    store->seen[key->object.bytes[0]].known = false;
    pthread_mutex_unlock(&store->lock);
}

/* Reads a fragment's file; one that turns out to be gone or bad is dropped. */
static int read_file(struct store *store, const struct fragment_key *key, bool whole,
                     struct fragment_file *file, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct err reason = ERR_INIT;
    store_fragment_path(store, path, key);
    if (fragment_file_read(file, path, whole, &reason) == 0 &&
        fragment_expect(&file->fragment, &key->object, (int)key->index, &reason) == 0)
        return 0;
    fragment_file_release(file);
    if (reason.code == ERR_NOT_FOUND || store_is_damage(reason.code))
        drop(store, key, file->inode);
    if (store_is_damage(reason.code))
        reason.code = ERR_DAMAGED;
    return err_set(err, reason.code, "%s", reason.text);
}

/* ---- put ---- */

int store_add_rows(struct store *store, const struct fragment_info *info,
                   const struct holders *holders, const struct opened_grant *grant, struct err *err)
{
    const struct pin pin = grant_pin(&grant->grant);
    const struct belief belief = belief_of(&grant->grant, &grant->writer);
    struct catalogue *c = store->catalogue;
    bool added;
    return catalogue_add_fragment(c, info, holders, err) != 0 ||
                   catalogue_pin(c, &info->pack, &pin, PIN_IN_TRAILER, &added, err) != 0 ||
                   catalogue_believe(c, &belief, err) != 0
               ? -1
               : 0;
}

/* The rows of a fragment that was written. Its first pin is durable in the file. */
static int add_written(struct store *store, const struct fragment_info *info,
                       const struct fragment_to_put *put, const struct opened_grant *opened,
                       struct err *err)
{
    int result = -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        if (store_add_rows(store, info, put->holders, opened, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0) {
        store_settle(store, info->file_bytes);
        store->fragments++;
        /* Else its folder may look as it did. */
        store->seen[info->key.object.bytes[0]].known = false;
        if (store->lost > 0)
            (void)!store_count_lost(store, NULL); /* it is kept: what is counted is only said */
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* Is it here, whole and undamaged? What is here but bad is dropped. What could not be looked at
 * (ERR_IO, ERR_MEMORY) is an error and stays: taken for absent, it would be written anew, and be
 * gone when that failed as well. */
static int is_here(struct store *store, const struct fragment_key *key, bool *here, struct err *err)
{
    struct err reason = ERR_INIT;
    *here = false;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_fragment(store->catalogue, key, NULL, NULL, here, err);
    pthread_mutex_unlock(&store->lock);
    if (result != 0 || !*here)
        return result;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    *here = read_file(store, key, true, file, &reason) == 0;
    if (*here)
        fragment_file_release(file);
    else if (reason.code != ERR_NOT_FOUND && reason.code != ERR_DAMAGED)
        result = err_set(err, reason.code, "%s", reason.text);
    free(file);
    return result;
}

/* May this member bring one more row of the object? With the object's stripe held, so that the number
 * does not grow meanwhile. */
static int check_brought(struct store *store, const struct fragment_info *info, struct err *err)
{
    uint64_t brought;
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_count_brought(store->catalogue, &info->key, &info->bringer, &brought, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && brought >= STORE_ROWS_MAX)
        return err_set(err, ERR_DENIED, "this member brought %d other rows of the object already",
                       STORE_ROWS_MAX);
    return result;
}

/* A folder for fragments; when the one above it is gone too, as store_look would make it. */
static int make_dir(const struct store *store, const char *dir, struct err *err)
{
    struct err reason = ERR_INIT;
    if (durable_make_dir(dir, 0700, &reason) == 0)
        return 0;
    if (reason.code != ERR_NOT_FOUND)
        return err_copy(err, &reason);
    if (store_make_folders(store, err) != 0)
        return -1;
    return durable_make_dir(dir, 0700, err);
}

static int write_new(struct store *store, const struct fragment_to_put *put,
                     struct fragment_info *info, const struct opened_grant *opened, struct err *err)
{
    const struct trailer trailer = {.fragment_size = put->size,
                                    .grant = put->grant,
                                    .grant_size = put->grant_size,
                                    .bringer = *put->bringer,
                                    .holders = *put->holders};
    uint8_t trailer_bytes[TRAILER_SIZE_MAX];
    char path[DURABLE_PATH_MAX], dir[DURABLE_PATH_MAX];
    size_t trailer_size = trailer_encode(trailer_bytes, &trailer);
    const struct durable_piece pieces[] = {{put->bytes, put->size}, {trailer_bytes, trailer_size}};
    info->file_bytes = put->size + trailer_size;
    assert(trailer_size <= sizeof(trailer_bytes));
    if (check_brought(store, info, err) != 0 || store_reserve(store, info->file_bytes, err) != 0)
        return -1;
    store_fragment_dir(store, dir, info->key.object.bytes[0]);
    store_fragment_path(store, path, &info->key);
    /* Whatever has the name has no row: replacing it is right. */
    if (make_dir(store, dir, err) == 0 &&
        durable_write(path, pieces, 2, 0600, DURABLE_REPLACE, err) == 0 &&
        add_written(store, info, put, opened, err) == 0)
        return 0;
    unlink(path);
    store_give_back(store, info->file_bytes);
    return -1;
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

static int do_put_fragment(struct store *store, const struct fragment_to_put *put,
                           const struct opened_grant *opened, struct err *err)
{
    struct fragment view;
    struct fragment_info info;
    const struct grant *grant = &opened->grant;
    if (put->grant_size > GRANT_BYTES_MAX || put->holders->count > HOLDERS_MAX)
        return err_set(err, ERR_INVALID, "a grant of %zu bytes, %u holders: too much",
                       put->grant_size, put->holders->count);
    if (store_check(store, err) != 0 || fragment_parse(&view, put->bytes, put->size, err) != 0 ||
        store_check_grant(store, &view, grant, err) != 0 || fragment_verify(&view, err) != 0)
        return -1;
    fragment_file_info(&info, &view, opened, put->bringer, 0);
    pthread_mutex_t *stripe = store_stripe(store, info.key.object.bytes);
    pthread_mutex_lock(stripe);
    bool here;
    int result = is_here(store, &info.key, &here, err);
    /* One that is here already is not pinned again by a grant: whoever relies on it says so in a pin that
     * is kept (store_pins.c), before the record. */
    if (result == 0 && !here)
        result = write_new(store, put, &info, opened, err);
    pthread_mutex_unlock(stripe);
    return result;
}

int store_put_fragment(struct store *store, const struct fragment_to_put *put,
                       const struct opened_grant *opened, struct err *err)
{
    int place = store_begin(store);
    int result = do_put_fragment(store, put, opened, err);
    store_end(store, place);
    return result;
}

/* ---- get ---- */

static int do_get_fragment(struct store *store, const struct fragment_key *key, uint8_t **bytes,
                           size_t *size, struct err *err)
{
    *bytes = NULL;
    if (store_check(store, err) != 0)
        return -1;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    int result = read_file(store, key, true, file, err);
    if (result == 0) {
        *bytes = file->bytes;
        *size = file->size;
    }
    free(file);
    return result;
}

int store_get_fragment(struct store *store, const struct fragment_key *key, uint8_t **bytes,
                       size_t *size, struct err *err)
{
    int place = store_begin(store);
    int result = do_get_fragment(store, key, bytes, size, err);
    store_end(store, place);
    return result;
}

int store_get_grant(struct store *store, const struct vault_id *vault,
                    const struct object_id *object, const struct writer_id *writer, uint8_t **grant,
                    size_t *size, struct err *err)
{
    struct fragment_info info;
    bool found;
    *grant = NULL;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_find_granted(store->catalogue, vault, object, writer, &info, &found, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && !found)
        return err_set(err, ERR_NOT_FOUND, "no fragment of this object is here");
    if (result != 0)
        return -1;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    result = read_file(store, &info.key, false, file, err);
    if (result == 0) {
        *size = file->trailer.grant_size;
        *grant = alloc_copy(file->trailer.grant, *size);
        fragment_file_release(file);
    }
    free(file);
    return result;
}

int store_find_pack(struct store *store, const struct pack_question *question,
                    struct fragment_info *found, size_t max, size_t *count, struct err *err)
{
    *count = 0;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_pack(store->catalogue, question, found, max, count, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}
