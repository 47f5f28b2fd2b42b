/* swim_internal.h - the inside of a struct swim: a part for each noun, whose header says what it is.
 *
 * Who works on one part is given that part (roster.c, order.c); only those that decide from several
 * include this.
 */
#ifndef ECBAK_GOSSIP_CORE_SWIM_INTERNAL_H
#define ECBAK_GOSSIP_CORE_SWIM_INTERNAL_H

#include "gossip/core/join.h"
#include "gossip/core/probe.h"
#include "gossip/core/rival.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/self.h"
#include "gossip/core/suspicion.h"
#include "gossip/order.h"
#include "gossip/prng.h"
#include "gossip/swim.h"

/* Deadlines that do not exist lie at the end of time. */
#define NEVER UINT64_MAX

struct swim {
    struct swim_config config;
    struct swim_ops ops;
    struct swim_stats stats; /* those that are counted, not looked up */
    struct prng prng;
    uint64_t now_ms;
    struct own own;
    struct rival rival;
    struct roster roster;
    struct rumours rumours;
    struct orders orders;
    struct suspicions suspicions;
    struct probes probes;
    struct relay relays[RELAYS_MAX];
    struct join join;
    uint64_t forget_ms; /* when tombstones are looked through next */
};

/* Time goes on: every input begins with it. */
void swim_advance(struct swim *swim, uint64_t now_ms);

static inline struct roster_member *self_of(const struct swim *swim)
{
    return swim->roster.members[0];
}

#endif
