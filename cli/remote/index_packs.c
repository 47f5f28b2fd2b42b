/* Index packs are asked for a few ahead, and taken in from the earliest snapshot to the latest: a
 * chunk that was lost and sent again is in the pack that the later index names.
 */
#include "cli/remote/index_packs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/index.h"
#include "coding/pack_id.h"

#define AHEAD 3

/* Can the index packs that the snapshot added be had, or are they replaced themselves? */
static bool stands_in(const struct snapshot *snapshot, struct cache *cache,
                      const struct id_map *replaced)
{
    uint32_t by;
    bool all = snapshot->replaced_count > 0 && snapshot->index_pack_count > 0;
    for (size_t i = 0; i < snapshot->index_pack_count && all && cache != NULL; i++)
        all = id_map_find(replaced, snapshot->index_packs[i].bytes, &by) ||
              cache_has_index(cache, &snapshot->index_packs[i]);
    return all;
}

void index_packs_of(const struct snapshot_list *list, struct cache *cache, struct id_list *packs)
{
    struct id_map replaced = {0};
    uint32_t by;
    for (size_t i = list->count; i-- > 0;) { /* who replaces comes after those replaced */
        const struct snapshot *snapshot = &list->snapshots[i];
        if (!stands_in(snapshot, cache, &replaced))
            continue;
        for (size_t j = 0; j < snapshot->replaced_count; j++)
            id_map_put(&replaced, snapshot->replaced[j].bytes, (uint32_t)i);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct snapshot *snapshot = &list->snapshots[i];
        for (size_t j = 0; j < snapshot->relied_count; j++) {
            if (!id_map_find(&replaced, snapshot->relied[j].bytes, &by))
                id_list_add(packs, &snapshot->relied[j]);
        }
    }
    id_map_release(&replaced);
}

/* An index pack being taken in. */
struct taking {
    struct cache *cache;
    bool published;      /* what it says is named by it: else another index is to name it */
    struct buffer block; /* all that it says, while that is little */
    bool large;
};

static int add_listed(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                      size_t count, struct err *err)
{
    struct taking *taking = ctx;
    if (!taking->large)
        index_append(&taking->block, pack, entries, count);
    taking->large = taking->large || taking->block.size >= INDEX_MERGE_BYTES;
    return cache_add_pack(taking->cache, pack, entries, count, taking->published, NULL, err);
}

/* Takes in every index chunk of the pack, and the pack's own directory when it holds other chunks
 * too (a mixed pack). */
static int read_index(struct taking *taking, const struct pack_id *id,
                      const struct pack_reader *pack, struct err *err)
{
    size_t count;
    const struct pack_entry *entries = pack_entries(pack, &count);
    bool mixed = false;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind != CHUNK_INDEX) {
            mixed = true;
            continue;
        }
        uint8_t *plain = NULL;
        size_t size = 0;
        if (pack_read_segment(pack, entries[i].segment, &plain, &size, err) != 0)
            return -1;
        int result = 0;
        if (entries[i].offset > size || entries[i].size > size - entries[i].offset)
            result = err_set(err, ERR_FORMAT, "a chunk lies outside its segment");
        if (result == 0)
            result =
                index_read(plain + entries[i].offset, entries[i].size, add_listed, taking, err);
        free(plain);
        if (result != 0)
            return -1;
    }
    return mixed ? add_listed(taking, id, entries, count, err) : 0;
}

/* The pack that was asked for; takes the answer's. */
static int open_answer(struct pack_reader **pack, const struct vault_keys *keys,
                       const struct pack_id *id, struct client_answer *answer, struct err *err)
{
    if (answer->err.code != ERR_NONE) {
        *err = answer->err;
        if (err->code == ERR_NOT_FOUND) /* on those that answered: more of them might have it */
            err->code = ERR_TOO_FEW;
        return -1;
    }
    struct pack_id found;
    pack_id(&found, answer->pack, answer->pack_size);
    if (!id_equal(&found, id))
        return err_set(err, ERR_FOREIGN, "the node answered with another pack");
    return pack_open(pack, &answer->pack, answer->pack_size, keys, err);
}

/* ---- in turn --------------------------------------------------------------------------------- */

struct asked {
    size_t pack; /* its index in the list */
    bool answered;
    struct client_answer answer; /* its call is set from the start */
};

struct loading {
    struct cache *cache;
    const struct vault_keys *keys;
    struct client *client;
    struct id_list packs;
    const struct index_report *report; /* NULL: nobody */
    bool published;
    struct asked asked[AHEAD]; /* in the order of packs */
    size_t waiting;            /* of asked */
    size_t next;               /* of packs, to be asked for */
};

static int take_answer(struct loading *loading, const struct pack_id *id,
                       struct client_answer *answer, struct err *err)
{
    struct pack_reader *pack = NULL;
    if (open_answer(&pack, loading->keys, id, answer, err) != 0)
        return -1;
    /* A batch a pack: while one is open other commands cannot write to the cache, and must not have
     * to wait until packs come from nodes. */
    struct taking taking = {.cache = loading->cache, .published = loading->published};
    int result = cache_begin(loading->cache, err);
    /* Another command that reads the same indexes may be ahead: what it has read, and later ones
     * after it, must not be read once more now. */
    bool read = result == 0 && cache_has_index(loading->cache, id);
    if (result == 0 && !read)
        result = read_index(&taking, id, pack, err);
    if (result == 0 && !read)
        result = cache_add_index(loading->cache, id, taking.large ? NULL : &taking.block, err);
    struct err later = ERR_INIT;
    if (cache_commit(loading->cache, result == 0 ? err : &later) != 0)
        result = -1;
    buffer_release(&taking.block);
    pack_reader_destroy(&pack);
    return result;
}

