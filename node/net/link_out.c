/* The pool of connections that we made, by the key that the other end must prove: where a peer is, is
 * what it says itself, and several may say the same. So a newcomer at an address takes no other's
 * connection away; it proves its key there or it does not.
 *
 * libzmq's own reconnecting is switched off: it would deliver what waited for a dead peer to its next
 * life, without a HELLO. The socket's monitor tells when a connection is gone; events name the endpoint
 * as it was given to libzmq, so each connection to one place has a line of its own. */
#include "node/net/link_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/common/clock.h"

static struct pooled *pool_find(struct link *link, const uint8_t curve[32])
{
    for (size_t i = 0; i < link->pool_count; i++)
        if (memcmp(link->pool[i].peer.curve, curve, 32) == 0)
            return &link->pool[i];
    return NULL;
}

static void pool_remove(struct link *link, struct pooled *pooled)
{
    assert(link->pool_count > 0 && pooled >= link->pool && pooled < link->pool + link->pool_count);
    /* ENOENT: libzmq gave the endpoint up first. */
    endpoint_disconnect(link->outbox, &pooled->at);
    held_release(pooled);
    *pooled = link->pool[--link->pool_count];
}

void pool_lose(struct link *link, struct pooled *pooled, const struct err *why)
{
    uint8_t curve[32];
    memcpy(curve, pooled->peer.curve, sizeof(curve));
    pool_remove(link, pooled);
    link->ops.lost(link->ops.ctx, curve, why); /* may send, so the pool may change */
}

void link_drop(struct link *link, const uint8_t curve[32])
{
    struct pooled *pooled = pool_find(link, curve);
    if (pooled != NULL)
        pool_remove(link, pooled);
}

void pool_spoke(struct link *link, const uint8_t curve[32], bool own)
{
    struct pooled *pooled = pool_find(link, curve);
    if (pooled != NULL)
        pooled->misled = !own;
}

bool link_peer_of(const struct link *link, const struct node_id *node, bool answer,
                  struct link_peer *peer)
{
    for (size_t i = 0; i < link->pool_count; i++) {
        const struct pooled *pooled = &link->pool[i];
        if (pooled->welcomed && (answer || !pooled->misled) && id_equal(&pooled->node, node)) {
            *peer = pooled->peer;
            return true;
        }
    }
    return false;
}

bool link_ready(const struct link *link, const struct link_peer *peer)
{
    for (size_t i = 0; i < link->pool_count; i++) {
        const struct pooled *pooled = &link->pool[i];
        if (memcmp(pooled->peer.curve, peer->curve, sizeof(peer->curve)) == 0)
            return pooled->welcomed && endpoint_equal(&pooled->peer.endpoint, &peer->endpoint);
    }
    return false;
}

size_t link_peer_count(const struct link *link)
{
    return link->pool_count;
}

static bool is_waited_for(const struct link *link, const struct pooled *pooled)
{
    return link->ops.in_use != NULL && link->ops.in_use(link->ops.ctx, pooled->peer.curve);
}

/* The least recently used connection on which nobody waits for an answer, or NULL. While others are
 * there, none whose handshake is under way: it would take what waits for it along. */
static struct pooled *least_used(struct link *link, bool young_too)
{
    struct pooled *oldest = NULL;
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < link->pool_count; i++) {
        struct pooled *pooled = &link->pool[i];
        bool young = !pooled->welcomed && now_ms - pooled->made_ms < LINK_YOUNG_MS;
        if ((young && !young_too) || is_waited_for(link, pooled))
            continue;
        if (oldest == NULL || pooled->used_ms < oldest->used_ms)
            oldest = pooled;
    }
    return oldest;
}

static int make_room(struct link *link, struct err *err)
{
    if (link->pool_count < link->pool_max)
        return 0;
    struct pooled *oldest = least_used(link, false);
    if (oldest == NULL)
        oldest = least_used(link, true);
    if (oldest == NULL)
        return err_set(err, ERR_BUSY, "all of %zu connections are in use", link->pool_max);
    pool_remove(link, oldest);
    return 0;
}

void link_close_idle(struct link *link)
{
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < link->pool_count; i++) {
        struct pooled *pooled = &link->pool[i];
        if (now_ms - pooled->used_ms >= link->idle_ms && !is_waited_for(link, pooled))
            pool_remove(link, &link->pool[i--]);
    }
}

static int say_hello(struct link *link, const struct route *route, struct err *err)
{
    Ecbak__LinkHello hello = ECBAK__LINK_HELLO__INIT;
    hello.version_min = link->protocol.lowest;
    hello.version_max = link->protocol.highest;
    hello.certificate.data = link->certificate;
    hello.certificate.len = link->certificate_size;
    Ecbak__LinkEnvelope envelope;
    wire_stamp(&envelope, 0, 0);
    envelope.control_case = ECBAK__LINK_ENVELOPE__CONTROL_HELLO;
    envelope.hello = &hello;
    return wire_send(link->outbox, route, &envelope, NULL, NULL, err);
}

/* A line to this place that no connection has, another one than last, whose end may still be told. When all are taken, the oldest on which nobody proved its
 * key gives way, never one that was welcomed. */
