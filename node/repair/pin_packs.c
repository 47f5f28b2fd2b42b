/* Answers are collected as sightings, sorted by pack and object. Each object is a claim, which counts
 * when it is believed; then the rows of each pack's objects are counted. */
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
#include "node/transfer/believe.h"
#include "node/transfer/sightings.h"

/* Repairing gives up for a request after so many failures in a row: the reason is the cluster's. */
#define REPAIR_FAILURES_MAX 3

/* What is asked, and what came of it. */
struct pinning {
    struct nodes nodes;
    const struct pin *pin;
    const struct pack_id *packs;
    size_t count;
    struct round round;
    struct pages *pages; /* by node */
    struct sightings seen;
    struct claim *claims;
    size_t claim_count;
};

static int pin_here(struct pinning *p, struct err *err)
{
    struct store *store = p->nodes.peers->local.store;
    uint32_t *pinned = alloc_zero(p->count, sizeof(*pinned));
    int self = nodes_find(&p->nodes, &p->nodes.peers->local.keys->node);
    int result = store_pin_packs(store, p->packs, p->count, p->pin, pinned, err);
    for (size_t i = 0; result == 0 && self >= 0 && i < p->count; i++) {
        const struct pack_question question = {.vault = &p->pin->vault, .pack = &p->packs[i]};
        if (pinned[i] > 0)
            result = sightings_add_own(&p->seen, &p->nodes, (size_t)self, i, &question, err);
    }
    free(pinned);
    return result;
}

/* The first page, or the next. */
static void ask_node(struct pinning *p, size_t node)
{
    size_t from = p->pages[node].pack, count = p->count - from;
    ProtobufCBinaryData *views = alloc_zero(count, sizeof(*views));
    for (size_t i = 0; i < count; i++)
        views[i] = wire_view(p->packs[from + i].bytes, ID_SIZE);
    Ecbak__Pin message_pin;
    Ecbak__RowPlace place;
    pin_to_wire(&message_pin, p->pin);
    Ecbak__PinPacks body = ECBAK__PIN_PACKS__INIT;
    body.n_packs = count;
    body.packs = views;
    body.pin = &message_pin;
    body.after = pages_after(&p->pages[node], &place);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PIN;
    request.pin = &body;
    round_ask(&p->round, node, &request, NULL);
    free(views);
}

static void ask_all(struct pinning *p)
{
    for (size_t i = 0; i < p->nodes.count; i++) {
        enum standing standing = p->nodes.standings[i];
        if (standing == STANDING_GOOD || standing == STANDING_DOUBTFUL)
            ask_node(p, i);
    }
}

