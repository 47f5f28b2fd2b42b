/* The order of the checks is the point of this file: proven key, then envelope, then certificate,
 * then dates, then revocations, and only then what the message says. */
#include "node/net/link_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "node/base/date.h"
#include "node/common/clock.h"

/* The CURVE key that this connection proved, as the ZAP handler wrote it down. */
static int proven_key(struct frames *frames, uint8_t curve[32])
{
    const char *user_id = zmq_msg_gets(&frames->envelope, "User-Id");
    return user_id == NULL ? -1 : hex_decode(curve, 32, user_id);
}

int link_check_cert(struct link *link, struct cert *cert, const uint8_t *bytes, size_t size,
                    const uint8_t curve[32], struct err *err)
{
    enum link_count why = COUNT_BAD_CERTIFICATE;
    if (cert_decode(cert, bytes, size, err) != 0)
        goto refuse;
    if (!id_equal(&cert->cluster, &link->cluster)) {
        why = COUNT_FOREIGN;
        err_set(err, ERR_FOREIGN, "the certificate is of another cluster");
        goto refuse;
    }
    if (memcmp(cert->curve, curve, 32) != 0) {
        err_set(err, ERR_DENIED, "the certificate is of another CURVE key");
        goto refuse;
    }
    if (cert_check(cert, link->authority_public, err) != 0)
        goto refuse;
    if (cert_check_dates(cert, date_s(), err) != 0) {
        why = COUNT_EXPIRED;
        goto refuse;
    }
    return 0;

refuse:
    count(link, why);
    return -1;
}

static void welcome(struct link *link, const struct route *route, uint32_t version)
{
    Ecbak__LinkWelcome body = ECBAK__LINK_WELCOME__INIT;
    body.version = version;
    body.certificate.data = link->certificate;
    body.certificate.len = link->certificate_size;
    Ecbak__LinkEnvelope envelope;
    wire_stamp(&envelope, 0, 0);
    envelope.control_case = ECBAK__LINK_ENVELOPE__CONTROL_WELCOME;
    envelope.welcome = &body;
    if (wire_send(link->inbox, route, &envelope, NULL, NULL, NULL) != 0)
        count(link, COUNT_DROPPED);
}

static void send_refusal(struct link *link, const struct route *route, uint64_t call,
                         Ecbak__LinkRefusal *refusal)
{
    Ecbak__LinkEnvelope envelope;
    wire_stamp(&envelope, call, 0);
    envelope.control_case = ECBAK__LINK_ENVELOPE__CONTROL_REFUSAL;
    envelope.refusal = refusal;
    if (wire_send(link->inbox, route, &envelope, NULL, NULL, NULL) != 0)
        count(link, COUNT_DROPPED);
}

/* Who is out is told so in the authority's own words: else it would go on as if it were not. */
static void refuse_revoked(struct link *link, const struct route *route, uint64_t call,
                           const struct revocation *revocation, const struct err *why)
{
    char text[LINK_TEXT_MAX];
    uint8_t bytes[REVOCATION_BYTES];
    Ecbak__LinkRefusal refusal = ECBAK__LINK_REFUSAL__INIT;
    snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, why->text);
    count(link, COUNT_REVOKED);
    refusal.error = ERR_DENIED;
    refusal.text = text;
    if (revocation_encode(revocation, bytes, NULL) == 0) {
        refusal.revocation.data = bytes;
        refusal.revocation.len = sizeof(bytes);
    }
    send_refusal(link, route, call, &refusal);
}

static bool is_revoked(struct link *link, const struct node_id *node, const uint8_t curve[32],
                       uint64_t serial, struct revocation *which, struct err *why)
{
    return revocations_check(link->revocations, node, curve, serial, why) != 0 &&
           revocations_cover(link->revocations, node, curve, serial, which);
}

static void refuse_hello(struct link *link, const struct route *route, const uint8_t curve[32],
                         const struct err *why)
{
    zap_deny(link->zap, curve, monotonic_ms() + LINK_DENY_MS);
    link_refuse(link, route, 0, why->code, why->text);
}

/* The refused learns who refuses it and what that one speaks: it may be the one that is too old. */
static void refuse_protocol(struct link *link, const struct route *route, const struct cert *cert,
                            struct protocol theirs)
{
    char advice[PROTOCOL_ADVICE_MAX];
    Ecbak__LinkRefusal refusal = ECBAK__LINK_REFUSAL__INIT;
    count(link, COUNT_INCOMPATIBLE);
    zap_deny(link->zap, cert->curve, monotonic_ms() + LINK_DENY_MS);
    refusal.error = ERR_VERSION;
    refusal.text = protocol_advice(advice, link->protocol, theirs);
    refusal.version_min = link->protocol.lowest;
    refusal.version_max = link->protocol.highest;
    refusal.certificate.data = link->certificate;
    refusal.certificate.len = link->certificate_size;
    send_refusal(link, route, 0, &refusal);
    if (link->ops.incompatible != NULL)
        link->ops.incompatible(link->ops.ctx, cert, theirs, NULL);
}

