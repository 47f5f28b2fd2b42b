/* Carrying out what the core orders, in its order. A message goes the cheapest way that is open: on
 * the connection on which that member spoke to us lately, on one of ours, or on a new one. */
#include "node/membership/membership_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "node/base/log.h"
#include "node/common/clock.h"

#define SPOKE_LATELY_MS 10000
#define TTL_MS_MAX      3600000

static bool find_peer(struct membership *m, const struct node_id *id, struct link_peer *peer)
{
    struct swim_member found;
    struct member member;
    if (!swim_find(m->swim, id, &found) || member_describe(&member, &found, 0) != 0)
        return false;
    snprintf(peer->endpoint, sizeof(peer->endpoint), "tcp://%s", member.address);
    memcpy(peer->curve, member.cert.curve, sizeof(peer->curve));
    return true;
}

static bool find_seed(struct membership *m, const char *name, struct link_peer *peer)
{
    for (size_t i = 0; i < m->seed_count; i++)
        if (strcmp(m->seeds[i].name, name) == 0) {
            *peer = m->seeds[i].peer;
            return true;
        }
    return false;
}

static bool is_answer(const struct membership *m, const struct swim_order *order)
{
    return order->send.answer && m->question.now && id_equal(&m->question.node, &order->send.id);
}

/* A connection that the other side made: an answer goes back on the one on which the question came. */
static bool find_route(struct membership *m, const struct swim_order *order, struct route *route)
{
    if (is_answer(m, order)) {
        *route = m->question.route;
        return !m->question.ours;
    }
    return order->send.has_id && link_route_to(m->link, &order->send.id, SPOKE_LATELY_MS, route);
}

static void send_order(struct membership *m, const struct swim_order *order)
{
    int64_t left_ms = (int64_t)order->send.expires_ms - boottime_ms();
    if (left_ms <= 0)
        return;
    uint32_t ttl_ms = left_ms > TTL_MS_MAX ? TTL_MS_MAX : (uint32_t)left_ms;
    const struct node_id *id = &order->send.id;
    zmq_msg_t body;
    if (zmq_msg_init_size(&body, order->send.size) != 0)
        return;
    memcpy(zmq_msg_data(&body), order->send.bytes, order->send.size);
    struct route route;
    struct link_peer peer;
    struct err err = ERR_INIT;
    if (find_route(m, order, &route)) {
        zmq_msg_t copy;
        zmq_msg_init(&copy);
        zmq_msg_copy(&copy, &body);
        if (link_answer(m->link, &route, 0, ttl_ms, &copy, NULL) == 0) {
            zmq_msg_close(&body);
            return;
        }
    }
    bool found = order->send.has_id ? link_peer_of(m->link, id, is_answer(m, order), &peer) ||
                                          find_peer(m, id, &peer)
                                    : find_seed(m, order->send.address, &peer);
    if (!found) {
        zmq_msg_close(&body);
        return;
    }
    bool ready = link_ready(m->link, &peer);
    if (link_send(m->link, &peer, 0, ttl_ms, &body, NULL, &err) != 0)
        log_debug("membership: %s", err.text);
    else if (!ready && order->send.has_id) /* the answer's time would be that of the handshake */
        swim_unmeasured(m->swim, id);
}

/* ---- what the core tells ------------------------------------------------------------------- */

/* Our connection to a member that states another address now leads to where it was, or where a copy of
 * it is. (One that a seed's name led to may differ from what is stated, and stays.) */
static void drop_misled(struct membership *m, const struct node_id *id)
{
    struct link_peer before, now;
    const struct member *published = m->table != NULL ? member_find(m->table, id) : NULL;
    if (published == NULL || !link_peer_of(m->link, id, true, &before) || !find_peer(m, id, &now) ||
        strcmp(before.endpoint, now.endpoint) == 0 ||
        strcmp(now.endpoint + strlen("tcp://"), published->address) == 0)
        return;
    link_drop(m->link, before.curve);
}

static void take_event(struct membership *m, const struct swim_order *order)
{
    struct link_peer peer;
    if (order->event.event == SWIM_EVENT_REFUSED) {
        struct member member;
        if (order->event.refused.state == SWIM_LEFT)
            incompatible_remove(&m->incompatible, &order->event.id);
        else if (member_describe(&member, &order->event.refused, boottime_ms()) == 0)
            membership_note_incompatible(m, &member);
        return;
    }
    m->changed = true;
    incompatible_remove(&m->incompatible, &order->event.id);
    membership_note(m, order);
    if (order->event.event == SWIM_EVENT_UPDATED)
        drop_misled(m, &order->event.id);
    bool gone = order->event.event == SWIM_EVENT_DEAD || order->event.event == SWIM_EVENT_LEFT ||
                order->event.event == SWIM_EVENT_AWAY;
    if (gone && find_peer(m, &order->event.id, &peer))
        link_drop(m->link, peer.curve); /* nothing that waits there is delivered to its next life */
}

/* Living members, so that the next start finds the cluster without its seeds. */
static void remember_members(struct membership *m)
{
    m->notes.count = 0;
    size_t count = swim_member_count(m->swim);
    size_t first = count > 1 ? randombytes_uniform((uint32_t)count) : 0;
    for (size_t i = 0; i < count && m->notes.count < MEMBER_NOTES_MAX; i++) {
        struct swim_member found;
        struct member member;
        swim_member(m->swim, (first + i) % count, &found);
        if (found.self || (found.state != SWIM_ALIVE && found.state != SWIM_AWAY) ||
            member_describe(&member, &found, 0) != 0)
            continue;
        struct remembered *to = &m->notes.members[m->notes.count++];
        memcpy(to->curve, member.cert.curve, sizeof(to->curve));
        memcpy(to->address, member.address, sizeof(to->address));
    }
    m->remembered_ms = boottime_ms();
}

bool membership_in_company(const struct membership *m)
{
    return swim_count(m->swim, SWIM_ALIVE) + swim_count(m->swim, SWIM_AWAY) > 1;
}

void membership_remember(struct membership *m)
{
    if (membership_in_company(m))
        remember_members(m);
    notes_writer_give(m->notes_writer, &m->notes);
}

void membership_carry_out(struct membership *m)
{
    struct swim_order order;
    while (swim_next_order(m->swim, &order))
        switch (order.kind) {
        case SWIM_SEND:
            send_order(m, &order);
            break;
        case SWIM_EVENT:
            take_event(m, &order);
            break;
        case SWIM_PERSIST:
            assert(order.persist.incarnation >= m->notes.incarnation); /* it only rises */
            m->notes.incarnation = order.persist.incarnation;
            notes_writer_use(m->notes_writer, m->notes.incarnation);
            m->changed = true;
            break;
        }
}
