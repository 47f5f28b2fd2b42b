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
static void drop(struct store *store, const struct object_id *object, uint32_t index, ino_t inode)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    struct fragment_info info;
    bool found = false;
    store_fragment_path(store, path, object, index);
    pthread_mutex_lock(&store->lock);
    bool there = lstat(path, &status) == 0;
    if (there && (inode == 0 || status.st_ino != inode)) {
        pthread_mutex_unlock(&store->lock);
        return;
    }
    if (there)
        store_set_aside(store, path);
    if (catalogue_find_fragment(store->catalogue, object, index, &info, NULL, &found, NULL) == 0 &&
        found && catalogue_begin(store->catalogue, false, NULL) == 0) {
        int removed = there ? catalogue_remove_fragment(store->catalogue, object, index, NULL)
                            : catalogue_lose_fragment(store->catalogue, object, index, NULL);
        if (removed != 0) {
            catalogue_rollback(store->catalogue);
        } else if (catalogue_commit(store->catalogue, NULL) == 0) {
            assert(store->fragments > 0);
            store->used_bytes -= info.file_bytes;
            store->fragments--;
            (void)!store_count_lost(store, NULL);
        }
    }
    store->seen[object->bytes[0]].known = false;
    pthread_mutex_unlock(&store->lock);
}

/* Reads a fragment's file; one that turns out to be gone or bad is dropped. */
static int read_file(struct store *store, const struct object_id *object, uint32_t index,
                     bool whole, struct fragment_file *file, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct err reason = ERR_INIT;
    store_fragment_path(store, path, object, index);
    if (fragment_file_read(file, path, whole, &reason) == 0 &&
        fragment_expect(&file->fragment, object, (int)index, &reason) == 0)
        return 0;
    fragment_file_release(file);
    if (reason.code == ERR_NOT_FOUND || store_is_damage(reason.code))
        drop(store, object, index, file->inode);
    if (store_is_damage(reason.code))
        reason.code = ERR_DAMAGED;
    return err_set(err, reason.code, "%s", reason.text);
}

/* ---- put ---- */

/* Pins a pack that is here already. That is not kept in a file: what its writer signs is
 * (store_pins.c), and comes before the record does. */
