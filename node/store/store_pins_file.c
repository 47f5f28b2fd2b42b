/* At a start, and whenever a file of pins has another length than its rows say, the rows are made anew
 * from it. What a power cut left of an entry is cut off its end; a file that is damaged in itself is
 * kept aside, and what of it is whole goes on. */
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
#include "node/pins/pin_file.h"
#include "node/pins/pin_rewrite.h"
#include "node/store/store_internal.h"

int store_end_change(struct store *store, int result, struct err *err)
{
    if (result == 0)
        return catalogue_commit(store->catalogue, err);
    catalogue_rollback(store->catalogue);
    return -1;
}

int store_read_pins(struct store *store, const struct pin *of, uint8_t **bytes, size_t *size,
                    struct err *err)
{
    uint64_t base;
    char path[DURABLE_PATH_MAX];
    store_pins_path(store, path, &of->vault, &of->writer);
    if (durable_read(path, PIN_FILE_MAX, bytes, size, err) != 0)
        return -1;
    if (pin_file_check_head(*bytes, *size, &of->vault, &of->writer, &base, err) == 0)
        return 0;
    free(*bytes);
    *bytes = NULL;
    return err_context(err, "%s", path);
}

int store_charge_pins(struct store *store, const struct pin *of, const struct pin_rewrite *has,
                      struct err *err)
{
    if (catalogue_remove_pin_bytes(store->catalogue, &of->vault, &of->writer, err) != 0)
        return -1;
    for (size_t i = 1; i < has->count; i++)
        if (catalogue_add_pin_bytes(store->catalogue, &of->vault, &of->writer, &has->sponsors[i],
                                    has->pieces[i].size + (i == 1 ? PIN_FILE_HEAD : 0), err) != 0)
            return -1;
    return 0;
}

/* ---- making the rows anew ---- */

/* Is any fragment of the pack here, for this vault? With the lock held. */
static int is_held(struct store *store, const struct pack_id *pack, const struct vault_id *vault,
                   bool *held, struct err *err)
{
    const struct pack_question question = {.vault = vault, .pack = pack};
    struct fragment_info first;
    size_t count;
    int result = catalogue_find_pack(store->catalogue, &question, &first, 1, &count, err);
    *held = result == 0 && count > 0;
    return result;
}

static int index_pins(struct store *store, const struct pins *pins, struct err *err)
{
    bool held, added;
    for (size_t i = 0; i < pins->count; i++) {
        if (is_held(store, &pins->packs[i], &pins->pin.vault, &held, err) != 0)
            return -1;
        if (held && catalogue_pin(store->catalogue, &pins->packs[i], &pins->pin, PIN_IN_FILE,
                                  &added, err) != 0)
            return -1;
    }
    return 0;
}

/* Takes in what is whole of a file. *whole: all of it is; *torn: what is not is the end of it. In a
 * transaction. */
static int index_file(struct store *store, const struct pin *of, const uint8_t *bytes, size_t size,
                      struct pin_rewrite *has, bool *whole, bool *torn, struct err *err)
{
    static const struct node_id nobody;
    *whole = *torn = true;
    for (size_t at = PIN_FILE_HEAD; at < size;) {
        struct pin_entry entry;
        struct pins pins;
        struct node_id sponsor = nobody;
        struct err reason = ERR_INIT;
        if (!pin_entry_read(&entry, bytes, size, at)) {
            *whole = false;
            at = pin_entry_skip(bytes, size, at);
            *torn = *torn && at == 0;
            if (at == 0)
                break;
            continue;
        }
        at += entry.size;
        int opened = pins_open_held(&pins, &sponsor, entry.statement, entry.statement_size,
                                    store->authority_public, &reason);
        bool ours = opened == 0 && id_equal(&pins.pin.vault, &of->vault) &&
                    id_equal(&pins.pin.writer, &of->writer);
        int result = ours ? index_pins(store, &pins, err) : 0;
        if (opened == 0)
            pins_release(&pins);
        if (result != 0)
            return -1;
        if (ours || reason.code == ERR_VERSION) /* a newer ecbakd's is left for it */
            pin_rewrite_keep(has, bytes + entry.at, entry.size, &sponsor);
        else
            *whole = *torn = false;
    }
    return 0;
}

