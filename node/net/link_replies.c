/* What comes on the connections that we made: WELCOME, refusals, answers. Who is at the other end is
 * believed when its certificate names the key that it proved. */
#include "node/net/link_internal.h"

#include <stdio.h>
#include <string.h>

#include "coding/base/utf8.h"
#include "node/base/date.h"
#include "node/common/clock.h"

/* Loses the connection to a node that was revoked meanwhile, where such are not asked anything. */
static bool lose_revoked(struct link *link, struct pooled *pooled, const struct node_id *node,
                         uint64_t serial)
{
    struct err err = ERR_INIT;
    if (link->asks_revoked ||
        revocations_check(link->revocations, node, pooled->peer.curve, serial, &err) == 0)
        return false;
    count(link, COUNT_REVOKED);
    pool_lose(link, pooled, &err);
    return true;
}

static void take_welcome(struct link *link, struct pooled *pooled, const Ecbak__LinkWelcome *body)
{
    struct err err = ERR_INIT;
    struct cert cert;
    if (link_check_cert(link, &cert, body->certificate.data, body->certificate.len,
                        pooled->peer.curve, &err) != 0) {
        err_context(&err, "%s", pooled->peer.endpoint.text);
        err.code = ERR_DENIED;
        pool_lose(link, pooled, &err);
        return;
    }
    if (lose_revoked(link, pooled, &cert.node, cert.serial))
        return;
    pooled->welcomed = true;
    pooled->serial = cert.serial;
    pooled->not_after_s = cert.not_after_s;
    pooled->node = cert.node;
    held_send_all(link, pooled);
}

/* A refusal's text comes from elsewhere: printable, and of bounded length. */
static void refusal_text(char text[LINK_TEXT_MAX], const Ecbak__LinkRefusal *refusal)
{
    snprintf(text, LINK_TEXT_MAX, "%s", refusal->text);
    utf8_mask(text, strlen(text));
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
    struct endpoint endpoint = pooled->peer.endpoint;
    bool incompatible = is_incompatible(link, pooled, refusal, &cert, &theirs);
    err_set(&err, incompatible ? ERR_VERSION : ERR_DENIED, "%s refuses this node: %s",
            endpoint.text, text);
    pool_lose(link, pooled, &err);
    if (!incompatible)
        return;
    count(link, COUNT_INCOMPATIBLE);
    if (link->ops.incompatible != NULL)
        link->ops.incompatible(link->ops.ctx, &cert, theirs, endpoint_address(&endpoint));
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
    door_heard(link->door, frames->fd, frames->wire_bytes, NULL);
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
        err_set(&err, ERR_DENIED, "%s: its certificate has expired", pooled->peer.endpoint.text);
        pool_lose(link, pooled, &err);
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
