/* ranking.h - where a row is fetched from first, of all the nodes that hold it.
 *
 *   Units    round trips in milliseconds; < 0: not known
 *   Threads  any; pure
 */
#ifndef ECBAK_NODE_PLACEMENT_RANKING_H
#define ECBAK_NODE_PLACEMENT_RANKING_H

#include <stdbool.h>

#include "node/placement/standing.h"

/* The lowest first: this node's own disk, then those in better standing, then the nearer by classes
 * of their round trip, then data rows, which need no decoding. */
int ranking(enum standing standing, double rtt_ms, bool parity);

#endif
