/* world.h - many real membership cores over a fake network, in virtual time, from one seed.
 *
 * Everything that happens comes out of one queue ordered by time, and every random choice out of
 * one generator: the same seed gives the same run, which world.trace proves. The invariants are
 * checked after every step; the first that breaks prints how to replay the run and ends it.
 *
 *   Time     virtual milliseconds; a node's own clock may be ahead of the world's
 *   Network  loss, delay, duplication, one-way loss of a node, partitions by group, sites
 *   Shell    what node/ does: carries out orders at once, answers on the connection on which the
 *            message came, else delivers only to whom the address and the id agree on (CURVE does)
 *   Errors   world_fail() jumps to world.failed, which whoever runs a scenario has set; the world is
 *            then left as it is, for a core may have been interrupted anywhere
 */
#ifndef ECBAK_TEST_SIM_WORLD_H
#define ECBAK_TEST_SIM_WORLD_H

#include <inttypes.h>
#include <setjmp.h>

#include "gossip/prng.h"
#include "gossip/swim.h"
#include "test/sim/signature.h"

#define SECOND 1000u
#define MINUTE (60u * SECOND)
#define HOUR   (60u * MINUTE)

#define SIM_POOL  64 /* open connections that a member keeps, the least used go first */
#define SIM_SITES 5

/* Assumptions of the bandwidth figures, which the tables state. */
#define SIM_HANDSHAKE_BYTES 1060 /* each way, for TCP, ZMTP, CURVE and the certificates: measured */
#define SIM_FRAME_BYTES     140 /* around a message: TCP and IP with its acknowledgement, ZMTP, CURVE */

struct sim_node {
    struct swim *core; /* NULL: not running */
    struct sim_context context;
    struct node_id id;
    uint32_t identity; /* the node whose key this is: its own index, but for a clone */
    char name[32];
    char address[32];
    uint8_t metadata[SWIM_METADATA_MAX];
    size_t metadata_size;
    uint64_t persisted;
    uint64_t highest; /* incarnation ever announced by this identity, over all its lives */
    struct protocol
        protocol;  /* what it speaks from its next start on; of {0, 0} the configuration's */
    uint32_t life; /* counts starts: what was meant for an earlier life is not delivered */

    uint32_t group; /* only members of one group reach each other */
    uint32_t site;
    double access_ms; /* from its site's centre to itself */
    double loss_in, loss_out;
    uint64_t stopped_until_ms; /* neither reads nor ticks before; what arrives waits */
    uint64_t blocked_until_ms; /* ticks, but what it sends and receives is held up until then */
    uint64_t clock_ahead_ms;   /* of the world's time */
    bool sick;                 /* anomalies are being injected: not a healthy member */
    uint64_t tick_ms;          /* the tick that is queued; UINT64_MAX when there is none */

    uint32_t pool[SIM_POOL]; /* peers that it opened a connection to, the latest used first */
    uint32_t pool_count;
    uint64_t handshakes; /* that it took part in */
    uint64_t sent_bytes, sent_count, received_bytes, received_count;

    /* What all the others have seen of it: deaths concluded by healthy members. */
    uint64_t first_dead_ms, last_dead_ms, dead_seen;
    uint64_t conflicts;                   /* that it reported */
    uint32_t conflict_id, conflict_other; /* the last of them */
};

struct sim_item {
    uint64_t time_ms;
    uint64_t number;
    uint32_t to, from;
    uint32_t life;
    uint32_t size;
    uint8_t *bytes; /* NULL: a tick */
};

struct kept;
struct view;
struct watch;

struct world {
    uint64_t seed;
    const char *scenario;
    struct prng prng;
    uint64_t now_ms;
    struct swim_config config;
    struct sim_node *nodes;
    uint32_t count;
    uint64_t bound_ms; /* what world_until allows */

    struct sim_item *heap; /* queue.c */
    size_t heap_count, heap_capacity;
    uint64_t number;

    double loss, duplication; /* network.c */
    uint32_t delay_min_ms, delay_max_ms;
    const double (
        *latency_ms)[SIM_SITES]; /* one way, between sites; NULL: delay_min to delay_max */
    double jitter;               /* share of the latency */
    uint32_t answering;          /* the node whose message is being handled */

    struct kept **kept; /* kept.c */

    struct view *views; /* invariants.c: [observer][member] */
    struct watch *watches;
    struct view **touched;
    size_t touched_count, touched_capacity;

    /* A scenario may look at every message before and after its receiver does. */
    void (*receiving)(struct world *world, const struct sim_item *item);
    void (*received)(struct world *world, const struct sim_item *item);
    void *detail;

    bool talkative; /* print figures */
    uint64_t trace;
    /* Deaths concluded of members that run, are reachable and healthy; of those, at healthy members. */
    uint64_t false_dead, false_dead_healthy;
    uint64_t dead_events, suspect_events, steps;
    jmp_buf failed;
    const char *failure; /* what world_fail was told */
    bool expected;       /* it is meant to fail: not a word */
};

/* ---- world.c */

/* `count` nodes that do not run yet, of the profile "lan". */
void world_init(struct world *world, const char *scenario, uint64_t seed, uint32_t count);
void world_release(struct world *world);
_Noreturn void world_fail(struct world *world, const char *what, uint32_t node);
void world_trace(struct world *world, uint64_t value);
double world_random(struct world *world); /* 0 to 1 */
void world_step(struct world *world);
void world_run(struct world *world, uint64_t duration_ms);

/* Every running member sees every running one alive that speaks a version of its own, and exactly `others`
 * more in that state. */
bool world_agrees(const struct world *world, enum swim_state state, size_t others);
/* Seconds until all agree, in steps of 100 ms; fails beyond world->bound_ms. */
double world_until(struct world *world, enum swim_state state, size_t others);

/* ---- node.c */

/* Whose id this is. */
uint32_t node_index(struct world *world, const struct node_id *id);
uint64_t node_now_ms(const struct world *world, const struct sim_node *node);
void node_start(struct world *world, uint32_t index, uint32_t seed_index);
struct protocol node_protocol(const struct world *world, uint32_t index);
void node_crash(struct world *world, uint32_t index);
/* Neither reads nor ticks for a while; what arrives waits for it. */
void node_stop(struct world *world, uint32_t index, uint64_t duration_ms);
/* Its clock jumps. */
void node_jump(struct world *world, uint32_t index, uint64_t ahead_ms);
/* It has another's key. */
void node_clone(struct world *world, uint32_t index, uint32_t original);
/* Carry out its orders, and queue its next tick. Call after each input to its core. */
void node_drain(struct world *world, uint32_t index);
/* Handle a message or a tick. */
void node_handle(struct world *world, struct sim_item *item);

/* ---- queue.c */

void queue_push(struct world *world, struct sim_item item);
struct sim_item queue_pop(struct world *world);

/* ---- network.c */

/* What the core ordered: to whom it is addressed, if it gets there. */
void network_send(struct world *world, uint32_t from, const struct swim_order *order);
/* Bytes of a scenario's own making, past loss and partitions. */
void network_inject(struct world *world, uint32_t from, uint32_t to, const void *bytes,
                    size_t size);
/* One way, on average, when the world has sites. */
double network_latency_ms(const struct world *world, uint32_t from, uint32_t to);
bool network_reaches(const struct world *world, uint32_t from, uint32_t to);

/* ---- kept.c: claims never change once made, so all cores share one copy of each */

const uint8_t *kept_keep(void *context, const uint8_t *bytes, size_t size);
void kept_drop(void *context, const uint8_t *bytes, size_t size);
void kept_init(struct world *world);
void kept_release(struct world *world);

#endif
