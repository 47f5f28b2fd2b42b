/* probe.h - pings, direct and through helpers, and our local health, which their answers decide; in
 * relay.c pings on behalf of others, whose own were not answered in time.
 *
 *   Limits   PROBES_MAX and RELAYS_MAX outstanding at once; beyond that the oldest gives way
 *   Memory   borrows the members: probe_forget before one is removed
 */
#ifndef ECBAK_GOSSIP_CORE_PROBE_H
#define ECBAK_GOSSIP_CORE_PROBE_H

#include "gossip/claim.h"

struct roster_member;
/* A decoded packet; gossip.pb-c.h is included only where one is read or made. */
struct Ecbak__Gossip__Packet;
struct Ecbak__Gossip__Ask;

#define PROBES_MAX  64
#define RELAYS_MAX  128
#define HELPERS_MAX 16 /* swim_config.indirect_count is at most this */

enum probe_kind {
    PROBE_ROUND,   /* the round-robin's: its failure is an accusation */
    PROBE_CONFIRM, /* of a suspect that others accuse: its failure seconds them */
};

/* Who was asked to ping on our behalf, and what it said. */
struct helper {
    struct node_id id;
    bool nacked;
    uint8_t accusation[ACCUSATION_SIZE]; /* of the target; zeros: it makes none */
};

struct probe {
    struct roster_member *member; /* NULL: this slot is free */
    enum probe_kind kind;
    bool unmeasured; /* the time until its answer is no round trip */
    uint32_t sequence;
    uint64_t sent_ms;
    uint64_t ask_ms;  /* when helpers are asked; NEVER once they were */
    uint64_t fail_ms; /* when it has failed */
    uint32_t helper_count;
    struct helper *helpers; /* NULL until they are asked */
};

struct probes {
    struct probe slots[PROBES_MAX];
    uint64_t round_ms;    /* when the next of the roster is probed */
    uint64_t deadline_ms; /* no probe or relay has anything to do before */
    uint32_t sequence;    /* of the last ping, ours or relayed */
    uint32_t awareness;   /* local health: 0 is healthy */
};

void probe_release(struct probes *probes);
void probe_tick(struct swim *swim);
/* Probe a suspect, unless it is being probed; false: too many are, try again soon. */
bool probe_confirm(struct swim *swim, struct roster_member *member);
/* Ping, Ack, Ask, Nack. */
void probe_receive(struct swim *swim, const struct node_id *from,
                   const struct Ecbak__Gossip__Packet *packet);
/* No probe of this member counts any more. */
void probe_forget(struct swim *swim, const struct roster_member *member);
/* We stood still for so long: all deadlines move. */
void probe_shift(struct swim *swim, uint64_t late_ms);
/* Local health changes by this much, within its bounds. */
void probe_awareness(struct swim *swim, int change);

/* ---- relay.c */

struct relay {
    bool used;
    struct node_id origin, target;
    uint32_t origin_sequence, sequence;
    uint64_t nack_ms; /* NEVER once it was sent */
    uint64_t expires_ms;
};

void relay_asked(struct swim *swim, const struct node_id *from,
                 const struct Ecbak__Gossip__Ask *ask);
/* An Ack that answers no probe of ours. */
void relay_acked(struct swim *swim, const struct node_id *from, uint32_t sequence);
/* Send the Nacks that are due, and end what is over. */
void relay_run(struct swim *swim);
/* End all of them. */
void relay_drop(struct swim *swim);

/* For it: the next deadline is not after this; a ping; an answer to `question`. */
void probe_wake_by(struct swim *swim, uint64_t ms);
void probe_ping(struct swim *swim, const struct roster_member *member, uint32_t sequence,
                uint64_t expires_ms);
void probe_ack(struct swim *swim, const struct node_id *to, uint32_t sequence,
               const struct Ecbak__Gossip__Packet *question);

#endif
