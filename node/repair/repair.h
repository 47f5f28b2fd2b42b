/* repair.h - an object made whole again: rows that nobody has any more are rebuilt from k others and
 * sent to nodes that have none, with the grant that lies beside a fragment.
 *
 *   Errors   ERR_TOO_FEW fewer than k rows, or no node to take one; ERR_FULL nodes could, and have no
 *            space; those of fetch.h
 *   Threads  any
 */
#ifndef ECBAK_NODE_REPAIR_REPAIR_H
#define ECBAK_NODE_REPAIR_REPAIR_H

#include "node/peers/peers.h"

/* The object that is to be completed, and the record that it is pinned for; borrows all. */
struct repair {
    const struct pack_id *pack;
    const struct object_id *object;
    uint32_t data, parity;
    const struct pin *pin;
    const struct node_id *without; /* nodes that are given nothing */
    size_t without_count;
};

/* holders: who holds which row now (distinct nodes); those that were added are in it after.
 * *sent_bytes grows by what was placed. 0: at least one row was added. */
int repair_object(struct peers *peers, const struct repair *repair, struct holders *holders,
                  uint64_t *sent_bytes, struct err *err) MUST_CHECK;

#endif
