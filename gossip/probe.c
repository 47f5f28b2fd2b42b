/* One member is probed an interval, in shuffled order: ping it; without an answer in time ask
 * helpers to ping it; without an answer by the end of the interval accuse it.
 *
 * Local health stretches our interval and timeouts by awareness + 1. It falls with each answer, and
 * rises when helpers say neither Ack nor Nack: they are well, for others probe them too, so it is
 * we who are slow. A helper that could not reach the target says Nack in time; then the target is
 * to blame. */
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/packet.h"

#define ASKS_PER_MEMBER_MAX 8

void probe_awareness(struct swim *swim, int change)
{
    int64_t awareness = (int64_t)swim->awareness + change;
    if (awareness < 0 || !swim->config.local_health)
        awareness = 0;
    if (awareness > swim->config.awareness_max)
        awareness = swim->config.awareness_max;
    swim->awareness = (uint32_t)awareness;
}

static uint64_t scaled(const struct swim *swim, uint32_t ms)
{
    return (uint64_t)ms * (swim->awareness + 1);
}

static void wake_by(struct swim *swim, uint64_t ms)
{
    if (ms < swim->deadline_ms)
        swim->deadline_ms = ms;
}

static void send_ping(struct swim *swim, const struct member *member, uint32_t sequence,
                      uint64_t expires_ms)
{
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    struct packet packet;
    packet_init(&packet, swim, swim->config.packet_size_max);
    ping.sequence = sequence;
    packet.message.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
    packet.message.ping = &ping;
    packet_to(&packet, member, true, expires_ms);
}

static void send_ack(struct swim *swim, const struct swim_id *to, uint32_t sequence,
                     const Ecbak__Gossip__Packet *question)
{
    Ecbak__Gossip__Ack ack = ECBAK__GOSSIP__ACK__INIT;
    struct packet packet;
    packet_init(&packet, swim, swim->config.packet_size_max);
    packet_answers(&packet, question);
    ack.sequence = sequence;
    packet.message.body_case = ECBAK__GOSSIP__PACKET__BODY_ACK;
    packet.message.ack = &ack;
    packet.message.want = !packet_sender_known(swim, to, question);
    if (question->want || question->n_accusations > 0)
        packet_own_statement(&packet);
    /* Who pings without end must not use up what others have yet to hear. */
    struct member *member = roster_find(&swim->roster, to);
    bool rumours =
        member != NULL && roster_within(member, swim->now_ms, RATE_TALK, TALKS_PER_SECOND);
    packet_to_id(&packet, to, rumours, swim->now_ms + swim->config.probe_interval_ms);
}

static void send_nack(struct swim *swim, const struct swim_id *to, uint32_t sequence,
                      const struct member *target)
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

static void finish(struct probe *probe)
{
    probe->member = NULL;
    free(probe->helpers);
    probe->helpers = NULL;
    probe->helper_count = 0;
}

/* A free slot, or that of the oldest. */
static struct probe *free_probe(struct swim *swim)
{
    struct probe *oldest = &swim->probes[0];
    for (size_t i = 0; i < PROBES_MAX; i++) {
        if (swim->probes[i].member == NULL)
            return &swim->probes[i];
        if (swim->probes[i].sent_ms < oldest->sent_ms)
            oldest = &swim->probes[i];
    }
    return oldest;
}

static void start(struct swim *swim, struct member *member, enum probe_kind kind)
{
    struct probe *probe = free_probe(swim);
    finish(probe);
    *probe = (struct probe){
        .member = member,
        .kind = kind,
        .sequence = ++swim->sequence,
        .sent_ms = swim->now_ms,
        .ask_ms = swim->now_ms + scaled(swim, swim->config.probe_timeout_ms),
        .fail_ms = swim->now_ms + scaled(swim, swim->config.probe_interval_ms),
    };
    if (kind == PROBE_CONFIRM) {
        probe->fail_ms = probe->ask_ms;
        probe->ask_ms = NEVER;
    } else {
        swim->stats.probe_count++;
    }
    wake_by(swim, probe->ask_ms < probe->fail_ms ? probe->ask_ms : probe->fail_ms);
    send_ping(swim, member, probe->sequence, probe->fail_ms);
}

static bool worth_probing(const struct swim *swim, const struct member *member)
{
    if (member->state == SWIM_AWAY)
        return !news_away(swim, member);
    return member->state == SWIM_ALIVE || member->state == SWIM_SUSPECT;
}

static bool under_probe(const struct swim *swim, const struct member *member)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (swim->probes[i].member == member)
            return true;
    return false;
}

/* Twice around: a lap may end in between, and those that came first in it come last in the next. */
static void next_round(struct swim *swim)
{
    struct roster *roster = &swim->roster;
    for (size_t i = 2; i < 2 * roster->count; i++) {
        struct member *member = roster_next(roster, &swim->prng);
        if (!worth_probing(swim, member)) {
            roster_pass_over(roster);
        } else if (!under_probe(swim, member)) {
            start(swim, member, PROBE_ROUND);
            return;
        }
    }
}

