#include "cli/remote/index_packs.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/id_map.h"
#include "cli/vault/index.h"
#include "coding/base/alloc.h"
#include "coding/pack_id.h"

uint8_t (*index_packs_of(const struct snapshot_list *list, size_t *count))[ID_SIZE]
{
    struct id_map seen = {0};
    uint8_t(*packs)[ID_SIZE] = NULL;
    uint32_t ignored;
    *count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct snapshot *snapshot = &list->snapshots[i];
        for (size_t j = 0; j < snapshot->index_pack_count; j++) {
            if (id_map_find(&seen, snapshot->index_packs[j], &ignored))
                continue;
            id_map_put(&seen, snapshot->index_packs[j], 0);
            packs = alloc_grow(packs, *count + 1, ID_SIZE);
            memcpy(packs[(*count)++], snapshot->index_packs[j], ID_SIZE);
        }
    }
    id_map_release(&seen);
    return packs;
}

static int add_published(void *ctx, const uint8_t pack[ID_SIZE], const struct pack_entry *entries,
                         size_t count, struct err *err)
{
    uint32_t number;
    return cache_add_pack(ctx, pack, entries, count, true, &number, err);
}

/* Takes in every index chunk of the pack, and the pack's own directory when it holds other chunks
 * too (a mixed pack). */
static int read_index(struct cache *cache, const uint8_t id[ID_SIZE],
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
                index_read(plain + entries[i].offset, entries[i].size, add_published, cache, err);
        free(plain);
        if (result != 0)
            return -1;
    }
    return mixed ? add_published(cache, id, entries, count, err) : 0;
}

/* The pack that was asked for; takes the answer's. */
static int open_answer(struct pack_reader **pack, const struct vault_keys *keys,
                       const uint8_t id[ID_SIZE], struct client_answer *answer, struct err *err)
{
    if (answer->err.code != ERR_NONE) {
        *err = answer->err;
        return -1;
    }
    uint8_t found[ID_SIZE];
    pack_id(found, answer->pack, answer->pack_size);
    if (memcmp(found, id, ID_SIZE) != 0)
        return err_set(err, ERR_FOREIGN, "the node answered with another pack");
    return pack_open(pack, &answer->pack, answer->pack_size, keys, err);
}

static int take_answer(struct cache *cache, const struct vault_keys *keys,
                       const uint8_t id[ID_SIZE], struct client_answer *answer, struct err *err)
{
    struct pack_reader *pack = NULL;
    if (open_answer(&pack, keys, id, answer, err) != 0)
        return -1;
    int result = read_index(cache, id, pack, err);
    pack_reader_destroy(&pack);
    return result == 0 ? cache_add_index(cache, id, err) : -1;
}

/* Index packs are asked for a few ahead, and taken in from the earliest snapshot to the latest: a chunk
 * that was lost and sent again is in the pack that the later index names. */
#define AHEAD 3

struct asked {
    size_t pack;
    bool answered;
    struct client_answer answer; /* its call is set from the start */
};

/* Notes the answer; takes in those whose turn it is. */
static void take_in_turn(
    struct cache *cache, const struct vault_keys *keys, const uint8_t (*packs)[ID_SIZE],
    struct asked asked[AHEAD], size_t *waiting, struct client_answer *answer,
    void (*missing)(void *ctx, const uint8_t pack[ID_SIZE], const struct err *err), void *ctx)
{
    size_t which = 0;
    while (which < *waiting && (asked[which].answered || asked[which].answer.call != answer->call))
        which++;
    if (which == *waiting) {
        free(answer->pack);
        return;
    }
    asked[which].answer = *answer;
    asked[which].answered = true;
    while (*waiting > 0 && asked[0].answered) {
        struct err why = ERR_INIT;
        const uint8_t *id = packs[asked[0].pack];
        if (take_answer(cache, keys, id, &asked[0].answer, &why) != 0)
            missing(ctx, id, &why);
        free(asked[0].answer.pack);
        memmove(&asked[0], &asked[1], --*waiting * sizeof(asked[0]));
    }
}

/* An index that could not be had when later ones were read, and can now, must not come last: what it
 * says of chunks that were sent again since is not so any more. Then all are read again, in order. */
static int keep_order(struct cache *cache, const struct vault_keys *keys, struct client *client,
                      uint8_t (*packs)[ID_SIZE], size_t count, struct err *err)
{
    size_t read_end = count;
    while (read_end > 0 && !cache_has_index(cache, packs[read_end - 1]))
        read_end--;
    for (size_t i = 0; i < read_end; i++) {
        struct client_answer answer = {0};
        struct pack_reader *pack = NULL;
        struct err why = ERR_INIT;
        uint64_t call;
        if (cache_has_index(cache, packs[i]))
            continue;
        if (client_get_pack_start(client, &call, packs[i], err) != 0 ||
            client_next(client, &answer, err) != 0)
            return -1;
        bool back = open_answer(&pack, keys, packs[i], &answer, &why) == 0;
        pack_reader_destroy(&pack);
        free(answer.pack);
        if (back)
            return cache_forget_indexes(cache, err);
    }
    return 0;
}

int index_packs_load(struct cache *cache, const struct vault_keys *keys, struct client *client,
                     const struct snapshot_list *list,
                     void (*missing)(void *ctx, const uint8_t pack[ID_SIZE], const struct err *err),
                     void *ctx, struct err *err)
{
    size_t count, next = 0, waiting = 0;
    uint8_t(*packs)[ID_SIZE] = index_packs_of(list, &count);
    struct asked asked[AHEAD];
    int result = keep_order(cache, keys, client, packs, count, err);
    if (result == 0)
        result = cache_begin(cache, err);
    while (result == 0) {
        while (next < count && waiting < AHEAD && result == 0) {
            size_t pack = next++;
            if (cache_has_index(cache, packs[pack]))
                continue;
            asked[waiting] = (struct asked){.pack = pack};
            result = client_get_pack_start(client, &asked[waiting].answer.call, packs[pack], err);
            waiting += result == 0 ? 1 : 0;
        }
        struct client_answer answer = {0};
        if (result != 0 || waiting == 0 || (result = client_next(client, &answer, err)) != 0)
            break;
        take_in_turn(cache, keys, (const uint8_t(*)[ID_SIZE])packs, asked, &waiting, &answer,
                     missing, ctx);
    }
    for (size_t i = 0; i < waiting; i++)
        free(asked[i].answer.pack);
    struct err later = ERR_INIT;
    if (cache_commit(cache, result == 0 ? err : &later) != 0)
        result = -1;
    free(packs);
    return result;
}
