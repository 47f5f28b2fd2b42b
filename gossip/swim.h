/* swim.h - who is in the cluster: a SWIM membership protocol as a pure state machine.
 *
 * The core is told of time and messages and answers with orders: send these bytes, this member
 * died, put this incarnation on disk. It reads no clock, draws no randomness of its own, opens no
 * socket and prints nothing, so one seeded simulator runs hundreds of real cores and replays any
 * failure.
 *
 *   Shell    call an input (swim_tick, swim_receive, ...), then drain swim_next_order() IN ORDER
 *            until it says false, then sleep until a message or swim_next_ms(); read what has
 *            arrived before calling swim_tick
 *   Persist  SWIM_PERSIST must be durable before the orders after it are carried out
 *   Time     now_ms is any clock that does not go back (CLOCK_BOOTTIME); it may jump forward
 *   Trust    `from` of swim_receive is proven by the transport; claims and accusations
 *            prove themselves through ops.verify and ops.admit; every received byte is hostile
 *   Limits   the SWIM_*_MAX below and struct swim_config
 *   Memory   under 1 KiB a member, all bounded by the configuration; copies what it is given
 *   Threads  one at a time for one struct swim; no global state
 *   Source   Das et al., "SWIM"; Dadgar et al., "Lifeguard"; PROTOCOL.md has messages, formulae
 */
#ifndef ECBAK_GOSSIP_SWIM_H
#define ECBAK_GOSSIP_SWIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "coding/base/protocol.h"

struct swim;

#define SWIM_SIGNATURE_SIZE  64 /* an Ed25519 signature */
#define SWIM_NAME_MAX        63 /* bytes, without the ending NUL; the same for the address */
#define SWIM_ADDRESS_MAX     127
#define SWIM_METADATA_MAX    512
#define SWIM_CLAIM_MAX       1024 /* an encoded, signed claim */
#define SWIM_SEEDS_MAX       64
#define SWIM_INCARNATION_MAX ((uint64_t)1 << 62)

enum swim_state {
    SWIM_ALIVE = 0,
    SWIM_SUSPECT = 1, /* did not answer; may still refute */
    SWIM_DEAD = 2,    /* concluded here, from our own timer */
    SWIM_LEFT = 3,    /* said itself that it leaves for good; or swim_expel, or swim_refuse */
    SWIM_AWAY = 4,    /* said itself that it is away for a stated, bounded time */
};

/* Every knob, with what it costs both ways. swim_profile() fills it. */
struct swim_config {
    /* The versions that we speak: this program's, but for tests. */
    struct protocol protocol;
    /* One direct probe an interval: first detection of a crash takes about 1.58 intervals whatever
     * the size of the cluster; halving it doubles the probe traffic. */
    uint32_t probe_interval_ms;
    /* How long to wait for the answer before others are asked: above the usual round trip, well
     * below the interval. Too short costs needless indirect probes, too long delays them. */
    uint32_t probe_timeout_ms;
    /* Members asked to probe on our behalf: more see around more lossy links, each costs 4
     * messages. */
    uint32_t indirect_count;
    /* Members that are probed in turn at one time; they change gradually. With connections that have
     * to be made, somewhat fewer than are kept open: each probe of another member then costs a
     * handshake. Fewer: the members are probed less evenly, in proportion to one over its root. */
    uint32_t neighbours;
    /* Suspicion lasts at least suspicion_mult * max(1, log10(n)) * probe_interval_ms, and at most
     * suspicion_max_mult times that: longer tolerates slower members, shorter finds the dead sooner. */
    uint32_t suspicion_mult;
    uint32_t suspicion_max_mult;
    /* Independent accusers at which the suspicion timeout has shrunk to its minimum. */
    uint32_t confirmations;
    /* With active_confirmation: what remains of the shortest suspicion, in percent, once enough
     * accusers agree and our own probe failed too; at least half a probe interval and two probe
     * timeouts, in which everybody can hear of it and ask. Lower finds the dead sooner; a member
     * that stands still for longer than this and a probe is called dead. */
    uint32_t confirmed_percent;
    /* A rumour is sent retransmit_mult * max(2, ceil(log10(n + 1))) times: more reaches everybody through
     * more loss, and costs bytes. */
    uint32_t retransmit_mult;
    /* Rumours travel on probes and on this tick of their own, to gossip_fanout random members. */
    uint32_t gossip_interval_ms;
    uint32_t gossip_fanout;
    /* The dead keep getting gossip for this long, so that a wrongly accused member can refute. */
    uint32_t gossip_dead_ms;
    /* Anti-entropy with a random member, every interval on average; within a probe interval after one
     * that brought news. */
    uint32_t sync_interval_ms;
    /* One of the dead, or a seed at which nobody known is reached, is contacted every interval on
     * average, so that partitions heal. */
    uint32_t reconnect_interval_ms;
    /* The dead and the left are remembered for this long, then forgotten. Longer than any partition
     * that is expected to heal without a seed's help. */
    uint32_t tombstone_ms;
    /* The longest absence that a member can announce for itself. */
    uint32_t away_max_ms;

