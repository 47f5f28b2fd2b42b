/* Time and messages come in here, are checked, and are handed to the files that they concern. Other
 * inputs go to their file at once: about ourselves to self.c, seeds to join.c, who is shut out to
 * news.c. */
#include "gossip/swim.h"

#include <assert.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/core/join.h"
#include "gossip/core/news.h"
#include "gossip/core/packet.h"
#include "gossip/core/probe.h"
#include "gossip/core/rival.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/self.h"
#include "gossip/core/suspicion.h"
#include "gossip/core/swim_internal.h"
#include "gossip/core/sync.h"
#include "gossip/order.h"
#include "gossip/prng.h"

/* What a message may be larger than the budgets of those who make it: other versions may add
 * fields. */
#define RECEIVE_SLACK 4096

const char *swim_event_name(enum swim_event event)
{
    static const char *const names[] = {"joined", "alive",   "suspect",   "dead",     "left",
                                        "away",   "updated", "forgotten", "conflict", "refused"};
    return (unsigned)event < sizeof(names) / sizeof(names[0]) ? names[event] : "unknown";
}

static const uint8_t *keep_on_heap(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    return alloc_copy(bytes, size);
}

static void drop_from_heap(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    (void)size;
    free((void *)(uintptr_t)bytes);
}

int swim_new(struct swim **out, const struct swim_config *config, const struct swim_ops *ops,
             const struct swim_self *self, uint64_t now_ms, struct err *err)
{
    if (swim_config_check(config, err) != 0 ||
        self_check_text("name", self->name, SWIM_NAME_MAX, err) != 0 ||
        self_check_text("address", self->address, SWIM_ADDRESS_MAX, err) != 0 ||
        self_check_metadata(self->metadata, self->metadata_size, err) != 0)
        return -1;
    if (self->incarnation > SWIM_INCARNATION_MAX)
        return err_set(err, ERR_INVALID, "the stored incarnation is beyond its maximum");
    struct swim *swim = alloc_zero(1, sizeof(*swim));
    swim->config = *config;
    swim->ops = *ops;
    if (ops->keep == NULL || ops->drop == NULL) {
        swim->ops.keep = keep_on_heap;
        swim->ops.drop = drop_from_heap;
    }
    prng_init(&swim->prng, self->seed);
    swim->now_ms = now_ms;
    swim->probes.sequence = (uint32_t)prng_next(&swim->prng);
    swim->probes.round_ms = now_ms + prng_below(&swim->prng, config->probe_interval_ms);
    swim->join.sync_ms = now_ms + config->probe_interval_ms;
    swim->join.reconnect_ms = now_ms + config->reconnect_interval_ms;
    swim->join.alone_ms = now_ms + config->probe_interval_ms;
    swim->forget_ms = now_ms;
    swim->rumours.tick_ms = swim->suspicions.wake_ms = swim->probes.deadline_ms = NEVER;
    self_start(swim, self);
    *out = swim;
    return 0;
}

void swim_destroy(struct swim **taken)
{
    struct swim *swim = *taken;
    if (swim == NULL)
        return;
    *taken = NULL;
    for (size_t i = 0; i < swim->roster.count; i++) {
        struct roster_member *member = swim->roster.members[i];
        rumour_cancel(swim, member);
        suspicion_end(swim, member);
        swim->ops.drop(swim->ops.context, member->claim, member->claim_size);
    }
    probe_release(&swim->probes);
    roster_release(&swim->roster);
    order_release(&swim->orders);
    rival_release(&swim->rival);
    join_release(&swim->join);
    free(swim);
}

uint64_t swim_next_ms(const struct swim *swim)
{
    const uint64_t times[] = {swim->probes.round_ms,    swim->rumours.tick_ms,   swim->join.sync_ms,
                              swim->join.reconnect_ms,  swim->join.alone_ms,     swim->forget_ms,
                              swim->suspicions.wake_ms, swim->probes.deadline_ms};
    uint64_t next_ms = NEVER;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (times[i] < next_ms)
            next_ms = times[i];
    if (rival_next_ms(swim) < next_ms)
        next_ms = rival_next_ms(swim);
    if (swim->own.refute_above != 0 && next_ms > swim->now_ms + swim->config.gossip_interval_ms)
        next_ms = swim->now_ms + swim->config.gossip_interval_ms;
    return next_ms;
}

