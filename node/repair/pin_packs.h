/* pin_packs.h - what a snapshot relies on, pinned and counted now.
 *
 * One message to every member pins all packs of the batch for a run of a writer, who signed it: the
 * same bytes for all, and kept by each that holds any of them. What comes back is what is on disk at
 * this moment. A pack's object is complete when k + m distinct nodes hold its rows; what is incomplete
 * is repaired where nodes are at hand, for a bounded time a request, and whoever took a row of it is
 * given the batch too.
 *
 *   Limits   CLIENT_PIN_MAX packs a request
 *   Threads  any
 */
#ifndef ECBAK_NODE_REPAIR_PIN_PACKS_H
#define ECBAK_NODE_REPAIR_PIN_PACKS_H

#include "node/api/client.h"
#include "node/peers/peers.h"
#include "node/trust/pin.h"

#define PIN_REPAIR_MS 20000 /* no repair starts later than this into a request */

/* A batch of pins, countersigned by this node. Borrows all. */
struct pin_batch {
    const uint8_t *bytes; /* a SignedPin */
    size_t size;
    const struct pins *pins; /* opened */
};

/* Fills held[], for each pack, in their order; nodes = 0 where nothing was found. */
int pin_packs(struct peers *peers, const struct pin_batch *batch, bool repair,
              struct redundancy *held, struct err *err) MUST_CHECK;

#endif
