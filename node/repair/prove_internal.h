/* prove_internal.h - one node that is examined: the inside of prove.h.
 *
 *   prove.c       whom to ask, and until when
 *   examined.c    one node: what it is asked for, what its answer proves, what follows from it
 */
#ifndef ECBAK_NODE_REPAIR_PROVE_INTERNAL_H
#define ECBAK_NODE_REPAIR_PROVE_INTERNAL_H

#include "node/repair/prove.h"
#include "node/repair/sample.h"

struct examined {
    size_t node;
    struct sighting **claims;
    uint32_t *leaves_of; /* by claim; 0: it was asked for */
    size_t claim_count;

    unsigned round;
    size_t wanted; /* leaves of this round */
    struct leaf_at drawn[SAMPLE_LEAVES_MAX];
    size_t drawn_count;
    size_t asked_from, asked_to; /* the part of drawn that is asked for now */

    uint32_t round_rows, round_damaged; /* of this round */
    uint32_t rows, damaged;             /* of all */
    unsigned busy_tries;
    bool over;
    bool excluded;
    bool rest_out;  /* rows that were not read do not count either */
    struct err why; /* of the first row that it could not prove, or why it is excluded */
};

void examined_init(struct examined *e, size_t node, struct sightings *seen, uint32_t leaves);
void examined_release(struct examined *e);

/* The rows asked for next, one after the other: from drawn[*at], its leaves up to drawn[end]; false
 * after the last. */
bool examined_next_row(const struct examined *e, size_t *at, size_t *end);
/* What the answer brought of drawn[at] up to drawn[end]; ERR_DAMAGED and all else that is no proof
 * excludes the node. */
void examined_take_row(struct examined *e, const struct pack_id *packs, size_t at, size_t end,
                       const uint8_t *bytes, size_t size);
/* The holder says that it cannot prove that row, and why: damage takes the row out, else the node. */
void examined_row_error(struct examined *e, size_t at, const struct err *why);
/* All that a holder answered, checked against what it was asked for. */
void examined_take_answer(struct examined *e, const struct pack_id *packs,
                          const Ecbak__ReadLeavesReply *reply, const struct payload *payload);
/* All that was asked for is answered: goes on with the rest, the next round, or the end. */
void examined_answered(struct examined *e);
/* Nothing of this node counts. */
void examined_exclude(struct examined *e, const struct err *why);
/* For people. */
void examined_report(const struct examined *e, struct unproven *to);

#endif