/* Time goes on. When we are called much later than we asked for, the process stood still (or the
 * machine slept): nobody is to blame for answers that we could not hear. */
void swim_advance(struct swim *swim, uint64_t now_ms)
{
    uint64_t expected_ms = swim_next_ms(swim);
    if (expected_ms < swim->now_ms)
        expected_ms = swim->now_ms;
    if (now_ms <= swim->now_ms)
        return;
    swim->now_ms = now_ms;
    if (!swim->config.pause_detection || now_ms <= expected_ms ||
        now_ms - expected_ms <= swim->config.probe_timeout_ms / 2)
        return;
    probe_shift(swim, now_ms - expected_ms);
    suspicion_shift(swim, now_ms - expected_ms);
    probe_awareness(swim, 1);
}

void swim_tick(struct swim *swim, uint64_t now_ms)
{
    swim_advance(swim, now_ms);
    self_tick(swim);
    rival_tick(swim);
    probe_tick(swim);
    suspicion_tick(swim);
    rumour_tick(swim);
    join_tick(swim);
    news_forget(swim);
}

static bool is_mute(const struct swim *swim, const struct node_id *from)
{
    const struct roster_member *sender = roster_find(&swim->roster, from);
    return sender != NULL && swim->now_ms < sender->mute_until_ms;
}

/* Merge the claims and accusations of a message, as long as its sender is believed. */
static void merge(struct swim *swim, const struct node_id *from,
                  const Ecbak__Gossip__Packet *packet, struct merged *merged)
{
    for (size_t i = 0; i < packet->n_claims && !is_mute(swim, from); i++) {
        const ProtobufCBinaryData *item = &packet->claims[i];
        enum news news = news_claim(swim, from, item->data, item->len);
        if (news == NEWS_OBSOLETE)
            merged->obsolete[i / 8] |= (uint8_t)(1u << i % 8);
        merged->learnt += news == NEWS_LEARNT;
    }
    for (size_t i = 0; i < packet->n_accusations && !is_mute(swim, from); i++)
        news_accusation(swim, from, packet->accusations[i].data, packet->accusations[i].len);
}

/* The sender lacks our claim, or we lack its own. The answer to a ping does the same (probe_ack). */
static void introduce(struct swim *swim, const struct node_id *from,
                      const Ecbak__Gossip__Packet *message)
{
    struct packet packet;
    bool want = !packet_sender_known(swim, from, message);
    struct roster_member *member = roster_find(&swim->roster, from);
    if (message->body_case == ECBAK__GOSSIP__PACKET__BODY_PING || (!want && !message->want) ||
        (member != NULL && !roster_within(member, swim->now_ms, RATE_TALK)))
        return;
    packet_init(&packet, swim, swim->config.packet_size_max);
    packet_answers(&packet, message);
    packet.message.want = want;
    if (message->want)
        packet_own_claim(&packet);
    packet_to_id(&packet, from, false, swim->now_ms + swim->config.probe_interval_ms);
}

/* Claims and accusations are the same in all versions; the body is for those who speak the packet's. */
static void dispatch(struct swim *swim, const struct node_id *from,
                     const Ecbak__Gossip__Packet *packet)
{
    struct merged merged = {.obsolete = alloc_zero(packet->n_claims / 8 + 1, 1)};
    merge(swim, from, packet, &merged);
    introduce(swim, from, packet);
    if (packet->version >= swim->config.protocol.lowest &&
        packet->version <= swim->config.protocol.highest) {
        probe_receive(swim, from, packet);
        sync_receive(swim, from, packet, &merged);
    }
    free(merged.obsolete);
}