/* Notes the answer; takes in those whose turn it is. */
static void take_in_turn(struct loading *loading, struct client_answer *answer)
{
    struct asked *asked = loading->asked;
    size_t which = 0;
    while (which < loading->waiting &&
           (asked[which].answered || asked[which].answer.call != answer->call))
        which++;
    if (which == loading->waiting) {
        free(answer->pack);
        return;
    }
    if (loading->report != NULL && loading->report->corrupt != NULL)
        *loading->report->corrupt += answer->corrupt;
    asked[which].answer = *answer;
    asked[which].answered = true;
    while (loading->waiting > 0 && asked[0].answered) {
        struct err why = ERR_INIT;
        const struct pack_id *id = &loading->packs.ids[asked[0].pack];
        if (take_answer(loading, id, &asked[0].answer, &why) != 0 && loading->report != NULL)
            loading->report->missing(loading->report->ctx, id, &why);
        free(asked[0].answer.pack);
        memmove(&asked[0], &asked[1], --loading->waiting * sizeof(asked[0]));
    }
}

/* Asks for those that are not in the cache, as many as may be on their way. */
static int ask_ahead(struct loading *loading, struct err *err)
{
    while (loading->next < loading->packs.count && loading->waiting < AHEAD) {
        size_t pack = loading->next++;
        const struct pack_id *id = &loading->packs.ids[pack];
        struct asked *asked = &loading->asked[loading->waiting];
        if (cache_has_index(loading->cache, id))
            continue;
        *asked = (struct asked){.pack = pack};
        if (client_get_pack_start(loading->client, &asked->answer.call, &loading->keys->vault, id,
                                  err) != 0)
            return -1;
        loading->waiting++;
    }
    return 0;
}

static int load_all(struct loading *loading, struct err *err)
{
    for (;;) {
        struct client_answer answer = {0};
        if (ask_ahead(loading, err) != 0)
            return -1;
        assert(loading->waiting <= AHEAD);
        if (loading->waiting == 0)
            return 0;
        if (client_next(loading->client, &answer, err) != 0)
            return -1;
        take_in_turn(loading, &answer);
    }
}

/* An index that was missing when later ones were read, and is there now, must not be read last:
 * what it says of chunks that were sent again since is not so any more. Then all are read again, in
 * order. */
static int keep_order(struct loading *loading, struct err *err)
{
    const struct id_list *packs = &loading->packs;
    size_t read_end = packs->count;
    while (read_end > 0 && !cache_has_index(loading->cache, &packs->ids[read_end - 1]))
        read_end--;
    for (size_t i = 0; i < read_end; i++) {
        struct client_answer answer = {0};
        struct pack_reader *pack = NULL;
        struct err why = ERR_INIT;
        uint64_t call;
        if (cache_has_index(loading->cache, &packs->ids[i]))
            continue;
        if (client_get_pack_start(loading->client, &call, &loading->keys->vault, &packs->ids[i],
                                  err) != 0 ||
            client_next(loading->client, &answer, err) != 0)
            return -1;
        bool back = open_answer(&pack, loading->keys, &packs->ids[i], &answer, &why) == 0;
        pack_reader_destroy(&pack);
        free(answer.pack);
        if (back)
            return cache_forget_indexes(loading->cache, err);
    }
    return 0;
}

/* Reads those listed; takes the list's packs. */
static int load_listed(struct loading *loading, struct err *err)
{
    int result = keep_order(loading, err);
    if (result == 0)
        result = load_all(loading, err);
    for (size_t i = 0; i < loading->waiting; i++)
        free(loading->asked[i].answer.pack);
    return result;
}

static int load(struct cache *cache, const struct vault_keys *keys, struct client *client,
                const struct snapshot_list *list, bool published, const struct index_report *report,
                struct err *err)
{
    struct loading first = {
        .cache = cache, .keys = keys, .client = client, .report = report, .published = published};
    struct loading second = first;
    index_packs_of(list, NULL, &first.packs);
    int result = load_listed(&first, err);
    /* One that cannot be read stands in for none: those that it replaced are read. */
    if (result == 0)
        index_packs_of(list, cache, &second.packs);
    if (result == 0 && second.packs.count > first.packs.count)
        result = load_listed(&second, err);
    id_list_release(&first.packs);
    id_list_release(&second.packs);
    return result;
}

int index_packs_load(struct cache *cache, const struct vault_keys *keys, struct client *client,
                     const struct snapshot_list *list, const struct index_report *report,
                     struct err *err)
{
    return load(cache, keys, client, list, true, report, err);
}

int index_packs_load_anew(struct cache *cache, const struct vault_keys *keys, struct client *client,
                          const struct snapshot_list *list, struct err *err)
{
    return load(cache, keys, client, list, false, NULL, err);
}
