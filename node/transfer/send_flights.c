/* A flight holds what its fragment lies in until the transport is through with it. */
#include "node/transfer/send_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"

void slot_placed(struct loop *loop, struct slot *slot, size_t node, int64_t took_ms)
{
    struct sending *s = loop->sending;
    assert(!slot->done && !holders_has(&s->holders, slot->index));
    slot->done = true;
    s->as_planned = s->as_planned && node == slot->planned;
    if (slot->again_ms > 0) { /* a busy node need not be asked again: nothing is left for it */
        slot->again_ms = 0;
        choice_give_back(&loop->choice, slot->again_node);
    }
    s->holders.node[slot->index] = loop->choice.candidates[node].node;
    s->placed++;
    pace_took(&loop->pace, took_ms);
}

void send_note_full(struct sending *sending, size_t node, const char *what)
{
    size_t used = strlen(sending->lacks);
    sending->full++;
    snprintf(sending->lacks + used, sizeof(sending->lacks) - used, "%snode %s: %.120s",
             used > 0 ? "; " : "", sending->nodes->table->members[node].cert.name, what);
}

void slot_give_up(struct loop *loop, size_t node, const struct err *why)
{
    choice_strike(&loop->choice, node);
    if (why->code == ERR_FULL)
        send_note_full(loop->sending, node, why->text);
    loop->sending->last = *why;
    err_context(&loop->sending->last, "node %s", loop->nodes->table->members[node].cert.name);
}

void slot_end_flights(struct slot *slot)
{
    for (size_t f = 0; f < FLIGHTS_PER_SLOT; f++)
        call_destroy(&slot->flights[f].call);
}

void slot_put_here(struct loop *loop, struct slot *slot, size_t node, const struct holders *told)
{
    const struct sending *s = loop->sending;
    struct err err = ERR_INIT;
    int64_t start = monotonic_ms();
    if (local_put_fragment(&loop->nodes->peers->local,
                           &(struct fragment_to_put){slot->fragment.bytes, s->fragment_size,
                                                     s->grant, s->grant_size, told,
                                                     &loop->nodes->peers->local.keys->node},
                           NULL, &err) == 0)
        slot_placed(loop, slot, node, monotonic_ms() - start);
    else
        slot_give_up(loop, node, &err);
}

void slot_fly(struct loop *loop, struct slot *slot, size_t node, const struct holders *told)
{
    struct sending *s = loop->sending;
    struct flight *flight = &slot->flights[slot->flights[0].call == NULL ? 0 : 1];
    struct err err = ERR_INIT;
    ProtobufCBinaryData views[HOLDERS_MAX];
    holders_to_wire(views, told);
    Ecbak__PutFragment put = ECBAK__PUT_FRAGMENT__INIT;
    put.grant = wire_view(s->grant, s->grant_size);
    put.n_holders = told->count;
    put.holders = views;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT;
    request.put_fragment = &put;
    struct payload payload =
        parcel_part(slot->fragment.parcel, slot->fragment.bytes, s->fragment_size);
    if (ask_start(loop->nodes->peers->transport, &loop->choice.candidates[node].node, &request,
                  &payload, PUT_TIMEOUT_MS, &flight->call, &err) != 0) {
        flight->call = NULL;
        nodes_failed(loop->nodes, node);
        slot_give_up(loop, node, &err);
        return;
    }
    flight->node = node;
    flight->start_ms = monotonic_ms();
    flight->doubtful = loop->nodes->standings[node] == STANDING_DOUBTFUL;
    s->sent_bytes += s->fragment_size;
}

void slot_fly_to_next(struct loop *loop, struct slot *slot)
{
    bool had = slot->flights[0].call != NULL || slot->flights[1].call != NULL;
    size_t node;
    while (!slot->done && choice_take(&loop->choice, 1, &node) == 1) {
        if (loop->choice.candidates[node].self) {
            slot_put_here(loop, slot, node, &loop->sending->holders);
            if (slot->done)
                slot_end_flights(slot);
            continue;
        }
        slot_fly(loop, slot, node, &loop->sending->holders);
        if (had ? slot->flights[0].call != NULL && slot->flights[1].call != NULL
                : slot->flights[0].call != NULL || slot->flights[1].call != NULL)
            return;
    }
}
