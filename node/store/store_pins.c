/* What a writer pinned is appended to its file, as it came, and fsynced before the answer; rows are an
 * index of it, which a start makes anew when it does not fit the file. A statement is kept only when
 * it pins something here that its attempt has not pinned yet: the same question asked again costs
 * nothing.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/pins/attempts.h"
#include "node/pins/pin_file.h"
#include "node/store/store_internal.h"

#define PAGE_ROWS        64
#define COMPACT_AGAIN_MS 10000
#define COMPACT_MIN      ((uint64_t)256 << 10)
/* What the pins of a vault may take: so much, and a part of what its fragments take. */
#define VAULT_PINS_FREE ((uint64_t)1 << 20)
#define VAULT_PINS_PART 4

void store_pins_path(const struct store *store, char path[DURABLE_PATH_MAX],
                     const struct vault_id *vault, const struct writer_id *writer)
{
    char vault_hex[2 * ID_SIZE + 1], writer_hex[2 * WRITER_ID_SIZE + 1];
    snprintf(path, DURABLE_PATH_MAX, "%s/pins/%s/%s", store->dir,
             hex_encode(vault_hex, vault->bytes, ID_SIZE),
             hex_encode(writer_hex, writer->bytes, WRITER_ID_SIZE));
}

/* ---- what a writer's records say ---- */

int store_load_attempts(struct store *store, const struct pin *of, struct attempts *attempts,
                        struct err *err)
{
    struct record_row *rows = alloc_zero(PAGE_ROWS, sizeof(*rows)), last;
    struct attempt_link *links = NULL;
    size_t count = 0, got = PAGE_ROWS;
    int result = 0;
    for (bool first = true; result == 0 && got == PAGE_ROWS; first = false) {
        pthread_mutex_lock(&store->lock);
        result = catalogue_writer_records(store->catalogue, &of->vault, &of->writer,
                                          first ? NULL : &last, rows, PAGE_ROWS, &got, err);
        pthread_mutex_unlock(&store->lock);
        links = alloc_grow(links, count + PAGE_ROWS, sizeof(*links));
        for (size_t i = 0; result == 0 && i < got; i++, count++) {
            links[count].hash = rows[i].hash;
            links[count].previous = rows[i].previous;
            links[count].attempt = rows[i].attempt;
            last = rows[i];
        }
    }
    attempts_init(attempts, links, result == 0 ? count : 0);
    free(links);
    free(rows);
    return result;
}

/* Given up, and no record came from it after all. */
int store_is_given_up(struct store *store, const struct pin *pin, const struct attempts *attempts,
                      bool *given_up, struct err *err)
{
    pthread_mutex_lock(&store->lock);
    int result = catalogue_is_void(store->catalogue, &pin->vault, &pin->writer, &pin->attempt,
                                   given_up, err);
    pthread_mutex_unlock(&store->lock);
    *given_up = *given_up && !attempts_recorded(attempts, &pin->attempt);
    return result;
}

static int check_valid(struct store *store, const struct pin *pin, struct err *err)
{
    struct record_row closed_at;
    struct attempts attempts;
    bool closed = false, given_up = false;
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_closed(store->catalogue, &pin->vault, &pin->writer, &closed, &closed_at, err);
    if (result == 0)
        result = catalogue_is_void(store->catalogue, &pin->vault, &pin->writer, &pin->attempt,
                                   &given_up, err);
    pthread_mutex_unlock(&store->lock);
    if (result == 0 && closed && pin->number > closed_at.number)
        return err_set(err, ERR_DENIED,
                       "the vault's key has closed this writer: run `ecbak open` to go on as a new "
                       "one");
    if (result != 0 || !given_up)
        return result;
    result = store_load_attempts(store, pin, &attempts, err);
    if (result == 0)
        result = store_is_given_up(store, pin, &attempts, &given_up, err);
    attempts_release(&attempts);
    if (result == 0 && given_up)
        return err_set(err, ERR_DENIED,
                       "a later record of this writer says that this store was given up: is a copy "
                       "of the vault's folder in use? Store again");
    return result;
}

