/* The thread polls the link's sockets, the commands' socket and one eventfd by which the other
 * threads hand over calls and answers. It never waits for anything else. */
#include "node/net/transport_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "node/common/wait.h"
#include "node/trust/node_keys.h"

#define FRAME_MAX (TRANSPORT_PAYLOAD_MAX + 1024)
#define IDLE_MS   1000 /* at least so often, link wants to look after its connections */
#define STALL_MS  5    /* how soon a request that found no room is tried again */

/* Few messages come in on a connection before they are read: TCP holds back who sends more. What goes
 * out must bear all the calls to one node, and all the answers to one node, that wait at a time. */
#define RECEIVE_HWM 2
#define SEND_HWM    256
/* Two messages that wait, and what came of a third. */
#define BACKLOG_MAX ((uint64_t)56 * 1024 * 1024)

void payload_release(struct payload *payload)
{
    if (payload == NULL)
        return;
    if (payload->release != NULL)
        payload->release(payload->bytes, payload->hint);
    *payload = (struct payload){0};
}

void bytes_to_message(const void *bytes, size_t size, zmq_msg_t *message)
{
    if (zmq_msg_init_size(message, size) != 0)
        abort(); /* as coding/base/alloc.h: small, so there is no other answer */
    if (size > 0)
        memcpy(zmq_msg_data(message), bytes, size);
}

void payload_to_message(struct payload *payload, zmq_msg_t *message)
{
    if (payload->release == NULL) /* only lent: its bytes must not be needed later */
        bytes_to_message(payload->bytes, payload->size, message);
    else if (zmq_msg_init_data(message, payload->bytes, payload->size, payload->release,
                               payload->hint) != 0)
        abort();
    *payload = (struct payload){0};
}

static void release_message(void *bytes, void *hint)
{
    (void)bytes;
    zmq_msg_t *message = hint;
    zmq_msg_close(message);
    free(message);
}

void payload_from_message(struct payload *payload, zmq_msg_t *message)
{
    zmq_msg_t *kept = alloc_zero(1, sizeof(*kept));
    zmq_msg_init(kept);
    zmq_msg_move(kept, message);
    *payload = (struct payload){.bytes = zmq_msg_data(kept),
                                .size = zmq_msg_size(kept),
                                .release = release_message,
                                .hint = kept};
}

void transport_wake(struct transport *t)
{
    uint64_t one = 1;
    ssize_t ignored = write(t->wake_fd, &one, sizeof(one));
    (void)ignored; /* it fails only when it is full of wake-ups */
}

/* ---- requests of other nodes --------------------------------------------------------------- */

static void take_request(struct transport *t, struct link_message *message)
{
    size_t header_size = zmq_msg_size(message->body);
    size_t payload_size = zmq_msg_size(message->payload);
    if (header_size > TRANSPORT_HEADER_MAX || payload_size > TRANSPORT_PAYLOAD_MAX) {
        atomic_fetch_add(&t->oversized, 1);
        link_refuse(t->link, message->route, message->call, ERR_INVALID,
                    "the request is too large");
        return;
    }
    pthread_mutex_lock(&t->lock);
    bool cancelled = t->cancelled;
    pthread_mutex_unlock(&t->lock);
    size_t charge = header_size + payload_size, all;
    size_t own = ledger_read(t->ledger, message->node, LEDGER_REQUESTS, &all);
    if (cancelled || all + charge > TRANSPORT_PEER_BYTES_MAX ||
        (own > 0 && own + charge > TRANSPORT_NODE_REQUESTS_MAX)) {
        atomic_fetch_add(&t->busy, 1);
        link_refuse(t->link, message->route, message->call, ERR_BUSY,
                    cancelled ? "stopping" : "too much is under way");
        return;
    }
    struct incoming in = {
        .call = message->call, .route_size = message->route->size, .charge = charge};
    in.node = *message->node;
    snprintf(in.from, sizeof(in.from), "%s", message->from != NULL ? message->from : "");
    memcpy(in.route, message->route->bytes, message->route->size);
    in.header = alloc_copy(zmq_msg_data(message->body), header_size);
    in.header_size = header_size;
    if (message->has_payload)
        payload_from_message(&in.payload, message->payload);
    ledger_add(t->ledger, &in.node, LEDGER_REQUESTS, charge);
    if (t->ops.arrived(t->ops.ctx, &in) == 0)
        return;
    ledger_take(t->ledger, &in.node, LEDGER_REQUESTS, charge);
    atomic_fetch_add(&t->busy, 1);
    free(in.header);
    payload_release(&in.payload);
    link_refuse(t->link, message->route, message->call, ERR_BUSY, "too many requests wait");
}

static void on_received(void *ctx, struct link_message *message)
{
    struct transport *t = ctx;
    if (message->route != NULL)
        take_request(t, message);
    else
        calls_answered(t, message);
}

static void on_lost(void *ctx, const uint8_t curve[32], const struct err *why)
{
    calls_lost(ctx, curve, why);
}

