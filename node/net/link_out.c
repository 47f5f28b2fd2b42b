/* The pool of connections that we made. libzmq's own reconnecting is switched off: it would deliver
 * what waited for a dead peer to its next life, without a HELLO. The socket's monitor tells when a
 * connection is gone; events name the endpoint as it was given to zmq_connect, so the pool never
 * has one endpoint twice. */
#include "node/net/link_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/base/date.h"
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
    zmq_disconnect(link->outbox, pooled->at);
    *pooled = link->pool[--link->pool_count];
}

static void lose(struct link *link, struct pooled *pooled, const struct err *why)
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
            return pooled->welcomed && strcmp(pooled->peer.endpoint, peer->endpoint) == 0;
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

static int pool_connect(struct link *link, const struct link_peer *peer, struct pooled **pooled,
                        struct err *err)
{
    char at[LINK_ENDPOINT_MAX];
    if (names_resolve(link->names, peer->endpoint, at, sizeof(at), err) != 0)
        return -1;
    for (size_t i = 0; i < link->pool_count; i++)
        if (strcmp(link->pool[i].at, at) == 0)
            pool_remove(link, &link->pool[i--]); /* another key lives there now */
    if (make_room(link, err) != 0)
        return -1;
    assert(link->pool_count < link->pool_max && pool_find(link, peer->curve) == NULL);
    struct pooled *p = &link->pool[link->pool_count];
    *p = (struct pooled){.peer = *peer, .made_ms = monotonic_ms(), .used_ms = monotonic_ms()};
    memcpy(p->at, at, sizeof(at));
    struct writer name;
    writer_init(&name, p->route.bytes, sizeof(p->route.bytes));
    write_u8(&name, 'p'); /* a leading zero is libzmq's own */
    write_u64(&name, link->route_next++);
    assert(!name.failed);
    p->route.size = name.used;
    if (zmq_setsockopt(link->outbox, ZMQ_CURVE_SERVERKEY, peer->curve, 32) != 0 ||
        zmq_setsockopt(link->outbox, ZMQ_CONNECT_ROUTING_ID, p->route.bytes, p->route.size) != 0 ||
        zmq_connect(link->outbox, at) != 0)
        return err_set(err, ERR_IO, "connecting to %s: %s", peer->endpoint,
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
    if (pooled != NULL && strcmp(pooled->peer.endpoint, peer->endpoint) != 0) {
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
    if (wire_send(link->outbox, &pooled->route, &envelope, body, payload, err) == 0)
        return 0;
    count(link, COUNT_DROPPED);
    return err_context(err, "%s", peer->endpoint);
}

/* Loses the connection to a node that was revoked meanwhile, where such are not asked anything. */
static bool lose_revoked(struct link *link, struct pooled *pooled, const struct node_id *node,
                         uint64_t serial)
{
    struct err err = ERR_INIT;
    if (link->asks_revoked ||
        revocations_check(link->revocations, node, pooled->peer.curve, serial, &err) == 0)
        return false;
    count(link, COUNT_REVOKED);
    lose(link, pooled, &err);
    return true;
}

static void take_welcome(struct link *link, struct pooled *pooled, const Ecbak__LinkWelcome *body)
{
    struct err err = ERR_INIT;
    struct cert cert;
    if (link_check_cert(link, &cert, body->certificate.data, body->certificate.len,
                        pooled->peer.curve, &err) != 0) {
        err_context(&err, "%s", pooled->peer.endpoint);
        err.code = ERR_DENIED;
        lose(link, pooled, &err);
        return;
    }
    if (lose_revoked(link, pooled, &cert.node, cert.serial))
        return;
    pooled->welcomed = true;
    pooled->serial = cert.serial;
    pooled->not_after_s = cert.not_after_s;
    pooled->node = cert.node;
}

/* A refusal's text comes from elsewhere: printable, and of bounded length. */
static void refusal_text(char text[LINK_TEXT_MAX], const Ecbak__LinkRefusal *refusal)
{
    snprintf(text, LINK_TEXT_MAX, "%s", refusal->text);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

/* Our HELLO was refused for its protocol versions. Who did that must have shown its certificate, and
 * must be right, to be believed that it is another version and no mistake. */
static bool is_incompatible(struct link *link, const struct pooled *pooled,
                            const Ecbak__LinkRefusal *refusal, struct cert *cert,
                            struct protocol *theirs)
{
    struct err ignored;
    *theirs = protocol_of(refusal->version_min, refusal->version_max);
    return refusal->error == ERR_VERSION && theirs->lowest != 0 &&
           !protocol_meets(*theirs, link->protocol) &&
           link_check_cert(link, cert, refusal->certificate.data, refusal->certificate.len,
                           pooled->peer.curve, &ignored) == 0;
}

static void hello_refused(struct link *link, struct pooled *pooled,
                          const Ecbak__LinkRefusal *refusal, const char *text)
{
    struct cert cert;
    struct protocol theirs;
    struct err err = ERR_INIT;
    char endpoint[LINK_ENDPOINT_MAX];
    memcpy(endpoint, pooled->peer.endpoint, sizeof(endpoint));
    bool incompatible = is_incompatible(link, pooled, refusal, &cert, &theirs);
    err_set(&err, incompatible ? ERR_VERSION : ERR_DENIED, "%s refuses this node: %s", endpoint,
            text);
    lose(link, pooled, &err);
    if (!incompatible)
        return;
    count(link, COUNT_INCOMPATIBLE);
    if (link->ops.incompatible != NULL)
        link->ops.incompatible(link->ops.ctx, &cert, theirs, endpoint + strlen("tcp://"));
}

/* Whoever passes it on, the authority's word counts; what does not prove itself says nothing. */
static void take_revocation(struct link *link, const Ecbak__LinkRefusal *refusal)
{
    bool added;
    if (link->revocations != NULL && refusal->revocation.len > 0)
        (void)!revocations_add(link->revocations, refusal->revocation.data, refusal->revocation.len,
                               NULL, date_s(), &added, NULL);
}

static void take_refusal(struct link *link, struct pooled *pooled, struct frames *frames,
                         const Ecbak__LinkEnvelope *envelope)
{
    char text[LINK_TEXT_MAX];
    refusal_text(text, envelope->refusal);
    take_revocation(link, envelope->refusal);
    if (envelope->call == 0) { /* of our HELLO */
        hello_refused(link, pooled, envelope->refusal, text);
        return;
    }
    uint32_t code = envelope->refusal->error;
    struct link_message message = {.node = &pooled->node,
                                   .curve = pooled->peer.curve,
                                   .refused =
                                       code == 0 || code > ERR_LAST ? ERR_IO : (enum err_code)code,
                                   .refused_text = text};
    link_hand_up(link, frames, envelope, &pooled->lateness, &message);
}

static void take_frames(struct link *link, struct frames *frames)
{
    struct pooled *pooled = NULL;
    for (size_t i = 0; i < link->pool_count && pooled == NULL; i++)
        if (link->pool[i].route.size == frames->route.size &&
            memcmp(link->pool[i].route.bytes, frames->route.bytes, frames->route.size) == 0)
            pooled = &link->pool[i];
    if (pooled == NULL)
        return; /* of a connection that was dropped meanwhile */
    Ecbak__LinkEnvelope *envelope = frames->whole ? wire_envelope(&frames->envelope) : NULL;
    if (envelope == NULL) {
        count(link, COUNT_MALFORMED);
        return;
    }
    pooled->used_ms = monotonic_ms();
    if (envelope->control_case == ECBAK__LINK_ENVELOPE__CONTROL_WELCOME) {
        take_welcome(link, pooled, envelope->welcome);
    } else if (envelope->control_case == ECBAK__LINK_ENVELOPE__CONTROL_REFUSAL) {
        take_refusal(link, pooled, frames, envelope);
    } else if (envelope->control_case != ECBAK__LINK_ENVELOPE__CONTROL__NOT_SET) {
        count(link, COUNT_MALFORMED);
    } else if (!pooled->welcomed) {
        count(link, COUNT_NO_HELLO);
    } else if (date_s() > pooled->not_after_s) {
        count(link, COUNT_EXPIRED);
        struct err err = ERR_INIT;
        err_set(&err, ERR_DENIED, "%s: its certificate has expired", pooled->peer.endpoint);
        lose(link, pooled, &err);
    } else if (!lose_revoked(link, pooled, &pooled->node, pooled->serial)) {
        struct link_message message = {.node = &pooled->node, .curve = pooled->peer.curve};
        link_hand_up(link, frames, envelope, &pooled->lateness, &message);
    }
    ecbak__link_envelope__free_unpacked(envelope, NULL);
}

void link_process_outbox(struct link *link)
{
    struct frames frames;
    for (int i = 0; i < LINK_BATCH && wire_receive(link->outbox, &frames) == 1; i++) {
        take_frames(link, &frames);
        frames_release(&frames);
    }
}

/* An event: frame 1 {u16 event, u32 value}, frame 2 the endpoint. All that are subscribed to say
 * that a connection, or the attempt to make it, ended. */
void link_process_monitor(struct link *link)
{
    for (;;) {
        uint8_t event[8];
        char endpoint[LINK_ENDPOINT_MAX] = "";
        if (zmq_recv(link->monitor, event, sizeof(event), ZMQ_DONTWAIT) < 0)
            return;
        int size = zmq_recv(link->monitor, endpoint, sizeof(endpoint) - 1, 0);
        if (size < 0)
            return;
        for (size_t i = 0; i < link->pool_count; i++) {
            struct pooled *pooled = &link->pool[i];
            if (strcmp(pooled->at, endpoint) != 0)
                continue;
            struct err err = ERR_INIT;
            err_set(&err, ERR_IO, "%s %s", pooled->peer.endpoint,
                    pooled->welcomed ? "closed the connection" : "cannot be reached");
            lose(link, pooled, &err);
            break;
        }
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
        err_set(&err, ERR_TIMEOUT, "%s did not answer within %d s", pooled->peer.endpoint,
                LINK_WELCOME_MS / 1000);
        lose(link, pooled, &err);
        return; /* the pool may have changed; the others' turn comes with the next call */
    }
}