static int take_line(struct link *link, const struct endpoint *place, struct endpoint *at,
                     struct err *err)
{
    struct pooled *oldest = NULL;
    bool taken[ENDPOINT_LINES] = {false};
    unsigned first = (unsigned)(link->route_next % ENDPOINT_LINES), line = 0;
    for (size_t i = 0; i < link->pool_count; i++) {
        struct pooled *pooled = &link->pool[i];
        if (!endpoint_equal(&pooled->peer.endpoint, place))
            continue;
        for (unsigned n = 0; n < ENDPOINT_LINES; n++) {
            struct endpoint each = endpoint_line(place, n);
            taken[n] |= endpoint_equal(&each, &pooled->at);
        }
        if (!pooled->welcomed && (oldest == NULL || pooled->made_ms < oldest->made_ms))
            oldest = pooled;
    }
    while (line < ENDPOINT_LINES && taken[(first + line) % ENDPOINT_LINES])
        line++;
    if (line < ENDPOINT_LINES) {
        *at = endpoint_line(place, (first + line) % ENDPOINT_LINES);
        return 0;
    }
    if (oldest == NULL)
        return err_set(err, ERR_BUSY, "%d others are at %s", ENDPOINT_LINES, place->text);
    *at = oldest->at;
    pool_remove(link, oldest);
    return 0;
}

static int pool_connect(struct link *link, const struct link_peer *peer, struct pooled **pooled,
                        struct err *err)
{
    struct endpoint at;
    if (!endpoint_known(&peer->endpoint))
        return err_set(err, ERR_IO, "it is not known where that node is");
    if (take_line(link, &peer->endpoint, &at, err) != 0)
        return -1;
    if (make_room(link, err) != 0)
        return -1;
    assert(link->pool_count < link->pool_max && pool_find(link, peer->curve) == NULL);
    struct pooled *p = &link->pool[link->pool_count];
    *p = (struct pooled){
        .peer = *peer, .at = at, .made_ms = monotonic_ms(), .used_ms = monotonic_ms()};
    struct writer name;
    writer_init(&name, p->route.bytes, sizeof(p->route.bytes));
    write_u8(&name, 'p'); /* a leading zero is libzmq's own */
    write_u64(&name, link->route_next++);
    assert(!name.failed);
    p->route.size = name.used;
    if (zmq_setsockopt(link->outbox, ZMQ_CURVE_SERVERKEY, peer->curve, 32) != 0 ||
        zmq_setsockopt(link->outbox, ZMQ_CONNECT_ROUTING_ID, p->route.bytes, p->route.size) != 0 ||
        endpoint_connect(link->outbox, &at) != 0)
        return err_set(err, ERR_IO, "connecting to %s: %s", peer->endpoint.text,
                       zmq_strerror(zmq_errno()));
    link->pool_count++;
    if (say_hello(link, &p->route, err) != 0) {
        pool_remove(link, p);
        return -1;
    }
    *pooled = p;
    return 0;
}

int link_send(struct link *link, const struct link_peer *peer, uint64_t call, uint32_t ttl_ms,
              zmq_msg_t *body, zmq_msg_t *payload, struct err *err)
{
    struct pooled *pooled = pool_find(link, peer->curve);
    if (pooled != NULL && !endpoint_equal(&pooled->peer.endpoint, &peer->endpoint)) {
        pool_remove(link, pooled); /* it moved */
        pooled = NULL;
    }
    if (pooled == NULL && pool_connect(link, peer, &pooled, err) != 0) {
        zmq_msg_close(body);
        if (payload != NULL)
            zmq_msg_close(payload);
        return -1;
    }
    pooled->used_ms = monotonic_ms();
    Ecbak__LinkEnvelope envelope;
    wire_stamp(&envelope, call, ttl_ms);
    if (held_send(link, pooled, &envelope, body, payload, err) == 0)
        return 0;
    count(link, COUNT_DROPPED);
    return err_context(err, "%s", peer->endpoint.text);
}

static void lose_at(struct link *link, const char *endpoint)
{
    for (size_t i = 0; i < link->pool_count; i++) {
        struct pooled *pooled = &link->pool[i];
        if (strcmp(pooled->at.text, endpoint) != 0)
            continue;
        struct err err = ERR_INIT;
        err_set(&err, ERR_IO, "%s %s", pooled->peer.endpoint.text,
                pooled->welcomed ? "closed the connection" : "cannot be reached");
        pool_lose(link, pooled, &err);
        return;
    }
}

/* An event: {u16 event, u32 value}, then the endpoint. All but CONNECTED say that one ended. */
void link_process_monitor(struct link *link)
{
    for (;;) {
        uint8_t event[8];
        char endpoint[ENDPOINT_MAX] = "";
        if (zmq_recv(link->monitor, event, sizeof(event), ZMQ_DONTWAIT) < 0)
            return;
        int size = zmq_recv(link->monitor, endpoint, sizeof(endpoint) - 1, 0);
        if (size < 0)
            return;
        uint16_t what;
        uint32_t value;
        memcpy(&what, event, sizeof(what));
        memcpy(&value, event + sizeof(what), sizeof(value));
        if (what == ZMQ_EVENT_CONNECTED) {
            door_made(link->door, (int)value);
            continue;
        }
        if (what == ZMQ_EVENT_DISCONNECTED)
            door_gone(link->door, (int)value);
        lose_at(link, endpoint);
    }
}

void link_give_up_unwelcomed(struct link *link)
{
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < link->pool_count; i++) {
        struct pooled *pooled = &link->pool[i];
        if (pooled->welcomed || now_ms - pooled->made_ms < LINK_WELCOME_MS)
            continue;
        struct err err = ERR_INIT;
        err_set(&err, ERR_TIMEOUT, "%s did not answer within %d s", pooled->peer.endpoint.text,
                LINK_WELCOME_MS / 1000);
        pool_lose(link, pooled, &err);
        return; /* the pool may have changed; the others' turn comes with the next call */
    }
}