static bool on_in_use(void *ctx, const uint8_t curve[32])
{
    return calls_in_use(ctx, curve);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static long poll_timeout_ms(const struct transport *t)
{
    int64_t wait_ms = calls_next_ms(t);
    if (wait_ms != INT64_MAX)
        wait_ms -= monotonic_ms();
    if (wait_ms > IDLE_MS)
        wait_ms = IDLE_MS;
    if (t->is_stalled && wait_ms > STALL_MS)
        wait_ms = STALL_MS;
    return wait_ms < 0 ? 0 : (long)wait_ms;
}

static void *run(void *argument)
{
    struct transport *t = argument;
    zmq_pollitem_t items[LINK_POLL_ITEMS + 2];
    for (;;) {
        link_poll_items(t->link, items);
        items[LINK_POLL_ITEMS] = (zmq_pollitem_t){.fd = t->wake_fd, .events = ZMQ_POLLIN};
        items[LINK_POLL_ITEMS + 1] = (zmq_pollitem_t){.socket = t->client, .events = ZMQ_POLLIN};
        int item_count = LINK_POLL_ITEMS + (client_has_room(t) ? 2 : 1);
        if (zmq_poll(items, item_count, poll_timeout_ms(t)) < 0 && zmq_errno() != EINTR)
            break;
        heartbeat_beat(&t->heart);
        uint64_t ignored;
        if (read(t->wake_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN && errno != EINTR)
            break;
        pthread_mutex_lock(&t->lock);
        bool stopping = t->stopping, cancelled = t->cancelled;
        pthread_mutex_unlock(&t->lock);
        if (cancelled)
            calls_cancel(t);
        link_process(t->link);
        answers_send(t);
        if (stopping)
            break;
        calls_send_new(t);
        calls_expire(t);
        if (!cancelled)
            client_process(t);
    }
    calls_cancel(t);
    return NULL;
}

static int open_sockets(struct transport *t, const struct config *config,
                        const struct credentials *credentials, bool without_zap, struct err *err)
{
    char listen[96];
    snprintf(listen, sizeof(listen), "%s:%u", config->listen_address, (unsigned)config->bulk_port);
    const struct link_options options = {.listen = listen,
                                         .keys = credentials->keys,
                                         .cert = credentials->cert,
                                         .authority_public = credentials->authority_public,
                                         .revocations = t->ops.revocations,
                                         .asks_revoked = true,
                                         .protocol = config->protocol,
                                         .message_max = FRAME_MAX,
                                         .sessions_max = config->members_max,
                                         .peers_max = TRANSPORT_PEERS_MAX,
                                         .receive_hwm = RECEIVE_HWM,
                                         .backlog_max = BACKLOG_MAX,
                                         .send_hwm = SEND_HWM,
                                         .idle_ms = TRANSPORT_IDLE_MS,
                                         .without_zap = without_zap};
    const struct link_ops ops = {
        .ctx = t, .received = on_received, .lost = on_lost, .in_use = on_in_use};
    if (link_new(&t->link, &options, &ops, err) != 0)
        return -1;
    return client_bind(&t->client, link_context(t->link), config->client_endpoint, err);
}

static int start(struct transport *t, const struct config *config,
                 const struct credentials *credentials, bool without_zap, struct err *err)
{
    t->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->wake_fd < 0)
        return err_errno(err, "making an eventfd");
    if (open_sockets(t, config, credentials, without_zap, err) != 0)
        return -1;
    /* From here on the sockets are the thread's: creating it is the barrier that ZeroMQ asks for. */
    int error = pthread_create(&t->thread, NULL, run, t);
    if (error != 0) {
        errno = error;
        return err_errno(err, "starting the transport's thread");
    }
    pthread_setname_np(t->thread, "ecbak-transport");
    t->thread_runs = true;
    return 0;
}

int transport_new_seam(struct transport **transport, const struct config *config,
                       const struct credentials *credentials, const struct transport_ops *ops,
                       bool without_zap, struct err *err)
{
    struct transport *t = alloc_zero(1, sizeof(*t));
    t->ops = *ops;
    t->wake_fd = -1;
    t->calls_last = &t->calls_first;
    t->replies_last = &t->replies_first;
    t->ledger = ledger_new();
    pthread_mutex_init(&t->lock, NULL);
    wait_init(&t->done);
    *transport = t; /* before the thread: what it calls may want to reply at once */
    if (start(t, config, credentials, without_zap, err) == 0)
        return 0;
    transport_destroy(transport);
    return -1;
}

int transport_new(struct transport **transport, const struct config *config,
                  const struct credentials *credentials, const struct transport_ops *ops,
                  struct err *err)
{
    return transport_new_seam(transport, config, credentials, ops, false, err);
}

void transport_cancel(struct transport *t)
{
    pthread_mutex_lock(&t->lock);
    t->cancelled = true;
    pthread_mutex_unlock(&t->lock);
    transport_wake(t);
}

void transport_destroy(struct transport **transport)
{
    struct transport *t = *transport;
    if (t == NULL)
        return;
    if (t->thread_runs) {
        pthread_mutex_lock(&t->lock);
        t->cancelled = t->stopping = true;
        pthread_mutex_unlock(&t->lock);
        transport_wake(t);
        pthread_join(t->thread, NULL);
        calls_send_new(t); /* cancels what was handed over last */
        answers_send(t);
        assert(t->call_count == 0 && t->calls_first == NULL && t->under_way == NULL);
    }
    if (t->is_stalled) {
        free(t->stalled.header);
        payload_release(&t->stalled.payload);
    }
    if (t->client != NULL)
        zmq_close(t->client);
    link_destroy(&t->link);
    ledger_destroy(&t->ledger);
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    pthread_cond_destroy(&t->done);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *transport = NULL;
}

struct heartbeat *transport_heart(struct transport *t)
{
    return &t->heart;
}

void transport_counters(struct transport *t, struct transport_counters *c)
{
    struct link_counters link;
    link_counters(t->link, &link);
    *c = (struct transport_counters){.no_user_id = link.no_user_id,
                                     .door = link.door,
                                     .no_hello = link.no_hello,
                                     .bad_certificate = link.bad_certificate,
                                     .foreign = link.foreign,
                                     .incompatible = link.incompatible,
                                     .expired = link.expired,
                                     .revoked = link.revoked,
                                     .denied_key = link.denied_key,
                                     .malformed = link.malformed,
                                     .oversized = atomic_load(&t->oversized),
                                     .busy = atomic_load(&t->busy)};
}