static void take_hello(struct link *link, const struct route *route, int fd,
                       const uint8_t curve[32], const Ecbak__LinkHello *hello)
{
    struct err err = ERR_INIT;
    struct cert cert;
    if (link_check_cert(link, &cert, hello->certificate.data, hello->certificate.len, curve,
                        &err) != 0) {
        refuse_hello(link, route, curve, &err);
        return;
    }
    struct revocation which;
    if (is_revoked(link, &cert.node, cert.curve, cert.serial, &which, &err)) {
        zap_deny(link->zap, curve, monotonic_ms() + LINK_DENY_MS);
        refuse_revoked(link, route, 0, &which, &err);
        return;
    }
    struct protocol theirs = protocol_of(hello->version_min, hello->version_max);
    if (theirs.lowest == 0) {
        count(link, COUNT_MALFORMED);
        err_set(&err, ERR_FORMAT, "versions %u to %u are no range", hello->version_min,
                hello->version_max);
        refuse_hello(link, route, curve, &err);
        return;
    }
    if (!protocol_meets(theirs, link->protocol)) {
        refuse_protocol(link, route, &cert, theirs);
        return;
    }
    session_add(link->sessions, &cert, monotonic_ms());
    door_heard(link->door, fd, 0, curve);
    welcome(link, route, protocol_common(theirs, link->protocol));
}

void link_hand_up(struct link *link, struct frames *frames, const Ecbak__LinkEnvelope *envelope,
                  struct lateness *lateness, struct link_message *message)
{
    if (!frames->has_body && message->refused == ERR_NONE) {
        count(link, COUNT_MALFORMED);
        return;
    }
    int64_t sent_ms = envelope->sent_ms > INT64_MAX ? -1 : (int64_t)envelope->sent_ms;
    if (lateness_check(lateness, boottime_ms(), sent_ms, envelope->ttl_ms)) {
        count(link, COUNT_LATE);
        return;
    }
    message->call = envelope->call;
    message->body = &frames->body;
    message->payload = &frames->payload;
    message->has_payload = frames->has_payload;
    link->ops.received(link->ops.ctx, message);
}

static void take_message(struct link *link, struct frames *frames, const uint8_t curve[32],
                         const Ecbak__LinkEnvelope *envelope)
{
    struct session *session = session_find(link->sessions, curve);
    if (session == NULL) {
        count(link, COUNT_NO_HELLO);
        return;
    }
    int64_t now_s = date_s();
    if (now_s > session->not_after_s || now_s + CERT_SLACK_S < session->not_before_s) {
        count(link, COUNT_EXPIRED);
        link_refuse(link, &frames->route, envelope->call, ERR_DENIED,
                    "your certificate has expired");
        return;
    }
    struct err err = ERR_INIT;
    struct revocation which;
    if (is_revoked(link, &session->node, curve, session->serial, &which, &err)) {
        refuse_revoked(link, &frames->route, envelope->call, &which, &err);
        return;
    }
    session->heard_ms = monotonic_ms();
    door_heard(link->door, frames->fd, 0, curve);
    struct link_message message = {.node = &session->node,
                                   .curve = curve,
                                   .route = &frames->route,
                                   .from = zmq_msg_gets(&frames->envelope, "Peer-Address")};
    link_hand_up(link, frames, envelope, &session->lateness, &message);
}

static void take_frames(struct link *link, struct frames *frames)
{
    uint8_t curve[32];
    door_heard(link->door, frames->fd, frames->wire_bytes, NULL);
    if (proven_key(frames, curve) != 0) {
        count(link, COUNT_NO_USER_ID);
        return;
    }
    Ecbak__LinkEnvelope *envelope = frames->whole ? wire_envelope(&frames->envelope) : NULL;
    if (envelope == NULL) {
        count(link, COUNT_MALFORMED);
        return;
    }
    switch (envelope->control_case) {
    case ECBAK__LINK_ENVELOPE__CONTROL_HELLO:
        take_hello(link, &frames->route, frames->fd, curve, envelope->hello);
        break;
    case ECBAK__LINK_ENVELOPE__CONTROL__NOT_SET:
        take_message(link, frames, curve, envelope);
        break;
    default: /* only the side that is bound welcomes and refuses */
        count(link, COUNT_MALFORMED);
        break;
    }
    ecbak__link_envelope__free_unpacked(envelope, NULL);
}

void link_process_inbox(struct link *link)
{
    struct frames frames;
    for (int i = 0; i < LINK_BATCH && wire_receive(link->inbox, &frames) == 1; i++) {
        take_frames(link, &frames);
        frames_release(&frames);
    }
}

int link_answer(struct link *link, const struct route *route, uint64_t call, uint32_t ttl_ms,
                zmq_msg_t *body, zmq_msg_t *payload)
{
    Ecbak__LinkEnvelope envelope;
    wire_stamp(&envelope, call, ttl_ms);
    if (wire_send(link->inbox, route, &envelope, body, payload, NULL) == 0)
        return 0;
    count(link, COUNT_DROPPED);
    return -1;
}

void link_refuse(struct link *link, const struct route *route, uint64_t call, enum err_code code,
                 const char *text)
{
    char short_text[LINK_TEXT_MAX];
    snprintf(short_text, sizeof(short_text), "%s", text);
    Ecbak__LinkRefusal refusal = ECBAK__LINK_REFUSAL__INIT;
    refusal.error = (uint32_t)code;
    refusal.text = short_text;
    send_refusal(link, route, call, &refusal);
}

void link_spoke(struct link *link, const uint8_t curve[32], const struct route *route, bool own)
{
    if (route == NULL) {
        pool_spoke(link, curve, own);
        return;
    }
    struct session *session = session_find(link->sessions, curve);
    if (session == NULL || !own)
        return;
    session->route = *route;
    session->spoke_ms = monotonic_ms();
}

bool link_route_to(struct link *link, const struct node_id *node, int64_t within_ms,
                   struct route *route)
{
    const struct session *session = session_of_node(link->sessions, node);
    if (session == NULL || session->route.size == 0 ||
        monotonic_ms() - session->spoke_ms > within_ms)
        return false;
    *route = session->route;
    return true;
}
