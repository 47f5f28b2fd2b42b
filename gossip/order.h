/* order.h - what the shell is to do, in the order in which it must be done.
 *
 *   Limits   who sends keeps send_count to swim_config.orders_max (packet.c); the others are few
 *   Memory   copies what it is given; what was given out lives until the next is taken
 */
#ifndef ECBAK_GOSSIP_ORDER_H
#define ECBAK_GOSSIP_ORDER_H

#include "gossip/swim.h"

struct order {
    struct order *next;
    struct swim_order order;
    uint8_t bytes[];
};

struct orders {
    struct order *first, *last;
    struct order *handed_out; /* what order_next gave last */
    size_t send_count;
};

void order_event(struct orders *orders, enum swim_event event, const struct node_id *id,
                 const struct node_id *other);
/* SWIM_EVENT_REFUSED, with what the claim says. */
void order_refused(struct orders *orders, const uint8_t *bytes, size_t size, uint64_t now_ms);
void order_persist(struct orders *orders, uint64_t incarnation);
/* Room for size bytes to send. id or address may be NULL; `answer` to whoever spoke just now. */
uint8_t *order_send(struct orders *orders, const struct node_id *id, const char *address,
                    bool answer, size_t size, uint64_t expires_ms);
/* swim_next_order. */
bool order_next(struct orders *orders, struct swim_order *out);
void order_release(struct orders *orders);

#endif
