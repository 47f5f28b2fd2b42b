/* send.h - fragments of one object to nodes, each until a node has signed that it is on disk.
 *
 * All fragments travel side by side. A node that fails, is full or is much slower than its siblings
 * is replaced by the next in the pack's order. No node gets two fragments of one object. Nothing
 * counts but a receipt: signed by the node that was asked, for this object, row and pin.
 *
 *   Memory   takes a reference to what each fragment lies in, and gives it up when the last send of it
 *            is through
 *   Threads  any; one at a time for one struct sending
 */
#ifndef ECBAK_NODE_TRANSFER_SEND_H
#define ECBAK_NODE_TRANSFER_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/rs.h"
#include "node/api/client.h"
#include "node/peers/nodes.h"
#include "node/store/store.h"
#include "node/transfer/parcel.h"

#define SEND_LACKS_MAX 320

/* A fragment and what it lies in; parcel NULL: it is not to be sent. */
struct sendable {
    uint8_t *bytes;
    struct parcel *parcel;
};

struct sending {
    struct nodes *nodes;
    const struct pack_id *pack; /* decides the order of nodes */
    const struct object_id *object;
    const uint8_t *grant; /* countersigned */
    size_t grant_size;
    const struct pin *pin; /* the one that the grant is: what a receipt is for */
    uint32_t data, parity;
    size_t fragment_size;
    struct sendable fragments[RS_TOTAL_MAX]; /* by index; parcels are nulled when taken */
    struct holders holders; /* who has what before, and with what was placed after */
    bool doubtful_too;      /* may send to doubtful nodes when the good ones are too few */

    uint32_t placed;            /* of these fragments, how many have a receipt */
    uint64_t sent_bytes;        /* over the network */
    bool as_planned;            /* the holders were told the truth; else tell them: tell_holders */
    struct err last;            /* why the last one that failed did */
    uint32_t full;              /* nodes that could take a fragment and have no space for it */
    char lacks[SEND_LACKS_MAX]; /* the first of them, and what each lacks */
};

/* Returns when each fragment has a receipt or nobody is left to take it. */
void send_fragments(struct sending *sending);

/* Nodes that could take a fragment, of those that hold none of the object yet. Those that lack
 * nothing but space are noted in full and lacks; send_fragments adds the ones that find out. */
size_t send_room(struct sending *sending);

#endif
