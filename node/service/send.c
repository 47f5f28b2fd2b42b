/* One slot a fragment, with at most two flights: the first, and one that overtakes it when it is
 * late. A loop waits for whatever happens next, and ends when no slot has a flight. */
#include "node/service/send.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/api/wire.h"
#include "node/base/clock.h"
#include "node/service/ask.h"
#include "node/service/choice.h"
#include "node/service/holders.h"
#include "node/service/pace.h"

#define FLIGHTS_PER_SLOT 2
#define TICK_MS          250
#define LATE_FIRST_MS    3000 /* see pace.h */
#define LATE_FACTOR      5
#define LATE_LEAST_MS    1000
#define BUSY_WAIT_MS     100
#define BUSY_TRIES       50

/* A fragment shared by the slot and the transport's sends of it. */
struct piece {
    atomic_uint references;
    uint8_t *bytes;
};

struct flight {
    struct call *call; /* NULL: none */
    size_t node;
    int64_t start_ms;
    bool doubtful;
};

struct slot {
    unsigned index;
    struct piece *piece;
    bool done;
    unsigned busy_tries;
    int64_t again_ms; /* > 0: its node was busy, ask it again then */
    size_t again_node;
    struct flight flights[FLIGHTS_PER_SLOT];
};

struct loop {
    struct sending *sending;
    struct nodes *nodes;
    struct choice choice;
    struct slot *slots;
    size_t count;
    struct pace pace;
    struct holders planned;
    int64_t only_doubtful_ms; /* since when nobody else is waited for; 0: not so */
};

static void piece_release(void *bytes, void *hint)
{
    (void)bytes;
    struct piece *piece = hint;
    if (atomic_fetch_sub(&piece->references, 1) == 1) {
        free(piece->bytes);
        free(piece);
    }
}

static void loop_init(struct loop *loop, struct sending *sending)
{
    *loop = (struct loop){
        .sending = sending,
        .nodes = sending->nodes,
        .pace = {.first_ms = LATE_FIRST_MS, .factor = LATE_FACTOR, .least_ms = LATE_LEAST_MS}};
    choice_init(&loop->choice, loop->nodes, &sending->holders);
    loop->choice.pack = sending->pack;
    loop->choice.zone_max = sending->parity > 0 ? sending->parity : 1;
    loop->choice.fragment_bytes = sending->fragment_size;
    loop->choice.doubtful_too = sending->doubtful_too;
    unsigned total = sending->data + sending->parity;
    loop->slots = alloc_zero(total, sizeof(*loop->slots));
    for (unsigned i = 0; i < total; i++) {
        if (sending->fragments[i] == NULL)
            continue;
        struct slot *slot = &loop->slots[loop->count++];
        slot->index = i;
        slot->piece = alloc_zero(1, sizeof(*slot->piece));
        atomic_init(&slot->piece->references, 1);
        slot->piece->bytes = sending->fragments[i];
        sending->fragments[i] = NULL;
    }
}

static void loop_release(struct loop *loop)
{
    for (size_t i = 0; i < loop->count; i++) {
        for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++)
            call_destroy(&loop->slots[i].flights[f].call);
        piece_release(NULL, loop->slots[i].piece);
    }
    choice_release(&loop->choice);
    free(loop->slots);
}

static void place_done(struct loop *loop, struct slot *slot, size_t node, int64_t took_ms)
{
    struct sending *s = loop->sending;
    slot->done = true;
    if (slot->again_ms > 0) { /* a busy node need not be asked again: nothing is left for it */
        slot->again_ms = 0;
        choice_give_back(&loop->choice, slot->again_node);
    }
    memcpy(s->holders.node[slot->index], loop->choice.candidates[node].node, ID_SIZE);
    s->placed++;
    pace_took(&loop->pace, took_ms);
}

/* The node will not be tried again by this job. */
static void give_up(struct loop *loop, size_t node, const struct err *why)
{
    choice_strike(&loop->choice, node);
    loop->sending->last = *why;
    err_context(&loop->sending->last, "node %s", loop->nodes->table->members[node].cert.name);
}

static void end_flights(struct slot *slot)
{
    for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++)
        call_destroy(&slot->flights[f].call);
}

static void put_here(struct loop *loop, struct slot *slot, size_t node)
{
    const struct sending *s = loop->sending;
    struct err err = ERR_INIT;
    int64_t start = monotonic_ms();
    if (holder_put(&loop->nodes->service->holder, slot->piece->bytes, s->fragment_size, s->grant,
                   s->grant_size, &s->holders, s->pin, &err) == 0)
        place_done(loop, slot, node, monotonic_ms() - start);
    else
        give_up(loop, node, &err);
}

