/* locate.h - who says that it holds fragments of a pack.
 *
 * Asks the likeliest holders first (the pack's rendezvous order, this node's own disk, then whom
 * the answers' holder lists name), then everybody. What comes back is unproven until a fragment
 * proves itself.
 *
 *   Limits   ASK_FRAGMENTS_MAX sightings a node and pack, the rest is dropped
 *   Threads  one at a time for one struct locating
 */
#ifndef ECBAK_NODE_TRANSFER_LOCATE_H
#define ECBAK_NODE_TRANSFER_LOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/peers/nodes.h"
#include "node/peers/peer.pb-c.h"

#define LOCATE_FIRST 16 /* nodes asked at once */

/* One fragment at one node. */
struct sighting {
    struct object_id object;
    uint32_t index, data, parity;
    uint64_t pack_bytes;
    size_t node;   /* in nodes */
    size_t pack;   /* which of the packs asked for; 0 when it was one */
    bool failed;   /* it was asked for, and did not come or was damaged */
    bool fetched;  /* it came, or is on its way */
    bool counted;  /* it is the one row that its node counts for */
    bool examined; /* it was among those that its node was to prove */
    unsigned busy_tries;
    int64_t again_ms; /* its node was busy: not before then */
};

struct sightings {
    struct sighting *items;
    size_t count, room;
};

void sightings_release(struct sightings *sightings);
/* Takes over what an answer claims, if it can be true. */
void sightings_add_wire(struct sightings *sightings, size_t node, size_t n_fragments,
                        Ecbak__FragmentAt *const *fragments, size_t pack_count);
void sightings_add_own(struct sightings *sightings, size_t node, size_t pack,
                       const struct fragment_info *found, size_t count);

struct locating {
    struct nodes *nodes;
    const struct pack_id *pack;
    struct sightings sightings;
    size_t *order;       /* all nodes, the likeliest first */
    bool *hinted;        /* a holder list named it */
    size_t next;         /* in order: who is asked next */
    struct call **calls; /* by node */
    bool *asked_node;
    size_t asked, answered;
};

/* Looks on this node's disk and asks the first nodes. */
void locate_init(struct locating *locating, struct nodes *nodes, const struct pack_id *pack);
void locate_release(struct locating *locating);
/* Asks `count` more nodes of at most this standing (those that were hinted at first); false when
 * there are none. */
bool locate_more(struct locating *locating, size_t count, enum standing worst);
/* An answer came for calls[node]: takes it. */
void locate_take(struct locating *locating, size_t node);
/* Questions under way to nodes of at most this standing. */
size_t locate_waiting(const struct locating *locating, enum standing worst);

/* Distinct rows of an object that were seen and did not fail, and at how many nodes. */
size_t sightings_rows(const struct sightings *sightings, const struct object_id *object,
                      size_t *nodes);

#endif
