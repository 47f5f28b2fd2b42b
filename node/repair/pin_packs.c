/* Answers are collected as sightings, sorted by pack and object. Objects that are not believed fall out;
 * the rest is counted run by run: once to see which rows would count, which is what is to be proven, and
 * again without what was not. */
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
#include "node/repair/prove.h"
#include "node/repair/repair.h"
#include "node/transfer/believe.h"
#include "node/transfer/sightings.h"

/* Repairing gives up for a request after so many failures in a row: the reason is the cluster's. */
#define REPAIR_FAILURES_MAX 3
/* What takes the place of rows that were not proven is to be proven in turn; after so many times it
 * does not count. Honest nodes hold one row of one object, so nothing takes its place. */
#define PROVE_PASSES_MAX 3

/* A request while it is worked on. */
struct pinning {
    struct nodes nodes;
    const struct pin_wanted *wanted;
    struct round round;
    struct pages *pages; /* by node */
    struct sightings seen;
    struct node_id *without; /* those of the request, and those that were excluded since */
    size_t without_count;
    bool *took; /* by node: a row that it had not when it pinned */
    struct pin_result *result;
};

static bool is_without(const struct pinning *p, const struct node_id *node)
{
    for (size_t i = 0; i < p->without_count; i++)
        if (id_equal(&p->without[i], node))
            return true;
    return false;
}

static int pin_here(struct pinning *p, struct err *err)
{
    const struct pin_wanted *w = p->wanted;
    struct local *local = &p->nodes.peers->local;
    int self = nodes_find(&p->nodes, &local->keys->node);
    uint32_t *pinned;
    struct pins pins = {.count = 0};
    int result = local_put_pins(local, w->statement, w->statement_size, &pins, &pinned, err);
    for (size_t i = 0; result == 0 && self >= 0 && i < w->count; i++) {
        const struct pack_question question = {.vault = &w->pin->vault, .pack = &w->packs[i]};
        if (pinned[i] > 0 && !is_without(p, &local->keys->node))
            result = sightings_add_own(&p->seen, &p->nodes, (size_t)self, i, &question, err);
    }
    free(pinned);
    pins_release(&pins);
    return result;
}

/* The first page, or the next. */
static void ask_node(struct round *round, size_t node, const struct pin_wanted *w,
                     const struct pages *pages)
{
    Ecbak__RowPlace place;
    Ecbak__PinPacks body = ECBAK__PIN_PACKS__INIT;
    body.pins = wire_view(w->statement, w->statement_size);
    body.after = pages_after(pages, &place);
    body.first = (uint32_t)pages->pack;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PIN;
    request.pin = &body;
    round_ask(round, node, &request, NULL);
}

