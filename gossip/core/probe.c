/* One member is probed an interval, in shuffled order: ping it; without an answer in time ask
 * helpers to ping it; without an answer by the end of the interval accuse it.
 *
 * Awareness, our local health, stretches our interval and timeouts by awareness + 1. It falls with
 * each answer, and rises when helpers say neither Ack nor Nack: they are well, for others probe them
 * too, so it is we who are slow. A helper that could not reach the target says Nack in time: then
 * the target is to blame. */
#include "gossip/core/probe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/core/news.h"
#include "gossip/core/packet.h"
#include "gossip/core/rival.h"
#include "gossip/core/roster.h"
#include "gossip/core/suspicion.h"
#include "gossip/core/swim_internal.h"

#define CONFIRMS_MAX 48 /* probes of suspects among PROBES_MAX: the rest is for rounds */

void probe_awareness(struct swim *swim, int change)
{
    int64_t awareness = (int64_t)swim->probes.awareness + change;
    if (awareness < 0 || !swim->config.local_health)
        awareness = 0;
    if (awareness > swim->config.awareness_max)
        awareness = swim->config.awareness_max;
    swim->probes.awareness = (uint32_t)awareness;
}

static uint64_t scaled(const struct swim *swim, uint32_t ms)
{
    return (uint64_t)ms * (swim->probes.awareness + 1);
}

void probe_wake_by(struct swim *swim, uint64_t ms)
{
    if (ms < swim->probes.deadline_ms)
        swim->probes.deadline_ms = ms;
}

void probe_ping(struct swim *swim, const struct roster_member *member, uint32_t sequence,
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

void probe_ack(struct swim *swim, const struct node_id *to, uint32_t sequence,
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
        packet_own_claim(&packet);
    /* Who pings without end must not use up what others have yet to hear. */
    struct roster_member *member = roster_find(&swim->roster, to);
    bool rumours = member != NULL && roster_within(member, swim->now_ms, RATE_TALK);
    packet_to_id(&packet, to, rumours, swim->now_ms + swim->config.probe_interval_ms);
}

static void finish(struct probe *probe)
{
    probe->member = NULL;
    free(probe->helpers);
    probe->helpers = NULL;
    probe->helper_count = 0;
}

void probe_release(struct probes *probes)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        finish(&probes->slots[i]);
}

/* A free slot, or that of the oldest. */
static struct probe *free_probe(struct swim *swim)
{
    struct probe *oldest = &swim->probes.slots[0];
    for (size_t i = 0; i < PROBES_MAX; i++) {
        if (swim->probes.slots[i].member == NULL)
            return &swim->probes.slots[i];
        if (swim->probes.slots[i].sent_ms < oldest->sent_ms)
            oldest = &swim->probes.slots[i];
    }
    return oldest;
}

static void start(struct swim *swim, struct roster_member *member, enum probe_kind kind)
{
    assert(member != self_of(swim));
    struct probe *probe = free_probe(swim);
    finish(probe);
    *probe = (struct probe){
        .member = member,
        .kind = kind,
        .sequence = ++swim->probes.sequence,
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
    probe_wake_by(swim, probe->ask_ms < probe->fail_ms ? probe->ask_ms : probe->fail_ms);
    probe_ping(swim, member, probe->sequence, probe->fail_ms);
}

static bool worth_probing(const struct swim *swim, const struct roster_member *member)
{
    if (member->state == SWIM_AWAY)
        return !news_away(swim, member);
    return member->state == SWIM_ALIVE || member->state == SWIM_SUSPECT;
}

static bool under_probe(const struct swim *swim, const struct roster_member *member)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (swim->probes.slots[i].member == member)
            return true;
    return false;
}

/* Twice around, to meet everybody: a lap may end on the way, and who came first in it may come last in
 * the next. */
static void next_round(struct swim *swim)
{
    struct roster *roster = &swim->roster;
    for (size_t i = 2; i < 2 * roster->count; i++) {
        struct roster_member *member = roster_next(roster, &swim->prng);
        if (!worth_probing(swim, member)) {
            roster_pass_over(roster);
        } else if (!under_probe(swim, member)) {
            start(swim, member, PROBE_ROUND);
            return;
        }
    }
}

bool probe_confirm(struct swim *swim, struct roster_member *member)
{
    size_t confirms = 0;
    if (under_probe(swim, member))
        return true;
    for (size_t i = 0; i < PROBES_MAX; i++)
        confirms +=
            swim->probes.slots[i].member != NULL && swim->probes.slots[i].kind == PROBE_CONFIRM;
    if (confirms == CONFIRMS_MAX)
        return false;
    start(swim, member, PROBE_CONFIRM);
    return true;
}

static bool can_help(const struct roster_member *member, const void *detail)
{
    const struct roster_member *target = detail;
    return member->state == SWIM_ALIVE && member != target &&
           protocol_meets(member->protocol, target->protocol);
}