/* What was said by a file that is gone is not forgotten, but whoever says it again is kept again. */
static int file_is_gone(struct store *store, const struct pin *of, uint64_t before, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    store_pins_path(store, path, &of->vault, &of->writer);
    pthread_mutex_lock(&store->lock);
    int result = catalogue_begin(store->catalogue, false, err);
    if (result == 0) {
        result = catalogue_unkeep_pins(store->catalogue, &of->vault, &of->writer, err);
        if (result == 0)
            result = catalogue_remove_pin_bytes(store->catalogue, &of->vault, &of->writer, err);
        result = store_end_change(store, result, err);
    }
    if (result == 0 && store->used_bytes >= before)
        store->used_bytes -= before;
    pthread_mutex_unlock(&store->lock);
    if (result == 0)
        log_error("%s is gone: the next `ecbak store` of its owner pins anew", path);
    return result;
}

/* A file that is not all whole: its torn end is cut off, or it is kept aside and written anew. */
static int mend(struct store *store, const struct pin *of, const struct pin_rewrite *has, bool torn,
                struct err *err)
{
    char path[DURABLE_PATH_MAX];
    store_pins_path(store, path, &of->vault, &of->writer);
    log_warn("%s: %s", path,
             torn ? "the end of it was never acknowledged, and is cut off"
                  : "a part of it is damaged, and is left out");
    if (!torn) {
        pthread_mutex_lock(&store->lock);
        store_set_aside(store, path);
        pthread_mutex_unlock(&store->lock);
    }
    return pin_rewrite_write(has, path, of, err);
}

/* A head that is not this writer's: nothing in the file counts. */
static int refuse_file(struct store *store, const struct pin *of, const struct err *reason,
                       struct err *err)
{
    char path[DURABLE_PATH_MAX];
    store_pins_path(store, path, &of->vault, &of->writer);
    if (!store_is_damage(reason->code))
        return err_copy(err, reason);
    pthread_mutex_lock(&store->lock);
    store_set_aside(store, path);
    pthread_mutex_unlock(&store->lock);
    log_warn("%s", reason->text);
    return 0;
}

int store_rebuild_pins(struct store *store, const struct pin *of, struct err *err)
{
    struct pin_rewrite has;
    struct err reason = ERR_INIT;
    uint8_t *bytes = NULL;
    uint64_t before, of_vault;
    size_t size;
    bool whole = true, torn = true;
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_pin_bytes(store->catalogue, &of->vault, &of->writer, &before, &of_vault, err);
    pthread_mutex_unlock(&store->lock);
    if (result != 0)
        return -1;
    if (store_read_pins(store, of, &bytes, &size, &reason) != 0)
        return reason.code != ERR_NOT_FOUND && refuse_file(store, of, &reason, err) != 0
                   ? -1
                   : file_is_gone(store, of, before, err);
    pin_rewrite_init(&has);
    pthread_mutex_lock(&store->lock);
    result = catalogue_begin(store->catalogue, false, err);
    if (result == 0) {
        result = catalogue_doubt_pins(store->catalogue, &of->vault, &of->writer, err);
        if (result == 0)
            result = catalogue_forget_doubted(store->catalogue, &of->vault, &of->writer, err);
        if (result == 0)
            result = index_file(store, of, bytes, size, &has, &whole, &torn, err);
        result = store_end_change(store, result == 0 ? store_charge_pins(store, of, &has, err) : -1,
                                  err);
    }
    if (result == 0)
        store->used_bytes += pin_rewrite_bytes(&has) - before;
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && !whole)
        result = mend(store, of, &has, torn, err);
    pin_rewrite_release(&has);
    free(bytes);
    return result;
}

