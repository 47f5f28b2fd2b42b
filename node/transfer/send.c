/* One slot a fragment, with at most two flights: the first, and one that overtakes it when it is
 * late. A loop waits for whatever happens next, and ends when no slot has a flight. */
#include "node/transfer/send_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/base/holders.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/placement/choice.h"
#include "node/placement/pace.h"
#include "node/trust/receipt.h"

#define TICK_MS       250
#define LATE_FIRST_MS 3000 /* see pace.h */
#define LATE_FACTOR   5
#define LATE_LEAST_MS 1000

static void choice_begin(struct choice *choice, const struct sending *sending)
{
    choice_init(choice, sending->nodes->candidates, sending->nodes->count);
    choice->pack = sending->pack;
    choice->zone_max = sending->parity > 0 ? sending->parity : 1;
    choice->fragment_bytes = sending->fragment_size;
    choice->doubtful_too = sending->doubtful_too;
    for (uint32_t i = 0; i < sending->holders.count; i++) {
        int node = nodes_find(sending->nodes, &sending->holders.node[i]);
        if (node >= 0)
            choice_mark(choice, (size_t)node);
    }
}

static void loop_init(struct loop *loop, struct sending *sending)
{
    *loop = (struct loop){
        .sending = sending,
        .nodes = sending->nodes,
        .pace = {.first_ms = LATE_FIRST_MS, .factor = LATE_FACTOR, .least_ms = LATE_LEAST_MS}};
    choice_begin(&loop->choice, sending);
    unsigned total = sending->data + sending->parity;
    loop->slots = alloc_zero(total, sizeof(*loop->slots));
    for (unsigned i = 0; i < total; i++) {
        if (sending->fragments[i].parcel == NULL)
            continue;
        struct slot *slot = &loop->slots[loop->count++];
        slot->index = i;
        slot->planned = SIZE_MAX;
        slot->fragment = sending->fragments[i];
        sending->fragments[i].parcel = NULL;
    }
}

static void loop_release(struct loop *loop)
{
    for (size_t i = 0; i < loop->count; i++) {
        for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++)
            call_destroy(&loop->slots[i].flights[f].call);
        parcel_release(&loop->slots[i].fragment.parcel);
    }
    choice_release(&loop->choice);
    free(loop->slots);
}

/* The first nodes for all slots, in one choice, so that the zones are balanced over all. */
static void plan(struct loop *loop, struct holders *planned)
{
    size_t chosen[RS_TOTAL_MAX], for_slot[RS_TOTAL_MAX];
    unsigned rows[RS_TOTAL_MAX];
    for (size_t i = 0; i < loop->count; i++) {
        rows[i] = loop->slots[i].index;
        for_slot[i] = SIZE_MAX;
    }
    size_t count = choice_take(&loop->choice, loop->count, chosen);
    choice_assign(&loop->choice, chosen, count, rows, loop->count, for_slot);
    *planned = loop->sending->holders;
    for (size_t i = 0; i < loop->count; i++) {
        loop->slots[i].planned = for_slot[i];
        if (for_slot[i] != SIZE_MAX)
            planned->node[loop->slots[i].index] = loop->choice.candidates[for_slot[i]].node;
    }
}

/* Holders are told in advance whom the plan names, and only corrected when it failed. This node's
 * own row is written while the others travel. */
static void take_off(struct loop *loop)
{
    struct holders planned;
    struct slot *own = NULL;
    plan(loop, &planned);
    for (size_t i = 0; i < loop->count; i++) {
        struct slot *slot = &loop->slots[i];
        if (slot->planned == SIZE_MAX)
            continue;
        if (loop->choice.candidates[slot->planned].self)
            own = slot;
        else
            slot_fly(loop, slot, slot->planned, &planned);
    }
    if (own != NULL)
        slot_put_here(loop, own, own->planned, &planned);
    for (size_t i = 0; i < loop->count; i++) {
        if (!loop->slots[i].done && loop->slots[i].flights[0].call == NULL)
            slot_fly_to_next(loop, &loop->slots[i]);
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
    uint64_t used_bytes = reply->put_fragment->used_bytes;
    int result = receipt_open(&receipt, bytes.data, bytes.len, err);
    wire_free(reply);
    if (result == 0 &&
        (!id_equal(&receipt.cluster, &loop->nodes->peers->local.cluster) ||
         !id_equal(&receipt.object, s->object) || receipt.index != slot->index ||
         !id_equal(&receipt.holder, &loop->choice.candidates[flight->node].node) ||
         !id_equal(&receipt.writer, &s->pin->writer) || receipt.number != s->pin->number))
        result = err_set(err, ERR_FOREIGN, "a receipt for something else");
    if (result != 0)
        count_one(loop->nodes->peers->local.counters, COUNTED_BAD_RECEIPTS);
    else if (used_bytes > 0)
        heard_used(loop->nodes->peers->heard, &receipt.holder, used_bytes,
                   loop->nodes->table->members[flight->node].used_bytes);
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
            count_one(loop->nodes->peers->local.counters, COUNTED_REPLACED);
        }
    }
    nodes_took(loop->nodes, winner->node);
    slot_placed(loop, slot, winner->node, monotonic_ms() - winner->start_ms);
    slot_end_flights(slot);
}

static void failed(struct loop *loop, struct slot *slot, struct flight *flight,
                   const struct err *why)
{
    size_t node = flight->node;
    call_destroy(&flight->call);
    if (why->code == ERR_BUSY && slot->busy_tries < ASK_BUSY_TRIES) {
        slot->busy_tries++;
        slot->again_ms = monotonic_ms() + ASK_BUSY_WAIT_MS;
        slot->again_node = node;
        return;
    }
    nodes_failed(loop->nodes, node);
    slot_give_up(loop, node, why);
    count_one(loop->nodes->peers->local.counters, COUNTED_REPLACED);
    if (slot->flights[0].call == NULL && slot->flights[1].call == NULL)
        slot_fly_to_next(loop, slot);
}

/* To the node that was busy, unless others overtook it. */
static void fly_again(struct loop *loop, struct slot *slot)
{
    slot->again_ms = 0;
    if (slot->flights[0].call != NULL && slot->flights[1].call != NULL)
        choice_give_back(&loop->choice, slot->again_node);
    else
        slot_fly(loop, slot, slot->again_node, &loop->sending->holders);
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
                slot_fly_to_next(loop, slot);
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
    sending->as_planned = true;
    take_off(&loop);
    struct call **calls = alloc_zero(loop.count * FLIGHTS_PER_SLOT, sizeof(struct call *));
    while (in_the_air(&loop) && !atomic_load(&loop.nodes->peers->stop)) {
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
    for (size_t i = 0; i < loop.count; i++)
        sending->as_planned &= loop.slots[i].done || loop.slots[i].planned == SIZE_MAX;
    loop_release(&loop);
}

size_t send_room(struct sending *sending)
{
    size_t room = 0;
    struct choice choice;
    char what[64];
    choice_begin(&choice, sending);
    for (size_t i = 0; i < sending->nodes->count; i++) {
        const struct candidate *candidate = &choice.candidates[i];
        if (!sending->doubtful_too && !candidate->usable)
            continue;
        room += choice_possible(&choice, i);
        if (!choice_lacks_space(&choice, i))
            continue;
        snprintf(what, sizeof(what), "%.1f MB too little",
                 (double)(choice.fragment_bytes - candidate->free_bytes) / 1e6);
        send_note_full(sending, i, what);
    }
    choice_release(&choice);
    return room;
}
