/* prove.h - what nodes say that they hold, proven by samples.
 *
 * A claim costs nothing, and the catalogue of an honest node is not its disk. So each node that
 * counts for rows, this one too, brings some leaves of them, drawn by chance over all that it counts
 * for (sample.h), with what goes before the row in its fragment: the leaf proves itself against the row's
 * root, the roots and the shape against the object id. The holder reads these rows whole.
 *
 *   A lie     bytes that prove nothing, another shape than was claimed, or no answer: nothing that
 *             the node says counts
 *   Damage    the holder says that it cannot prove a row: this row does not count. It is asked for
 *             twice as many leaves, of rows not asked for yet, until a round brings no damage, or
 *             enough of it (a quarter of 16 rows or more; a sixteenth of all after the last round)
 *             that what was not read cannot be counted either. So a bad sector costs one row, and
 *             a disk that is bad is found whole in one store
 *
 *   Limits    PROVE_ROUNDS_MAX rounds a node, SAMPLE_LEAVES_MAX leaves a round, ASK_LEAVES_MAX a
 *             request
 *   Threads   any; one at a time for one struct nodes
 */
#ifndef ECBAK_NODE_REPAIR_PROVE_H
#define ECBAK_NODE_REPAIR_PROVE_H

#include "node/api/client.h"
#include "node/transfer/sightings.h"

#define PROVE_ROUNDS_MAX 4 /* of 16, 32, 64 and 128 leaves */

/* What the sightings are of. */
struct proof_of {
    const struct vault_id *vault;
    const struct pack_id *packs;
};

/* Examines the nodes of all sightings that count and were not examined before (what counts for nothing
 * is not asked for: it would only hide the rest), and marks what does not count as failed. found[nodes->count] gets those that could not prove all that
 * they were asked for; returns how many. */
size_t prove_claims(struct nodes *nodes, const struct proof_of *of, struct sightings *seen,
                    uint32_t leaves, struct unproven *found);

#endif
