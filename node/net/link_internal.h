/* link_internal.h - what the files of link share; nobody else includes it.
 *
 *   link.c       sockets and their options, polling, counters
 *   link_wire.c  frames and envelopes
 *   link_in.c    the inbox: HELLO, sessions, who may speak
 *   link_out.c   the outbox: the pool of connections we made
 */
#ifndef ECBAK_NODE_NET_LINK_INTERNAL_H
#define ECBAK_NODE_NET_LINK_INTERNAL_H

#include <stdatomic.h>

#include "node/net/link.h"
#include "node/net/names.h"
#include "node/net/transport.pb-c.h"
#include "node/net/zap.h"
#include "node/trust/node_keys.h"

#define LINK_ENVELOPE_MAX 1024
#define LINK_TEXT_MAX     256   /* of a refusal */
#define LINK_WELCOME_MS   10000 /* a connection that is not welcomed by then is given up */
#define LINK_YOUNG_MS     1500 /* a handshake may take so long: what waits for it is not thrown away */
#define LINK_DENY_MS      5000 /* who was refused is not let in again for this long */
#define LINK_BATCH        64   /* messages taken from one socket before the others get a turn */

enum link_count {
    COUNT_NO_USER_ID,
    COUNT_NO_HELLO,
    COUNT_BAD_CERTIFICATE,
    COUNT_FOREIGN,
    COUNT_INCOMPATIBLE,
    COUNT_EXPIRED,
    COUNT_REVOKED,
    COUNT_MALFORMED,
    COUNT_LATE,
    COUNT_DROPPED,
    COUNTS,
};

/* A connection that we made. */
struct pooled {
    struct link_peer peer;
    struct route route;         /* our ROUTER's name for it, never used twice */
    char at[LINK_ENDPOINT_MAX]; /* where we connected: an address, where the peer's has a name */
    bool welcomed;
    struct node_id node; /* once welcomed */
    uint64_t serial;
    int64_t not_after_s;
    int64_t made_ms, used_ms;
    struct lateness lateness;
    bool misled; /* what came last on it was of another machine with its key */
};

struct link {
    void *context, *inbox, *outbox, *monitor;
    struct zap *zap;
    struct names *names;
    struct link_ops ops;
    const struct node_keys *keys;
    uint8_t authority_public[32];
    struct cluster_id cluster;
    uint8_t certificate[CERT_BYTES_MAX];
    size_t certificate_size;
    struct revocations *revocations;
    bool asks_revoked;
    struct protocol protocol;
    struct session_table *sessions;
    struct pooled *pool;
    size_t pool_count, pool_max;
    int64_t idle_ms;
    uint64_t route_next;
    _Atomic uint64_t counts[COUNTS];
};

/* One message as it came. */
struct frames {
    struct route route;
    zmq_msg_t envelope, body, payload; /* always initialised */
    bool has_body, has_payload;
    bool whole; /* neither too few frames nor too many */
};

/* 1: a message (also one that is not whole), 0: none waits, -1: the context was shut down. */
int wire_receive(void *socket, struct frames *frames);
void frames_release(struct frames *frames);
/* NULL when it is malformed. Free with ecbak__link_envelope__free_unpacked. */
Ecbak__LinkEnvelope *wire_envelope(zmq_msg_t *frame);
/* A fresh envelope; ttl_ms 0: for ever. */
void wire_stamp(Ecbak__LinkEnvelope *envelope, uint64_t call, uint32_t ttl_ms);
/* Sends to the connection that `route` names; body and payload (may be NULL) are taken. */
int wire_send(void *socket, const struct route *route, const Ecbak__LinkEnvelope *envelope,
              zmq_msg_t *body, zmq_msg_t *payload, struct err *err) MUST_CHECK;

void count(struct link *link, enum link_count what);
/* A certificate as bytes: of this cluster, in its dates, and of exactly this CURVE key? Counts why
 * not. */
int link_check_cert(struct link *link, struct cert *cert, const uint8_t *bytes, size_t size,
                    const uint8_t curve[32], struct err *err) MUST_CHECK;
/* A message of a certified node goes up, unless it is malformed or late. */
void link_hand_up(struct link *link, struct frames *frames, const Ecbak__LinkEnvelope *envelope,
                  struct lateness *lateness, struct link_message *message);

/* link_spoke, of a message on one of ours. */
void pool_spoke(struct link *link, const uint8_t curve[32], bool own);

void link_process_inbox(struct link *link);
void link_process_outbox(struct link *link);
void link_process_monitor(struct link *link);
void link_give_up_unwelcomed(struct link *link);
void link_close_idle(struct link *link);

#endif
