/* link.h - certified connections between nodes: a ZeroMQ context, its ZAP handler, and two ROUTERs.
 *
 * Membership and bulk transport each run one link, on a thread and in a context of its own.
 *
 *   inbox    a bound ROUTER, CURVE server: what others say to us
 *   outbox   ONE connecting ROUTER for all peers, CURVE client: the key that a peer must prove is
 *            set before each connect
 *
 * Each connection starts with HELLO {certificate} from the side that connects; until that
 * certificate is of this cluster, in its dates, and names exactly the CURVE key that the connection
 * proved (ZAP User-Id), nothing is handed up and nothing but the refusal is answered. WELCOME
 * carries the other certificate back, checked the same way. Connections never come back by
 * themselves: one that is lost is reported and forgotten, and the next send makes a new one, so
 * nothing stale is ever delivered and every connection begins with its HELLO. Who made a
 * connection closes it: the least recently used one when there are peers_max, and any that was not
 * used for idle_ms.
 *
 * A node that speaks no protocol version that we speak is refused like one without a certificate, and
 * both sides learn who it is and what it speaks (incompatible).
 *
 * A revoked node may say nothing to us, from the moment that its revocation came. Whether we
 * may still ask it something, to fetch what it holds, is the link's choice (asks_revoked).
 *
 *   Limits   peers_max connections out, sessions_max certified keys in, message_max bytes a frame,
 *            receive_hwm and send_hwm messages a connection; the rest is dropped and counted
 *   Errors   ERR_BUSY a connection's queue or the pool is full; ERR_IO what ZeroMQ says
 *   Threads  one: the one that polls. link_counters: any
 */
#ifndef ECBAK_NODE_NET_LINK_H
#define ECBAK_NODE_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "coding/base/err.h"
#include "coding/base/protocol.h"
#include "node/net/revocations.h"
#include "node/net/session.h"
#include "node/trust/cert.h"
#include "node/trust/node_keys.h"

#define LINK_ENDPOINT_MAX 128
#define LINK_POLL_ITEMS   3

struct link;

struct link_options {
    const char *bind; /* tcp://address:port */
    const struct node_keys *keys;
    const struct cert *cert;
    const uint8_t *authority_public; /* 32 bytes */
    struct revocations *revocations; /* borrowed; NULL: nobody is revoked */
    bool asks_revoked;
    struct protocol protocol; /* the versions that we speak */
    size_t message_max;
    size_t sessions_max, peers_max;
    int receive_hwm, send_hwm; /* messages waiting on one connection */
    int64_t idle_ms;           /* a connection of ours that nobody used for so long is closed */
    bool without_zap;          /* for the test that shows why there is a ZAP handler */
};

/* Whom a message goes to: where it listens and what it must prove. */
struct link_peer {
    char endpoint[LINK_ENDPOINT_MAX];
    uint8_t curve[32];
};

/* A message of a certified node. Its pointers hold until the receiver calls link; frames that are
 * not there are empty. What the receiver wants to keep it moves out with zmq_msg_move; the rest is
 * closed for it. */
struct link_message {
    const struct node_id *node;
    const uint8_t *curve;      /* what it proved */
    const struct route *route; /* to answer on its own connection; NULL: came on one of ours */
    uint64_t call;
    zmq_msg_t *body, *payload;
    bool has_payload;
    enum err_code refused; /* not ERR_NONE: the other side refuses `call`; the text says why */
    const char *refused_text;
};

struct link_ops {
    void *ctx;
    void (*received)(void *ctx, struct link_message *message);
    /* Our connection to the peer with this key is gone: what was sent on it and not answered is
     * lost. `why` says how; its code is ERR_DENIED when the peer refused us, ERR_VERSION when that was
     * for our protocol. */
    void (*lost)(void *ctx, const uint8_t curve[32], const struct err *why);
    /* A node of this cluster speaks none of our protocol versions. `address` is where we reached it,
     * host:port, or NULL: it came to us. May be NULL. */
    void (*incompatible)(void *ctx, const struct cert *cert, struct protocol protocol,
                         const char *address);
    /* Whether answers of this peer are waited for, so that its connection is neither closed as idle
     * nor the one to go when the pool is full. May be NULL. */
    bool (*in_use)(void *ctx, const uint8_t curve[32]);
};

int link_new(struct link **link, const struct link_options *options, const struct link_ops *ops,
             struct err *err) MUST_CHECK;
/* Every other socket of its context must be closed before. */
void link_destroy(struct link **link);
/* For other sockets of the same thread. */
void *link_context(struct link *link);

/* Poll these, then call link_process; also at least once a second. */
void link_poll_items(struct link *link, zmq_pollitem_t items[LINK_POLL_ITEMS]);
void link_process(struct link *link);

/* Send to a peer on our connection to it, made when there is none. body and payload (or NULL) are
 * taken, also on failure. ttl_ms: how long it may be under way, 0: for ever. */
int link_send(struct link *link, const struct link_peer *peer, uint64_t call, uint32_t ttl_ms,
              zmq_msg_t *body, zmq_msg_t *payload, struct err *err) MUST_CHECK;
/* Whether a connection to the peer stands, so that what is sent now does not wait for one. */
bool link_ready(const struct link *link, const struct link_peer *peer);
/* Send back on the connection that a message came on; body and payload are taken. -1: that
 * connection is gone or does not keep up, the message was dropped and counted. */
int link_answer(struct link *link, const struct route *route, uint64_t call, uint32_t ttl_ms,
                zmq_msg_t *body, zmq_msg_t *payload);
/* The same with a reason instead of an answer. */
void link_refuse(struct link *link, const struct route *route, uint64_t call, enum err_code code,
                 const char *text);
/* Whether what came on this route (NULL: on a connection of ours) was the node's own word, so that
 * messages to it may go there. Not every message with its key is: two machines may have it. */
void link_spoke(struct link *link, const uint8_t curve[32], const struct route *route, bool own);
/* The connection on which a node spoke to us within the last within_ms; false: none. */
bool link_route_to(struct link *link, const struct node_id *node, int64_t within_ms,
                   struct route *route);
/* The peer that we have a welcomed connection to and that proved to be this node; false: none. One that
 * leads to another machine with its key is good for answers only. */
bool link_peer_of(const struct link *link, const struct node_id *node, bool answer,
                  struct link_peer *peer);
/* Has a host name become known that did not resolve before? Since the last time that it was asked. */
bool link_names_news(struct link *link);
/* Close our connection to the peer with this key, if there is one. */
void link_drop(struct link *link, const uint8_t curve[32]);
size_t link_peer_count(const struct link *link);

struct link_counters {
    uint64_t no_user_id;      /* no User-Id, which only a ZAP handler sets */
    uint64_t no_hello;        /* spoke before a certificate was accepted */
    uint64_t bad_certificate; /* malformed, not signed by our authority, or of another CURVE key */
    uint64_t foreign;         /* of another cluster */
    uint64_t incompatible;    /* speaks none of our protocol versions */
    uint64_t expired;         /* outside the certificate's dates */
    uint64_t revoked;
    uint64_t denied_key; /* came back within seconds after it was refused */
    uint64_t malformed;
    uint64_t late;    /* dropped because it was under way for too long */
    uint64_t dropped; /* could not be sent: the other side is gone or does not keep up */
};
void link_counters(struct link *link, struct link_counters *counters);

#endif
