/* A call has two holders: the caller, and the thread from the hand-over until it is done. What was
 * asked stays with the call until then, shared with ZeroMQ by reference, to be sent again when the
 * connection is lost. */
#include "node/net/transport_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coding/base/alloc.h"
#include "node/common/wait.h"

static void call_free(struct call *call)
{
    zmq_msg_close(&call->header);
    zmq_msg_close(&call->payload);
    zmq_msg_close(&call->answer);
    zmq_msg_close(&call->answer_payload);
    free(call);
}

/* With the lock held. */
static void call_unref(struct call *call)
{
    assert(call->references > 0);
    if (--call->references == 0)
        call_free(call);
}

int transport_call(struct transport *t, const struct node_id *node, const struct outgoing *outgoing,
                   int timeout_ms, struct call **call, struct err *err)
{
    struct payload *payload = outgoing->payload;
    struct peer_address address = {0};
    if (outgoing->header_size > TRANSPORT_HEADER_MAX ||
        (payload != NULL && payload->size > TRANSPORT_PAYLOAD_MAX)) {
        payload_release(payload);
        return err_set(err, ERR_INVALID, "a request of %zu and %zu bytes is too large",
                       outgoing->header_size, payload == NULL ? 0 : payload->size);
    }
    if (t->ops.find(t->ops.ctx, node, &address) != 0) {
        payload_release(payload);
        return err_set(err, ERR_NOT_FOUND, "no such member");
    }
    struct call *c = alloc_zero(1, sizeof(*c));
    c->transport = t;
    c->references = 2;
    c->deadline_ms = monotonic_ms() + timeout_ms;
    c->peer.endpoint = address.endpoint;
    memcpy(c->peer.curve, address.curve_public, sizeof(c->peer.curve));
    bytes_to_message(outgoing->header, outgoing->header_size, &c->header);
    zmq_msg_init(&c->payload);
    zmq_msg_init(&c->answer);
    zmq_msg_init(&c->answer_payload);
    c->has_payload = payload != NULL && payload->bytes != NULL;
    if (c->has_payload)
        payload_to_message(payload, &c->payload);

    pthread_mutex_lock(&t->lock);
    bool cancelled = t->cancelled;
    bool full = t->call_count >= TRANSPORT_CALLS_MAX;
    if (!cancelled && !full) {
        t->call_count++;
        c->number = ++t->call_next;
        *t->calls_last = c;
        t->calls_last = &c->next;
    }
    pthread_mutex_unlock(&t->lock);
    if (cancelled || full) {
        call_free(c);
        return cancelled ? err_set(err, ERR_CANCELLED, "this node is stopping")
                         : err_set(err, ERR_BUSY, "%d calls are under way", TRANSPORT_CALLS_MAX);
    }
    transport_wake(t);
    *call = c;
    return 0;
}

int calls_wait(struct call *const *calls, size_t count, int64_t deadline_ms)
{
    struct transport *t = NULL;
    for (size_t i = 0; i < count && t == NULL; i++)
        if (calls[i] != NULL)
            t = calls[i]->transport;
    if (t == NULL)
        return -1;
    int found = -1;
    bool waiting = true, late = false;
    pthread_mutex_lock(&t->lock);
    while (found < 0 && waiting) {
        waiting = false;
        for (size_t i = 0; i < count && found < 0; i++) {
            if (calls[i] == NULL || calls[i]->reported)
                continue;
            assert(calls[i]->transport == t); /* whose lock is held */
            waiting = true;
            if (calls[i]->done)
                found = (int)i;
        }
        if (found >= 0 || !waiting || late)
            break;
        late = !wait_until(&t->done, &t->lock, deadline_ms);
    }
    if (found >= 0)
        calls[found]->reported = true;
    pthread_mutex_unlock(&t->lock);
    return found;
}

int call_result(struct call *call, const uint8_t **header, size_t *header_size,
                struct payload *payload, struct err *err)
{
    pthread_mutex_lock(&call->transport->lock);
    bool done = call->done;
    pthread_mutex_unlock(&call->transport->lock);
    if (!done)
        return err_set(err, ERR_TIMEOUT, "%s has not answered yet", call->peer.endpoint.text);
    if (call->err.code != ERR_NONE)
        return err_set(err, call->err.code, "%s", call->err.text);
    *header = zmq_msg_data(&call->answer);
    *header_size = zmq_msg_size(&call->answer);
    if (payload != NULL)
        *payload = (struct payload){.bytes = zmq_msg_data(&call->answer_payload),
                                    .size = zmq_msg_size(&call->answer_payload)};
    return 0;
}

void call_destroy(struct call **call)
{
    if (*call == NULL)
        return;
    struct transport *t = (*call)->transport;
    pthread_mutex_lock(&t->lock);
    call_unref(*call);
    pthread_mutex_unlock(&t->lock);
    *call = NULL;
}

