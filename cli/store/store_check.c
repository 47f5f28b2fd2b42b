/* The node is asked how well packs are held: it pins each at its holders for this snapshot's
 * record, counts them, and completes what is incomplete. That is done twice: before, so that
 * nothing lost is relied on, and after, so that what is published was whole at that moment.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/store/store_run_internal.h"
#include "coding/base/alloc.h"

static bool is_lost(const struct redundancy *held)
{
    return held->nodes == 0 || held->nodes < held->data;
}

static int ask_held(struct store_run *run, const struct pack_id *packs, size_t count,
                    uint32_t leaves, struct redundancy *held, struct err *err)
{
    const struct vault *vault = run->pipeline.vault;
    const struct signer signer = {vault->writer_secret, vault->writer_cert,
                                  vault->writer_cert_size};
    const struct pin_as as = {&run->status.cluster, &run->pin, &signer};
    run->proofs.leaves = leaves;
    if (count == 0 ||
        client_pin_packs(run->client, &as, packs, count, true, &run->proofs, held, err) == 0)
        return 0;
    return err_context(err, "asking whether earlier packs are whole");
}

/* ---- before ---------------------------------------------------------------------------------- */

static int add_unpublished(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                           size_t count, struct err *err)
{
    (void)entries;
    (void)count;
    (void)err;
    id_list_add(ctx, pack);
    return 0;
}

/* A lost index may be the only one that names some packs: the cache is filled anew from those that
 * can be read, and what none of them names counts as lost too. One that can be read may be lost
 * nevertheless, when nobody counts who gives it (a revoked member, a liar): so the whole index is
 * written anew, and none of the old ones is relied on any more. */
static int refill_cache(struct store_run *run, struct err *err)
{
    const struct vault_keys *keys = run->pipeline.vault->keys;
    struct id_list read = {0};
    if (cache_renew(&run->cache, err) != 0 ||
        index_packs_load_anew(run->cache, keys, run->client, &run->list, err) != 0)
        return -1;
    list_index_packs(run, &read);
    for (size_t i = 0; i < read.count; i++)
        id_list_add(&run->given_up, &read.ids[i]);
    id_list_release(&read);
    return 0;
}

static int drop_lost(struct store_run *run, const struct id_list *list,
                     const struct redundancy *held, bool *any, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!is_lost(&held[i]))
            continue;
        *any = true;
        places_lose(&run->pipeline.places, &list->ids[i]);
        if (cache_drop_pack(run->cache, &list->ids[i], err) != 0)
            return -1;
    }
    return 0;
}

void list_index_packs(const struct store_run *run, struct id_list *list)
{
    struct id_list packs = {0};
    uint32_t index;
    index_packs_of(&run->list, run->cache, &packs);
    for (size_t i = 0; i < packs.count; i++) {
        if (cache_has_index(run->cache, &packs.ids[i]) &&
            !id_map_find(&run->replaced.seen, packs.ids[i].bytes, &index) &&
            !id_map_find(&run->given_up.seen, packs.ids[i].bytes, &index))
            id_list_add(list, &packs.ids[i]);
    }
    id_list_release(&packs);
}

int check_before(struct store_run *run, struct err *err)
{
    struct id_list list = {0};
    struct redundancy *held = NULL;
    bool any = false, index_lost = false;
    list_index_packs(run, &list);
    const struct file_state *state = run->pipeline.state;
    size_t index_count = list.count;
    size_t state_count = state != NULL ? file_state_pack_count(state) : 0;
    for (size_t i = 0; i < state_count; i++)
        id_list_add(&list, file_state_pack(state, i));
    int result = cache_each_unpublished(run->cache, add_unpublished, &list, err);
    held = alloc_zero(list.count, sizeof(*held));
    if (result == 0)
        result = ask_held(run, list.ids, list.count, CLIENT_PROVE_LEAVES, held, err);
    for (size_t i = 0; i < index_count && result == 0; i++)
        index_lost = index_lost || is_lost(&held[i]);
    if (result == 0 && index_lost)
        result = refill_cache(run, err);
    if (result == 0)
        result = drop_lost(run, &list, held, &any, err);
    id_list_release(&run->proven);
    for (size_t i = 0; i < list.count && result == 0; i++)
        if (!is_lost(&held[i]))
            id_list_add(&run->proven, &list.ids[i]);
    for (size_t i = 0; i < state_count && result == 0; i++) {
        const struct pack_id *pack = file_state_pack(state, i);
        if (!cache_has_pack(run->cache, pack))
            places_lose(&run->pipeline.places, pack);
    }
    free(held);
    id_list_release(&list);
    return result;
}

