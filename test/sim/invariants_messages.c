/* What must hold of every message that is sent. All are measured, one in a few is decoded as well. */
#include "gossip/gossip.pb-c.h"
#include "test/sim/invariants.h"

#define DECODE_EVERY 8

/* The packet begins with three versions below 128 and the incarnation. */
static uint64_t incarnation_of(const uint8_t *bytes, size_t size)
{
    uint64_t incarnation = 0;
    if (size < 8 || bytes[0] != 0x08 || bytes[2] != 0x10 || bytes[4] != 0x18 || bytes[6] != 0x20)
        return UINT64_MAX;
    for (size_t i = 7, shift = 0; i < size && shift < 64; i++, shift += 7) {
        incarnation |= (uint64_t)(bytes[i] & 0x7f) << shift;
        if (bytes[i] < 0x80)
            return incarnation;
    }
    return UINT64_MAX;
}

void invariants_send(struct world *world, uint32_t from, const struct swim_order *order)
{
    const struct swim_config *config = &world->config;
    size_t size = order->send.size;
    if (size > config->sync_size_max)
        world_fail(world, "a message beyond every budget", from);
    if (incarnation_of(order->send.bytes, size) > world->nodes[from].persisted)
        world_fail(world, "an incarnation sent before it was persisted", from);
    if (size <= config->packet_size_max && world->nodes[from].sent_count % DECODE_EVERY != 0)
        return;
    Ecbak__Gossip__Packet *packet = ecbak__gossip__packet__unpack(NULL, size, order->send.bytes);
    if (packet == NULL)
        world_fail(world, "a message that does not decode", from);
    bool large = packet->body_case >= ECBAK__GOSSIP__PACKET__BODY_BUCKETS;
    ecbak__gossip__packet__free_unpacked(packet, NULL);
    if (!large && size > config->packet_size_max)
        world_fail(world, "a packet beyond its budget", from);
}
