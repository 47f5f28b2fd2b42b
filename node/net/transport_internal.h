/* transport_internal.h - what the files of transport share; nobody else includes it.
 *
 *   transport.c         the thread, requests that come in
 *   transport_answer.c  answers that go out
 *   transport_call.c    calls: started anywhere, sent and completed on the thread
 *   transport_client.c  the socket for commands
 *
 * What is marked [thread] belongs to the transport's thread alone, [fixed] is set before the thread
 * starts, or before a call is handed over to it, and atomics to everybody; the rest belongs to `lock`.
 */
#ifndef ECBAK_NODE_NET_TRANSPORT_INTERNAL_H
#define ECBAK_NODE_NET_TRANSPORT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <zmq.h>

#include "node/base/heartbeat.h"
#include "node/door/ledger.h"
#include "node/net/link.h"
#include "node/net/transport.h"
#include "node/trust/node_keys.h"

#define CALL_ATTEMPTS 2

struct call {
    struct transport *transport; /* [fixed], as the next three */
    uint64_t number;
    struct link_peer peer;
    int64_t deadline_ms;
    int attempts;              /* [thread] */
    zmq_msg_t header, payload; /* [thread] what is asked, kept to be sent again */
    bool has_payload;          /* [fixed] */
    struct call *next;         /* in the hand-over queue, then [thread] among those under way */
    int references;            /* the caller's, and the thread's */
    bool done, reported;
    /* Written by the thread before `done`, and not after. */
    struct err err; /* ERR_NONE: answered */
    zmq_msg_t answer, answer_payload;
};

/* An answer on its way to the thread. */
struct reply {
    struct reply *next;
    bool to_client;
    struct route route;
    uint64_t call;
    zmq_msg_t header, payload;
    bool has_payload;
};

struct transport {
    struct transport_ops ops; /* [fixed], as the next four */
    pthread_t thread;
    bool thread_runs;
    int wake_fd; /* eventfd: something was handed over */
    struct heartbeat heart;

    pthread_mutex_t lock;
    pthread_cond_t done; /* some call is done */
    struct call *calls_first, **calls_last;
    struct reply *replies_first, **replies_last;
    size_t call_count; /* handed over or under way */
    uint64_t call_next;
    bool cancelled, stopping;

    struct link *link;       /* [thread] */
    struct call *under_way;  /* [thread] */
    void *client;            /* [thread] ROUTER on ipc:// */
    struct incoming stalled; /* [thread] a command's request that found no room */
    bool is_stalled;         /* [thread] */

    struct ledger *ledger; /* of other nodes */
    _Atomic size_t client_bytes;
    _Atomic uint64_t oversized, busy;
};

/* A zmq message that owns a payload; payload is taken. */
void payload_to_message(struct payload *payload, zmq_msg_t *message);
/* A payload that owns what was in message; message is left empty. */
void payload_from_message(struct payload *payload, zmq_msg_t *message);
/* A zmq message with a copy of bytes. */
void bytes_to_message(const void *bytes, size_t size, zmq_msg_t *message);

void transport_wake(struct transport *t);

/* [thread] Sends what was handed over. */
void answers_send(struct transport *t);

/* [thread] */
void calls_send_new(struct transport *t);
void calls_answered(struct transport *t, struct link_message *message);
void calls_lost(struct transport *t, const uint8_t curve[32], const struct err *why);
bool calls_in_use(struct transport *t, const uint8_t curve[32]);
void calls_expire(struct transport *t);
void calls_cancel(struct transport *t);
int64_t calls_next_ms(const struct transport *t);

/* transport_new, and for the test that takes the ZAP handler away. */
int transport_new_seam(struct transport **transport, const struct config *config,
                       const struct credentials *credentials, const struct transport_ops *ops,
                       bool without_zap, struct err *err) MUST_CHECK;

int client_bind(void **socket, void *context, const char *endpoint, struct err *err) MUST_CHECK;
bool client_has_room(struct transport *t);
void client_process(struct transport *t);
/* The reply's messages are taken. */
void client_send(struct transport *t, struct reply *reply);

#endif
