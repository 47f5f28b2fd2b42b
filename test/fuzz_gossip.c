/* Whatever a certified member may send: raw bytes, and well-formed messages around arbitrary claims
 * and accusations whose signatures hold. The core must stay within its limits and never turn on itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "gossip/claim.h"
#include "gossip/gossip.pb-c.h"
#include "gossip/swim.h"

#define PEERS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sign(void *context, const void *body, size_t size, uint8_t *signature)
{
    (void)context;
    (void)body;
    memset(signature, (int)(size & 0x7f), SWIM_SIGNATURE_SIZE);
}

static bool verify(void *context, const struct node_id *signer, const void *body, size_t size,
                   const uint8_t *signature)
{
    (void)context;
    (void)signer;
    (void)body;
    (void)size;
    return signature[0] < 0x80;
}

static const struct swim_ops ops = {.sign = sign, .verify = verify};

static struct node_id peer(unsigned index)
{
    struct node_id id = {{(uint8_t)(index % PEERS)}};
    return id;
}

static size_t claim(struct reader *r, uint8_t *bytes)
{
    static const enum swim_state states[] = {SWIM_ALIVE, SWIM_LEFT, SWIM_AWAY, SWIM_ALIVE};
    static const uint8_t metadata[SWIM_METADATA_MAX];
    char name[2] = {(char)('a' + read_u8(r) % 8), '\0'};
    struct claim s = {.version_min = 1, .version = 1, .version_max = 1};
    s.state = states[read_u8(r) % 4];
    s.incarnation = 1 + read_u8(r) % 16;
    s.away_ms = s.state == SWIM_AWAY ? read_u16(r) : 0;
    s.id = peer(read_u8(r));
    s.name = s.address = name;
    s.metadata = metadata;
    s.metadata_size = read_u8(r) * 2u;
    return claim_encode(&s, &ops, bytes);
}

static size_t accusation(struct reader *r, uint8_t *bytes)
{
    struct accusation a = {.state = read_u8(r) % 2 == 0 ? SWIM_SUSPECT : SWIM_DEAD};
    a.incarnation = 1 + read_u8(r) % 16;
    a.accused = peer(read_u8(r));
    a.accuser = peer(read_u8(r));
    accusation_encode(&a, &ops, bytes);
    return ACCUSATION_SIZE;
}

/* A packet of up to four claims or accusations and a body made of the rest. */
static size_t compose(struct reader *r, uint8_t **out)
{
    uint8_t bytes[4][SWIM_CLAIM_MAX];
    ProtobufCBinaryData claims[4], accusations[4];
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    packet.version = packet.version_min = packet.version_max = 1;
    packet.incarnation = read_u8(r);
    packet.claims = claims;
    packet.accusations = accusations;
    for (unsigned i = 0, kinds = read_u8(r); i < 4; i++, kinds >>= 2) {
        if ((kinds & 3) == 1)
            claims[packet.n_claims++] =
                (ProtobufCBinaryData){.len = claim(r, bytes[i]), .data = bytes[i]};
        if ((kinds & 3) == 2)
            accusations[packet.n_accusations++] =
                (ProtobufCBinaryData){.len = accusation(r, bytes[i]), .data = bytes[i]};
    }
    Ecbak__Gossip__Ask ask = ECBAK__GOSSIP__ASK__INIT;
    Ecbak__Gossip__Ping ping = ECBAK__GOSSIP__PING__INIT;
    Ecbak__Gossip__Hello hello = ECBAK__GOSSIP__HELLO__INIT;
    Ecbak__Gossip__Give give = ECBAK__GOSSIP__GIVE__INIT;
    struct node_id target = peer(read_u8(r));
    switch (read_u8(r) % 5) {
    case 0:
        packet.body_case = ECBAK__GOSSIP__PACKET__BODY_ASK;
        packet.ask = &ask;
        ask.target = (ProtobufCBinaryData){.len = ID_SIZE, .data = target.bytes};
        ask.timeout_ms = read_u16(r);
        ask.nack_ms = ask.timeout_ms / 2;
        break;
    case 1:
        packet.body_case = ECBAK__GOSSIP__PACKET__BODY_PING;
        packet.ping = &ping;
        break;
    case 2:
        packet.body_case = ECBAK__GOSSIP__PACKET__BODY_HELLO;
        packet.hello = &hello;
        hello.count = read_u8(r);
        break;
    case 3:
        packet.body_case = ECBAK__GOSSIP__PACKET__BODY_GIVE;
        packet.give = &give;
        give.wanted = (ProtobufCBinaryData){.len = ID_SIZE, .data = target.bytes};
        break;
    default:
        break;
    }
    size_t size = ecbak__gossip__packet__get_packed_size(&packet);
    *out = malloc(size);
    return ecbak__gossip__packet__pack(&packet, *out);
}

static void drain(struct swim *swim, const struct swim_config *config)
{
    struct swim_order order;
    uint64_t persisted = 0;
    while (swim_next_order(swim, &order)) {
        if (order.kind == SWIM_SEND && order.send.size > config->sync_size_max)
            abort();
        if (order.kind == SWIM_PERSIST && order.persist.incarnation < persisted)
            abort();
        if (order.kind == SWIM_PERSIST)
            persisted = order.persist.incarnation;
    }
}

static void check(const struct swim *swim, const struct swim_config *config)
{
    size_t count = swim_member_count(swim);
    struct swim_stats stats;
    if (count > config->members_max)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct swim_member member;
        swim_member(swim, i, &member);
        if (member.self && (member.state != SWIM_ALIVE || i != 0))
            abort();
    }
    swim_stats(swim, &stats);
    if (stats.memory_bytes > 64 * 1024 + count * 4096)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct swim_config config;
    struct swim *swim;
    struct err err;
    struct reader r;
    uint64_t now_ms = 1000;
    struct swim_self self = {.id = peer(0), .name = "a", .address = "a"};
    if (swim_profile(&config, "lan", &err) != 0)
        abort();
    config.members_max = 4;
    config.tombstone_ms = 20000;
    if (swim_new(&swim, &config, &ops, &self, now_ms, &err) != 0)
        abort();
    reader_init(&r, data, size);
    while (r.left > 0 && !r.failed) {
        uint8_t *composed = NULL;
        unsigned choice = read_u8(&r);
        struct node_id from = peer(choice >> 3);
        now_ms += (uint64_t)read_u8(&r) * (choice & 1 ? 1 : 100);
        if ((choice & 6) == 0) {
            size_t part = read_u16(&r);
            part = part < r.left ? part : r.left;
            swim_receive(swim, now_ms, &from, read_view(&r, part), part);
        } else if ((choice & 6) != 2) {
            size_t composed_size = compose(&r, &composed);
            swim_receive(swim, now_ms, &from, composed, composed_size);
        }
        free(composed);
        swim_tick(swim, now_ms);
        drain(swim, &config);
        check(swim, &config);
    }
    swim_destroy(&swim);
    return 0;
}