/* ---- all of them ---- */

/* Is all of the file as it was written, and as long as its rows say? Who wrote it was proven when its
 * rows were made. */
static bool is_whole(struct store *store, const struct pin *of, uint64_t expected)
{
    struct pin_entry entry;
    uint8_t *bytes;
    size_t size, at = PIN_FILE_HEAD;
    if (store_read_pins(store, of, &bytes, &size, NULL) != 0)
        return false;
    while (at < size && pin_entry_read(&entry, bytes, size, at))
        at += entry.size;
    free(bytes);
    return at == size && size == expected;
}

static int agree(struct store *store, const struct pin *of, struct err *err)
{
    uint64_t file, of_vault;
    pthread_mutex_t *stripe = store_stripe(store, of->vault.bytes);
    pthread_mutex_lock(stripe);
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_pin_bytes(store->catalogue, &of->vault, &of->writer, &file, &of_vault, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0)
        result = file > 0 && is_whole(store, of, file)
                     ? store_doubt_pins(store, of, true, err) /* it was not written anew */
                     : store_rebuild_pins(store, of, err);
    pthread_mutex_unlock(stripe);
    return result;
}

static int walk_vault(struct store *store, struct pin *of, const char *dir, struct err *err)
{
    struct dirent *entry;
    int result = 0;
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(err, "opening %s", dir);
    while (result == 0 && (entry = readdir(folder)) != NULL)
        if (hex_decode(of->writer.bytes, WRITER_ID_SIZE, entry->d_name) == 0)
            result = agree(store, of, err);
    closedir(folder);
    return result;
}

/* Rows of files that are not there. */
static int check_rows(struct store *store, struct err *err)
{
    struct pin of = {.number = 0};
    char path[DURABLE_PATH_MAX];
    bool found = true;
    int result = 0;
    while (found && result == 0) {
        struct stat status;
        pthread_mutex_lock(&store->lock);
        result = catalogue_next_pin_file(store->catalogue, &of.vault, &of.writer, &found, err);
        pthread_mutex_unlock(&store->lock);
        store_pins_path(store, path, &of.vault, &of.writer);
        if (result == 0 && found && lstat(path, &status) != 0 && errno == ENOENT)
            result = agree(store, &of, err);
    }
    return result;
}

int store_agree_pins(struct store *store, struct err *err)
{
    char pins[DURABLE_PATH_MAX], path[DURABLE_PATH_MAX];
    struct pin of = {.number = 0};
    struct dirent *entry;
    int result = check_rows(store, err);
    snprintf(pins, sizeof(pins), "%s/pins", store->dir);
    DIR *folder = result == 0 ? opendir(pins) : NULL;
    if (result == 0 && folder == NULL)
        return err_errno(err, "opening %s", pins);
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        int length = snprintf(path, sizeof(path), "%s/%s", pins, entry->d_name);
        if (hex_decode(of.vault.bytes, ID_SIZE, entry->d_name) == 0 && length > 0 &&
            (size_t)length < sizeof(path))
            result = walk_vault(store, &of, path, err);
    }
    if (folder != NULL)
        closedir(folder);
    return result;
}

void store_clear_pin_leftovers(struct store *store)
{
    char pins[DURABLE_PATH_MAX], path[DURABLE_PATH_MAX];
    struct vault_id vault;
    struct dirent *entry;
    snprintf(pins, sizeof(pins), "%s/pins", store->dir);
    DIR *folder = opendir(pins);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        int length = snprintf(path, sizeof(path), "%s/%s", pins, entry->d_name);
        if (hex_decode(vault.bytes, ID_SIZE, entry->d_name) == 0 && length > 0 &&
            (size_t)length < sizeof(path))
            durable_clear_leftovers(path, NULL);
    }
    if (folder != NULL)
        closedir(folder);
}