    uint32_t packet_size_max; /* a probe or gossip message; at least 1400 */
    uint32_t sync_size_max;   /* an anti-entropy message; what is larger is paged */
    uint32_t members_max;     /* known at once, tombstones counted; newcomers beyond are refused */
    uint32_t orders_max; /* sends waiting to be drained; what is beyond is dropped and counted */

    /* Local health: a member that misses probes and answers suspects itself first, and slows down
     * its own accusations, to at most awareness_max + 1 times. */
    uint32_t awareness_max;
    bool local_health;
    bool nack;              /* a helper says in time that it got no answer either */
    bool dynamic_suspicion; /* start at the long timeout and shrink with each accuser; else the
                               short */
    bool buddy;             /* a message to a suspect carries the first accusation of it */
    bool hearsay_death;     /* believe one member's word that another is dead, as memberlist does */
    bool active_confirmation; /* who hears a suspicion probes the suspect itself, at once */
    bool pause_detection;     /* our own standstill is not held against others */
};

/* The plain functions that the core calls; each must be deterministic and must not call back. */
struct swim_ops {
    void *context;
    /* Sign with this member's own key. */
    void (*sign)(void *context, const void *body, size_t size,
                 uint8_t signature[SWIM_SIGNATURE_SIZE]);
    /* Whether `signature` over body is `signer`'s. */
    bool (*verify)(void *context, const struct node_id *signer, const void *body, size_t size,
                   const uint8_t signature[SWIM_SIGNATURE_SIZE]);
    /* Whether a member may be in this cluster: the certificate inside its metadata holds, names
     * this id and this name. Called after verify, for claims that are news. May be NULL: all
     * are admitted. */
    bool (*admit)(void *context, const struct node_id *id, const char *name, const char *address,
                  const uint8_t *metadata, size_t metadata_size);
    /* Where claims are kept; both NULL: the heap. A simulator shares equal ones through these.
     */
    const uint8_t *(*keep)(void *context, const uint8_t *bytes, size_t size);
    void (*drop)(void *context, const uint8_t *bytes, size_t size);
};

/* What a member says of itself when it starts. */
struct swim_self {
    struct node_id id;
    const char *name;    /* 1 to SWIM_NAME_MAX bytes */
    const char *address; /* how others reach it, 1 to SWIM_ADDRESS_MAX bytes; opaque to the core */
    const uint8_t
        *metadata; /* opaque, at most SWIM_METADATA_MAX: certificate, zone, capacity, ... */
    size_t metadata_size;
    uint64_t incarnation; /* the last one persisted, 0 when there is none */
    uint64_t seed;        /* of the core's pseudo-random numbers: random in a daemon */
    /* Names this process. Of two with one key the lower goes first, so it begins with the time of the
     * start, and ends in chance; 0: chance alone. */
    uint64_t session;
};

