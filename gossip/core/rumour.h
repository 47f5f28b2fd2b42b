/* rumour.h - what is told on: members' claims, and accusations of them.
 *
 *   Limits   2 * swim_config.members_max urgent ones, UNHURRIED_MAX others: those sent most give way
 *   Memory   copies accusations; a claim is the member's
 */
#ifndef ECBAK_GOSSIP_CORE_RUMOUR_H
#define ECBAK_GOSSIP_CORE_RUMOUR_H

#include "gossip/claim.h"

struct roster_member;
struct packet;

#define RUMOUR_SENT_MAX 128 /* no rumour is sent more often, whatever the configuration */
#define UNHURRIED_MAX   64  /* rumours that are not urgent */
#define FANOUT_MAX      16  /* swim_config.gossip_fanout is at most this */

struct rumour {
    struct rumour *next, *previous; /* among those sent equally often */
    struct rumour *sibling;         /* about the same member */
    struct roster_member *about;
    uint32_t sent;
    bool accusation; /* else the member's claim */
    bool urgent; /* goes before the others: an accusation, our claim, one that changes a state */
    uint8_t bytes[]; /* the accusation */
};

struct rumour_list {
    struct rumour *first, *last;
};

struct rumours {
    struct rumour_list by_sent[2][RUMOUR_SENT_MAX]; /* the urgent first */
    size_t by_class[2];
    size_t count, count_max;
    uint32_t limit;   /* none was sent this often */
    uint64_t tick_ms; /* when some are sent on their own next; NEVER: none waits */
};

/* `urgent` when it contradicts what others believe: a refutation, a farewell, whatever is our own. */
void rumour_claim(struct swim *swim, struct roster_member *member, bool urgent);
void rumour_accusation(struct swim *swim, struct roster_member *member,
                       const uint8_t accusation[ACCUSATION_SIZE]);
/* Stop telling anything about the member. */
void rumour_cancel(struct swim *swim, struct roster_member *member);
/* How often a rumour is sent, in a cluster of this size. */
uint32_t rumour_limit(const struct swim *swim);
void rumour_tick(struct swim *swim);

/* Attach rumours that `to` (or NULL) does not know, the least sent first; and after the packet is
 * encoded, count them as sent. */
void rumour_pick(struct packet *packet, const struct node_id *to);
void rumour_sent(struct packet *packet);

#endif
