/* Rumours wait in lists by how often they were sent: the least sent goes first, among equals the
 * one that waited longest. A claim is not copied, the member has it; a new claim replaces
 * every older rumour about the member. */
#include "gossip/core/rumour.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/core/packet.h"
#include "gossip/core/roster.h"
#include "gossip/core/swim_internal.h"
#include "gossip/core/sync.h"
#include "gossip/prng.h"

/* When this many did not fit into what is left of a packet, it is taken for full. */
#define MISFITS_MAX 8

static struct rumour_list *list_of(struct rumours *rumours, const struct rumour *rumour)
{
    assert(rumour->sent < RUMOUR_SENT_MAX);
    return &rumours->by_sent[rumour->urgent ? 0 : 1][rumour->sent];
}

static void list_append(struct rumours *rumours, struct rumour *rumour)
{
    struct rumour_list *list = list_of(rumours, rumour);
    rumour->next = NULL;
    rumour->previous = list->last;
    if (list->last != NULL)
        list->last->next = rumour;
    else
        list->first = rumour;
    list->last = rumour;
}

static void list_unlink(struct rumours *rumours, struct rumour *rumour)
{
    struct rumour_list *list = list_of(rumours, rumour);
    if (rumour->previous != NULL)
        rumour->previous->next = rumour->next;
    else
        list->first = rumour->next;
    if (rumour->next != NULL)
        rumour->next->previous = rumour->previous;
    else
        list->last = rumour->previous;
}

static void drop(struct swim *swim, struct rumour *rumour)
{
    struct rumour **link = &rumour->about->rumours;
    while (*link != rumour) {
        assert(*link != NULL);
        link = &(*link)->sibling;
    }
    *link = rumour->sibling;
    list_unlink(&swim->rumours, rumour);
    assert(swim->rumours.count > 0 && swim->rumours.by_class[rumour->urgent ? 0 : 1] > 0);
    swim->rumours.count--;
    swim->rumours.by_class[rumour->urgent ? 0 : 1]--;
    free(rumour);
}

/* What was sent most often has been heard by most. */
static void drop_most_sent(struct swim *swim, unsigned class)
{
    for (size_t sent = RUMOUR_SENT_MAX; sent-- > 0;)
        if (swim->rumours.by_sent[class][sent].first != NULL) {
            drop(swim, swim->rumours.by_sent[class][sent].first);
            return;
        }
}

/* When hundreds start at once, every member would tell every other of all of them a dozen times. Beyond
 * a few dozen newcomers and updates the rest is left to anti-entropy, which tells each only once. */
static void make_room(struct swim *swim, unsigned class)
{
    size_t limit = class == 0 ? (size_t)swim->config.members_max * 2 : UNHURRIED_MAX;
    if (swim->rumours.by_class[class] < limit)
        return;
    drop_most_sent(swim, class);
    sync_soon(swim);
}

static void add(struct swim *swim, struct roster_member *member, const uint8_t *accusation,
                bool urgent)
{
    make_room(swim, urgent ? 0 : 1);
    size_t size = accusation != NULL ? ACCUSATION_SIZE : 0;
    struct rumour *rumour = alloc_zero(1, sizeof(*rumour) + size);
    rumour->about = member;
    rumour->accusation = accusation != NULL;
    rumour->urgent = urgent;
    if (accusation != NULL)
        memcpy(rumour->bytes, accusation, ACCUSATION_SIZE);
    rumour->sibling = member->rumours;
    member->rumours = rumour;
    list_append(&swim->rumours, rumour);
    swim->rumours.count++;
    swim->rumours.by_class[urgent ? 0 : 1]++;
    if (swim->rumours.count > swim->rumours.count_max)
        swim->rumours.count_max = swim->rumours.count;
    if (swim->rumours.tick_ms == NEVER)
        swim->rumours.tick_ms =
            swim->now_ms + prng_below(&swim->prng, swim->config.gossip_interval_ms);
}

void rumour_cancel(struct swim *swim, struct roster_member *member)
{
    while (member->rumours != NULL)
        drop(swim, member->rumours);
}

void rumour_claim(struct swim *swim, struct roster_member *member, bool urgent)
{
    rumour_cancel(swim, member);
    add(swim, member, NULL, urgent);
}

void rumour_accusation(struct swim *swim, struct roster_member *member,
                       const uint8_t accusation[ACCUSATION_SIZE])
{
    add(swim, member, accusation, true);
}

