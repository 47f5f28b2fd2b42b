/* placement.h - which nodes get the fragments of a pack: weighted rendezvous hashing, spread over
 * zones.
 *
 * Pure. The order depends on the pack id alone (not on the object id), so that a reader who knows
 * just the pack id asks the likeliest holders first, and a pack that is coded anew keeps its
 * places.
 *
 *   Limits   no two candidates with the same node id
 *   Memory   borrows everything
 *   Threads  any, after sodium_init()
 *   Source   Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998);
 *            weights by Schindelhauer and Schomaker's logarithmic method (2005)
 */
#ifndef ECBAK_NODE_PLACEMENT_PLACEMENT_H
#define ECBAK_NODE_PLACEMENT_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

struct candidate {
    struct node_id node;
    const char *zone;        /* NULL: as "" */
    uint64_t capacity_bytes; /* the weight */
    uint64_t free_bytes;
    bool self;     /* the storing node: the last choice, since its loss takes the source too */
    bool usable;   /* alive, in service, certificate in its dates */
    bool doubtful; /* not usable now, and may be asked all the same: suspicions are often wrong */
};

/* Indices of candidates in rendezvous order for this pack, all of them. */
void placement_order(const struct pack_id *pack, const struct candidate *candidates, size_t count,
                     size_t *order);

/* Where fragments of one object may go. Borrows all. */
struct placement {
    const struct pack_id *pack;
    const struct candidate *candidates;
    size_t count;
    const bool *taken; /* those that hold a fragment already: they count for their zone and are not
                        * chosen; NULL: none */
    size_t zone_max;   /* fragments in a zone, while others can take them */
    uint64_t fragment_bytes;
};

/* Chooses up to `wanted` usable nodes with at least fragment_bytes free into chosen (indices of
 * candidates, in rendezvous order; self comes last, and only when the others are too few). Beyond
 * zone_max the zones fill evenly. Returns how many were chosen. */
size_t placement_choose(const struct placement *placement, size_t wanted, size_t *chosen);

/* k and m for a cluster of `known` members (README has the table); false: too few. */
bool placement_shape(size_t known, uint32_t *data, uint32_t *parity);

#endif