static void take_answers(struct pinning *p)
{
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    while (round_next(&p->round, INT64_MAX, ECBAK__PEER_REPLY__BODY_PIN, &node, &reply, &why)) {
        if (reply == NULL) {
            log_info("pinning: node %s: %s", p->nodes.table->members[node].cert.name, why.text);
            continue;
        }
        const struct page page = {reply->pin->n_fragments, reply->pin->fragments, reply->pin->more};
        if (sightings_add_page(&p->seen, &p->nodes, node, p->count, &p->pages[node], &page))
            ask_node(p, node);
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
    return x->index < y->index ? -1 : x->index > y->index;
}

/* A claim for each run of sightings of one object of a pack. */
static void make_claims(struct pinning *p)
{
    size_t count = p->seen.count;
    if (count > 0)
        qsort(p->seen.items, count, sizeof(*p->seen.items), by_pack_and_object);
    p->claims = alloc_zero(count, sizeof(*p->claims));
    for (size_t at = 0; at < count; at++) {
        const struct sighting *s = &p->seen.items[at];
        if (at == 0 || s->pack != s[-1].pack || !id_equal(&s->object, &s[-1].object))
            p->claims[p->claim_count++] =
                (struct claim){.pack = &p->packs[s->pack], .object = s->object, .seen = s};
        p->claims[p->claim_count - 1].seen_count++;
    }
}

/* The holders of an object out of its sightings: no node twice, no row twice. */
static void holders_of(const struct nodes *nodes, const struct claim *claim,
                       struct holders *holders)
{
    struct row_at *held = alloc_zero(claim->seen_count, sizeof(*held));
    size_t node_of[RS_TOTAL_MAX];
    *holders = (struct holders){.count = claim->belief.data + claim->belief.parity};
    for (size_t i = 0; i < claim->seen_count; i++)
        held[i] = (struct row_at){claim->seen[i].index, claim->seen[i].node};
    matching(held, claim->seen_count, holders->count, nodes->count, node_of);
    for (uint32_t row = 0; row < holders->count; row++) {
        if (node_of[row] != SIZE_MAX)
            holders->node[row] = nodes->candidates[node_of[row]].node;
    }
    free(held);
}

/* The best object of a pack: the one with most nodes to spare. Its holders go to *best. */
static void count_pack(const struct nodes *nodes, const struct claim *claims, size_t count,
                       struct redundancy *held, struct holders *best)
{
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    int best_spare = -RS_TOTAL_MAX - 1;
    for (size_t i = 0; i < count; i++) {
        if (!claims[i].believed)
            continue;
        struct redundancy here = {.data = claims[i].belief.data, .parity = claims[i].belief.parity};
        holders_of(nodes, &claims[i], holders);
        holders_count(holders, &nodes->peers->local.keys->node, &here.nodes, &here.others);
        int spare = (int)here.nodes - (int)here.data;
        if (spare > best_spare || (spare == best_spare && here.nodes > held->nodes)) {
            best_spare = spare;
            held->object = claims[i].object;
            held->data = here.data;
            held->parity = here.parity;
            held->nodes = here.nodes;
            held->others = here.others;
            *best = *holders;
        }
    }
    free(holders);
}

/* Completes what can be, for a bounded time. */
static void repair_pack(struct pinning *p, struct redundancy *held, struct holders *holders,
                        unsigned *failures)
{
    struct peers *peers = p->nodes.peers;
    struct err why = ERR_INIT;
    const struct repair object = {&held->pack, &held->object, held->data, held->parity, p->pin};
    if (repair_object(peers, &object, holders, &held->sent_bytes, &why) == 0) {
        holders_count(holders, &peers->local.keys->node, &held->nodes, &held->others);
        *failures = 0;
        return;
    }
    (*failures)++;
    held->full = why.code == ERR_FULL;
    log_info("%s", why.text);
}

/* Repairs until then; 0: not at all. */
static void count_all(struct pinning *p, int64_t repair_until_ms, struct redundancy *held)
{
    unsigned failures = 0;
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    for (size_t i = 0, at = 0; i < p->count; i++) {
        size_t run = 0;
        held[i] = (struct redundancy){.nodes = 0};
        held[i].pack = p->packs[i];
        while (at + run < p->claim_count && p->claims[at + run].pack == &p->packs[i])
            run++;
        count_pack(&p->nodes, p->claims + at, run, &held[i], holders);
        at += run;
        bool curable =
            held[i].nodes >= held[i].data && held[i].nodes < held[i].data + held[i].parity;
        if (curable && failures < REPAIR_FAILURES_MAX && monotonic_ms() <= repair_until_ms)
            repair_pack(p, &held[i], holders, &failures);
    }
    free(holders);
}

int pin_packs(struct peers *peers, const struct pin *pin, const struct pack_id *packs, size_t count,
              bool repair, struct redundancy *held, struct err *err)
{
    int64_t repair_until_ms = repair ? monotonic_ms() + PIN_REPAIR_MS : 0;
    struct pinning *p = alloc_zero(1, sizeof(*p));
    p->pin = pin;
    p->packs = packs;
    p->count = count;
    nodes_init(&p->nodes, peers);
    p->pages = alloc_zero(p->nodes.count, sizeof(*p->pages));
    round_init(&p->round, &p->nodes, PUT_TIMEOUT_MS);
    ask_all(p);
    int result = pin_here(p, err);
    if (result == 0) {
        take_answers(p);
        make_claims(p);
        believe_claims(&p->nodes, &pin->vault, &pin->writer, p->claims, p->claim_count);
        count_all(p, repair_until_ms, held);
    }
    round_release(&p->round);
    free(p->claims);
    free(p->pages);
    sightings_release(&p->seen);
    nodes_release(&p->nodes);
    free(p);
    return result;
}
