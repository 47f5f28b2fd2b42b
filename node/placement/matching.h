/* matching.h - which node counts for which row, when nodes hold several: as many distinct nodes
 * with distinct rows as there can be. That number, and not the number of fragments, is what losses
 * of nodes are survived by.
 *
 *   Threads  any; pure
 *   Source   Kuhn, "The Hungarian method for the assignment problem" (1955), its bipartite core:
 *            augmenting paths
 */
#ifndef ECBAK_NODE_PLACEMENT_MATCHING_H
#define ECBAK_NODE_PLACEMENT_MATCHING_H

#include <stddef.h>
#include <stdint.h>

struct row_at {
    uint32_t row;
    size_t node;
};

/* node_of[row_count] gets a node for each row, SIZE_MAX for none; no node twice. Nodes are numbers
 * below node_count; rows outside row_count are passed over. Returns how many were matched. */
size_t matching(const struct row_at *held, size_t count, size_t row_count, size_t node_count,
                size_t *node_of);

#endif
