/* What is not known yet is asked for in rounds: each open claim of the next node that claims to hold a
 * row of it, so that one that has no grant, or does not answer, costs one round. Signatures are checked
 * here, and only what held is remembered. */
#include "node/transfer/believe.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/round.h"
#include "node/trust/grant.h"

/* Claims whose grants are asked for now, and of whom. */
struct asking {
    struct nodes *nodes;
    const struct vault_id *vault;
    const struct writer_id *writer;
    struct claim *claims;
    size_t count;
    size_t *asked_of; /* by claim: the node asked in this round; SIZE_MAX: none */
    size_t *asked;    /* by node: how many claims it is asked about in this round */
    bool *struck;     /* by node: nothing that it said held */
    struct belief *found;
    size_t found_count;
};

/* Does what is believed answer the claim? */
static bool settles(const struct asking *a, const struct claim *claim, const struct belief *belief)
{
    return id_equal(&belief->vault, a->vault) && id_equal(&belief->object, &claim->object) &&
           id_equal(&belief->pack, claim->pack) &&
           (belief->by_reader || id_equal(&belief->writer, a->writer));
}

static void look_up(struct asking *a)
{
    struct store *store = a->nodes->peers->local.store;
    for (size_t i = 0; i < a->count; i++) {
        struct claim *claim = &a->claims[i];
        bool found = false;
        struct err ignored = ERR_INIT; /* then holders are asked */
        if (store_believed(store, a->vault, &claim->object, a->writer, &claim->belief, &found,
                           &ignored) != 0)
            found = false;
        claim->believed = found && settles(a, claim, &claim->belief);
    }
}

static void take_grant(struct asking *a, struct claim *claim, const uint8_t *bytes, size_t size)
{
    struct opened_grant opened;
    if (grant_open(&opened.grant, &opened.writer, bytes, size,
                   a->nodes->peers->local.authority_public, NULL) != 0)
        return;
    const struct belief belief = belief_of(&opened.grant, &opened.writer);
    if (!settles(a, claim, &belief))
        return;
    claim->belief = belief;
    claim->believed = true;
    a->found[a->found_count++] = belief;
}

/* Was this node asked about the claim before? It may claim several rows. */
static bool was_asked(const struct claim *claim, size_t node)
{
    for (size_t i = 0; i < claim->next; i++)
        if (claim->seen[i].node == node)
            return true;
    return false;
}

/* Picks whom to ask about each open claim; false: nobody is left. This node's own disk would have said
 * in look_up what it knows. */
static bool choose(struct asking *a)
{
    bool any = false;
    for (size_t i = 0; i < a->nodes->count; i++)
        a->asked[i] = 0;
    for (size_t i = 0; i < a->count; i++) {
        struct claim *claim = &a->claims[i];
        a->asked_of[i] = SIZE_MAX;
        while (!claim->believed && a->asked_of[i] == SIZE_MAX && claim->next < claim->seen_count) {
            size_t node = claim->seen[claim->next].node;
            if (a->asked[node] == ASK_GRANTS_MAX)
                break; /* in a later round */
            bool again = was_asked(claim, node);
            claim->next++;
            if (again || a->struck[node] || a->nodes->candidates[node].self)
                continue;
            a->asked_of[i] = node;
            a->asked[node]++;
            any = true;
        }
        any = any || (!claim->believed && claim->next < claim->seen_count);
    }
    return any;
}

static void ask_node(struct asking *a, struct round *round, size_t node)
{
    ProtobufCBinaryData *objects = alloc_zero(a->asked[node], sizeof(*objects));
    Ecbak__GetGrants get = ECBAK__GET_GRANTS__INIT;
    get.vault = wire_view(a->vault->bytes, ID_SIZE);
    get.writer = wire_view(a->writer->bytes, WRITER_ID_SIZE);
    get.objects = objects;
    for (size_t i = 0; i < a->count; i++)
        if (a->asked_of[i] == node)
            objects[get.n_objects++] = wire_view(a->claims[i].object.bytes, ID_SIZE);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_GRANTS;
    request.get_grants = &get;
    round_ask(round, node, &request, NULL);
    free(objects);
}

static void take_answer(struct asking *a, size_t node, const Ecbak__GetGrantsReply *reply)
{
    size_t at = 0, before = a->found_count;
    for (size_t i = 0; reply != NULL && i < a->count && at < reply->n_grants; i++) {
        if (a->asked_of[i] != node)
            continue;
        ProtobufCBinaryData grant = reply->grants[at++];
        if (grant.len > 0)
            take_grant(a, &a->claims[i], grant.data, grant.len);
    }
    a->struck[node] = a->found_count == before;
}

static void ask_holders(struct asking *a)
{
    int64_t until_ms = monotonic_ms() + BELIEVE_MS;
    while (monotonic_ms() < until_ms && choose(a)) {
        struct round round;
        size_t node;
        Ecbak__PeerReply *reply;
        struct err why = ERR_INIT;
        round_init(&round, a->nodes, SMALL_TIMEOUT_MS);
        for (size_t i = 0; i < a->nodes->count; i++) {
            a->struck[i] = a->struck[i] || a->asked[i] > 0; /* until it answers */
            if (a->asked[i] > 0)
                ask_node(a, &round, i);
        }
        while (
            round_next(&round, until_ms, ECBAK__PEER_REPLY__BODY_GET_GRANTS, &node, &reply, &why)) {
            take_answer(a, node, reply != NULL ? reply->get_grants : NULL);
            wire_free(reply);
        }
        round_release(&round);
    }
}

/* One line a call at most, and none about an object that was named before. */
static void say_refused(const struct asking *a)
{
    const struct claim *first = NULL;
    size_t refused = 0;
    char object[17], pack[17];
    for (size_t i = 0; i < a->count; i++) {
        const struct claim *claim = &a->claims[i];
        if (claim->believed)
            continue;
        count_one(a->nodes->peers->local.counters, COUNTED_UNGRANTED);
        refused++;
        if (unbelieved_is_new(a->nodes->peers->unbelieved, &claim->object) && first == NULL)
            first = claim;
    }
    if (first == NULL)
        return;
    log_warn(
        "object %s of pack %s, which node %s says that it holds%s: nobody has a grant for it by "
        "a writer that counts; it is not counted",
        hex_encode(object, first->object.bytes, 8), hex_encode(pack, first->pack->bytes, 8),
        a->nodes->table->members[first->seen[0].node].cert.name,
        refused > 1 ? " (and others)" : "");
}

void believe_claims(struct nodes *nodes, const struct vault_id *vault,
                    const struct writer_id *writer, struct claim *claims, size_t count)
{
    struct asking a = {nodes, vault, writer, claims, count, NULL, NULL, NULL, NULL, 0};
    a.asked_of = alloc_zero(count, sizeof(*a.asked_of));
    a.asked = alloc_zero(nodes->count, sizeof(*a.asked));
    a.struck = alloc_zero(nodes->count, sizeof(*a.struck));
    a.found = alloc_zero(count, sizeof(*a.found));
    look_up(&a);
    ask_holders(&a);
    struct err ignored = ERR_INIT; /* then they are asked for again */
    if (store_believe(nodes->peers->local.store, a.found, a.found_count, &ignored) != 0)
        log_info("grants that were seen are not noted: %s", ignored.text);
    say_refused(&a);
    free(a.asked_of);
    free(a.asked);
    free(a.struck);
    free(a.found);
}