bool probe_confirm(struct swim *swim, struct member *member)
{
    size_t confirms = 0;
    if (under_probe(swim, member))
        return true;
    for (size_t i = 0; i < PROBES_MAX; i++)
        confirms += swim->probes[i].member != NULL && swim->probes[i].kind == PROBE_CONFIRM;
    if (confirms == CONFIRMS_MAX)
        return false;
    start(swim, member, PROBE_CONFIRM);
    return true;
}

static bool can_help(const struct swim *swim, const struct member *member, const void *detail)
{
    const struct member *target = detail;
    (void)swim;
    return member->state == SWIM_ALIVE && member != target &&
           protocol_meets(member->protocol, target->protocol);
}

static void ask_helpers(struct swim *swim, struct probe *probe)
{
    struct member *helpers[HELPERS_MAX];
    Ecbak__Gossip__Ask ask = ECBAK__GOSSIP__ASK__INIT;
    uint64_t left_ms = probe->fail_ms > swim->now_ms ? probe->fail_ms - swim->now_ms : 0;
    ask.sequence = probe->sequence;
    ask.target = (ProtobufCBinaryData){.len = SWIM_ID_SIZE, .data = probe->member->id.bytes};
    ask.nack_ms = (uint32_t)(left_ms * 8 / 10);
    ask.timeout_ms = (uint32_t)left_ms;
    probe->ask_ms = NEVER;
    probe->helper_count =
        (uint32_t)roster_draw(swim, helpers, swim->config.indirect_count, can_help, probe->member);
    probe->helpers = alloc_zero(probe->helper_count, sizeof(*probe->helpers));
    for (uint32_t i = 0; i < probe->helper_count; i++) {
        struct packet packet;
        probe->helpers[i].id = helpers[i]->id;
        packet_init(&packet, swim, swim->config.packet_size_max);
        packet.message.body_case = ECBAK__GOSSIP__PACKET__BODY_ASK;
        packet.message.ask = &ask;
        packet_to(&packet, helpers[i], true, probe->fail_ms);
    }
}

/* The probe failed altogether: now it counts what the helpers said. Zeros do not parse and say nothing;
 * a forgery is charged to the helper. */
static void add_seconds(struct swim *swim, const struct probe *probe)
{
    for (uint32_t i = 0; i < probe->helper_count; i++)
        if (probe->helpers[i].accusation[0] != 0)
            news_accusation(swim, &probe->helpers[i].id, probe->helpers[i].accusation,
                            ACCUSATION_SIZE);
}

/* Helpers that said neither Ack nor Nack. */
static uint32_t silent_count(const struct probe *probe)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < probe->helper_count; i++)
        count += !probe->helpers[i].nacked;
    return count;
}

static void fail(struct swim *swim, struct probe *probe)
{
    struct member *member = probe->member;
    if (probe->kind == PROBE_ROUND) {
        swim->stats.probe_failed_count++;
        if (swim->config.nack && probe->helper_count > 0)
            probe_awareness(swim, (int)silent_count(probe));
        else
            probe_awareness(swim, 1);
    }
    if (worth_probing(swim, member)) {
        suspicion_accuse(swim, member);
        add_seconds(swim, probe);
    }
    finish(probe);
}

static void relay_tick(struct swim *swim, struct relay *relay)
{
    if (relay->nack_ms <= swim->now_ms) {
        relay->nack_ms = NEVER;
        send_nack(swim, &relay->origin, relay->origin_sequence,
                  roster_find(&swim->roster, &relay->target));
    }
    if (relay->expires_ms <= swim->now_ms)
        relay->used = false;
    else
        wake_by(swim, relay->nack_ms < relay->expires_ms ? relay->nack_ms : relay->expires_ms);
}

static void run_deadlines(struct swim *swim)
{
    swim->deadline_ms = NEVER;
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes[i];
        if (probe->member != NULL && probe->fail_ms <= swim->now_ms)
            fail(swim, probe);
        else if (probe->member != NULL && probe->ask_ms <= swim->now_ms)
            ask_helpers(swim, probe);
        if (probe->member != NULL)
            wake_by(swim, probe->ask_ms < probe->fail_ms ? probe->ask_ms : probe->fail_ms);
    }
    for (size_t i = 0; i < RELAYS_MAX; i++)
        if (swim->relays[i].used)
            relay_tick(swim, &swim->relays[i]);
}

void probe_tick(struct swim *swim)
{
    if (swim->deadline_ms <= swim->now_ms)
        run_deadlines(swim);
    if (swim->probe_ms <= swim->now_ms) {
        if (swim->own.state == SWIM_ALIVE)
            next_round(swim);
        swim->probe_ms = swim->now_ms + scaled(swim, swim->config.probe_interval_ms);
    }
}

static void answered(struct swim *swim, struct probe *probe, bool direct)
{
    struct member *member = probe->member;
    if (direct) {
        member->heard_ms = swim->now_ms;
        if (!probe->unmeasured) {
            float rtt_ms = (float)(swim->now_ms - probe->sent_ms);
            member->rtt_ms = member->rtt_ms < 0 ? rtt_ms : (7 * member->rtt_ms + rtt_ms) / 8;
        }
    }
    if (probe->kind == PROBE_ROUND)
        probe_awareness(swim, -1);
    finish(probe);
}

