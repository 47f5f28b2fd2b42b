/* gather.h - a pack back from any k of its fragments.
 *
 * Fetches k rows side by side from whoever has them, starts another when one is late, and drops
 * what does not prove itself, so that the slow, the dead and the damaged do not hold it up.
 *
 *   Errors   ERR_NOT_FOUND nobody has a fragment of the pack; ERR_TOO_FEW fewer than k rows of any
 *            object could be had: the text says how many are missing of which; ERR_DAMAGED enough
 *            rows, but no set of them gives the pack
 *   Memory   k rows and the pack
 *   Threads  any; one at a time for one struct gathering
 */
#ifndef ECBAK_NODE_GATHER_H
#define ECBAK_NODE_GATHER_H

#include <stddef.h>
#include <stdint.h>

#include "coding/object.h"
#include "node/locate.h"
#include "node/nodes.h"

#define GATHER_FLIGHTS_MAX 32

struct gather_flight {
    struct call *call; /* NULL: none */
    size_t sighting;
    int64_t start_ms;
};

/* Rows of one object, each proven against its id. */
struct gathering {
    struct nodes *nodes;
    struct locating locating;
    const uint8_t *pack;
    const uint8_t *only; /* this object and no other, or NULL */

    uint8_t target[ID_SIZE]; /* the object that is fetched now */
    bool has_target;
    unsigned need, extra;  /* rows wanted: k, and more when a set of k was no good */
    struct object *object; /* what the rows prove; NULL: no row yet */
    struct object_row rows[RS_TOTAL_MAX];
    uint8_t *own[RS_TOTAL_MAX];      /* read from this node's disk */
    struct call *kept[RS_TOTAL_MAX]; /* holds the row that it brought */
    unsigned have;

    struct gather_flight flights[GATHER_FLIGHTS_MAX];
    int64_t took_ms[GATHER_FLIGHTS_MAX];
    size_t took_count;
    int64_t feasible_ms; /* since when enough rows were seen; 0: not so */
    uint32_t corrupt;    /* damaged fragments met */
};

/* `only` (or NULL) is borrowed, as is pack. */
void gather_init(struct gathering *gathering, struct nodes *nodes, const uint8_t pack[ID_SIZE],
                 const uint8_t *only);
/* At least need + extra rows in rows[], or as many as can be had when that is at least need. */
int gather_rows(struct gathering *gathering, struct err *err) MUST_CHECK;
void gather_release(struct gathering *gathering);

/* The whole of it: *bytes is malloc'd. */
int gather_pack(struct service *service, const uint8_t pack[ID_SIZE], uint8_t **bytes, size_t *size,
                uint8_t object[ID_SIZE], uint32_t *corrupt, struct err *err) MUST_CHECK;

#endif
