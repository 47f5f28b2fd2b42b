/* follow.h - records are pulled from the others again and again: at once from who is seen for the
 * first time, and from one at random now and then.
 *
 *   Threads  one at a time for one struct follow
 */
#ifndef ECBAK_NODE_SYNC_FOLLOW_H
#define ECBAK_NODE_SYNC_FOLLOW_H

#include <stddef.h>
#include <stdint.h>

#include "node/peers/peers.h"

struct follow {
    uint64_t generation;    /* of the membership, last looked at */
    struct follow_met *met; /* members met, each under an incarnation */
    size_t met_count;
};

void follow_init(struct follow *follow);
void follow_release(struct follow *follow);
/* Pulls from a few members that are new, or that came back under another incarnation. Costs one
 * comparison while the membership stays as it is. */
void follow_pull_new(struct follow *follow, struct peers *peers);
/* Pulls from one member at random. */
void follow_pull(struct peers *peers);

#endif
