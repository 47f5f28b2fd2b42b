/* The size of a packet is kept as items are attached, so that filling up costs nothing twice. */
#include "gossip/core/packet.h"

#include <assert.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/suspicion.h"
#include "gossip/core/swim_internal.h"
#include "gossip/order.h"

void packet_init(struct packet *packet, struct swim *swim, size_t budget)
{
    *packet = (struct packet){.swim = swim, .budget = budget};
    ecbak__gossip__packet__init(&packet->message);
    packet->message.version = swim->config.protocol.lowest;
    packet->message.version_min = swim->config.protocol.lowest;
    packet->message.version_max = swim->config.protocol.highest;
    packet->message.incarnation = swim->own.incarnation;
    packet->message.session = (uint32_t)swim->own.session;
}

static void speak(struct packet *packet, struct protocol theirs)
{
    uint8_t common = protocol_common(theirs, packet->swim->config.protocol);
    if (common != 0)
        packet->message.version = common;
}

void packet_answers(struct packet *packet, const Ecbak__Gossip__Packet *question)
{
    speak(packet, protocol_of(question->version_min, question->version_max));
}

void packet_measure(struct packet *packet)
{
    packet->size = ecbak__gossip__packet__get_packed_size(&packet->message);
}

/* A field of bytes: a tag below 16, the size as a varint, the bytes. */
static size_t field_size(size_t size)
{
    return 1 + (size < 128 ? 1u : 2u) + size;
}

static bool attach(struct packet *packet, ProtobufCBinaryData **items, size_t *count,
                   const uint8_t *bytes, size_t size)
{
    if (packet->size == 0)
        packet_measure(packet);
    if (packet->size + field_size(size) > packet->budget)
        return false;
    /* An array doubles when its count is a power of two: so its capacity need not be kept. */
    if ((*count & (*count - 1)) == 0)
        *items = alloc_grow(*items, *count == 0 ? 1 : *count * 2, sizeof(**items));
    (*items)[(*count)++] = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)bytes};
    packet->size += field_size(size);
    return true;
}

bool packet_claim(struct packet *packet, const uint8_t *bytes, size_t size)
{
    return attach(packet, &packet->message.claims, &packet->message.n_claims, bytes, size);
}

bool packet_accusation(struct packet *packet, const uint8_t bytes[ACCUSATION_SIZE])
{
    return attach(packet, &packet->message.accusations, &packet->message.n_accusations, bytes,
                  ACCUSATION_SIZE);
}

bool packet_sender_known(const struct swim *swim, const struct node_id *from,
                         const Ecbak__Gossip__Packet *message)
{
    const struct roster_member *member = roster_find(&swim->roster, from);
    return member != NULL && member->incarnation >= message->incarnation;
}

void packet_own_claim(struct packet *packet)
{
    const struct roster_member *self = self_of(packet->swim);
    if (!packet->own_claim)
        packet->own_claim = packet_claim(packet, self->claim, self->claim_size);
}

uint8_t *packet_scratch(struct packet *packet, size_t size)
{
    assert(packet->size > 0);
    if (packet->size + field_size(size) > packet->budget)
        return NULL;
    struct scratch *scratch = alloc_zero(1, sizeof(*scratch) + size);
    scratch->next = packet->scratch;
    packet->scratch = scratch;
    return scratch->bytes;
}

void packet_release(struct packet *packet)
{
    while (packet->scratch != NULL) {
        struct scratch *next = packet->scratch->next;
        free(packet->scratch);
        packet->scratch = next;
    }
    free(packet->message.claims);
    free(packet->message.accusations);
}

/* What is beyond orders_max is dropped, as the network might have dropped it. */
static void send_and_release(struct packet *packet, const struct node_id *id, const char *address,
                             bool rumours, uint64_t expires_ms)
{
    struct swim *swim = packet->swim;
    if (rumours)
        rumour_pick(packet, id);
    packet_measure(packet);
    assert(packet->size <= packet->budget);
    if (swim->orders.send_count < swim->config.orders_max) {
        uint8_t *bytes =
            order_send(&swim->orders, id, address, packet->answer, packet->size, expires_ms);
        ecbak__gossip__packet__pack(&packet->message, bytes);
        rumour_sent(packet);
        swim->stats.sent_count++;
        swim->stats.sent_bytes += packet->size;
    } else {
        swim->stats.dropped_count++;
    }
    packet_release(packet);
}

void packet_to(struct packet *packet, const struct roster_member *member, bool rumours,
               uint64_t expires_ms)
{
    const struct swim *swim = packet->swim;
    uint8_t dead[ACCUSATION_SIZE];
    speak(packet, member->protocol);
    if (member->state == SWIM_DEAD) {
        suspicion_sign(swim, member, SWIM_DEAD, dead);
        packet_accusation(packet, dead);
    } else if (member->state == SWIM_SUSPECT && swim->config.buddy) {
        assert(member->suspicion != NULL);
        packet_accusation(packet, member->suspicion->first);
    }
    send_and_release(packet, &member->id, roster_claim(member).address, rumours, expires_ms);
}

void packet_to_id(struct packet *packet, const struct node_id *id, bool rumours,
                  uint64_t expires_ms)
{
    const struct roster_member *member = roster_find(&packet->swim->roster, id);
    packet->answer = true;
    if (member != NULL)
        packet_to(packet, member, rumours, expires_ms);
    else
        send_and_release(packet, id, NULL, false, expires_ms);
}

void packet_to_seed(struct packet *packet, const char *address, uint64_t expires_ms)
{
    send_and_release(packet, NULL, address, false, expires_ms);
}
