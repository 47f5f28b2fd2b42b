/* One queue for all kinds, since their order matters: an incarnation is on disk before a message
 * with it leaves. Sends are bounded by packet.c; the others are few, and must not be lost. */
#include "gossip/order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"

static struct order *append(struct orders *orders, enum swim_order_kind kind, size_t size)
{
    struct order *order = alloc_zero(1, sizeof(*order) + size);
    order->order.kind = kind;
    assert((orders->first == NULL) == (orders->last == NULL));
    if (orders->last != NULL)
        orders->last->next = order;
    else
        orders->first = order;
    orders->last = order;
    return order;
}

void order_event(struct orders *orders, enum swim_event event, const struct node_id *id,
                 const struct node_id *other)
{
    struct order *order = append(orders, SWIM_EVENT, 0);
    order->order.event.event = event;
    order->order.event.id = *id;
    if (other != NULL)
        order->order.event.other = *other;
}

void order_refused(struct orders *orders, const uint8_t *bytes, size_t size, uint64_t now_ms)
{
    struct order *order = append(orders, SWIM_EVENT, size);
    struct claim claim;
    memcpy(order->bytes, bytes, size);
    int parsed = claim_parse(&claim, order->bytes, size);
    assert(parsed == 0);
    order->order.event.event = SWIM_EVENT_REFUSED;
    order->order.event.id = claim.id;
    order->order.event.refused = (struct swim_member){
        .id = claim.id,
        .name = claim.name,
        .address = claim.address,
        .metadata = claim.metadata,
        .metadata_size = claim.metadata_size,
        .state = claim.state,
        .incarnation = claim.incarnation,
        .since_ms = now_ms,
        .rtt_ms = -1,
        .protocol = claim_protocol(&claim),
    };
}

void order_persist(struct orders *orders, uint64_t incarnation)
{
    append(orders, SWIM_PERSIST, 0)->order.persist.incarnation = incarnation;
}

uint8_t *order_send(struct orders *orders, const struct node_id *id, const char *address,
                    bool answer, size_t size, uint64_t expires_ms)
{
    size_t address_size = address != NULL ? strlen(address) + 1 : 0;
    struct order *order = append(orders, SWIM_SEND, size + address_size);
    if (id != NULL) {
        order->order.send.has_id = true;
        order->order.send.id = *id;
    }
    if (address != NULL) {
        memcpy(order->bytes + size, address, address_size);
        order->order.send.address = (const char *)order->bytes + size;
    }
    order->order.send.answer = answer;
    order->order.send.bytes = order->bytes;
    order->order.send.size = size;
    order->order.send.expires_ms = expires_ms;
    orders->send_count++;
    return order->bytes;
}

bool order_next(struct orders *orders, struct swim_order *out)
{
    free(orders->handed_out);
    orders->handed_out = orders->first;
    if (orders->first == NULL)
        return false;
    orders->first = orders->first->next;
    if (orders->first == NULL)
        orders->last = NULL;
    *out = orders->handed_out->order;
    if (out->kind == SWIM_SEND) {
        assert(orders->send_count > 0);
        orders->send_count--;
    }
    return true;
}

void order_release(struct orders *orders)
{
    free(orders->handed_out);
    while (orders->first != NULL) {
        struct order *next = orders->first->next;
        free(orders->first);
        orders->first = next;
    }
    *orders = (struct orders){0};
}
