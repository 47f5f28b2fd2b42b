/* Calls are kept by node, so that whoever waits can wait for these and for fragments at once. */
#include "node/transfer/locate.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/trust/grant.h"

static bool belief_fits(const struct locating *locating, const struct belief *belief)
{
    return id_equal(&belief->pack, locating->wanted.pack) &&
           id_equal(&belief->vault, locating->wanted.vault);
}

static struct belief *find(const struct locating *locating, const struct object_id *object)
{
    for (size_t i = 0; i < locating->belief_count; i++)
        if (id_equal(&locating->beliefs[i].object, object))
            return &locating->beliefs[i];
    return NULL;
}

void locate_settle(struct locating *locating, const struct object_id *object,
                   const struct object_shape *shape)
{
    struct belief *belief = find(locating, object);
    if (belief == NULL)
        return;
    belief->data = shape->k;
    belief->parity = shape->m;
}

/* Adds it, or puts the word of a writer with the right to read in the place of another's. */
static void add_belief(struct locating *locating, const struct belief *belief)
{
    struct belief *known = find(locating, &belief->object);
    if (known != NULL && (known->by_reader || !belief->by_reader))
        return;
    if (known == NULL) {
        locating->beliefs =
            alloc_grow(locating->beliefs, locating->belief_count + 1, sizeof(*locating->beliefs));
        known = &locating->beliefs[locating->belief_count++];
    }
    *known = *belief;
}

/* An object that an answer names: is it known here, or by the grant that came along? */
static void note_object(struct locating *locating, const struct object_id *object,
                        ProtobufCBinaryData grant)
{
    const struct local *local = &locating->nodes->peers->local;
    const struct belief *known = find(locating, object);
    struct belief belief;
    struct opened_grant opened;
    bool found;
    if (known != NULL && known->by_reader)
        return;
    if (store_believed(local->store, locating->wanted.vault, object, NULL, &belief, &found, NULL) ==
            0 &&
        found && belief_fits(locating, &belief)) {
        add_belief(locating, &belief);
        if (belief.by_reader)
            return;
    }
    if (grant.len == 0 || grant_open(&opened.grant, &opened.writer, grant.data, grant.len,
                                     local->authority_public, NULL) != 0)
        return;
    belief = belief_of(&opened.grant, &opened.writer);
    if (belief_fits(locating, &belief) && id_equal(&belief.object, object))
        add_belief(locating, &belief);
}

static void look_here(struct locating *locating, size_t self)
{
    const struct pack_question question = {.vault = locating->wanted.vault,
                                           .pack = locating->wanted.pack};
    locating->asked_node[self] = true;
    locating->asked++;
    if (sightings_add_own(&locating->sightings, locating->nodes, self, 0, &question, NULL) != 0)
        return;
    locating->answered++;
    for (size_t i = 0; i < locating->sightings.count; i++)
        note_object(locating, &locating->sightings.items[i].object, wire_view(NULL, 0));
}

void locate_init(struct locating *locating, struct nodes *nodes, const struct wanted_pack *wanted)
{
    *locating = (struct locating){.nodes = nodes, .wanted = *wanted};
    locating->order = alloc_zero(nodes->count, sizeof(*locating->order));
    locating->hinted = alloc_zero(nodes->count, sizeof(*locating->hinted));
    locating->calls = alloc_zero(nodes->count, sizeof(struct call *));
    locating->pages = alloc_zero(nodes->count, sizeof(*locating->pages));
    locating->asked_node = alloc_zero(nodes->count, sizeof(*locating->asked_node));
    placement_order(wanted->pack, nodes->candidates, nodes->count, locating->order);
    for (size_t i = 0; i < nodes->count; i++)
        if (nodes->standings[i] == STANDING_SELF)
            look_here(locating, i);
    locate_more(locating, LOCATE_FIRST, STANDING_GOOD);
}

void locate_release(struct locating *locating)
{
    for (size_t i = 0; i < locating->nodes->count; i++)
        call_destroy(&locating->calls[i]);
    free(locating->calls);
    free(locating->pages);
    free(locating->order);
    free(locating->hinted);
    free(locating->asked_node);
    free(locating->beliefs);
    sightings_release(&locating->sightings);
}

static void ask_node(struct locating *locating, size_t node)
{
    ProtobufCBinaryData pack = wire_view(locating->wanted.pack->bytes, ID_SIZE);
    Ecbak__RowPlace place;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    locate.n_packs = 1;
    locate.packs = &pack;
    locate.vault = wire_view(locating->wanted.vault->bytes, ID_SIZE);
    locate.after = pages_after(&locating->pages[node], &place);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    if (ask_start(locating->nodes->peers->transport, &locating->nodes->candidates[node].node,
                  &request, NULL, SMALL_TIMEOUT_MS, &locating->calls[node], NULL) != 0) {
        locating->calls[node] = NULL;
        nodes_failed(locating->nodes, node);
    }
}

bool locate_more(struct locating *locating, size_t count, enum standing worst)
{
    const struct nodes *nodes = locating->nodes;
    size_t asked = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < nodes->count && asked < count; i++) {
            size_t node = locating->order[i];
            if (locating->asked_node[node] || nodes->standings[node] > worst ||
                (round == 0 && !locating->hinted[node]))
                continue;
            locating->asked_node[node] = true;
            locating->asked++;
            ask_node(locating, node);
            asked++;
        }
    }
    return asked > 0;
}

static void take_hints(struct locating *locating, const Ecbak__FragmentAt *at)
{
    for (size_t h = 0; h < at->n_holders && h < HOLDERS_MAX; h++) {
        struct node_id id;
        int hint =
            wire_take(id.bytes, ID_SIZE, at->holders[h]) ? nodes_find(locating->nodes, &id) : -1;
        if (hint >= 0)
            locating->hinted[hint] = true;
    }
}

void locate_take(struct locating *locating, size_t node)
{
    struct err err = ERR_INIT;
    struct object_id object;
    Ecbak__PeerReply *reply =
        ask_reply(locating->calls[node], ECBAK__PEER_REPLY__BODY_LOCATE, NULL, &err);
    call_destroy(&locating->calls[node]);
    if (reply == NULL) {
        nodes_failed(locating->nodes, node);
        return;
    }
    const Ecbak__LocateReply *body = reply->locate;
    locating->answered += locating->pages[node].count == 0;
    for (size_t i = 0; i < body->n_fragments && i < ASK_LOCATE_ROWS; i++) {
        const Ecbak__FragmentAt *at = body->fragments[i];
        take_hints(locating, at);
        if (wire_take(object.bytes, ID_SIZE, at->object))
            note_object(locating, &object, at->grant);
    }
    if (sightings_add_page(&locating->sightings, locating->nodes, node, 1, &locating->pages[node],
                           &(struct page){body->n_fragments, body->fragments, body->more}))
        ask_node(locating, node);
    wire_free(reply);
}

size_t locate_waiting(const struct locating *locating, enum standing worst)
{
    size_t waiting = 0;
    for (size_t i = 0; i < locating->nodes->count; i++)
        waiting += locating->calls[i] != NULL && locating->nodes->standings[i] <= worst;
    return waiting;
}