/* Takes `call` from where `at` points to in the list of those under way, and wakes who waits. */
static void complete(struct transport *t, struct call **at, const struct err *err)
{
    struct call *call = *at;
    assert(!call->done);
    *at = call->next;
    call->next = NULL;
    zmq_msg_t spent[2]; /* released without the lock: that may run the payload's release */
    zmq_msg_init(&spent[0]);
    zmq_msg_init(&spent[1]);
    zmq_msg_move(&spent[0], &call->header);
    zmq_msg_move(&spent[1], &call->payload);
    zmq_msg_close(&spent[0]);
    zmq_msg_close(&spent[1]);
    pthread_mutex_lock(&t->lock);
    if (err != NULL)
        call->err = *err;
    call->done = true;
    assert(t->call_count > 0);
    t->call_count--;
    call_unref(call);
    pthread_cond_broadcast(&t->done);
    pthread_mutex_unlock(&t->lock);
}

static int send_call(struct transport *t, struct call *call, struct err *err)
{
    zmq_msg_t header, payload;
    zmq_msg_init(&header);
    zmq_msg_init(&payload);
    zmq_msg_copy(&header, &call->header); /* by reference; fails for no valid message */
    zmq_msg_copy(&payload, &call->payload);
    call->attempts++;
    assert(call->attempts <= CALL_ATTEMPTS);
    return link_send(t->link, &call->peer, call->number, 0, &header,
                     call->has_payload ? &payload : NULL, err);
}

void calls_send_new(struct transport *t)
{
    for (;;) {
        pthread_mutex_lock(&t->lock);
        struct call *call = t->calls_first;
        if (call != NULL) {
            t->calls_first = call->next;
            if (t->calls_first == NULL)
                t->calls_last = &t->calls_first;
        }
        bool cancelled = t->cancelled;
        pthread_mutex_unlock(&t->lock);
        if (call == NULL)
            return;
        call->next = t->under_way;
        t->under_way = call;
        struct err err = ERR_INIT;
        if (cancelled)
            err_set(&err, ERR_CANCELLED, "this node is stopping");
        if (cancelled || send_call(t, call, &err) != 0) {
            assert(t->under_way == call); /* sending completes nothing itself */
            complete(t, &t->under_way, &err);
        }
    }
}

void calls_answered(struct transport *t, struct link_message *message)
{
    struct call **at = &t->under_way;
    while (*at != NULL && (*at)->number != message->call)
        at = &(*at)->next;
    if (*at == NULL || memcmp((*at)->peer.curve, message->curve, 32) != 0)
        return; /* it came after its deadline, or was never asked */
    struct call *call = *at;
    if (message->refused != ERR_NONE) {
        struct err err = ERR_INIT;
        err_set(&err, message->refused, "%s: %s", call->peer.endpoint.text, message->refused_text);
        complete(t, at, &err);
        return;
    }
    zmq_msg_move(&call->answer, message->body);
    zmq_msg_move(&call->answer_payload, message->payload);
    complete(t, at, NULL);
}

void calls_lost(struct transport *t, const uint8_t curve[32], const struct err *why)
{
    struct call **at = &t->under_way;
    while (*at != NULL) {
        struct call *call = *at;
        bool lost = memcmp(call->peer.curve, curve, 32) == 0;
        struct err err = *why;
        if (lost && call->attempts < CALL_ATTEMPTS && why->code == ERR_IO &&
            send_call(t, call, &err) == 0)
            lost = false;
        if (lost)
            complete(t, at, &err);
        else
            at = &call->next;
    }
}

bool calls_in_use(struct transport *t, const uint8_t curve[32])
{
    for (const struct call *call = t->under_way; call != NULL; call = call->next)
        if (memcmp(call->peer.curve, curve, 32) == 0)
            return true;
    return false;
}

void calls_expire(struct transport *t)
{
    int64_t now_ms = monotonic_ms();
    struct call **at = &t->under_way;
    while (*at != NULL) {
        if ((*at)->deadline_ms > now_ms) {
            at = &(*at)->next;
            continue;
        }
        struct err err = ERR_INIT;
        err_set(&err, ERR_TIMEOUT, "%s did not answer in time", (*at)->peer.endpoint.text);
        complete(t, at, &err);
    }
}

void calls_cancel(struct transport *t)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "this node is stopping");
    while (t->under_way != NULL)
        complete(t, &t->under_way, &err);
}

int64_t calls_next_ms(const struct transport *t)
{
    int64_t next_ms = INT64_MAX;
    for (const struct call *call = t->under_way; call != NULL; call = call->next)
        if (call->deadline_ms < next_ms)
            next_ms = call->deadline_ms;
    return next_ms;
}
