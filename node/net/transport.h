/* transport.h - encrypted, certified calls between nodes, and the socket for commands.
 *
 * One thread owns the second ZeroMQ context with three sockets: a bound ROUTER for what others ask
 * of us, a connecting ROUTER for what we ask of others, and a ROUTER on ipc:// for commands.
 * Everybody else calls the functions here, which hand messages over through bounded queues.
 *
 * A message is a header (Protocol Buffers, peer.proto or client.proto) and an optional payload.
 *
 *   Limits   header TRANSPORT_HEADER_MAX, payload TRANSPORT_PAYLOAD_MAX (a command's:
 *            TRANSPORT_CLIENT_PAYLOAD_MAX), TRANSPORT_CALLS_MAX calls
 *            under way, TRANSPORT_PEERS_MAX connections, TRANSPORT_*_BYTES_MAX of requests that are
 *            not answered yet. A node that finds no room is answered ERR_BUSY at once; a command
 *            waits: its socket is not read until there is room
 *   Trust    nothing but HELLO is answered before the connection's proven CURVE key (ZAP User-Id)
 *            is bound to a certificate of this cluster that is in its dates (node/net/link.h)
 *   Again    a request whose connection is lost is sent once more, on a new connection: whoever
 *            answers must bear to be asked twice
 *   Threads  any, but for new and destroy
 */
#ifndef ECBAK_NODE_NET_TRANSPORT_H
#define ECBAK_NODE_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/common/clock.h" /* monotonic_ms: the clock of every deadline here */
#include "node/common/endpoint.h"
#include "node/config/config.h"
#include "node/door/door.h"
#include "node/net/revocations.h"
#include "node/trust/node_keys.h"

#define TRANSPORT_HEADER_MAX  (1024 * 1024)
#define TRANSPORT_PAYLOAD_MAX (20 * 1024 * 1024)
/* A command sends all fragments of a pack at once. */
#define TRANSPORT_CLIENT_PAYLOAD_MAX (64 * 1024 * 1024)

#define TRANSPORT_CALLS_MAX      1024
#define TRANSPORT_PEERS_MAX      64
#define TRANSPORT_IDLE_MS        60000 /* a connection unused for so long is closed */
#define TRANSPORT_PEER_BYTES_MAX ((size_t)160 * 1024 * 1024)
/* Of these, one node's; and of answers that are not sent yet. Of answers no node has more than half of
 * what is left, so that those who do not read theirs leave something for everybody else. */
#define TRANSPORT_NODE_REQUESTS_MAX ((size_t)40 * 1024 * 1024)
#define TRANSPORT_NODE_ANSWERS_MAX  ((size_t)24 * 1024 * 1024)
#define TRANSPORT_ANSWERS_MAX       ((size_t)160 * 1024 * 1024)
#define TRANSPORT_CLIENT_BYTES_MAX  ((size_t)80 * 1024 * 1024)

struct heartbeat;
struct transport;

/* Bytes that came or go, with how to give them back. release(bytes, hint) runs on any thread; NULL:
 * they are only lent. */
struct payload {
    uint8_t *bytes;
    size_t size;
    void (*release)(void *bytes, void *hint);
    void *hint;
};
void payload_release(struct payload *payload);

/* A request that came in. Answer it exactly once with transport_reply, from any thread. */
struct incoming {
    bool from_client;    /* a command on the ipc socket; else a certified node */
    bool from_owner;     /* a command of root's, or of the user that this process runs as */
    struct node_id node; /* who asks, when it is a node */
    char from[64];       /* and the address that its connection comes from */
    uint8_t *header;
    size_t header_size;
    struct payload payload;
    /* the rest is the transport's */
    uint8_t route[64];
    size_t route_size;
    uint64_t call;
    size_t charge; /* bytes counted against the limit until it is answered */
};

/* Where a node listens and what it must prove: asked of the membership table when a call starts. */
struct peer_address {
    struct endpoint endpoint; /* of its bulk socket */
    uint8_t curve_public[32];
};

struct transport_ops {
    void *ctx;
    /* -1: no such member. Called on the caller's thread of transport_call. */
    int (*find)(void *ctx, const struct node_id *node, struct peer_address *address);
    /* A request arrived; take it (into a queue) and return 0, or return -1: then a node is answered
     * ERR_BUSY, and a command's request is offered again a little later. Runs on the transport
     * thread and must not block. */
    int (*arrived)(void *ctx, struct incoming *incoming);
    /* An answer went out, so transport_may_answer may say something else. Any thread; NULL: nobody asks. */
    void (*sent)(void *ctx);
    /* Whom these are about is asked, and not answered. Borrowed; NULL: nobody. */
    struct revocations *revocations;
};

int transport_new(struct transport **transport, const struct config *config,
                  const struct credentials *credentials, const struct transport_ops *ops,
                  struct err *err) MUST_CHECK;
/* Ends every call under way and every later one with ERR_CANCELLED, and takes no more requests, so
 * that jobs which wait come to their end. Answers are still sent. */
void transport_cancel(struct transport *transport);
/* After every call was destroyed and every request that was taken is answered. */
void transport_destroy(struct transport **transport);

/* One request to one node. */
struct call;
/* What is asked. The header is copied; payload (or NULL) is taken, also on failure, and released when
 * the call is done. */
struct outgoing {
    const uint8_t *header;
    size_t header_size;
    struct payload *payload;
};
int transport_call(struct transport *transport, const struct node_id *node,
                   const struct outgoing *outgoing, int timeout_ms, struct call **call,
                   struct err *err) MUST_CHECK;
/* Waits until one of calls[count] (NULLs are skipped) is done and returns its index, or -1 when
 * deadline_ms (monotonic) passed first or none is left to wait for. A call that is done is reported
 * once. All are of one transport. */
int calls_wait(struct call *const *calls, size_t count, int64_t deadline_ms);
/* Of a call that is done: 0 and its reply (views, valid until call_destroy), or -1 and why. */
int call_result(struct call *call, const uint8_t **header, size_t *header_size,
                struct payload *payload, struct err *err) MUST_CHECK;
/* Also of a call still under way: its answer is dropped when it comes. */
void call_destroy(struct call **call);

/* Answers; the header is copied, payload (or NULL) taken. Releases incoming's header and payload.
 */
void transport_reply(struct transport *transport, struct incoming *incoming, const uint8_t *header,
                     size_t header_size, struct payload *payload);

/* Is there room for answers to this node, beside so many bytes of those that are being made? Else its
 * requests wait until it has read some of what it asked for. */
bool transport_may_answer(struct transport *transport, const struct node_id *node, size_t coming);

/* Beats at least once a second while the thread turns. */
struct heartbeat *transport_heart(struct transport *transport);

/* Connections and messages refused, by reason. */
struct transport_counters {
    uint64_t no_user_id, no_hello, bad_certificate, foreign, incompatible, expired, revoked,
        denied_key, malformed, oversized, busy;
    struct door_counters door;
};
void transport_counters(struct transport *transport, struct transport_counters *counters);

#endif
