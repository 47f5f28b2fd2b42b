/* One queue for all kinds, since their order matters: an incarnation is on disk before a message
 * with it leaves. Only sends are bounded and dropped; the others are few, and must not be lost. */
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/core.h"

static struct order *append(struct swim *swim, enum swim_order_kind kind, size_t size)
{
    struct order *order = alloc_zero(1, sizeof(*order) + size);
    order->order.kind = kind;
    if (swim->orders.last != NULL)
        swim->orders.last->next = order;
    else
        swim->orders.first = order;
    swim->orders.last = order;
    return order;
}

void order_event(struct swim *swim, enum swim_event event, const struct swim_id *id,
                 const struct swim_id *other)
{
    struct order *order = append(swim, SWIM_EVENT, 0);
    order->order.event.event = event;
    order->order.event.id = *id;
    if (other != NULL)
        order->order.event.other = *other;
}

void order_refused(struct swim *swim, const uint8_t *bytes, size_t size)
{
    struct order *order = append(swim, SWIM_EVENT, size);
    struct statement statement;
    memcpy(order->bytes, bytes, size);
    if (statement_parse(&statement, order->bytes, size) != 0)
        abort(); /* it was parsed before */
    order->order.event.event = SWIM_EVENT_REFUSED;
    order->order.event.id = statement.id;
    order->order.event.refused = (struct swim_member){
        .id = statement.id,
        .name = statement.name,
        .address = statement.address,
        .metadata = statement.metadata,
        .metadata_size = statement.metadata_size,
        .state = statement.state,
        .incarnation = statement.incarnation,
        .since_ms = swim->now_ms,
        .rtt_ms = -1,
        .protocol = statement_protocol(&statement),
    };
}

void order_persist(struct swim *swim, uint64_t incarnation)
{
    append(swim, SWIM_PERSIST, 0)->order.persist.incarnation = incarnation;
}

uint8_t *order_send(struct swim *swim, const struct swim_id *id, const char *address, size_t size,
                    uint64_t expires_ms)
{
    if (swim->orders.send_count >= swim->config.orders_max) {
        swim->stats.dropped_count++;
        return NULL;
    }
    size_t address_size = address != NULL ? strlen(address) + 1 : 0;
    struct order *order = append(swim, SWIM_SEND, size + address_size);
    if (id != NULL) {
        order->order.send.has_id = true;
        order->order.send.id = *id;
    }
    if (address != NULL) {
        memcpy(order->bytes + size, address, address_size);
        order->order.send.address = (const char *)order->bytes + size;
    }
    order->order.send.bytes = order->bytes;
    order->order.send.size = size;
    order->order.send.expires_ms = expires_ms;
    swim->orders.send_count++;
    swim->stats.sent_count++;
    swim->stats.sent_bytes += size;
    return order->bytes;
}

bool swim_next_order(struct swim *swim, struct swim_order *out)
{
    struct orders *orders = &swim->orders;
    free(orders->handed_out);
    orders->handed_out = orders->first;
    if (orders->first == NULL)
        return false;
    orders->first = orders->first->next;
    if (orders->first == NULL)
        orders->last = NULL;
    *out = orders->handed_out->order;
    if (out->kind == SWIM_SEND)
        orders->send_count--;
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