/* ---- what is here ---- */

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

/* Counts the fragments of a pack that are there in truth, for the pin's vault. In a transaction. */
static int count_held(struct store *store, const struct pack_id *pack, const struct pin *pin,
                      struct fragment_info *infos, uint32_t *held, struct gone *gone,
                      struct err *err)
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
    return 0;
}

/* *adds: the statement pins something here that its attempt has not pinned yet. */
static int look(struct store *store, const struct pins *pins, uint32_t *held, bool *adds,
                struct err *err)
{
    struct gone gone = {0, 0};
    struct fragment_info *infos = alloc_zero(PAGE_ROWS, sizeof(*infos));
    *adds = false;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_begin(store->catalogue, false, err);
    if (result == 0) {
        for (size_t i = 0; i < pins->count && result == 0; i++) {
            bool has = true;
            result = count_held(store, &pins->packs[i], &pins->pin, infos, &held[i], &gone, err);
            if (result == 0 && held[i] > 0)
                result =
                    catalogue_has_pin(store->catalogue, &pins->packs[i], &pins->pin, &has, err);
            *adds = *adds || !has;
        }
        if (result == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
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

/* ---- what is kept ---- */

/* What the file has by its rows; and whether there is room for another entry in it, in what the vault
 * may have, and in its sponsor's share. */
static int check_room(struct store *store, const struct pins *pins, const struct node_id *sponsor,
                      uint64_t entry_bytes, uint64_t *file, struct err *err)
{
    uint64_t of_vault, fragments = 0;
    struct catalogue *c = store->catalogue;
    const struct vault_id *vault = &pins->pin.vault;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_pin_bytes(c, vault, &pins->pin.writer, file, &of_vault, err);
    if (result == 0)
        result = store_check_share(store, sponsor, entry_bytes, err);
    if (result == 0 && of_vault + entry_bytes > VAULT_PINS_FREE)
        result = catalogue_vault_bytes(c, vault, &fragments, err);
    if (result == 0 && (of_vault + entry_bytes > VAULT_PINS_FREE + fragments / VAULT_PINS_PART ||
                        *file + entry_bytes > PIN_FILE_MAX))
        result = err_set(err, ERR_FULL,
                         "pins of this vault take %.1f MB here, too much for the %.1f MB that "
                         "its fragments take",
                         (double)of_vault / 1e6, (double)fragments / 1e6);
    pthread_mutex_unlock(&store->lock);
    return result;
}

static int add_rows(struct store *store, const struct pins *pins, const struct node_id *sponsor,
                    const uint32_t *held, uint64_t bytes, struct err *err)
{
    const struct pin *pin = &pins->pin;
    bool added;
    pthread_mutex_lock(&store->lock);
    int result = catalogue_begin(store->catalogue, false, err);
    if (result == 0) {
        for (size_t i = 0; i < pins->count && result == 0; i++)
            if (held[i] > 0)
                result =
                    catalogue_pin(store->catalogue, &pins->packs[i], pin, PIN_IN_FILE, &added, err);
        if (result == 0)
            result = catalogue_add_pin_bytes(store->catalogue, &pin->vault, &pin->writer, sponsor,
                                             bytes, err);
        if (result == 0)
            result = catalogue_commit(store->catalogue, err);
        else
            catalogue_rollback(store->catalogue);
    }
    if (result == 0)
        store_settle(store, bytes);
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* A file of another length than its rows say: it was removed or replaced behind our back, or the rows
 * of a write did not come to disk. */
static int agree(struct store *store, const struct pin *pin, uint64_t *file, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    uint64_t of_vault;
    store_pins_path(store, path, &pin->vault, &pin->writer);
    bool there = lstat(path, &status) == 0;
    if (there ? (uint64_t)status.st_size == *file : *file == 0)
        return 0;
    if (store_rebuild_pins(store, pin, err) != 0)
        return -1;
    pthread_mutex_lock(&store->lock);
    int result =
        catalogue_pin_bytes(store->catalogue, &pin->vault, &pin->writer, file, &of_vault, err);
    pthread_mutex_unlock(&store->lock);
    return result;
}

static bool has_doubled(const char *path, const struct pin *of)
{
    uint8_t head[PIN_FILE_HEAD];
    struct stat status;
    uint64_t base = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool doubled =
        fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
        pin_file_check_head(head, sizeof(head), &of->vault, &of->writer, &base, NULL) == 0 &&
        fstat(fd, &status) == 0 && (uint64_t)status.st_size > COMPACT_MIN &&
        (uint64_t)status.st_size / 2 > base;
    if (fd >= 0)
        close(fd);
    return doubled;
}

/* Whoever is refused may ask again at once, and must not have files written anew each time. With the
 * stripe of the vault held. */
static bool may_compact(struct store *store, const struct vault_id *vault)
{
    int64_t *last_ms = &store->compacted_ms[vault->bytes[0] % STORE_STRIPES], now = monotonic_ms();
    if (*last_ms != 0 && now - *last_ms < COMPACT_AGAIN_MS)
        return false;
    *last_ms = now;
    return true;
}

/* Appends the statement, and makes its rows. With the stripe of the vault held. */
static int append(struct store *store, const uint8_t *bytes, size_t size, const struct pins *pins,
                  const struct node_id *sponsor, const uint32_t *held, struct err *err)
{
    char path[DURABLE_PATH_MAX];
    struct err full = ERR_INIT;
    uint64_t file, entry = size + PIN_ENTRY_EXTRA;
    const struct pin *pin = &pins->pin;
    int result = check_room(store, pins, sponsor, entry + PIN_FILE_HEAD, &file, &full);
    if (result == 0)
        result = agree(store, pin, &file, &full);
    if (result != 0 && full.code == ERR_FULL && file > 0 && may_compact(store, &pin->vault) &&
        store_compact_pins(store, pin, err) == 0)
        result = check_room(store, pins, sponsor, entry + PIN_FILE_HEAD, &file, &full);
    if (result != 0)
        return err_copy(err, &full);
    store_pins_path(store, path, &pin->vault, &pin->writer);
    if (file == 0)
        entry += PIN_FILE_HEAD;
    if (store_reserve(store, entry, err) != 0)
        return -1;
    if (pin_file_append(path, file, pin, bytes, size, err) != 0 ||
        add_rows(store, pins, sponsor, held, entry, err) != 0) {
        store_give_back(store, entry);
        return -1;
    }
    struct err ignored = ERR_INIT;
    if (has_doubled(path, pin) && store_compact_pins(store, pin, &ignored) != 0)
        log_warn("writing %s anew: %s", path, ignored.text);
    return 0;
}

static int do_put_pins(struct store *store, const uint8_t *bytes, size_t size,
                       const struct pins *opened, const struct node_id *sponsor, uint32_t *held,
                       struct err *err)
{
    bool adds;
    if (!id_equal(&opened->cluster, &store->cluster))
        return err_set(err, ERR_FOREIGN, "the pin is for another cluster");
    if (store_check(store, err) != 0 || check_valid(store, &opened->pin, err) != 0)
        return -1;
    pthread_mutex_t *stripe = store_stripe(store, opened->pin.vault.bytes);
    pthread_mutex_lock(stripe);
    int result = look(store, opened, held, &adds, err);
    if (result == 0 && adds)
        result = append(store, bytes, size, opened, sponsor, held, err);
    pthread_mutex_unlock(stripe);
    return result;
}

int store_put_pins(struct store *store, const uint8_t *bytes, size_t size,
                   const struct pins *opened, const struct node_id *sponsor, uint32_t *held,
                   struct err *err)
{
    int place = store_begin(store);
    int result = do_put_pins(store, bytes, size, opened, sponsor, held, err);
    store_end(store, place);
    return result;
}
