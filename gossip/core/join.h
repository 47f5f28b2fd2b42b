/* join.h - whom to contact for anti-entropy, and when: seeds, members, and the lost.
 *
 *   Limits   SWIM_SEEDS_MAX seeds
 *   Memory   copies the seeds' addresses
 */
#ifndef ECBAK_GOSSIP_CORE_JOIN_H
#define ECBAK_GOSSIP_CORE_JOIN_H

#include "gossip/swim.h"

struct seed {
    char address[SWIM_ADDRESS_MAX + 1];
};

struct join {
    struct seed *seeds;
    size_t seed_count;
    uint64_t alone_ms, reconnect_ms, sync_ms; /* the next time of each */
    uint32_t alone_tries;                     /* since we were not alone */
    uint32_t early_syncs,
        early_quiet; /* made soon after the start; of these, that brought nothing */
    bool learnt;     /* a claim, since the last sync began */
};

void join_release(struct join *join);
void join_tick(struct swim *swim);

#endif
