/* packet.h - a message on its way out: a body, and rumours as long as the budget lasts.
 *
 *     packet_init(&packet, swim, swim->config.packet_size_max);
 *     packet.message.body_case = ...;
 *     packet_to(&packet, member, ...) or packet_to_id(...) or packet_to_seed(...);
 *
 * Its version is the highest that its receiver speaks too. To somebody of whom that is not known it
 * is the lowest of ours: all versions understand at least what it carries besides its body.
 *
 *   Limits   a packet is never larger than its budget; PACKET_RUMOURS_MAX rumours
 *   Memory   borrows what is attached until it is sent; sending or packet_release ends it
 */
#ifndef ECBAK_GOSSIP_CORE_PACKET_H
#define ECBAK_GOSSIP_CORE_PACKET_H

#include "gossip/claim.h"
#include "gossip/gossip.pb-c.h"

struct roster_member;
struct rumour;

#define PACKET_RUMOURS_MAX 32

struct scratch {
    struct scratch *next;
    uint8_t bytes[];
};

struct packet {
    struct swim *swim;
    Ecbak__Gossip__Packet message;
    size_t budget;
    size_t size;    /* as encoded, once packet_measure was called */
    bool own_claim; /* attached already */
    bool answer;    /* to whoever spoke just now */
    size_t picked_count;
    struct rumour *picked[PACKET_RUMOURS_MAX];
    struct scratch *scratch;
};

void packet_init(struct packet *packet, struct swim *swim, size_t budget);

/* The packet answers this one: it is of the version that both speak, even where we hold no
 * claim of the sender. */
void packet_answers(struct packet *packet, const Ecbak__Gossip__Packet *question);

/* Account for the body, after it is complete and before anything is attached. */
void packet_measure(struct packet *packet);

/* Attach borrowed bytes; false when the budget has no room for them. */
bool packet_claim(struct packet *packet, const uint8_t *bytes, size_t size);
bool packet_accusation(struct packet *packet, const uint8_t bytes[ACCUSATION_SIZE]);

/* Bytes to be attached, which live as long as the packet; NULL when the budget has no room for them. Call
 * packet_measure before. */
uint8_t *packet_scratch(struct packet *packet, size_t size);

/* Whether we hold the claim that the sender of this message made last. */
bool packet_sender_known(const struct swim *swim, const struct node_id *from,
                         const Ecbak__Gossip__Packet *message);

/* Our own claim, once. */
void packet_own_claim(struct packet *packet);

/* Fill up with rumours (when told to) and send; releases the packet. The receiver is told first
 * what it is accused of, if anything. */
void packet_to(struct packet *packet, const struct roster_member *member, bool rumours,
               uint64_t expires_ms);
/* An answer, to somebody who may not be a member. */
void packet_to_id(struct packet *packet, const struct node_id *id, bool rumours,
                  uint64_t expires_ms);
void packet_to_seed(struct packet *packet, const char *address, uint64_t expires_ms);
void packet_release(struct packet *packet);

#endif
