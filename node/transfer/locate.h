/* locate.h - who says that it holds fragments of a vault's pack, and of which objects there is a grant.
 *
 * Asks the likeliest holders first (the pack's rendezvous order, this node's own disk, then whom
 * the answers' holder lists name), then everybody. What comes back is unproven until a fragment
 * proves itself; but objects without a valid grant of the vault are passed over, since anybody can
 * make any number of them up.
 *
 *   Limits   those of sightings.h
 *   Threads  one at a time for one struct locating
 */
#ifndef ECBAK_NODE_TRANSFER_LOCATE_H
#define ECBAK_NODE_TRANSFER_LOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/object.h"
#include "node/peers/nodes.h"
#include "node/transfer/sightings.h"

#define LOCATE_FIRST 16 /* nodes asked at once */

/* What is looked for. Borrows both. */
struct wanted_pack {
    const struct vault_id *vault;
    const struct pack_id *pack;
};

struct locating {
    struct nodes *nodes;
    struct wanted_pack wanted;
    struct sightings sightings;
    struct belief *beliefs; /* an object each, of which a valid grant was seen */
    size_t belief_count;
    size_t *order;       /* all nodes, the likeliest first */
    bool *hinted;        /* a holder list named it */
    size_t next;         /* in order: who is asked next */
    struct call **calls; /* by node */
    struct pages *pages; /* by node */
    bool *asked_node;
    size_t asked, answered;
};

/* Looks on this node's disk and asks the first nodes. */
void locate_init(struct locating *locating, struct nodes *nodes, const struct wanted_pack *wanted);
void locate_release(struct locating *locating);
/* Asks `count` more nodes of at most this standing (those that were hinted at first); false when
 * there are none. */
bool locate_more(struct locating *locating, size_t count, enum standing worst);
/* An answer came for calls[node]: takes it. */
void locate_take(struct locating *locating, size_t node);
/* Questions under way to nodes of at most this standing. */
size_t locate_waiting(const struct locating *locating, enum standing worst);

/* A proven fragment says what shape its object has: a grant that said another is corrected. */
void locate_settle(struct locating *locating, const struct object_id *object,
                   const struct object_shape *shape);

#endif
