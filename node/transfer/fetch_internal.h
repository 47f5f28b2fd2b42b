/* fetch_internal.h - the inside of fetch.h: one row, from being asked for to being believed.
 *
 *   fetch.c      the loop: which object, whom to ask, when it is enough
 *   fetch_row.c  one row
 */
#ifndef ECBAK_NODE_TRANSFER_FETCH_INTERNAL_H
#define ECBAK_NODE_TRANSFER_FETCH_INTERNAL_H

#include "node/transfer/fetch.h"

/* From this node's disk, at once. */
void row_read_here(struct fetching *f, struct sighting *s);
/* Asks the node of a sighting for its row; does nothing when every flight is taken. */
void row_ask(struct fetching *f, size_t sighting);
/* A flight is over: its row is kept with the call that brought it, or its sighting is struck. */
void row_came(struct fetching *f, struct fetch_flight *flight);

#endif
