/* A pin counts for a pack of which something is here: so the files are looked for in the transaction
 * that notes the pin, and rows without their file go in it.
 *
 * A belief is what a valid grant said, without its signatures: enough to count an object's rows by, and
 * found in the catalogue for a thousandth of what checking the grant again would take. */
#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "coding/base/alloc.h"
#include "node/store/store_internal.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

#define PAGE_ROWS 64

/* ---- pins ---- */

/* What a transaction takes out of the catalogue: settled when it is committed. */
struct gone {
    uint64_t fragments, bytes;
};

/* One fragment of a pack: is its file there in truth? A file of another size than its row says is left
 * for store_look, which finds out what it is. Inside a transaction. */
static int look_at(struct store *store, const struct fragment_info *info, uint32_t *held,
                   struct gone *gone, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    store_fragment_path(store, path, &info->key);
    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode) &&
        (uint64_t)status.st_size == info->file_bytes) {
        (*held)++;
        return 0;
    }
    if (catalogue_lose_fragment(store->catalogue, &info->key, err) != 0)
        return -1;
    store->seen[info->key.object.bytes[0]].known = false;
    gone->fragments++;
    gone->bytes += info->file_bytes;
    return 0;
}

/* Counts the fragments of a pack that are there in truth, and pins it if there are any. Inside a
 * transaction. */
static int pin_pack(struct store *store, const struct pack_id *pack, const struct pin *pin,
                    struct fragment_info *infos, uint32_t *held, struct gone *gone, struct err *err)
{
    struct pack_question question = {.vault = &pin->vault, .pack = pack};
    struct fragment_key last;
    size_t count = PAGE_ROWS;
    *held = 0;
    while (count == PAGE_ROWS) {
        if (catalogue_find_pack(store->catalogue, &question, infos, PAGE_ROWS, &count, err) != 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            if (look_at(store, &infos[i], held, gone, err) != 0)
                return -1;
        if (count > 0)
            last = infos[count - 1].key;
        question.after = &last;
    }
    return *held > 0 ? catalogue_pin(store->catalogue, pack, pin, err) : 0;
}

static int do_pin_packs(struct store *store, const struct pack_id *packs, size_t count,
                        const struct pin *pin, uint32_t *held, struct err *err)
{
    struct gone gone = {0, 0};
    int result = 0;
    if (store_check(store, err) != 0)
        return -1;
    struct fragment_info *infos = alloc_zero(PAGE_ROWS, sizeof(*infos));
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, true, err) != 0) {
        result = -1;
    } else {
        for (size_t i = 0; i < count && result == 0; i++)
            result = pin_pack(store, &packs[i], pin, infos, &held[i], &gone, err);
        if (result != 0)
            catalogue_rollback(store->catalogue);
        else
            result = catalogue_commit(store->catalogue, err);
    }
    if (result == 0 && gone.fragments > 0) {
        assert(store->fragments >= gone.fragments && store->used_bytes >= gone.bytes);
        store->fragments -= gone.fragments;
        store->used_bytes -= gone.bytes;
        (void)!store_count_lost(store, NULL);
    }
    pthread_mutex_unlock(&store->lock);
    free(infos);
    return result;
}

int store_pin_packs(struct store *store, const struct pack_id *packs, size_t count,
                    const struct pin *pin, uint32_t *held, struct err *err)
{
    int place = store_begin(store);
    int result = do_pin_packs(store, packs, count, pin, held, err);
    store_end(store, place);
    return result;
}

/* ---- beliefs ---- */

struct belief belief_of(const struct grant *grant, const struct writer_cert *writer)
{
    return (struct belief){.vault = grant->vault,
                           .object = grant->object,
                           .writer = grant->writer,
                           .by_reader = (writer->rights & RIGHT_READ) != 0,
                           .pack = grant->pack,
                           .data = grant->data,
                           .parity = grant->parity,
                           .pack_bytes = grant->pack_bytes};
}

int store_believe(struct store *store, const struct belief *beliefs, size_t count, struct err *err)
{
    int result = -1;
    if (count == 0)
        return 0;
    if (store_check(store, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    if (catalogue_begin(store->catalogue, false, err) == 0) {
        result = 0;
        for (size_t i = 0; i < count && result == 0; i++)
            result = catalogue_believe(store->catalogue, &beliefs[i], err);
        if (result == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

int store_believed(struct store *store, const struct vault_id *vault,
                   const struct object_id *object, const struct writer_id *writer,
                   struct belief *belief, bool *found, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    int result = catalogue_believed(store->catalogue, vault, object, writer, belief, found, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}
