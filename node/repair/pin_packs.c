/* Answers are collected as sightings, sorted by pack and object, and counted run by run. */
#include "node/repair/pin_packs.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/rs.h"
#include "node/base/holders.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/round.h"
#include "node/placement/matching.h"
#include "node/repair/repair.h"
#include "node/transfer/locate.h"

/* Repairing gives up for a request after so many failures in a row: the reason is the cluster's. */
#define REPAIR_FAILURES_MAX 3

static int pin_here(struct peers *peers, const struct pin_batch *batch, size_t self,
                    struct sightings *seen, struct err *err)
{
    struct pins pins = {.count = 0};
    uint32_t *pinned = NULL;
    int result = local_put_pins(&peers->local, batch->bytes, batch->size, &pins, &pinned, err);
    for (size_t i = 0; result == 0 && i < pins.count; i++) {
        struct fragment_info found[ASK_FRAGMENTS_MAX];
        size_t here = 0;
        if (pinned[i] == 0)
            continue;
        result = store_find_pack(peers->local.store, &pins.packs[i], found, ASK_FRAGMENTS_MAX,
                                 &here, err);
        if (result == 0)
            sightings_add_own(seen, self, i, found, here);
    }
    free(pinned);
    pins_release(&pins);
    return result;
}

static void ask_node(struct round *round, size_t node, const struct pin_batch *batch)
{
    Ecbak__PinPacks body = ECBAK__PIN_PACKS__INIT;
    body.pins = wire_view(batch->bytes, batch->size);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PIN;
    request.pin = &body;
    round_ask(round, node, &request, NULL);
}

static void ask_all(struct round *round, const struct pin_batch *batch)
{
    for (size_t i = 0; i < round->nodes->count; i++) {
        enum standing standing = round->nodes->standings[i];
        if (standing == STANDING_GOOD || standing == STANDING_DOUBTFUL)
            ask_node(round, i, batch);
    }
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

/* ---- what is incomplete ---- */

struct repairing {
    struct nodes *nodes;
    const struct pin_batch *batch;
    int64_t until_ms;
    unsigned failures;
    bool *took; /* by node: a row that it had not when it pinned */
};

static void note_new(struct repairing *r, const struct holders *before, const struct holders *after)
{
    for (uint32_t i = 0; i < after->count; i++) {
        bool is_new = holders_has(after, i) &&
                      (i >= before->count || !id_equal(&before->node[i], &after->node[i]));
        int node = is_new ? nodes_find(r->nodes, &after->node[i]) : -1;
        if (node >= 0)
            r->took[node] = true;
    }
}

static void repair_pack(struct repairing *r, size_t pack, struct holders *holders,
                        struct redundancy *held)
{
    struct peers *peers = r->nodes->peers;
    bool curable = held->nodes >= held->data && held->nodes < held->data + held->parity;
    if (!curable || r->failures >= REPAIR_FAILURES_MAX || monotonic_ms() > r->until_ms)
        return;
    struct err why = ERR_INIT;
    struct holders *before = alloc_copy(holders, sizeof(*holders));
    const struct repair object = {&r->batch->pins->packs[pack], &held->object, held->data,
                                  held->parity, &r->batch->pins->pin};
    if (repair_object(peers, &object, holders, &held->sent_bytes, &why) == 0) {
        holders_count(holders, &peers->local.keys->node, &held->nodes, &held->others);
        note_new(r, before, holders);
        r->failures = 0;
    } else {
        r->failures++;
        held->full = why.code == ERR_FULL;
        log_info("%s", why.text);
    }
    free(before);
}

/* Who took a row has it pinned by what came with it; what the writer signed goes after it, so that the
 * pin stands by itself there too. */
static void pin_new(struct repairing *r)
{
    struct round round;
    struct err why = ERR_INIT;
    struct sightings ignored = {.count = 0};
    round_init(&round, r->nodes, SMALL_TIMEOUT_MS);
    for (size_t i = 0; i < r->nodes->count; i++) {
        if (!r->took[i])
            continue;
        if (!r->nodes->candidates[i].self)
            ask_node(&round, i, r->batch);
        else if (pin_here(r->nodes->peers, r->batch, i, &ignored, &why) != 0)
            log_info("pinning what was repaired: %s", why.text);
    }
    if (round.asked > 0)
        take_answers(&round, r->batch->pins->count, &ignored);
    sightings_release(&ignored);
    round_release(&round);
}

/* Counts each pack's sightings, which are sorted; repairs where that is wanted. */
static void count_all(struct repairing *r, const struct sightings *seen, bool repair,
                      struct redundancy *held)
{
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    size_t at = 0;
    for (size_t i = 0; i < r->batch->pins->count; i++) {
        size_t run = 0;
        held[i] = (struct redundancy){.nodes = 0};
        held[i].pack = r->batch->pins->packs[i];
        while (at + run < seen->count && seen->items[at + run].pack == i)
            run++;
        if (run == 0)
            continue;
        count_pack(r->nodes, seen->items + at, run, &held[i], holders);
        at += run;
        if (repair)
            repair_pack(r, i, holders, &held[i]);
    }
    free(holders);
}

int pin_packs(struct peers *peers, const struct pin_batch *batch, bool repair,
              struct redundancy *held, struct err *err)
{
    struct nodes nodes;
    struct round round;
    struct sightings seen = {.count = 0};
    struct repairing repairing = {
        .nodes = &nodes, .batch = batch, .until_ms = monotonic_ms() + PIN_REPAIR_MS};
    nodes_init(&nodes, peers);
    repairing.took = alloc_zero(nodes.count, sizeof(*repairing.took));
    round_init(&round, &nodes, PUT_TIMEOUT_MS);
    ask_all(&round, batch);
    int result = pin_here(peers, batch, 0, &seen, err);
    if (result == 0) {
        take_answers(&round, batch->pins->count, &seen);
        if (seen.count > 0)
            qsort(seen.items, seen.count, sizeof(*seen.items), by_pack_and_object);
        count_all(&repairing, &seen, repair, held);
        pin_new(&repairing);
    }
    round_release(&round);
    free(repairing.took);
    sightings_release(&seen);
    nodes_release(&nodes);
    return result;
}
