/* fetch.h - enough rows of one object of a vault's pack, from whoever has them.
 *
 * Only objects of which a valid grant of the vault was seen are fetched, and first those that a writer
 * granted who can read the vault: then nobody else can have it fetch what is none of the vault's.
 *
 * Fetches k rows side by side, starts another when one is late, and drops what does not prove
 * itself, so that the slow, the dead and the damaged do not hold it up.
 *
 * Who claims rows need not have them, and the object need not be one. So the object of which most
 * nodes in good standing claim a row comes first, where each node counts once, whatever it claims;
 * when that one is late, another is fetched beside it, and whichever is whole first is taken.
 *
 *   Errors   ERR_DAMAGED those that are damaged would have been enough, or all members answered and have
 *            too few: nobody is away who could have more; ERR_NOT_FOUND nobody has a
 *            fragment of the pack; ERR_TOO_FEW fewer than k rows of any object could be had: the text
 *            says how many are missing of which
 *   Limits   FETCH_RACE_MAX objects side by side, FETCH_FLIGHTS_MAX rows of each
 *   Memory   the rows, until fetch_release
 *   Threads  one at a time for one struct fetching
 */
#ifndef ECBAK_NODE_TRANSFER_FETCH_H
#define ECBAK_NODE_TRANSFER_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/object.h"
#include "node/peers/nodes.h"
#include "node/placement/pace.h"
#include "node/transfer/locate.h"

#define FETCH_FLIGHTS_MAX 32
#define FETCH_RACE_MAX    4

struct fetch_flight {
    struct call *call; /* NULL: none */
    size_t sighting;
    int64_t start_ms;
};

/* Rows of one object, each proven against its id. */
struct fetch_target {
    struct object_id id;
    bool by_reader;        /* a writer granted it who can read the vault */
    unsigned need, extra;  /* rows wanted: k, and more when a set of k was no good */
    struct object *object; /* what the rows prove; NULL: no row yet */
    struct object_row rows[RS_TOTAL_MAX];
    uint8_t *own[RS_TOTAL_MAX];      /* read from this node's disk */
    struct call *kept[RS_TOTAL_MAX]; /* holds the row that it brought */
    unsigned have;
    int64_t moved_ms; /* when its rows were asked for first, or one came last; 0: not yet */
    struct fetch_flight flights[FETCH_FLIGHTS_MAX];
};

struct fetching {
    struct nodes *nodes;
    struct locating locating;
    struct wanted_pack wanted;
    const struct object_id *only; /* this object and no other, or NULL */
    struct object_id *struck;     /* objects whose rows do not give the pack */
    size_t struck_count;

    struct fetch_target *targets[FETCH_RACE_MAX]; /* the objects that are fetched now */
    size_t target_count;
    struct fetch_target *whole; /* of these, the one that fetch_rows returned with */

    struct pace pace;
    int64_t feasible_ms; /* since when enough rows were seen; 0: not so */
    uint32_t corrupt;    /* damaged fragments met */
};

/* `only` (or NULL) is borrowed. */
void fetch_init(struct fetching *fetching, struct nodes *nodes, const struct wanted_pack *wanted,
                const struct object_id *only);
/* `whole` has at least need + extra rows, or as many as can be had when that is at least need. */
int fetch_rows(struct fetching *fetching, struct err *err) MUST_CHECK;
void fetch_release(struct fetching *fetching);
/* The rows of `whole` prove themselves, but do not give the pack: another object is fetched next. */
void fetch_strike(struct fetching *fetching);

#endif