/* In a small cluster ceil(log10(n + 1)) is 1, and a rumour sent only retransmit_mult times misses
 * somebody too often under loss: twice that is the floor. */
uint32_t rumour_limit(const struct swim *swim)
{
    uint32_t digits = 0;
    for (size_t n = roster_active(&swim->roster); n > 0; n /= 10)
        digits++;
    if (digits < 2)
        digits = 2;
    uint32_t limit = swim->config.retransmit_mult * digits;
    return limit < RUMOUR_SENT_MAX ? limit : RUMOUR_SENT_MAX;
}

static bool attach(struct packet *packet, const struct rumour *rumour)
{
    if (rumour->accusation)
        return packet_accusation(packet, rumour->bytes);
    return packet_claim(packet, rumour->about->claim, rumour->about->claim_size);
}

static void pick_class(struct packet *packet, const struct node_id *to, unsigned class)
{
    struct swim *swim = packet->swim;
    const struct roster_member *self = self_of(swim);
    uint32_t limit = rumour_limit(swim);
    unsigned misfits = 0;
    for (uint32_t sent = 0; sent < limit; sent++)
        for (struct rumour *rumour = swim->rumours.by_sent[class][sent].first; rumour != NULL;
             rumour = rumour->next) {
            if (packet->picked_count == PACKET_RUMOURS_MAX || misfits == MISFITS_MAX)
                return;
            if ((to != NULL && id_equal(&rumour->about->id, to)) ||
                (rumour->about == self && packet->own_claim))
                continue;
            if (attach(packet, rumour))
                packet->picked[packet->picked_count++] = rumour;
            else
                misfits++;
        }
}

/* When the cluster shrinks, some were told often enough for its new size; when it grows, none was. */
static void keep_limit(struct swim *swim)
{
    uint32_t limit = rumour_limit(swim);
    for (uint32_t sent = limit; sent < swim->rumours.limit; sent++)
        for (unsigned class = 0; class < 2; class ++)
            while (swim->rumours.by_sent[class][sent].first != NULL)
                drop(swim, swim->rumours.by_sent[class][sent].first);
    swim->rumours.limit = limit;
}

void rumour_pick(struct packet *packet, const struct node_id *to)
{
    keep_limit(packet->swim);
    pick_class(packet, to, 0);
    pick_class(packet, to, 1);
}

void rumour_sent(struct packet *packet)
{
    struct swim *swim = packet->swim;
    uint32_t limit = rumour_limit(swim);
    for (size_t i = 0; i < packet->picked_count; i++) {
        struct rumour *rumour = packet->picked[i];
        if (rumour->sent + 1 >= limit) {
            drop(swim, rumour);
            continue;
        }
        list_unlink(&swim->rumours, rumour);
        rumour->sent++;
        list_append(&swim->rumours, rumour);
    }
    packet->picked_count = 0;
}

static bool hears_gossip(const struct roster_member *member, const void *detail)
{
    const struct swim *swim = detail;
    if (member->state == SWIM_DEAD)
        return swim->now_ms < member->since_ms + swim->config.gossip_dead_ms;
    return member->state == SWIM_ALIVE || member->state == SWIM_SUSPECT;
}

static void gossip_to(struct swim *swim, const struct roster_member *member)
{
    struct packet packet;
    packet_init(&packet, swim, swim->config.packet_size_max);
    rumour_pick(&packet, &member->id);
    if (packet.picked_count > 0)
        packet_to(&packet, member, false, swim->now_ms + swim->config.probe_interval_ms);
    else
        packet_release(&packet);
}

void rumour_tick(struct swim *swim)
{
    struct roster_member *members[FANOUT_MAX];
    if (swim->now_ms < swim->rumours.tick_ms)
        return;
    swim->rumours.tick_ms = swim->now_ms + swim->config.gossip_interval_ms;
    if (swim->rumours.count > 0) {
        assert(swim->config.gossip_fanout <= FANOUT_MAX);
        size_t count = roster_draw(&swim->roster, &swim->prng, members, swim->config.gossip_fanout,
                                   hears_gossip, swim);
        for (size_t i = 0; i < count; i++)
            gossip_to(swim, members[i]);
    }
    if (swim->rumours.count == 0)
        swim->rumours.tick_ms = NEVER;
}
