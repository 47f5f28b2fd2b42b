/* A file of pins is written anew when it has doubled, without what is not needed any more: pins of
 * attempts that their writer has given up, and earlier pins of a pack that has a later one in the same
 * chain of records (node/pins/attempts.h). While that is done its rows are doubted, so that whatever
 * happens in between, the file that is there in the end says which of them hold. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/pins/attempts.h"
#include "node/pins/pin_file.h"
#include "node/pins/pin_rewrite.h"
#include "node/store/store_internal.h"

#define LATER_MAX 64

/* Does any pin of the statement have to stay? Those that do are confirmed. */
static int confirm(struct store *store, const struct pins *pins, const struct attempts *attempts,
                   bool *needed, struct err *err)
{
    struct attempt_id later[LATER_MAX];
    bool chained = attempts_chained(attempts, &pins->pin.attempt), was;
    int result = 0;
    *needed = false;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) != 0) {
        pthread_mutex_unlock(&store->lock);
        return -1;
    }
    for (size_t i = 0; i < pins->count && result == 0; i++) {
        size_t count = 0;
        bool covered = false;
        if (chained)
            result = catalogue_later_pins(store->catalogue, &pins->packs[i], &pins->pin, later,
                                          LATER_MAX, &count, err);
        for (size_t l = 0; l < count && !covered; l++)
            covered = attempts_chained(attempts, &later[l]);
        if (result != 0 || covered)
            continue;
        result = catalogue_confirm_pin(store->catalogue, &pins->packs[i], &pins->pin, &was, err);
        *needed = *needed || was;
    }
    result = store_end_change(store, result, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}

static int choose(struct store *store, const uint8_t *bytes, size_t size,
                  const struct attempts *attempts, struct pin_rewrite *to, struct err *err)
{
    static const struct node_id nobody;
    struct pin_entry entry;
    for (size_t at = PIN_FILE_HEAD; at < size; at += entry.size) {
        struct pins pins;
        struct node_id sponsor = nobody;
        struct err reason = ERR_INIT;
        bool given_up = false, needed = true;
        if (!pin_entry_read(&entry, bytes, size, at))
            return err_set(err, ERR_DAMAGED, "an entry of these pins is damaged");
        if (pins_open_held(&pins, &sponsor, entry.statement, entry.statement_size,
                           store->authority_public, &reason) == 0) {
            int result = store_is_given_up(store, &pins.pin, attempts, &given_up, err);
            needed = false;
            if (result == 0 && !given_up)
                result = confirm(store, &pins, attempts, &needed, err);
            pins_release(&pins);
            if (result != 0)
                return -1;
        }
        if (needed) /* also what only a newer ecbakd understands */
            pin_rewrite_keep(to, bytes + at, entry.size, &sponsor);
    }
    return 0;
}

int store_doubt_pins(struct store *store, const struct pin *of, bool undo, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    int result = catalogue_begin(store->catalogue, false, err);
    if (result == 0)
        result = store_end_change(
            store,
            undo ? catalogue_undoubt_pins(store->catalogue, &of->vault, &of->writer, err)
                 : catalogue_doubt_pins(store->catalogue, &of->vault, &of->writer, err),
            err);
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* The file has been replaced: the rows follow. */
static int settle(struct store *store, const struct pin *of, const struct pin_rewrite *to,
                  size_t before, struct err *err)
{
    size_t now = pin_rewrite_bytes(to);
    pthread_mutex_lock(&store->lock);
    int result = catalogue_begin(store->catalogue, false, err);
    if (result == 0) {
        result = catalogue_forget_doubted(store->catalogue, &of->vault, &of->writer, err);
        result =
            store_end_change(store, result == 0 ? store_charge_pins(store, of, to, err) : -1, err);
    }
    if (result == 0)
        store->used_bytes -= before - now;
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* With the stripe of the vault held. */
int store_compact_pins(struct store *store, const struct pin *of, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct pin_rewrite to;
    struct attempts attempts;
    uint8_t *bytes = NULL;
    size_t size;
    store_pins_path(store, path, &of->vault, &of->writer);
    if (store_read_pins(store, of, &bytes, &size, err) != 0)
        return -1;
    pin_rewrite_init(&to);
    int result = store_load_attempts(store, of, &attempts, err);
    if (result == 0)
        result = store_doubt_pins(store, of, false, err);
    if (result == 0) {
        result = choose(store, bytes, size, &attempts, &to, err);
        if (result == 0)
            result = pin_rewrite_write(&to, path, of, err);
        if (result == 0)
            result = settle(store, of, &to, size, err);
        else
            (void)!store_doubt_pins(store, of, true, NULL);
    }
    attempts_release(&attempts);
    pin_rewrite_release(&to);
    free(bytes);
    return result;
}