/* ---- after ----------------------------------------------------------------------------------- */

static void count_object(struct store_result *result, const struct redundancy *held)
{
    int32_t survives =
        held->others < held->data ? STORE_LOST_WITH_US : (int32_t)(held->others - held->data);
    result->objects++;
    if (survives < result->survives)
        result->survives = survives;
    if (held->nodes < held->data + held->parity)
        result->objects_short++;
    result->full = result->full || held->full;
}

static bool is_proven(const struct store_run *run, const struct pack_id *pack)
{
    uint32_t index;
    return run->proofs.count == 0 && id_map_find(&run->proven.seen, pack->bytes, &index);
}

/* What was proven before this pass is only counted now: once a store is enough. Where a member was in
 * doubt, it is to be seen that this is mended. The others come first, so that who is excluded for
 * these counts nowhere. */
static int ask_after(struct store_run *run, struct id_list *list, struct redundancy *held,
                     struct err *err)
{
    struct id_list sorted = {0};
    for (size_t i = 0; i < list->count; i++)
        if (!is_proven(run, &list->ids[i]))
            id_list_add(&sorted, &list->ids[i]);
    size_t new = sorted.count;
    for (size_t i = 0; i < list->count; i++)
        id_list_add(&sorted, &list->ids[i]);
    assert(sorted.count == list->count); /* a list has no id twice */
    id_list_release(list);
    *list = sorted;
    if (ask_held(run, list->ids, new, CLIENT_PROVE_LEAVES, held, err) != 0)
        return -1;
    return ask_held(run, list->ids + new, list->count - new, 0, held + new, err);
}

int check_after(struct store_run *run, bool *again, struct err *err)
{
    struct store_result *result = run->result;
    struct id_list list = {0};
    struct redundancy *held = NULL;
    places_used(&run->pipeline.places, &list);
    list_index_packs(run, &list);
    for (size_t i = 0; i < run->index_packs.count; i++)
        id_list_add(&list, &run->index_packs.ids[i]);
    result->objects = result->objects_short = 0;
    result->full = false;
    result->survives = INT32_MAX;
    *again = false;
    held = alloc_zero(list.count, sizeof(*held));
    int status = ask_after(run, &list, held, err);
    if (status == 0)
        status = drop_lost(run, &list, held, again, err);
    for (size_t i = 0; i < list.count && status == 0; i++)
        count_object(result, &held[i]);
    free(held);
    id_list_release(&list);
    return status;
}

bool judge_problems(struct store_run *run)
{
    struct store_result *result = run->result;
    if (result->problems == 0)
        return false;
    result->outcome = JOB_INCOMPLETE;
    snprintf(result->note, sizeof(result->note), "%llu file%s could not be stored whole",
             (unsigned long long)result->problems, result->problems == 1 ? "" : "s");
    return true;
}

void judge_outcome(struct store_run *run)
{
    struct store_result *result = run->result;
    uint32_t others = run->status.members_known > 0 ? run->status.members_known - 1 : 0;
    uint32_t wanted = result->parity + 1 < others ? result->parity + 1 : others;
    char *note = result->note;
    size_t room = sizeof(result->note);
    result->outcome = JOB_DONE;
    if (result->survives == STORE_LOST_WITH_US) {
        result->outcome = result->full ? JOB_FULL : JOB_TOO_FEW;
        snprintf(note, room,
                 "no snapshot was made: all of it would be lost with this machine, since the other "
                 "members %s %llu of %llu objects; the next store completes it when %s",
                 result->full ? "have no space for" : "hold too little of",
                 (unsigned long long)result->objects_short, (unsigned long long)result->objects,
                 result->full ? "they have (see ecbak members)" : "more of them are alive");
    } else if (!judge_problems(run) && result->objects_short > 0) {
        result->outcome = JOB_INCOMPLETE;
        snprintf(note, room,
                 "%llu of %llu objects are on fewer nodes than meant; the next store completes "
                 "them when more members %s",
                 (unsigned long long)result->objects_short, (unsigned long long)result->objects,
                 result->full ? "have space for them (see ecbak members)" : "are alive");
    } else if (result->problems == 0 && run->record.others < wanted) {
        bool full = run->record.full > 0;
        result->outcome = full ? JOB_FULL : JOB_INCOMPLETE;
        snprintf(note, room, "the snapshot's record is on %u other nodes, not on %u%s%s",
                 run->record.others, wanted, full ? ": " : "", run->record.why);
    }
}
