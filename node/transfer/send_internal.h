/* send_internal.h - the inside of send.h: a slot for each fragment, and its flights.
 *
 *   send.c          the loop: what comes back, who is late, when it ends
 *   send_flights.c  one fragment on its way to one node
 */
#ifndef ECBAK_NODE_TRANSFER_SEND_INTERNAL_H
#define ECBAK_NODE_TRANSFER_SEND_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/placement/choice.h"
#include "node/placement/pace.h"
#include "node/transfer/send.h"

#define FLIGHTS_PER_SLOT 2

struct flight {
    struct call *call; /* NULL: none */
    size_t node;
    int64_t start_ms;
    bool doubtful;
};

struct slot {
    unsigned index;
    struct sendable fragment;
    bool done;
    size_t planned; /* the node that the plan names for it; SIZE_MAX: none */
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
    int64_t only_doubtful_ms; /* since when nobody else is waited for; 0: not so */
};

/* The fragment is at the node, which was proven. */
void slot_placed(struct loop *loop, struct slot *slot, size_t node, int64_t took_ms);
void slot_end_flights(struct slot *slot);
/* One more node that has no space: its name, and `what` it lacks. */
void send_note_full(struct sending *sending, size_t node, const char *what);
/* The node will not be tried again by this job. */
void slot_give_up(struct loop *loop, size_t node, const struct err *why);
/* Sends the slot's fragment; `told`: whom the holder is told that the others are. */
void slot_fly(struct loop *loop, struct slot *slot, size_t node, const struct holders *told);
/* The same for this node itself, at once. */
void slot_put_here(struct loop *loop, struct slot *slot, size_t node, const struct holders *told);
/* Keeps choosing until the slot has a flight (or is done, by this node itself) or nobody is left. */
void slot_fly_to_next(struct loop *loop, struct slot *slot);

#endif
