/* pin_packs.h - what a snapshot relies on, pinned and counted now.
 *
 * One message to every member pins all packs of the batch for a record; what comes back is what is
 * on disk at this moment. A pack's object is complete when k + m distinct nodes hold its rows;
 * what is incomplete is repaired where nodes are at hand, for a bounded time a request.
 *
 *   Limits   CLIENT_PIN_MAX packs a request
 *   Threads  any
 */
#ifndef ECBAK_NODE_REPAIR_PIN_PACKS_H
#define ECBAK_NODE_REPAIR_PIN_PACKS_H

#include "node/api/client.h"
#include "node/peers/peers.h"

#define PIN_REPAIR_MS 20000 /* no repair starts later than this into a request */

/* Fills held[count], in the order of packs; nodes = 0 where nothing was found. */
int pin_packs(struct peers *peers, const struct pin *pin, const struct pack_id *packs, size_t count,
              bool repair, struct redundancy *held, struct err *err) MUST_CHECK;

#endif