struct swim_member {
    struct node_id id;
    const char *name;
    const char *address;
    const uint8_t *metadata;
    size_t metadata_size;
    enum swim_state state;
    uint64_t incarnation;
    uint64_t since_ms;        /* in this state */
    double rtt_ms;            /* smoothed round trip; negative while unknown, and for ourselves */
    struct protocol protocol; /* the versions that it speaks */
    bool self;
};

enum swim_event {
    SWIM_EVENT_JOINED = 0,  /* heard of for the first time, alive */
    SWIM_EVENT_ALIVE = 1,   /* again, after it was suspect, dead, left or away */
    SWIM_EVENT_SUSPECT = 2, /* `other` is the first accuser */
    SWIM_EVENT_DEAD = 3,
    SWIM_EVENT_LEFT = 4,
    SWIM_EVENT_AWAY = 5,
    SWIM_EVENT_UPDATED = 6,   /* metadata, address or name changed */
    SWIM_EVENT_FORGOTTEN = 7, /* its tombstone expired */
    SWIM_EVENT_CONFLICT = 8,  /* `other` uses the same name; or, id == other == ours, our own key
                                 speaks elsewhere too: swim_rival says where. Told once for each */
    SWIM_EVENT_REFUSED = 9,   /* `id` speaks no protocol version that we speak, says `refused`:
                                 it counts as left. Told each time that we hear of it */
};

enum swim_order_kind {
    SWIM_SEND = 0,
    SWIM_EVENT = 1,
    SWIM_PERSIST = 2,
};

struct swim_order {
    enum swim_order_kind kind;
    union {
        struct {
            /* To a member (or a sender that is no member yet: answer on its own connection), at the
             * address that it states; address is NULL for a sender we know nothing of. To a seed
             * whose id is not known yet: has_id false, address the string given to swim_join. */
            bool has_id;
            bool answer; /* when to the sender of the message just received: on its connection */
            struct node_id id;
            const char *address;
            const uint8_t *bytes;
            size_t size;
            uint64_t expires_ms; /* worthless after this time: drop it, never deliver it late */
        } send;
        struct {
            enum swim_event event;
            struct node_id id;
            struct node_id other;
            struct swim_member refused; /* of SWIM_EVENT_REFUSED; the rest of it is zero */
        } event;
        struct {
            uint64_t incarnation;
        } persist;
    };
};

/* Counters since swim_new, for `status` and for tests. */
struct swim_stats {
    uint64_t sent_count, sent_bytes;
    uint64_t received_count, received_bytes;
    uint64_t malformed_count; /* messages that did not decode or broke a limit */
    uint64_t forged_count;    /* signatures that did not hold, claims not admitted */
    uint64_t refused_count;   /* messages and claims of those whose versions do not meet ours */
    uint64_t dropped_count;   /* sends beyond orders_max */
    uint64_t probe_count, probe_failed_count;
    uint64_t suspect_count;    /* suspicions that we raised ourselves */
    uint64_t refute_count;     /* accusations of us that we refuted */
    uint64_t dead_count;       /* deaths concluded */
    uint32_t awareness;        /* local health now: 0 is healthy */
    uint32_t rumour_count;     /* rumours waiting to be sent */
    uint32_t rumour_count_max; /* and the most there ever were */
    uint64_t memory_bytes;     /* held by this core, all in all */
};

/* Fill *config with the profile "lan", "wan" or "local". 0, or -1 for another name. */
int swim_profile(struct swim_config *config, const char *name, struct err *err) MUST_CHECK;

/* 0 when every value of *config is in its range, else -1 and the text names field and range. */
int swim_config_check(const struct swim_config *config, struct err *err) MUST_CHECK;

