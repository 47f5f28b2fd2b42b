/* What is sent on a connection that is not welcomed yet. The other side bounds what a stranger may send
 * (node/door/door.h), and does not know yet who we are: so little goes at once, for pings that cannot
 * wait, and the rest after the WELCOME. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/net/link_internal.h"

struct held {
    struct held *next;
    uint64_t call, sent_ms;
    uint32_t ttl_ms;
    bool has_payload;
    zmq_msg_t body, payload;
};

static size_t size_of(zmq_msg_t *body, zmq_msg_t *payload)
{
    return zmq_msg_size(body) + (payload != NULL ? zmq_msg_size(payload) : 0) + LINK_ENVELOPE_MAX;
}

int held_send(struct link *link, struct pooled *pooled, const Ecbak__LinkEnvelope *envelope,
              zmq_msg_t *body, zmq_msg_t *payload, struct err *err)
{
    size_t size = size_of(body, payload);
    if (pooled->welcomed ||
        (pooled->held_first == NULL && pooled->early_bytes + size <= LINK_EARLY_MAX)) {
        pooled->early_bytes += pooled->welcomed ? 0 : size;
        return wire_send(link->outbox, &pooled->route, envelope, body, payload, err);
    }
    if (pooled->held_count >= link->held_max) {
        zmq_msg_close(body);
        if (payload != NULL)
            zmq_msg_close(payload);
        return err_set(err, ERR_BUSY, "too much waits for its connection");
    }
    struct held *held = alloc_zero(1, sizeof(*held));
    held->call = envelope->call;
    held->sent_ms = envelope->sent_ms;
    held->ttl_ms = envelope->ttl_ms;
    held->has_payload = payload != NULL;
    zmq_msg_init(&held->body);
    zmq_msg_init(&held->payload);
    zmq_msg_move(&held->body, body);
    if (payload != NULL)
        zmq_msg_move(&held->payload, payload);
    if (pooled->held_first == NULL)
        pooled->held_first = held;
    else
        pooled->held_last->next = held;
    pooled->held_last = held;
    pooled->held_count++;
    return 0;
}

static struct held *take_first(struct pooled *pooled)
{
    struct held *held = pooled->held_first;
    if (held != NULL) {
        pooled->held_first = held->next;
        pooled->held_count--;
    }
    return held;
}

void held_send_all(struct link *link, struct pooled *pooled)
{
    struct held *held;
    while ((held = take_first(pooled)) != NULL) {
        Ecbak__LinkEnvelope envelope;
        wire_stamp(&envelope, held->call, 0);
        envelope.ttl_ms = held->ttl_ms;
        envelope.sent_ms = held->sent_ms;
        if (wire_send(link->outbox, &pooled->route, &envelope, &held->body,
                      held->has_payload ? &held->payload : NULL, NULL) != 0)
            count(link, COUNT_DROPPED);
        free(held);
    }
}

void held_release(struct pooled *pooled)
{
    struct held *held;
    while ((held = take_first(pooled)) != NULL) {
        zmq_msg_close(&held->body);
        zmq_msg_close(&held->payload);
        free(held);
    }
}
