/* swim_internal.h - the inside of a struct swim: a part for each noun, whose header says what it is.
 *
 * Who works on one part is given that part (roster.c, order.c); only those that decide from several
 * include this.
 */
#ifndef ECBAK_GOSSIP_SWIM_INTERNAL_H
#define ECBAK_GOSSIP_SWIM_INTERNAL_H

#include "gossip/join.h"
#include "gossip/order.h"
#include "gossip/prng.h"
#include "gossip/probe.h"
#include "gossip/relay.h"
#include "gossip/roster.h"
#include "gossip/rumour.h"
#include "gossip/self.h"
#include "gossip/suspicion.h"
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