static void fly(struct loop *loop, struct slot *slot, size_t node)
{
    struct sending *s = loop->sending;
    struct flight *flight = &slot->flights[slot->flights[0].call == NULL ? 0 : 1];
    struct err err = ERR_INIT;
    Ecbak__PeerPin pin = ECBAK__PEER_PIN__INIT;
    pin.vault = wire_view(s->pin->vault, ID_SIZE);
    pin.writer = wire_view(s->pin->writer, WRITER_SIZE);
    pin.number = s->pin->number;
    ProtobufCBinaryData views[STORE_HOLDERS_MAX];
    holders_to_wire(views, &s->holders);
    Ecbak__PutFragment put = ECBAK__PUT_FRAGMENT__INIT;
    put.grant = wire_view(s->grant, s->grant_size);
    put.n_holders = s->holders.count;
    put.holders = views;
    put.pin = &pin;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT;
    request.put_fragment = &put;
    atomic_fetch_add(&slot->piece->references, 1);
    struct payload payload = {slot->piece->bytes, s->fragment_size, piece_release, slot->piece};
    if (ask_start(loop->nodes->service->transport, loop->choice.candidates[node].node, &request,
                  &payload, PUT_TIMEOUT_MS, &flight->call, &err) != 0) {
        flight->call = NULL;
        nodes_failed(loop->nodes, node);
        give_up(loop, node, &err);
        return;
    }
    flight->node = node;
    flight->start_ms = monotonic_ms();
    flight->doubtful = loop->nodes->standings[node] == STANDING_DOUBTFUL;
    s->sent_bytes += s->fragment_size;
}

/* Keeps choosing until the slot has a flight (or is done, by this node itself) or nobody is left. */
static void fly_to_next(struct loop *loop, struct slot *slot)
{
    bool had = slot->flights[0].call != NULL || slot->flights[1].call != NULL;
    size_t node;
    while (!slot->done && choice_take(&loop->choice, 1, &node) == 1) {
        if (loop->choice.candidates[node].self) {
            put_here(loop, slot, node);
            if (slot->done)
                end_flights(slot);
            continue;
        }
        fly(loop, slot, node);
        if (had ? slot->flights[0].call != NULL && slot->flights[1].call != NULL
                : slot->flights[0].call != NULL || slot->flights[1].call != NULL)
            return;
    }
}

/* The first nodes for all slots, in one choice, so that the zones are balanced over all. The
 * holders are told in advance whom the plan names, and only corrected when it failed. */
static void take_off(struct loop *loop)
{
    size_t chosen[RS_TOTAL_MAX], for_slot[RS_TOTAL_MAX];
    unsigned rows[RS_TOTAL_MAX];
    struct holders real = loop->sending->holders;
    for (size_t i = 0; i < loop->count; i++)
        rows[i] = loop->slots[i].index;
    size_t count = choice_take(&loop->choice, loop->count, chosen);
    choice_assign(&loop->choice, chosen, count, rows, loop->count, for_slot);
    for (size_t i = 0; i < loop->count; i++) {
        if (for_slot[i] != SIZE_MAX)
            memcpy(loop->sending->holders.node[loop->slots[i].index],
                   loop->choice.candidates[for_slot[i]].node, ID_SIZE);
    }
    loop->planned = loop->sending->holders;
    size_t own = SIZE_MAX;
    for (size_t i = 0; i < loop->count; i++) {
        if (for_slot[i] == SIZE_MAX)
            continue;
        if (loop->choice.candidates[for_slot[i]].self)
            own = i;
        else
            fly(loop, &loop->slots[i], for_slot[i]);
    }
    if (own != SIZE_MAX) {
        struct slot *slot = &loop->slots[own];
        put_here(loop, slot, for_slot[own]);
        if (slot->done)
            memcpy(real.node[slot->index], loop->choice.candidates[for_slot[own]].node, ID_SIZE);
    }
    loop->sending->holders = real;
    for (size_t i = 0; i < loop->count; i++) {
        if (!loop->slots[i].done && loop->slots[i].flights[0].call == NULL)
            fly_to_next(loop, &loop->slots[i]);
    }
}

/* 0: this answer proves that the node has the fragment. */
static int check_receipt(struct loop *loop, const struct slot *slot, const struct flight *flight,
                         struct err *err)
{
    const struct sending *s = loop->sending;
    struct receipt receipt;
    Ecbak__PeerReply *reply =
        ask_reply(flight->call, ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT, NULL, err);
    if (reply == NULL)
        return -1;
    ProtobufCBinaryData bytes = reply->put_fragment->receipt;
    int result = receipt_open(&receipt, bytes.data, bytes.len, err);
    wire_free(reply);
    if (result == 0 &&
        (memcmp(receipt.cluster, loop->nodes->service->holder.cluster, ID_SIZE) != 0 ||
         memcmp(receipt.object, s->object, ID_SIZE) != 0 || receipt.index != slot->index ||
         memcmp(receipt.holder, loop->choice.candidates[flight->node].node, ID_SIZE) != 0 ||
         memcmp(receipt.writer, s->pin->writer, WRITER_SIZE) != 0 ||
         receipt.number != s->pin->number))
        result = err_set(err, ERR_FOREIGN, "a receipt for something else");
    if (result != 0)
        count_one(&loop->nodes->service->counters, COUNTED_BAD_RECEIPTS);
    return result;
}

