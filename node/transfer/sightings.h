/* sightings.h - what nodes claim to hold, as their answers say it: page by page, row by row.
 *
 * Nothing of it is believed. Which objects there are at all, and of what shape, is what their grants
 * say (believe.h); that a row is there, the fragment proves when it comes, or the node's word counts for
 * that one node.
 *
 *   Limits   ASK_PAGES_MAX pages of one node's answer; rows in order, each once
 *   Threads  one at a time for one struct sightings
 */
#ifndef ECBAK_NODE_TRANSFER_SIGHTINGS_H
#define ECBAK_NODE_TRANSFER_SIGHTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/peers/nodes.h"
#include "node/peers/peer.pb-c.h"

/* One fragment at one node. */
struct sighting {
    struct object_id object;
    uint32_t index;
    uint32_t data, parity; /* as its grant says: believe_claims; zeros: not known */
    uint64_t pack_bytes;
    size_t node;   /* in nodes */
    size_t pack;   /* which of the packs asked for; 0 when it was one */
    bool failed;   /* it does not count; or was asked for, and did not come or was damaged */
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

/* How far one node's answer was read. Starts as zeros. */
struct pages {
    unsigned count;
    size_t pack; /* of the last row taken: the next page is asked for from this pack on */
    bool any;
    struct object_id object; /* the last row taken */
    uint32_t index;
};

/* A page as an answer has it. */
struct page {
    size_t n_fragments;
    Ecbak__FragmentAt *const *fragments;
    bool more;
};

/* Takes over what a page claims about these many packs. true: there is another page, to be asked for
 * with pages_after. */
bool sightings_add_page(struct sightings *sightings, const struct nodes *nodes, size_t node,
                        size_t pack_count, struct pages *pages, const struct page *page);
/* The place after which the next page begins, or NULL for the first. Borrows pages and fills place. */
Ecbak__RowPlace *pages_after(const struct pages *pages, Ecbak__RowPlace *place);
/* All rows of a vault's pack on this node's own disk. */
int sightings_add_own(struct sightings *sightings, const struct nodes *nodes, size_t node,
                      size_t pack, const struct pack_question *question,
                      struct err *err) MUST_CHECK;

/* Distinct rows of an object that were seen and did not fail, and at how many nodes. */
size_t sightings_rows(const struct sightings *sightings, const struct object_id *object,
                      size_t *nodes);

#endif
