/* Answers are handed over by whoever made them, and charged to who asked until libzmq gives their bytes
 * back: so a node that asks for much and reads nothing has its requests wait, and costs what it may. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/net/transport_internal.h"

/* An answer that is charged to who asked until libzmq gives it back: it was sent, or never will be. */
struct charged {
    struct transport *transport;
    struct node_id node;
    struct payload payload;
};

static void give_back(void *bytes, void *hint)
{
    struct charged *charged = hint;
    struct transport *t = charged->transport;
    (void)bytes;
    ledger_take(t->ledger, &charged->node, LEDGER_ANSWERS, charged->payload.size);
    payload_release(&charged->payload);
    free(charged);
    if (t->ops.sent != NULL)
        t->ops.sent(t->ops.ctx);
}

static void charge_answer(struct transport *t, const struct node_id *node, struct payload *payload)
{
    if (payload->release == NULL)
        return; /* only lent: it is copied, and small */
    struct charged *charged = alloc_zero(1, sizeof(*charged));
    *charged = (struct charged){.transport = t, .node = *node, .payload = *payload};
    ledger_add(t->ledger, node, LEDGER_ANSWERS, payload->size);
    payload->release = give_back;
    payload->hint = charged;
}

bool transport_may_answer(struct transport *t, const struct node_id *node, size_t coming)
{
    size_t all, own = ledger_read(t->ledger, node, LEDGER_ANSWERS, &all) + coming;
    size_t left = all < TRANSPORT_ANSWERS_MAX ? TRANSPORT_ANSWERS_MAX - all : 0;
    return own == 0 || (own < TRANSPORT_NODE_ANSWERS_MAX && own < left / 2);
}

void transport_reply(struct transport *t, struct incoming *in, const uint8_t *header,
                     size_t header_size, struct payload *payload)
{
    struct reply *reply = alloc_zero(1, sizeof(*reply));
    assert(in->header != NULL); /* else it was answered before */
    assert(in->route_size <= sizeof(reply->route.bytes));
    reply->to_client = in->from_client;
    reply->call = in->call;
    reply->route.size = in->route_size;
    memcpy(reply->route.bytes, in->route, in->route_size);
    bytes_to_message(header, header_size, &reply->header);
    reply->has_payload = payload != NULL && payload->bytes != NULL;
    if (reply->has_payload && !in->from_client)
        charge_answer(t, &in->node, payload);
    if (reply->has_payload)
        payload_to_message(payload, &reply->payload);
    free(in->header);
    payload_release(&in->payload);
    if (in->from_client)
        atomic_fetch_sub(&t->client_bytes, in->charge);
    else
        ledger_take(t->ledger, &in->node, LEDGER_REQUESTS, in->charge);
    *in = (struct incoming){0};

    pthread_mutex_lock(&t->lock);
    *t->replies_last = reply;
    t->replies_last = &reply->next;
    pthread_mutex_unlock(&t->lock);
    transport_wake(t);
}

void answers_send(struct transport *t)
{
    pthread_mutex_lock(&t->lock);
    struct reply *reply = t->replies_first;
    t->replies_first = NULL;
    t->replies_last = &t->replies_first;
    pthread_mutex_unlock(&t->lock);
    while (reply != NULL) {
        if (reply->to_client)
            client_send(t, reply);
        else /* its -1 (who asked is gone) is counted there */
            link_answer(t->link, &reply->route, reply->call, 0, &reply->header,
                        reply->has_payload ? &reply->payload : NULL);
        struct reply *next = reply->next;
        free(reply);
        reply = next;
    }
}
