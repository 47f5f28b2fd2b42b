/* fetch_internal.h - the inside of fetch.h: objects that are fetched side by side, and their rows.
 *
 *   fetch.c         the loop: whom to ask, when it is enough
 *   fetch_target.c  which objects
 *   fetch_row.c     one row, from being asked for to being believed
 */
#ifndef ECBAK_NODE_TRANSFER_FETCH_INTERNAL_H
#define ECBAK_NODE_TRANSFER_FETCH_INTERNAL_H

#include "node/transfer/fetch.h"

/* Drops the objects of which too few rows are left, and begins the best when there is none. false: no
 * object has enough rows in sight. */
bool targets_choose(struct fetching *f);
/* When all objects are late: begins another beside them, if there is one, or instead of the weakest
 * when there are FETCH_RACE_MAX. Who is late then counts for less. */
void targets_race(struct fetching *f, int64_t now, int64_t late_ms);
/* The object is fetched no more. */
void target_drop(struct fetching *f, struct fetch_target *target);

/* From this node's disk, at once. */
void row_read_here(struct fetching *f, struct fetch_target *t, struct sighting *s);
/* Asks the node of a sighting for its row; does nothing when every flight is taken. */
void row_ask(struct fetching *f, struct fetch_target *t, size_t sighting);
/* A flight is over: its row is kept with the call that brought it, or its sighting is struck. */
void row_came(struct fetching *f, struct fetch_target *t, struct fetch_flight *flight);

#endif
