/* Answers are collected as sightings, sorted by pack and object, and counted run by run. */
#include "node/repair/pin_packs.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/rs.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/round.h"
#include "node/placement/matching.h"
#include "node/repair/repair.h"
#include "node/store/holders.h"
#include "node/transfer/locate.h"

/* Repairing gives up for a request after so many failures in a row: the reason is the cluster's. */
#define REPAIR_FAILURES_MAX 3

static int pin_here(struct peers *peers, const struct pin *pin, const struct pack_id *packs,
                    size_t count, size_t self, struct sightings *seen, struct err *err)
{
    uint32_t *pinned = alloc_zero(count, sizeof(*pinned));
    int result = store_pin_packs(peers->local.store, packs, count, pin, pinned, err);
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct fragment_info found[ASK_FRAGMENTS_MAX];
        size_t here = 0;
        if (pinned[i] == 0)
            continue;
        result =
            store_find_pack(peers->local.store, &packs[i], found, ASK_FRAGMENTS_MAX, &here, err);
        if (result == 0)
            sightings_add_own(seen, self, i, found, here);
    }
    free(pinned);
    return result;
}

static void ask_all(struct round *round, const struct pin *pin, const struct pack_id *packs,
                    size_t count)
{
    ProtobufCBinaryData *views = alloc_zero(count, sizeof(*views));
    for (size_t i = 0; i < count; i++)
        views[i] = wire_view(packs[i].bytes, ID_SIZE);
    Ecbak__Pin message_pin;
    pin_to_wire(&message_pin, pin);
    Ecbak__PinPacks body = ECBAK__PIN_PACKS__INIT;
    body.n_packs = count;
    body.packs = views;
    body.pin = &message_pin;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PIN;
    request.pin = &body;
    for (size_t i = 0; i < round->nodes->count; i++) {
        enum standing standing = round->nodes->standings[i];
        if (standing == STANDING_GOOD || standing == STANDING_DOUBTFUL)
            round_ask(round, i, &request, NULL);
    }
    free(views);
}

static void take_answers(struct round *round, size_t pack_count, struct sightings *seen)
{
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    while (round_next(round, INT64_MAX, ECBAK__PEER_REPLY__BODY_PIN, &node, &reply, &why)) {
        if (reply != NULL)
            sightings_add_wire(seen, node, reply->pin->n_fragments, reply->pin->fragments,
                               pack_count);
        else
            log_info("pinning: node %s: %s", round->nodes->table->members[node].cert.name,
                     why.text);
        wire_free(reply);
    }
}

static int by_pack_and_object(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;
    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    int order = id_compare(&x->object, &y->object);
    if (order != 0)
        return order;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->parity != y->parity)
        return x->parity < y->parity ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The holders of one object out of its sightings: no node twice, no row twice. */
static void holders_of(const struct nodes *nodes, const struct sighting *run, size_t count,
                       struct holders *holders)
{
    struct row_at *held = alloc_zero(count, sizeof(*held));
    size_t node_of[RS_TOTAL_MAX];
    *holders = (struct holders){.count = run->data + run->parity};
    for (size_t i = 0; i < count; i++)
        held[i] = (struct row_at){run[i].index, run[i].node};
    matching(held, count, holders->count, nodes->count, node_of);
    for (uint32_t row = 0; row < holders->count; row++) {
        if (node_of[row] != SIZE_MAX)
            holders->node[row] = nodes->candidates[node_of[row]].node;
    }
    free(held);
}

/* Who says another shape of an object than the others is counted apart: an id has one shape, and
 * nobody's word may hide what the others have. */
static bool is_same_object(const struct sighting *a, const struct sighting *b)
{
    return id_equal(&a->object, &b->object) && a->data == b->data && a->parity == b->parity;
}

/* The best object of a pack: the one with most nodes to spare. Its holders go to *best. */
static void count_pack(const struct nodes *nodes, const struct sighting *seen, size_t count,
                       struct redundancy *held, struct holders *best)
{
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    int best_spare = -RS_TOTAL_MAX - 1;
    for (size_t at = 0; at < count;) {
        size_t run = 1;
        while (at + run < count && is_same_object(&seen[at], &seen[at + run]))
            run++;
        struct redundancy here = {.data = seen[at].data, .parity = seen[at].parity};
        holders_of(nodes, seen + at, run, holders);
        holders_count(holders, &nodes->peers->local.keys->node, &here.nodes, &here.others);
        int spare = (int)here.nodes - (int)here.data;
        if (spare > best_spare || (spare == best_spare && here.nodes > held->nodes)) {
            best_spare = spare;
            held->object = seen[at].object;
            held->data = here.data;
            held->parity = here.parity;
            held->nodes = here.nodes;
            held->others = here.others;
            *best = *holders;
        }
        at += run;
    }
    free(holders);
}

int pin_packs(struct peers *peers, const struct pin *pin, const struct pack_id *packs, size_t count,
              bool repair, struct redundancy *held, struct err *err)
{
    struct nodes nodes;
    struct sightings seen = {.count = 0};
    int64_t repair_until_ms = monotonic_ms() + PIN_REPAIR_MS;
    unsigned failures = 0;
    nodes_init(&nodes, peers);
    struct round round;
    round_init(&round, &nodes, PUT_TIMEOUT_MS);
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    ask_all(&round, pin, packs, count);
    int result = pin_here(peers, pin, packs, count, 0, &seen, err);
    if (result == 0)
        take_answers(&round, count, &seen);
    if (seen.count > 0)
        qsort(seen.items, seen.count, sizeof(*seen.items), by_pack_and_object);
    size_t at = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        size_t run = 0;
        held[i] = (struct redundancy){.nodes = 0};
        held[i].pack = packs[i];
        while (at + run < seen.count && seen.items[at + run].pack == i)
            run++;
        if (run == 0)
            continue;
        count_pack(&nodes, seen.items + at, run, &held[i], holders);
        at += run;
        bool curable =
            held[i].nodes >= held[i].data && held[i].nodes < held[i].data + held[i].parity;
        if (!repair || !curable || failures >= REPAIR_FAILURES_MAX ||
            monotonic_ms() > repair_until_ms)
            continue;
        struct err why = ERR_INIT;
        const struct repair object = {&packs[i], &held[i].object, held[i].data, held[i].parity,
                                      pin};
        if (repair_object(peers, &object, holders, &held[i].sent_bytes, &why) == 0) {
            holders_count(holders, &peers->local.keys->node, &held[i].nodes, &held[i].others);
            failures = 0;
        } else {
            failures++;
            held[i].full = why.code == ERR_FULL;
            log_info("%s", why.text);
        }
    }
    round_release(&round);
    free(holders);
    sightings_release(&seen);
    nodes_release(&nodes);
    return result;
}