static void ask_helpers(struct swim *swim, struct probe *probe)
{
    struct roster_member *helpers[HELPERS_MAX];
    Ecbak__Gossip__Ask ask = ECBAK__GOSSIP__ASK__INIT;
    uint64_t left_ms = probe->fail_ms > swim->now_ms ? probe->fail_ms - swim->now_ms : 0;
    ask.sequence = probe->sequence;
    ask.target = (ProtobufCBinaryData){.len = ID_SIZE, .data = probe->member->id.bytes};
    ask.nack_ms = (uint32_t)(left_ms * 8 / 10);
    ask.timeout_ms = (uint32_t)left_ms;
    assert(probe->helpers == NULL && swim->config.indirect_count <= HELPERS_MAX);
    probe->ask_ms = NEVER;
    probe->helper_count = (uint32_t)roster_draw(
        &swim->roster, &swim->prng, helpers, swim->config.indirect_count, can_help, probe->member);
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

/* The probe has failed altogether: what the helpers said in their Nacks counts now. Zeros: it said
 * nothing. A forgery is counted against the helper. */
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
    struct roster_member *member = probe->member;
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

static void run_deadlines(struct swim *swim)
{
    swim->probes.deadline_ms = NEVER;
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes.slots[i];
        if (probe->member != NULL && probe->fail_ms <= swim->now_ms)
            fail(swim, probe);
        else if (probe->member != NULL && probe->ask_ms <= swim->now_ms)
            ask_helpers(swim, probe);
        if (probe->member != NULL)
            probe_wake_by(swim, probe->ask_ms < probe->fail_ms ? probe->ask_ms : probe->fail_ms);
    }
    relay_run(swim);
}

void probe_tick(struct swim *swim)
{
    if (swim->probes.deadline_ms <= swim->now_ms)
        run_deadlines(swim);
    if (swim->probes.round_ms <= swim->now_ms) {
        if (swim->own.state == SWIM_ALIVE && !rival_goes_first(swim))
            next_round(swim);
        swim->probes.round_ms = swim->now_ms + scaled(swim, swim->config.probe_interval_ms);
    }
}

static void answered(struct swim *swim, struct probe *probe, bool direct)
{
    struct roster_member *member = probe->member;
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

static struct helper *find_helper(const struct probe *probe, const struct node_id *id)
{
    for (uint32_t i = 0; i < probe->helper_count; i++)
        if (id_equal(&probe->helpers[i].id, id))
            return &probe->helpers[i];
    return NULL;
}

static void ack_received(struct swim *swim, const struct node_id *from, uint32_t sequence)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes.slots[i];
        if (probe->member == NULL || probe->sequence != sequence)
            continue;
        bool direct = id_equal(&probe->member->id, from);
        if (direct || find_helper(probe, from) != NULL)
            answered(swim, probe, direct);
        return;
    }
    relay_acked(swim, from, sequence);
}

static void nack_received(struct swim *swim, const struct node_id *from,
                          const Ecbak__Gossip__Nack *nack)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes.slots[i];
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

void probe_receive(struct swim *swim, const struct node_id *from,
                   const Ecbak__Gossip__Packet *packet)
{
    bool question = packet->body_case == ECBAK__GOSSIP__PACKET__BODY_PING ||
                    packet->body_case == ECBAK__GOSSIP__PACKET__BODY_ASK;
    if (question && rival_goes_first(swim))
        return; /* the other one is who is asked, and who lives as long as it answers */
    switch (packet->body_case) {
    case ECBAK__GOSSIP__PACKET__BODY_PING:
        probe_ack(swim, from, packet->ping->sequence, packet);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ACK:
        ack_received(swim, from, packet->ack->sequence);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_ASK:
        relay_asked(swim, from, packet->ask);
        break;
    case ECBAK__GOSSIP__PACKET__BODY_NACK:
        nack_received(swim, from, packet->nack);
        break;
    default:
        break;
    }
}

void probe_forget(struct swim *swim, const struct roster_member *member)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (swim->probes.slots[i].member == member)
            finish(&swim->probes.slots[i]);
}

void swim_unmeasured(struct swim *swim, const struct node_id *id)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes.slots[i];
        if (probe->member != NULL && id_equal(&probe->member->id, id))
            probe->unmeasured = true;
    }
}

/* We stood still: what was on its way then says nothing about others now. */
void probe_shift(struct swim *swim, uint64_t late_ms)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &swim->probes.slots[i];
        if (probe->member == NULL)
            continue;
        probe->unmeasured = true;
        probe->fail_ms += late_ms;
        if (probe->ask_ms != NEVER)
            probe->ask_ms += late_ms;
    }
    relay_drop(swim);
    if (swim->probes.deadline_ms != NEVER)
        swim->probes.deadline_ms += late_ms;
}