static int pin_again(struct store *store, const struct pack_id *pack, const struct pin *pin,
                     struct err *err)
{
    int result = -1;
    bool added;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, true, err) == 0) {
        if (catalogue_pin(store->catalogue, pack, pin, PIN_SAID, &added, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* The rows of a fragment that was written: its first pin is durable in the file. */
static int add_rows(struct store *store, const struct fragment_info *info,
                    const struct holders *holders, const struct pin *pin, struct err *err)
{
    int result = -1;
    bool added;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        if (catalogue_add_fragment(store->catalogue, info, holders, err) == 0 &&
            catalogue_pin(store->catalogue, &info->pack, pin, PIN_IN_TRAILER, &added, err) == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0) {
        store_settle(store, info->file_bytes);
        store->fragments++;
        store->seen[info->object.bytes[0]].known = false; /* else its folder may look as it did */
        if (store->lost > 0)
            (void)!store_count_lost(store, NULL); /* it is kept: what is counted is only said */
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* Is it here, whole and undamaged? What is here but bad is dropped. What could not be looked at
 * (ERR_IO, ERR_MEMORY) is an error and stays: taken for absent, it would be written anew, and be
 * gone when that failed as well. */
static int is_here(struct store *store, const struct object_id *object, uint32_t index, bool *here,
                   struct err *err)
{
    struct err reason = ERR_INIT;
    *here = false;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_fragment(store->catalogue, object, index, NULL, NULL, here, err);
    pthread_mutex_unlock(&store->lock);
    if (result != 0 || !*here)
        return result;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    *here = read_file(store, object, index, true, file, &reason) == 0;
    if (*here)
        fragment_file_release(file);
    else if (reason.code != ERR_NOT_FOUND && reason.code != ERR_DAMAGED)
        result = err_set(err, reason.code, "%s", reason.text);
    free(file);
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

static int write_new(struct store *store, const uint8_t *bytes, struct fragment_info *info,
                     const struct trailer *trailer, struct err *err)
{
    uint8_t trailer_bytes[TRAILER_SIZE_MAX];
    char path[DURABLE_PATH_MAX], dir[DURABLE_PATH_MAX];
    size_t trailer_size = trailer_encode(trailer_bytes, trailer);
    const struct durable_piece pieces[] = {{bytes, (size_t)trailer->fragment_size},
                                           {trailer_bytes, trailer_size}};
    info->file_bytes = trailer->fragment_size + trailer_size;
    assert(trailer_size <= sizeof(trailer_bytes));
    if (store_reserve(store, info->file_bytes, err) != 0)
        return -1;
    store_fragment_dir(store, dir, info->object.bytes[0]);
    store_fragment_path(store, path, &info->object, info->index);
    /* Whatever has the name has no row: replacing it is right. */
    if (make_dir(store, dir, err) == 0 &&
        durable_write(path, pieces, 2, 0600, DURABLE_REPLACE, err) == 0 &&
        add_rows(store, info, &trailer->holders, &trailer->pin, err) == 0)
        return 0;
    unlink(path);
    store_give_back(store, info->file_bytes);
    return -1;
}

static int check_grant(const struct store *store, const struct fragment *fragment,
                       const struct grant *grant, const struct pin *pin, struct err *err)
{
    if (!id_equal(&grant->cluster, &store->cluster))
        return err_set(err, ERR_FOREIGN, "the grant is for another cluster");
    if (!id_equal(&grant->pack, &fragment->object.pack_id) ||
        grant->pack_bytes != fragment->object.shape.pack_size)
        return err_set(err, ERR_FOREIGN, "the grant is for another pack than the fragment's");
    if (!id_equal(&grant->vault, &pin->vault))
        return err_set(err, ERR_FOREIGN, "the pin is of another vault than the grant");
    return 0;
}

static int do_put_fragment(struct store *store, const struct fragment_to_put *put,
                           const struct grant *opened, struct err *err)
{
    struct fragment view;
    struct fragment_info info;
    struct trailer trailer = {.fragment_size = put->size,
                              .grant = put->grant,
                              .grant_size = put->grant_size,
                              .pin = *put->pin,
                              .holders = *put->holders};
    if (put->grant_size > GRANT_BYTES_MAX || put->holders->count > HOLDERS_MAX)
        return err_set(err, ERR_INVALID, "a grant of %zu bytes, %u holders: too much",
                       put->grant_size, put->holders->count);
    if (store_check(store, err) != 0 || fragment_parse(&view, put->bytes, put->size, err) != 0 ||
        check_grant(store, &view, opened, put->pin, err) != 0 || fragment_verify(&view, err) != 0)
        return -1;
    fragment_file_info(&info, &view, opened, 0);
    pthread_mutex_t *stripe = store_stripe(store, info.object.bytes);
    pthread_mutex_lock(stripe);
    bool here;
    int result = is_here(store, &info.object, info.index, &here, err);
    if (result == 0)
        result = here ? pin_again(store, &info.pack, put->pin, err)
                      : write_new(store, put->bytes, &info, &trailer, err);
    pthread_mutex_unlock(stripe);
    return result;
}

int store_put_fragment(struct store *store, const struct fragment_to_put *put,
                       const struct grant *opened, struct err *err)
{
    int place = store_begin(store);
    int result = do_put_fragment(store, put, opened, err);
    store_end(store, place);
    return result;
}

/* ---- get ---- */

static int do_get_fragment(struct store *store, const struct object_id *object, uint32_t index,
                           uint8_t **bytes, size_t *size, struct err *err)
{
    *bytes = NULL;
    if (store_check(store, err) != 0)
        return -1;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    int result = read_file(store, object, index, true, file, err);
    if (result == 0) {
        *bytes = file->bytes;
        *size = file->size;
    }
    free(file);
    return result;
}

int store_get_fragment(struct store *store, const struct object_id *object, uint32_t index,
                       uint8_t **bytes, size_t *size, struct err *err)
{
    int place = store_begin(store);
    int result = do_get_fragment(store, object, index, bytes, size, err);
    store_end(store, place);
    return result;
}

int store_get_grant(struct store *store, const struct object_id *object, uint32_t index,
                    uint8_t **grant, size_t *size, struct err *err)
{
    *grant = NULL;
    if (store_check(store, err) != 0)
        return -1;
    struct fragment_file *file = alloc_zero(1, sizeof(*file));
    int result = read_file(store, object, index, false, file, err);
    if (result == 0) {
        *size = file->trailer.grant_size;
        *grant = alloc_copy(file->trailer.grant, *size);
        fragment_file_release(file);
    }
    free(file);
    return result;
}

int store_find_pack(struct store *store, const struct pack_id *pack, struct fragment_info *found,
                    size_t max, size_t *count, struct err *err)
{
    *count = 0;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_find_pack(store->catalogue, pack, found, max, count, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}

int store_get_holders(struct store *store, const struct object_id *object, uint32_t index,
                      struct holders *holders, struct err *err)
{
    bool found = false;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_find_fragment(store->catalogue, object, index, NULL, holders, &found, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && !found)
        return err_set(err, ERR_NOT_FOUND, "this fragment is not here");
    return result;
}

/* A holder that is in the list may know who else has a row by now. It must not make this node forget
 * whom it knows: who lied would be asked instead of them. */
static int merge_holders(struct holders *known, const struct holders *said,
                         const struct node_id *from, const struct fragment_info *info,
                         struct err *err)
{
    bool listed = false;
    if (said->count != info->data + info->parity)
        return err_set(err, ERR_INVALID, "%u holders of an object of %u+%u", said->count,
                       info->data, info->parity);
    if (from == NULL || id_equal(from, &info->sponsor)) {
        *known = *said;
        return 0;
    }
    for (uint32_t i = 0; i < known->count; i++)
        listed = listed || id_equal(&known->node[i], from);
    if (!listed)
        return err_set(err, ERR_DENIED,
                       "who holds this object is its sponsor's to say, or a holder's");
    if (known->count < said->count)
        known->count = said->count;
    for (uint32_t i = 0; i < said->count; i++)
        if (!holders_has(known, i))
            known->node[i] = said->node[i];
    return 0;
}

int store_set_holders(struct store *store, const struct object_id *object, uint32_t index,
                      const struct holders *holders, const struct node_id *from, struct err *err)
{
    bool found = false;
    struct fragment_info info;
    if (store_check(store, err) != 0)
        return -1;
    struct holders *known = alloc_zero(1, sizeof(*known));
    pthread_mutex_lock(&store->lock);
    struct catalogue *c = store->catalogue;
    int result = catalogue_find_fragment(c, object, index, &info, known, &found, err);
    if (result == 0 && !found)
        result = err_set(err, ERR_NOT_FOUND, "this fragment is not here");
    if (result == 0)
        result = merge_holders(known, holders, from, &info, err);
    if (result == 0 && (result = catalogue_begin(c, false, err)) == 0) {
        if (catalogue_set_holders(c, object, index, known, err) == 0) {
            result = catalogue_commit(c, err);
        } else {
            catalogue_rollback(c);
            result = -1;
        }
    }
    pthread_mutex_unlock(&store->lock);
    free(known);
    return result;
}
