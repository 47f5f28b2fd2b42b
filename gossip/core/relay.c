/* A relay is a ping of ours whose answer another member waits for. Our Nack, in time, says that it is
 * not we who are slow; the accusation in it counts when the origin's probe fails altogether. */
#include "gossip/core/probe.h"

#include "gossip/claim.h"
#include "gossip/core/packet.h"
#include "gossip/core/roster.h"
#include "gossip/core/suspicion.h"
#include "gossip/core/swim_internal.h"

#define ASKS_PER_MEMBER_MAX 8

static void send_nack(struct swim *swim, const struct node_id *to, uint32_t sequence,
                      const struct roster_member *target)
{
    Ecbak__Gossip__Nack nack = ECBAK__GOSSIP__NACK__INIT;
    struct packet packet;
    uint8_t accusation[ACCUSATION_SIZE];
    if (swim->config.active_confirmation && target != NULL) {
        suspicion_sign(swim, target, SWIM_SUSPECT, accusation);
        nack.accusation = (ProtobufCBinaryData){.len = sizeof(accusation), .data = accusation};
    }
    packet_init(&packet, swim, swim->config.packet_size_max);
    nack.sequence = sequence;
    packet.message.body_case = ECBAK__GOSSIP__PACKET__BODY_NACK;
    packet.message.nack = &nack;
    packet_to_id(&packet, to, true, swim->now_ms + swim->config.probe_timeout_ms);
}

/* When it has something to do next. */
static void wake_by(struct swim *swim, const struct relay *relay)
{
    probe_wake_by(swim, relay->nack_ms < relay->expires_ms ? relay->nack_ms : relay->expires_ms);
}

static void run_one(struct swim *swim, struct relay *relay)
{
    if (relay->nack_ms <= swim->now_ms) {
        relay->nack_ms = NEVER;
        send_nack(swim, &relay->origin, relay->origin_sequence,
                  roster_find(&swim->roster, &relay->target));
    }
    if (relay->expires_ms <= swim->now_ms)
        relay->used = false;
    else
        wake_by(swim, relay);
}

void relay_run(struct swim *swim)
{
    for (size_t i = 0; i < RELAYS_MAX; i++)
        if (swim->relays[i].used)
            run_one(swim, &swim->relays[i]);
}

void relay_drop(struct swim *swim)
{
    for (size_t i = 0; i < RELAYS_MAX; i++)
        swim->relays[i].used = false;
}

void relay_acked(struct swim *swim, const struct node_id *from, uint32_t sequence)
{
    for (size_t i = 0; i < RELAYS_MAX; i++) {
        struct relay *relay = &swim->relays[i];
        if (!relay->used || relay->sequence != sequence || !id_equal(&relay->target, from))
            continue;
        Ecbak__Gossip__Packet none = ECBAK__GOSSIP__PACKET__INIT;
        relay->used = false;
        probe_ack(swim, &relay->origin, relay->origin_sequence, &none);
        return;
    }
}

static struct relay *free_relay(struct swim *swim, const struct node_id *origin)
{
    struct relay *oldest = &swim->relays[0];
    struct relay *unused = NULL;
    size_t asked = 0;
    for (size_t i = 0; i < RELAYS_MAX; i++) {
        struct relay *relay = &swim->relays[i];
        if (!relay->used)
            unused = relay;
        else if (id_equal(&relay->origin, origin))
            asked++;
        if (relay->expires_ms < oldest->expires_ms)
            oldest = relay;
    }
    if (asked >= ASKS_PER_MEMBER_MAX)
        return NULL;
    return unused != NULL ? unused : oldest;
}

void relay_asked(struct swim *swim, const struct node_id *from, const Ecbak__Gossip__Ask *ask)
{
    struct node_id target;
    uint64_t longest_ms = (uint64_t)swim->config.probe_interval_ms * 16;
    if (ask->target.len != ID_SIZE || ask->timeout_ms > longest_ms ||
        ask->nack_ms > ask->timeout_ms) {
        swim->stats.malformed_count++;
        return;
    }
    id_set(&target, ask->target.data);
    const struct roster_member *member = roster_find(&swim->roster, &target);
    struct relay *relay = free_relay(swim, from);
    if (member == NULL || member == self_of(swim) || relay == NULL)
        return;
    *relay = (struct relay){
        .used = true,
        .origin = *from,
        .target = target,
        .origin_sequence = ask->sequence,
        .sequence = ++swim->probes.sequence,
        .nack_ms = swim->config.nack ? swim->now_ms + ask->nack_ms : NEVER,
        .expires_ms = swim->now_ms + ask->timeout_ms,
    };
    wake_by(swim, relay);
    probe_ping(swim, member, relay->sequence, relay->expires_ms);
}