/* Start a core. Its first orders are SWIM_PERSIST (incarnation self->incarnation + 1) and, after
 * swim_join, sends. -1 (ERR_INVALID) for a configuration or self-description out of limits. */
int swim_new(struct swim **out, const struct swim_config *config, const struct swim_ops *ops,
             const struct swim_self *self, uint64_t now_ms, struct err *err) MUST_CHECK;
void swim_destroy(struct swim **taken);

/* Remember a seed and contact it; one that is remembered is contacted again while we are alone. A core that knows no other living member goes on contacting its
 * seeds until one answers, so the order in which the members start does not matter. */
int swim_join(struct swim *swim, uint64_t now_ms, const char *address, struct err *err) MUST_CHECK;

/* Time has come to now_ms. Calling too early is harmless. */
void swim_tick(struct swim *swim, uint64_t now_ms);

/* When swim_tick wants to be called next; may be in the past. */
uint64_t swim_next_ms(const struct swim *swim);

/* A message came from `from`, whom the transport proved. True when it is of the process whose claim
 * we hold, so that the connection that it came on leads to that member: to a copy of it another does. */
bool swim_receive(struct swim *swim, uint64_t now_ms, const struct node_id *from, const void *bytes,
                  size_t size);

/* What was just sent to this member had to wait for its connection to be made: the answer, when it
 * comes, is a sign of life as any other, but its time is no round trip. */
void swim_unmeasured(struct swim *swim, const struct node_id *id);

/* Say something else of ourselves from now on; NULL address or metadata: as before. */
int swim_update(struct swim *swim, uint64_t now_ms, const char *address, const uint8_t *metadata,
                size_t metadata_size, struct err *err) MUST_CHECK;

/* Leave for good: tells a number of members directly, and gossips on while it is still ticked.
 * After the orders are drained the process may stop. Only the member itself can say this of itself.
 */
void swim_leave(struct swim *swim, uint64_t now_ms);

/* The shell learnt that this member may be one no more: it counts as left from now on, and nothing of
 * it is told on. What it says later is a matter of ops.admit. Nobody else is told: each member
 * decides that for itself. Does nothing to a member that is not known, or to ourselves. */
void swim_expel(struct swim *swim, uint64_t now_ms, const struct node_id *id);

/* The shell learnt from the member itself that it speaks no protocol version that we speak: it counts
 * as left until it says something newer. What the shell told us so is not told back. */
void swim_refuse(struct swim *swim, uint64_t now_ms, const struct node_id *id);

/* Away for at most duration_ms (bounded by away_max_ms): nobody suspects this member before that
 * time is over, or it is back. Like swim_leave, tells members directly. */
void swim_away(struct swim *swim, uint64_t now_ms, uint32_t duration_ms);

/* The next order, in the order in which they must be carried out; false when there is none. What it
 * points to lives until the next call of any function on this core that is not const. */
bool swim_next_order(struct swim *swim, struct swim_order *order);

/* The members known, ourselves (index 0), the suspect, the dead and the left among them. Indexes
 * hold until the next input. */
size_t swim_member_count(const struct swim *swim);
void swim_member(const struct swim *swim, size_t index, struct swim_member *member);

/* Look one up; false when it is not known. */
bool swim_find(const struct swim *swim, const struct node_id *id, struct swim_member *member);

/* Another process that speaks with our key: this machine was copied, or the other one is the copy. */
struct swim_rival {
    bool
        first; /* it goes first: to the others it is the member, and we stand by until it is gone */
    const char *address; /* that it states */
};

/* False: none was heard of lately. */
bool swim_rival(const struct swim *swim, struct swim_rival *rival);

/* How many of the members, ourselves counted, are in this state. */
size_t swim_count(const struct swim *swim, enum swim_state state);

void swim_stats(const struct swim *swim, struct swim_stats *stats);

/* "joined", "updated", ... */
const char *swim_event_name(enum swim_event event);

#endif