static struct helper *find_helper(const struct probe *probe, const struct swim_id *id)
{
    for (uint32_t i = 0; i < probe->helper_count; i++)
        if (swim_id_equal(&probe->helpers[i].id, id))
            return &probe->helpers[i];
    return NULL;
}

static void ack_received(struct swim *swim, const struct swim_id *from, uint32_t sequence)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes[i];
        if (probe->member == NULL || probe->sequence != sequence)
            continue;
        bool direct = swim_id_equal(&probe->member->id, from);
        if (direct || find_helper(probe, from) != NULL)
            answered(swim, probe, direct);
        return;
    }
    for (size_t i = 0; i < RELAYS_MAX; i++) {
        struct relay *relay = &swim->relays[i];
        if (!relay->used || relay->sequence != sequence || !swim_id_equal(&relay->target, from))
            continue;
        Ecbak__Gossip__Packet none = ECBAK__GOSSIP__PACKET__INIT;
        relay->used = false;
        send_ack(swim, &relay->origin, relay->origin_sequence, &none);
        return;
    }
}

static void nack_received(struct swim *swim, const struct swim_id *from,
                          const Ecbak__Gossip__Nack *nack)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes[i];
        if (probe->member == NULL || probe->sequence != nack->sequence)
            continue;
        struct helper *helper = find_helper(probe, from);
        if (helper == NULL)
            return;
        helper->nacked = true;
        if (swim->config.active_confirmation && nack->accusation.len == ACCUSATION_SIZE)
            memcpy(helper->accusation, nack->accusation.data, ACCUSATION_SIZE);
        return;
    }
}

static struct relay *free_relay(struct swim *swim, const struct swim_id *origin)
{
    struct relay *oldest = &swim->relays[0];
    struct relay *unused = NULL;
    size_t asked = 0;
    for (size_t i = 0; i < RELAYS_MAX; i++) {
        struct relay *relay = &swim->relays[i];
        if (!relay->used)
            unused = relay;
        else if (swim_id_equal(&relay->origin, origin))
            asked++;
        if (relay->expires_ms < oldest->expires_ms)
            oldest = relay;
    }
    if (asked >= ASKS_PER_MEMBER_MAX)
        return NULL;
    return unused != NULL ? unused : oldest;
}

static void ask_received(struct swim *swim, const struct swim_id *from,
                         const Ecbak__Gossip__Ask *ask)
{
    struct swim_id target;
    uint64_t longest_ms = (uint64_t)swim->config.probe_interval_ms * 16;
    if (ask->target.len != SWIM_ID_SIZE || ask->timeout_ms > longest_ms ||
        ask->nack_ms > ask->timeout_ms) {
        swim->stats.malformed_count++;
        return;
    }
    memcpy(target.bytes, ask->target.data, SWIM_ID_SIZE);
    const struct member *member = roster_find(&swim->roster, &target);
    struct relay *relay = free_relay(swim, from);
    if (member == NULL || member == self_of(swim) || relay == NULL)
        return;
    *relay = (struct relay){
        .used = true,
        .origin = *from,
        .target = target,
        .origin_sequence = ask->sequence,
        .sequence = ++swim->sequence,
        .nack_ms = swim->config.nack ? swim->now_ms + ask->nack_ms : NEVER,
        .expires_ms = swim->now_ms + ask->timeout_ms,
    };
    wake_by(swim, relay->nack_ms < relay->expires_ms ? relay->nack_ms : relay->expires_ms);
    send_ping(swim, member, relay->sequence, relay->expires_ms);
}

void probe_receive(struct swim *swim, const struct swim_id *from,
                   const Ecbak__Gossip__Packet *packet)
{
    switch (packet->body_case) {
    case ECBAK__GOSSIP__PACKET__BODY_PING:
        send_ack(swim, from, packet->ping->sequence, packet);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ACK:
        ack_received(swim, from, packet->ack->sequence);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ASK:
        ask_received(swim, from, packet->ask);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_NACK:
        nack_received(swim, from, packet->nack);
        break;
    default:
        break;
    }
}

void probe_forget(struct swim *swim, const struct member *member)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (swim->probes[i].member == member)
            finish(&swim->probes[i]);
}

void probe_unmeasured(struct swim *swim, const struct swim_id *id)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes[i];
        if (probe->member != NULL && swim_id_equal(&probe->member->id, id))
            probe->unmeasured = true;
    }
}

/* We stood still: what was on its way then says nothing about others now. */
void probe_shift(struct swim *swim, uint64_t late_ms)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes[i];
        if (probe->member == NULL)
            continue;
        probe->unmeasured = true;
        probe->fail_ms += late_ms;
        if (probe->ask_ms != NEVER)
            probe->ask_ms += late_ms;
    }
    for (size_t i = 0; i < RELAYS_MAX; i++)
        swim->relays[i].used = false;
    if (swim->deadline_ms != NEVER)
        swim->deadline_ms += late_ms;
}