/* `winner` is through; the other flight of the slot, if any, was the slow one. */
static void landed(struct loop *loop, struct slot *slot, const struct flight *winner)
{
    for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++) {
        const struct flight *other = &slot->flights[f];
        if (other == winner || other->call == NULL)
            continue;
        choice_give_back(&loop->choice, other->node);
        if (other->start_ms < winner->start_ms) {
            nodes_failed(loop->nodes, other->node);
            count_one(&loop->nodes->service->counters, COUNTED_REPLACED);
        }
    }
    nodes_succeeded(loop->nodes, winner->node);
    place_done(loop, slot, winner->node, monotonic_ms() - winner->start_ms);
    end_flights(slot);
}

static void failed(struct loop *loop, struct slot *slot, struct flight *flight,
                   const struct err *why)
{
    size_t node = flight->node;
    call_destroy(&flight->call);
    if (why->code == ERR_BUSY && slot->busy_tries < BUSY_TRIES) {
        slot->busy_tries++;
        slot->again_ms = monotonic_ms() + BUSY_WAIT_MS;
        slot->again_node = node;
        return;
    }
    nodes_failed(loop->nodes, node);
    give_up(loop, node, why);
    count_one(&loop->nodes->service->counters, COUNTED_REPLACED);
    if (slot->flights[0].call == NULL && slot->flights[1].call == NULL)
        fly_to_next(loop, slot);
}

/* To the node that was busy, unless others overtook it. */
static void fly_again(struct loop *loop, struct slot *slot)
{
    slot->again_ms = 0;
    if (slot->flights[0].call != NULL && slot->flights[1].call != NULL)
        choice_give_back(&loop->choice, slot->again_node);
    else
        fly(loop, slot, slot->again_node);
}

/* Looks after the flights under way: those to the dead, the late, the doubtful. */
static void look_after(struct loop *loop)
{
    static const struct err gone = {ERR_TIMEOUT, "it is dead by now"};
    static const struct err slow = {ERR_TIMEOUT, "it failed before, and does not answer"};
    int64_t now = monotonic_ms(), late_ms = pace_late_ms(&loop->pace);
    bool others = false;
    for (size_t i = 0; i < loop->count; i++) {
        struct slot *slot = &loop->slots[i];
        if (slot->again_ms > 0 && slot->again_ms <= now)
            fly_again(loop, slot);
        others = others || slot->again_ms > 0;
        for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++) {
            struct flight *flight = &slot->flights[f];
            if (flight->call == NULL)
                continue;
            if (nodes_gone(loop->nodes, flight->node))
                failed(loop, slot, flight, &gone);
            else if (now - flight->start_ms > late_ms && slot->flights[1 - f].call == NULL)
                fly_to_next(loop, slot);
            others = others || (flight->call != NULL && !flight->doubtful);
        }
    }
    if (others) {
        loop->only_doubtful_ms = 0;
        return;
    }
    if (loop->only_doubtful_ms == 0)
        loop->only_doubtful_ms = now;
    if (now - loop->only_doubtful_ms < DOUBTFUL_GRACE_MS)
        return;
    for (size_t i = 0; i < loop->count; i++) {
        for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++) {
            if (loop->slots[i].flights[f].call != NULL)
                failed(loop, &loop->slots[i], &loop->slots[i].flights[f], &slow);
        }
    }
}

static bool in_the_air(const struct loop *loop)
{
    for (size_t i = 0; i < loop->count; i++) {
        const struct slot *slot = &loop->slots[i];
        if (slot->flights[0].call != NULL || slot->flights[1].call != NULL || slot->again_ms > 0)
            return true;
    }
    return false;
}

void send_fragments(struct sending *sending)
{
    struct loop loop;
    loop_init(&loop, sending);
    sending->holders.count = sending->data + sending->parity;
    take_off(&loop);
    struct call **calls = alloc_zero(loop.count * FLIGHTS_PER_SLOT, sizeof(struct call *));
    while (in_the_air(&loop) && !atomic_load(&loop.nodes->service->stop)) {
        for (size_t i = 0; i < loop.count * FLIGHTS_PER_SLOT; i++)
            calls[i] = loop.slots[i / FLIGHTS_PER_SLOT].flights[i % FLIGHTS_PER_SLOT].call;
        int done = ask_wait(calls, loop.count * FLIGHTS_PER_SLOT, monotonic_ms() + TICK_MS);
        if (done >= 0) {
            struct slot *slot = &loop.slots[done / FLIGHTS_PER_SLOT];
            struct flight *flight = &slot->flights[done % FLIGHTS_PER_SLOT];
            struct err err = ERR_INIT;
            if (check_receipt(&loop, slot, flight, &err) == 0)
                landed(&loop, slot, flight);
            else
                failed(&loop, slot, flight, &err);
        }
        look_after(&loop);
    }
    free(calls);
    sending->as_planned = memcmp(&loop.planned, &sending->holders, sizeof(loop.planned)) == 0;
    loop_release(&loop);
}

size_t send_room(const struct sending *sending)
{
    size_t room = 0;
    struct choice choice;
    choice_init(&choice, sending->nodes, &sending->holders);
    for (size_t i = 0; i < sending->nodes->count; i++)
        room +=
            choice_possible(&choice, i) && (sending->doubtful_too || choice.candidates[i].usable);
    choice_release(&choice);
    return room;
}