static size_t receive_size_max(const struct swim_config *config)
{
    uint32_t larger = config->sync_size_max > config->packet_size_max ? config->sync_size_max
                                                                      : config->packet_size_max;
    return (size_t)larger + RECEIVE_SLACK;
}

/* Older senders do not say which process they are. */
static bool speaks_for(const struct swim *swim, const struct node_id *from,
                       const Ecbak__Gossip__Packet *packet)
{
    const struct roster_member *member = roster_find(&swim->roster, from);
    return member != NULL &&
           (packet->session == 0 || packet->session == (uint32_t)roster_claim(member).session);
}

bool swim_receive(struct swim *swim, uint64_t now_ms, const struct node_id *from, const void *bytes,
                  size_t size)
{
    bool speaks = false;
    swim_advance(swim, now_ms);
    swim->stats.received_count++;
    swim->stats.received_bytes += size;
    if (id_equal(from, &self_of(swim)->id))
        return false;
    Ecbak__Gossip__Packet *packet = NULL;
    if (size <= receive_size_max(&swim->config))
        packet = ecbak__gossip__packet__unpack(NULL, size, bytes);
    if (packet == NULL)
        swim->stats.malformed_count++;
    else if (!protocol_meets(protocol_of(packet->version_min, packet->version_max),
                             swim->config.protocol))
        swim->stats.refused_count++;
    else
        dispatch(swim, from, packet);
    if (packet != NULL) {
        speaks = speaks_for(swim, from, packet);
        ecbak__gossip__packet__free_unpacked(packet, NULL);
    }
    return speaks;
}

bool swim_next_order(struct swim *swim, struct swim_order *order)
{
    return order_next(&swim->orders, order);
}

size_t swim_member_count(const struct swim *swim)
{
    return swim->roster.count;
}

static void describe(const struct roster_member *member, struct swim_member *out)
{
    struct claim claim = roster_claim(member);
    *out = (struct swim_member){
        .id = member->id,
        .name = claim.name,
        .address = claim.address,
        .metadata = claim.metadata,
        .metadata_size = claim.metadata_size,
        .state = (enum swim_state)member->state,
        .incarnation = member->incarnation,
        .since_ms = member->since_ms,
        .rtt_ms = (double)member->rtt_ms,
        .protocol = member->protocol,
        .self = member->position == 0,
    };
}

void swim_member(const struct swim *swim, size_t index, struct swim_member *member)
{
    assert(index < swim->roster.count);
    describe(swim->roster.members[index], member);
}

bool swim_find(const struct swim *swim, const struct node_id *id, struct swim_member *member)
{
    const struct roster_member *found = roster_find(&swim->roster, id);
    if (found == NULL)
        return false;
    describe(found, member);
    return true;
}

size_t swim_count(const struct swim *swim, enum swim_state state)
{
    return (unsigned)state <= SWIM_AWAY ? swim->roster.by_state[state] : 0;
}

void swim_stats(const struct swim *swim, struct swim_stats *stats)
{
    const struct roster *roster = &swim->roster;
    *stats = swim->stats;
    stats->awareness = swim->probes.awareness;
    stats->rumour_count = (uint32_t)swim->rumours.count;
    stats->rumour_count_max = (uint32_t)swim->rumours.count_max;
    stats->memory_bytes = sizeof(*swim) + roster->capacity * sizeof(struct roster_member *) +
                          roster->slot_count * 2 * sizeof(struct roster_member *) +
                          swim->join.seed_count * sizeof(struct seed);
    for (size_t i = 0; i < roster->count; i++) {
        const struct roster_member *member = roster->members[i];
        stats->memory_bytes += sizeof(*member) + member->claim_size;
        if (member->suspicion != NULL)
            stats->memory_bytes += sizeof(*member->suspicion);
        for (const struct rumour *r = member->rumours; r != NULL; r = r->sibling)
            stats->memory_bytes += sizeof(*r) + (r->accusation ? ACCUSATION_SIZE : 0);
    }
}
