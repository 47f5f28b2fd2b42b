/* choice.h - which nodes a job still may send fragments of one object to, as it learns more.
 *
 * placement.h decides; this keeps what the job has found out since: who has a fragment already or
 * gets one now, who failed or is full, and that doubtful nodes come last.
 *
 *   Memory   copies the candidates, so that what one job finds out stays with it
 *   Threads  one at a time for one struct choice; pure
 */
#ifndef ECBAK_NODE_PLACEMENT_CHOICE_H
#define ECBAK_NODE_PLACEMENT_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/placement/placement.h"

struct choice {
    struct candidate *candidates; /* usable: may still be tried by this job */
    bool *taken;                  /* holds a fragment, or one is on its way */
    size_t count;
    const struct pack_id *pack; /* decides the order; this and the rest the caller fills in */
    size_t zone_max;
    uint64_t fragment_bytes;
    bool doubtful_too; /* doubtful nodes when the good are too few */
};

void choice_init(struct choice *choice, const struct candidate *candidates, size_t count);
void choice_release(struct choice *choice);

/* The node holds a fragment already: it is not chosen. */
void choice_mark(struct choice *choice, size_t node);
/* Could it take a fragment, good or doubtful? */
bool choice_possible(const struct choice *choice, size_t node);
/* Could it, if it had the space? */
bool choice_lacks_space(const struct choice *choice, size_t node);
/* Up to `wanted` nodes in the pack's order, which are taken from then on. */
size_t choice_take(struct choice *choice, size_t wanted, size_t *chosen);
/* The node failed or is full: not again in this job. */
void choice_strike(struct choice *choice, size_t node);
/* It is not waited for any more; it may be tried again when nobody else is left. */
void choice_give_back(struct choice *choice, size_t node);

/* A node for each of rows[row_count] out of chosen[count], SIZE_MAX where there are too few. A node
 * among the first of the pack's order gets the row of its place there, whoever else is chosen, so
 * that a pack that is sent again brings each node the row that it has already. */
void choice_assign(const struct choice *choice, const size_t *chosen, size_t count,
                   const unsigned *rows, size_t row_count, size_t *node_of);

#endif
