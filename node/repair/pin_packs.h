/* pin_packs.h - what a snapshot relies on, pinned, proven and counted now.
 *
 * One message to every member pins all packs of the batch for a record; what comes back is what each
 * says that it holds. Of what would count, each proves a sample (prove.h); who lies counts for
 * nothing. A pack's object is complete when k + m distinct nodes hold its rows; what is incomplete is
 * repaired where nodes are at hand, for a bounded time a request.
 *
 *   Limits   CLIENT_PIN_MAX packs a request
 *   Errors   those of the store; ERR_CANCELLED this node is stopping
 *   Threads  any
 */
#ifndef ECBAK_NODE_REPAIR_PIN_PACKS_H
#define ECBAK_NODE_REPAIR_PIN_PACKS_H

#include "node/api/client.h"
#include "node/peers/peers.h"

#define PIN_REPAIR_MS 20000 /* no repair starts later than this into a request */

/* What is asked. Borrows all. */
struct pin_wanted {
    const struct pin *pin;
    const struct pack_id *packs;
    size_t count;
    bool repair;
    uint32_t leaves;               /* that each node proves; 0: its word is taken */
    const struct node_id *without; /* nodes that count for nothing */
    size_t without_count;
};

/* What comes of it. */
struct pin_result {
    struct redundancy *held; /* [count] the caller's: in the order of packs; nodes = 0 where nothing
                                * was found */
    struct unproven *unproven; /* malloc'd, the caller's to free; a node may stand there twice */
    size_t unproven_count;
};

int pin_packs(struct peers *peers, const struct pin_wanted *wanted, struct pin_result *result,
              struct err *err) MUST_CHECK;

#endif
