/* Calls are kept by node, so that whoever waits can wait for these and for fragments at once. */
#include "node/transfer/locate.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/pack_id.h"
#include "coding/rs.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"

void sightings_release(struct sightings *sightings)
{
    free(sightings->items);
    *sightings = (struct sightings){.count = 0};
}

static void add(struct sightings *sightings, const struct sighting *sighting)
{
    bool possible = sighting->data >= 1 && sighting->parity <= RS_TOTAL_MAX &&
                    sighting->data <= RS_TOTAL_MAX &&
                    sighting->data + sighting->parity <= RS_TOTAL_MAX &&
                    sighting->index < sighting->data + sighting->parity &&
                    sighting->pack_bytes <= PACK_SIZE_MAX;
    if (!possible)
        return;
    if (sightings->count == sightings->room) {
        sightings->room = 2 * sightings->room + 16;
        sightings->items = alloc_grow(sightings->items, sightings->room, sizeof(*sightings->items));
    }
    sightings->items[sightings->count++] = *sighting;
}

void sightings_add_wire(struct sightings *sightings, size_t node, size_t n_fragments,
                        Ecbak__FragmentAt *const *fragments, size_t pack_count)
{
    for (size_t i = 0; i < n_fragments && i < pack_count * ASK_FRAGMENTS_MAX; i++) {
        const Ecbak__FragmentAt *at = fragments[i];
        struct sighting sighting = {.index = at->index,
                                    .data = at->data,
                                    .parity = at->parity,
                                    .pack_bytes = at->pack_bytes,
                                    .node = node,
                                    .pack = at->pack_index};
        if (at->pack_index < pack_count && wire_take(sighting.object.bytes, ID_SIZE, at->object))
            add(sightings, &sighting);
    }
}

void sightings_add_own(struct sightings *sightings, size_t node, size_t pack,
                       const struct fragment_info *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sighting sighting = {.index = found[i].index,
                                    .data = found[i].data,
                                    .parity = found[i].parity,
                                    .pack_bytes = found[i].pack_bytes,
                                    .node = node,
                                    .pack = pack};
        sighting.object = found[i].object;
        add(sightings, &sighting);
    }
}

size_t sightings_rows(const struct sightings *sightings, const struct object_id *object,
                      size_t *nodes)
{
    bool seen[RS_TOTAL_MAX] = {false};
    size_t rows = 0;
    *nodes = 0;
    for (size_t i = 0; i < sightings->count; i++) {
        const struct sighting *s = &sightings->items[i];
        if (s->failed || !id_equal(&s->object, object))
            continue;
        rows += !seen[s->index];
        seen[s->index] = true;
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) {
            const struct sighting *other = &sightings->items[j];
            again = !other->failed && other->node == s->node && id_equal(&other->object, object);
        }
        *nodes += !again;
    }
    return rows;
}

void locate_init(struct locating *locating, struct nodes *nodes, const struct pack_id *pack)
{
    *locating = (struct locating){.nodes = nodes, .pack = pack};
    locating->order = alloc_zero(nodes->count, sizeof(*locating->order));
    locating->hinted = alloc_zero(nodes->count, sizeof(*locating->hinted));
    locating->calls = alloc_zero(nodes->count, sizeof(struct call *));
    locating->asked_node = alloc_zero(nodes->count, sizeof(*locating->asked_node));
    placement_order(pack, nodes->candidates, nodes->count, locating->order);
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->standings[i] != STANDING_SELF)
            continue;
        struct fragment_info found[ASK_FRAGMENTS_MAX];
        size_t count;
        locating->asked_node[i] = true;
        locating->asked++;
        if (store_find_pack(nodes->peers->local.store, pack, found, ASK_FRAGMENTS_MAX, &count,
                            NULL) == 0) {
            locating->answered++;
            sightings_add_own(&locating->sightings, i, 0, found, count);
        }
    }
    locate_more(locating, LOCATE_FIRST, STANDING_GOOD);
}

void locate_release(struct locating *locating)
{
    for (size_t i = 0; i < locating->nodes->count; i++)
        call_destroy(&locating->calls[i]);
    free(locating->calls);
    free(locating->order);
    free(locating->hinted);
    free(locating->asked_node);
    sightings_release(&locating->sightings);
}

static void ask_node(struct locating *locating, size_t node)
{
    ProtobufCBinaryData pack = wire_view(locating->pack->bytes, ID_SIZE);
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    locate.n_packs = 1;
    locate.packs = &pack;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    locating->asked_node[node] = true;
    locating->asked++;
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
            ask_node(locating, node);
            asked++;
        }
    }
    return asked > 0;
}

void locate_take(struct locating *locating, size_t node)
{
    struct err err = ERR_INIT;
    Ecbak__PeerReply *reply =
        ask_reply(locating->calls[node], ECBAK__PEER_REPLY__BODY_LOCATE, NULL, &err);
    call_destroy(&locating->calls[node]);
    if (reply == NULL) {
        nodes_failed(locating->nodes, node);
        return;
    }
    locating->answered++;
    sightings_add_wire(&locating->sightings, node, reply->locate->n_fragments,
                       reply->locate->fragments, 1);
    for (size_t i = 0; i < reply->locate->n_fragments; i++) {
        const Ecbak__FragmentAt *at = reply->locate->fragments[i];
        for (size_t h = 0; h < at->n_holders && h < HOLDERS_MAX; h++) {
            struct node_id id;
            int hint = wire_take(id.bytes, ID_SIZE, at->holders[h])
                           ? nodes_find(locating->nodes, &id)
                           : -1;
            if (hint >= 0)
                locating->hinted[hint] = true;
        }
    }
    wire_free(reply);
}

size_t locate_waiting(const struct locating *locating, enum standing worst)
{
    size_t waiting = 0;
    for (size_t i = 0; i < locating->nodes->count; i++)
        waiting += locating->calls[i] != NULL && locating->nodes->standings[i] <= worst;
    return waiting;
}
