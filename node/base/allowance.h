/* allowance.h - how much each node may bring in a while.
 *
 * A node has so much at once, and gets some of it back each hour. What would go beyond is refused for
 * now. Kept in memory: it slows a flood down, and the share of the disk (store.h) is what ends it.
 *
 *   Units    bytes, milliseconds
 *   Limits   ALLOWANCE_NODES_MAX nodes are remembered; of more, the one that has most left is forgotten
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_ALLOWANCE_H
#define ECBAK_NODE_BASE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define ALLOWANCE_NODES_MAX 1024

struct allowance;

void allowance_new(struct allowance **allowance, uint64_t at_once_bytes, uint64_t hour_bytes);
void allowance_destroy(struct allowance **allowance);
/* Takes so much of what the node has left; false when it has not so much. */
bool allowance_take(struct allowance *allowance, const struct node_id *node, uint64_t bytes,
                    int64_t now_ms) MUST_CHECK;

#endif