static void ask_all(struct pinning *p)
{
    for (size_t i = 0; i < p->nodes.count; i++) {
        enum standing standing = p->nodes.standings[i];
        if (standing == STANDING_GOOD || standing == STANDING_DOUBTFUL)
            ask_node(&p->round, i, p->wanted, &p->pages[i]);
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
        if (sightings_add_page(&p->seen, &p->nodes, node, p->wanted->count, &p->pages[node], &page))
            ask_node(&p->round, node, p->wanted, &p->pages[node]);
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

static bool is_same_object(const struct sighting *a, const struct sighting *b)
{
    return a->pack == b->pack && id_equal(&a->object, &b->object);
}

/* Each object of a pack is a claim. Rows of one that is believed get its shape, and those of others do not
 * count. */
static void believe(struct pinning *p)
{
    const struct pin_wanted *w = p->wanted;
    struct sighting *seen = p->seen.items;
    size_t claims = 0, at = 0;
    if (p->seen.count == 0)
        return;
    qsort(seen, p->seen.count, sizeof(*seen), by_pack_and_object);
    struct claim *claim = alloc_zero(p->seen.count, sizeof(*claim));
    for (size_t i = 0; i < p->seen.count; i++) {
        if (i == 0 || !is_same_object(&seen[i - 1], &seen[i]))
            claim[claims++] = (struct claim){
                .pack = &w->packs[seen[i].pack], .object = seen[i].object, .seen = &seen[i]};
        claim[claims - 1].seen_count++;
    }
    believe_claims(&p->nodes, &w->pin->vault, &w->pin->writer, claim, claims);
    for (size_t i = 0; i < claims; i++) {
        const struct belief *b = &claim[i].belief;
        for (size_t row = 0; row < claim[i].seen_count; row++, at++) {
            seen[at].failed = !claim[i].believed || seen[at].index >= b->data + b->parity;
            seen[at].data = seen[at].failed ? 0 : b->data;
            seen[at].parity = seen[at].failed ? 0 : b->parity;
            seen[at].pack_bytes = seen[at].failed ? 0 : b->pack_bytes;
        }
    }
    free(claim);
}

/* The holders of one object out of its sightings: no node twice, no row twice. */
static void holders_of(const struct nodes *nodes, const struct sighting *run, size_t count,
                       struct holders *holders)
{
    struct row_at *held = alloc_zero(count, sizeof(*held));
    size_t node_of[RS_TOTAL_MAX], rows = 0;
    *holders = (struct holders){.count = run->data + run->parity};
    for (size_t i = 0; i < count; i++)
        if (!run[i].failed)
            held[rows++] = (struct row_at){run[i].index, run[i].node};
    matching(held, rows, holders->count, nodes->count, node_of);
    for (uint32_t row = 0; row < holders->count; row++) {
        if (node_of[row] != SIZE_MAX)
            holders->node[row] = nodes->candidates[node_of[row]].node;
    }
    free(held);
}

/* The best object of a pack: the one with most nodes to spare. Its holders go to *best, *held says
 * what they are worth; nodes = 0 when nobody has any. */
static void count_pack(const struct nodes *nodes, const struct sighting *seen, size_t count,
                       struct redundancy *held, struct holders *best)
{
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    int best_spare = -RS_TOTAL_MAX - 1;
    held->nodes = held->others = held->data = held->parity = 0;
    for (size_t at = 0; at < count;) {
        size_t run = 1;
        while (at + run < count && is_same_object(&seen[at], &seen[at + run]))
            run++;
        struct redundancy here = {.data = seen[at].data, .parity = seen[at].parity};
        holders_of(nodes, seen + at, run, holders);
        holders_count(holders, &nodes->peers->local.keys->node, &here.nodes, &here.others);
        int spare = (int)here.nodes - (int)here.data;
        if (here.nodes > 0 &&
            (spare > best_spare || (spare == best_spare && here.nodes > held->nodes))) {
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

/* Which sightings are of pack i: from *at on, so many. */
static size_t run_of(const struct sightings *seen, size_t at, size_t pack)
{
    size_t run = 0;
    while (at + run < seen->count && seen->items[at + run].pack == pack)
        run++;
    return run;
}

/* Of each node and pack the one row that counts, as far as is known by now. Returns how many of them
 * nobody was to prove yet. */
static size_t mark_counted(struct pinning *p, struct holders *holders)
{
    size_t at = 0, new = 0;
    for (size_t i = 0; i < p->wanted->count; i++) {
        struct redundancy held = {.nodes = 0};
        size_t run = run_of(&p->seen, at, i);
        if (run > 0)
            count_pack(&p->nodes, p->seen.items + at, run, &held, holders);
        for (; run > 0; run--, at++) {
            struct sighting *s = &p->seen.items[at];
            const struct node_id *node = &p->nodes.candidates[s->node].node;
            s->counted = !s->failed && held.nodes > 0 && id_equal(&s->object, &held.object) &&
                         id_equal(&holders->node[s->index], node);
            new += s->counted && !s->examined;
        }
    }
    return new;
}

static void exclude_unproven(struct pinning *p, size_t from)
{
    struct pin_result *r = p->result;
    for (size_t i = from; i < r->unproven_count; i++) {
        if (!r->unproven[i].excluded)
            continue;
        p->without = alloc_grow(p->without, p->without_count + 1, sizeof(*p->without));
        p->without[p->without_count++] = r->unproven[i].node;
    }
    nodes_exclude(&p->nodes, p->without, p->without_count);
}

static void prove(struct pinning *p, struct holders *holders)
{
    struct pin_result *r = p->result;
    for (int pass = 0; mark_counted(p, holders) > 0; pass++) {
        size_t before = r->unproven_count;
        if (pass < PROVE_PASSES_MAX) {
            r->unproven = alloc_grow(r->unproven, before + p->nodes.count, sizeof(*r->unproven));
            const struct proof_of what = {&p->wanted->pin->vault, p->wanted->packs};
            r->unproven_count +=
                prove_claims(&p->nodes, &what, &p->seen, p->wanted->leaves, r->unproven + before);
            exclude_unproven(p, before);
            continue;
        }
        for (size_t i = 0; i < p->seen.count; i++)
            p->seen.items[i].failed |= p->seen.items[i].counted && !p->seen.items[i].examined;
    }
}

static void note_new(struct pinning *p, const struct holders *before, const struct holders *after)
{
    for (uint32_t i = 0; i < after->count; i++) {
        bool is_new = holders_has(after, i) &&
                      (i >= before->count || !id_equal(&before->node[i], &after->node[i]));
        int node = is_new ? nodes_find(&p->nodes, &after->node[i]) : -1;
        if (node >= 0)
            p->took[node] = true;
    }
}

static void repair(struct pinning *p, struct redundancy *held, struct holders *holders,
                   unsigned *failures)
{
    struct peers *peers = p->nodes.peers;
    struct err why = ERR_INIT;
    struct holders *before = alloc_copy(holders, sizeof(*holders));
    const struct repair object = {&held->pack,    &held->object, held->data,      held->parity,
                                  p->wanted->pin, p->without,    p->without_count};
    if (repair_object(peers, &object, holders, &held->sent_bytes, &why) == 0) {
        holders_count(holders, &peers->local.keys->node, &held->nodes, &held->others);
        note_new(p, before, holders);
        *failures = 0;
    } else {
        (*failures)++;
        held->full = why.code == ERR_FULL;
        log_info("%s", why.text);
    }
    free(before);
}

/* Who took a row has it pinned by what came with it; what the writer signed goes after it, so that the
 * pin stands by itself there too. */
static void pin_new(struct pinning *p)
{
    struct round round;
    struct err why = ERR_INIT;
    const struct pages first = {.count = 0};
    Ecbak__PeerReply *reply;
    size_t node;
    round_init(&round, &p->nodes, SMALL_TIMEOUT_MS);
    for (size_t i = 0; i < p->nodes.count; i++) {
        if (!p->took[i])
            continue;
        if (!p->nodes.candidates[i].self)
            ask_node(&round, i, p->wanted, &first);
        else if (pin_here(p, &why) != 0)
            log_info("pinning what was repaired: %s", why.text);
    }
    while (round_next(&round, INT64_MAX, ECBAK__PEER_REPLY__BODY_PIN, &node, &reply, &why)) {
        if (reply == NULL)
            log_info("pinning what was repaired: node %s: %s",
                     p->nodes.table->members[node].cert.name, why.text);
        wire_free(reply);
    }
    round_release(&round);
}

static void count_and_repair(struct pinning *p, struct holders *holders)
{
    const struct pin_wanted *w = p->wanted;
    int64_t until_ms = monotonic_ms() + PIN_REPAIR_MS;
    unsigned failures = 0;
    size_t at = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct redundancy *held = &p->result->held[i];
        size_t run = run_of(&p->seen, at, i);
        *held = (struct redundancy){.nodes = 0};
        held->pack = w->packs[i];
        if (run == 0)
            continue;
        count_pack(&p->nodes, p->seen.items + at, run, held, holders);
        at += run;
        bool curable =
            held->nodes > 0 && held->nodes >= held->data && held->nodes < held->data + held->parity;
        if (w->repair && curable && failures < REPAIR_FAILURES_MAX && monotonic_ms() <= until_ms)
            repair(p, held, holders, &failures);
    }
}

int pin_packs(struct peers *peers, const struct pin_wanted *wanted, struct pin_result *result,
              struct err *err)
{
    struct pinning p = {.wanted = wanted, .result = result};
    result->unproven = NULL;
    result->unproven_count = 0;
    nodes_init(&p.nodes, peers);
    p.took = alloc_zero(p.nodes.count, sizeof(*p.took));
    p.without_count = wanted->without_count;
    if (p.without_count > 0)
        p.without = alloc_copy(wanted->without, p.without_count * sizeof(*p.without));
    nodes_exclude(&p.nodes, p.without, p.without_count);
    p.pages = alloc_zero(p.nodes.count, sizeof(*p.pages));
    round_init(&p.round, &p.nodes, PUT_TIMEOUT_MS);
    struct holders *holders = alloc_zero(1, sizeof(*holders));
    ask_all(&p);
    int status = pin_here(&p, err);
    if (status == 0)
        take_answers(&p);
    round_release(&p.round);
    if (status == 0)
        believe(&p);
    if (status == 0 && wanted->leaves > 0)
        prove(&p, holders);
    if (status == 0)
        count_and_repair(&p, holders);
    if (status == 0)
        pin_new(&p);
    /* Who stops waits for nobody, and has counted too little. */
    if (status == 0 && atomic_load(&peers->stop))
        status = err_set(err, ERR_CANCELLED, "this node is stopping");
    free(holders);
    free(p.pages);
    free(p.without);
    free(p.took);
    sightings_release(&p.seen);
    nodes_release(&p.nodes);
    return status;
}
