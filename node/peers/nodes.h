/* nodes.h - a job's picture of the cluster: every member, and what may be asked of it now.
 *
 * Taken once from the membership table when a job starts, and refreshed while it waits, so that a
 * job learns within a moment that a node it waits for has died.
 *
 *   Threads  one at a time for one struct nodes
 */
#ifndef ECBAK_NODE_PEERS_NODES_H
#define ECBAK_NODE_PEERS_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/peers/peers.h"
#include "node/placement/placement.h"
#include "node/placement/standing.h"

struct nodes {
    struct peers *peers;
    struct member_table *table;
    struct candidate *candidates; /* one a member, in the table's order */
    enum standing *standings;
    size_t count;
};

void nodes_init(struct nodes *nodes, struct peers *peers);
void nodes_release(struct nodes *nodes);
/* Index of a node, or -1. */
int nodes_find(const struct nodes *nodes, const struct node_id *node);
/* This job does without these: they get nothing, and are asked for fragments after everybody else. */
void nodes_exclude(struct nodes *nodes, const struct node_id *ids, size_t count);
/* Is it dead or gone by now? Looks at the membership of this moment. */
bool nodes_gone(const struct nodes *nodes, size_t index);

/* A call failed for a reason that lies with the node or the way there (not: it has not got it). */
void nodes_failed(struct nodes *nodes, size_t index);
void nodes_succeeded(struct nodes *nodes, size_t index);

/* Members of that standing or better that may answer; this node is one of them. */
size_t nodes_count(const struct nodes *nodes, enum standing worst);
/* k and m for the members known now. ERR_TOO_FEW when there is nobody to store at. */
int nodes_shape(const struct nodes *nodes, uint32_t *data, uint32_t *parity,
                struct err *err) MUST_CHECK;

#endif
