/* Which of two processes is the member follows from what is signed, in few steps and the same for
 * everybody:
 *
 *   - Claims are merged by incarnation alone, here as everywhere. So who is overruled knows that the
 *     other one lives: nobody else can raise the number.
 *   - Overruled by a session that started later we overrule it in turn, once more each time. Overruled
 *     by an earlier one we give way, and the number rests.
 *   - A claim that is left over from our own past is none that overrules us: who remembers its
 *     incarnation begins above its past, and who does not gives way only to the second claim.
 *     Should both mislead us (a disk that was set back), the others find nobody at the other end, and
 *     tell us so.
 *
 * Who stands by asks a random member each probe interval, with both claims. The member answers with
 * what it holds of us: the first one's claim, with the accusation when that one is suspect or dead.
 * It also tells the first one of us, which is how that one, and its people, know. */
#include "gossip/core/rival.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/core/news.h"
#include "gossip/core/packet.h"
#include "gossip/core/probe.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/self.h"
#include "gossip/core/swim_internal.h"
#include "gossip/core/sync.h"
#include "gossip/order.h"

#define SESSION_CHANCE (1u << 20) /* of a session, its low bits */

bool rival_goes_first(const struct swim *swim)
{
    return swim->rival.known && swim->rival.first;
}

void rival_release(struct rival *rival)
{
    free(rival->claim);
    rival->claim = NULL;
    rival->known = false;
}

static uint64_t lasting_ms(const struct swim *swim)
{
    return (uint64_t)RIVAL_ROUNDS * swim->config.probe_interval_ms;
}

static void keep(struct rival *rival, const uint8_t *bytes, size_t size)
{
    free(rival->claim);
    rival->claim = alloc_copy(bytes, size);
    rival->claim_size = size;
}

/* A third one, while the second is heard of, is left for later. */
static void know(struct swim *swim, const struct claim *claim)
{
    struct rival *rival = &swim->rival;
    if (!rival->known) {
        const struct node_id *self = &self_of(swim)->id;
        order_event(&swim->orders, SWIM_EVENT_CONFLICT, self, self);
    }
    rival->known = true;
    rival->session = claim->session;
    rival->heard_ms = swim->now_ms;
}

/* It started later than we did: we are who is here. */
static void overrule(struct swim *swim, const struct claim *claim, const uint8_t *bytes,
                     size_t size)
{
    struct rival *rival = &swim->rival;
    if (!rival->known || rival->session == claim->session) {
        know(swim, claim);
        rival->first = false;
        keep(rival, bytes, size);
    }
    if (claim->incarnation >= swim->own.incarnation)
        self_refute(swim, claim->incarnation);
}

/* It started before us, and lives: it is who is here. */
static void give_way(struct swim *swim, const struct claim *claim, const uint8_t *bytes,
                     size_t size)
{
    struct rival *rival = &swim->rival;
    const struct roster_member *self = self_of(swim);
    if (!rival_goes_first(swim)) {
        keep(rival, self->claim, self->claim_size);
        rival->known = false; /* whoever else it was */
        know(swim, claim);
        rival->first = true;
        rival->ask_ms = swim->now_ms;
        rumour_cancel(swim, self_of(swim));
        probe_release(&swim->probes);
        relay_drop(swim);
        swim->own.refute_above = 0;
    }
    know(swim, claim);
    self_adopt(swim, claim, bytes, size);
}

static void take_place(struct swim *swim)
{
    rival_release(&swim->rival);
    self_announce(swim, swim->own.incarnation);
}

/* Whether an earlier session's claim shows that it lives. */
static bool lives(struct swim *swim, const struct claim *claim)
{
    struct rival *rival = &swim->rival;
    bool again = rival->doubts && rival->doubted == claim->session;
    rival->doubts = true;
    rival->doubted = claim->session;
    return swim->own.remembers || again;
}

static void heard_from_first(struct swim *swim, const struct claim *claim, const uint8_t *bytes,
                             size_t size)
{
    bool newer = claim->incarnation >= swim->own.incarnation;
    if (!newer && !rival_goes_first(swim))
        return; /* our own past */
    if (claim->state != SWIM_ALIVE &&
        newer) { /* it stopped, or we did before we forgot our number */
        rival_release(&swim->rival);
        self_refute(swim, claim->incarnation);
    } else if (newer && swim->own.state == SWIM_ALIVE &&
               (rival_goes_first(swim) || lives(swim, claim))) {
        give_way(swim, claim, bytes, size);
    } else if (newer) {
        self_refute(swim, claim->incarnation);
    }
}

void rival_heard(struct swim *swim, const struct node_id *from, const struct claim *claim,
                 const uint8_t *bytes, size_t size)
{
    const struct roster_member *self = self_of(swim);
    if (size == self->claim_size && memcmp(bytes, self->claim, size) == 0) {
        if (rival_goes_first(swim))
            swim->rival.heard_ms = swim->now_ms;
        return;
    }
    /* Our own past has a lower incarnation, and what it says is not worth a signature's check. */
    if (claim->incarnation < swim->own.incarnation && claim->session <= swim->own.session)
        return;
    if (!claim_verify(claim, &swim->ops, bytes, size)) {
        news_forged(swim, from);
        return;
    }
    if (rival_goes_first(swim) && claim->session != swim->rival.session &&
        claim->session > swim->own.session)
        return;                                          /* a third one: the first will tell it */
    bool ours_too = claim->session == swim->own.session; /* a copy of a process that ran */
    if (ours_too)
        swim->own.session += 1 + prng_below(&swim->prng, SESSION_CHANCE);
    if (ours_too || claim->session > swim->own.session)
        overrule(swim, claim, bytes, size);
    else
        heard_from_first(swim, claim, bytes, size);
}

/* Dead, says somebody: then its place is ours. If it is not, it overrules us at once; so one member
 * that says so again and again is not believed again and again. */
void rival_accused(struct swim *swim, const struct accusation *accusation)
{
    struct rival *rival = &swim->rival;
    assert(rival_goes_first(swim));
    if (accusation->state != SWIM_DEAD ||
        (rival->in_vain_ms != 0 && swim->now_ms < rival->in_vain_ms + lasting_ms(swim)))
        return;
    rival->in_vain_ms = swim->now_ms;
    take_place(swim);
}

void rival_met(struct swim *swim, struct roster_member *member, const struct claim *claim,
               const uint8_t *bytes, size_t size)
{
    struct packet packet;
    struct claim held = roster_claim(member);
    if (held.session == claim->session || (member->state == SWIM_LEFT && held.state != SWIM_LEFT) ||
        !roster_within(member, swim->now_ms, RATE_TALK) ||
        !claim_verify(claim, &swim->ops, bytes, size))
        return;
    uint64_t expires_ms = swim->now_ms + swim->config.probe_interval_ms;
    packet_init(&packet, swim, swim->config.packet_size_max);
    packet_claim(&packet, member->claim, member->claim_size);
    packet_to_id(&packet, &member->id, false, expires_ms);
    if (member->state != SWIM_ALIVE && member->state != SWIM_SUSPECT)
        return;
    packet_init(&packet, swim, swim->config.packet_size_max);
    packet_claim(&packet, bytes, size);
    packet_to(&packet, member, false, expires_ms);
}

static bool can_say(const struct roster_member *member, const void *detail)
{
    (void)detail;
    return sync_believed(member);
}

static void ask(struct swim *swim)
{
    struct rival *rival = &swim->rival;
    const struct roster_member *self = self_of(swim);
    struct roster_member *member;
    struct packet packet;
    rival->ask_ms = swim->now_ms + swim->config.probe_interval_ms;
    if (roster_draw(&swim->roster, &swim->prng, &member, 1, can_say, NULL) == 0)
        return; /* alone: the seeds are asked */
    packet_init(&packet, swim, swim->config.packet_size_max);
    packet_claim(&packet, self->claim, self->claim_size);
    packet_claim(&packet, rival->claim, rival->claim_size);
    packet_to(&packet, member, false, rival->ask_ms);
}

void rival_tick(struct swim *swim)
{
    struct rival *rival = &swim->rival;
    if (!rival->known)
        return;
    if (rival->first && swim->now_ms >= rival->ask_ms)
        ask(swim);
    if (!rival->first && swim->now_ms >= rival->heard_ms + lasting_ms(swim))
        rival_release(rival);
}

uint64_t rival_next_ms(const struct swim *swim)
{
    const struct rival *rival = &swim->rival;
    if (!rival->known)
        return NEVER;
    return rival->first ? rival->ask_ms : rival->heard_ms + lasting_ms(swim);
}

bool swim_rival(const struct swim *swim, struct swim_rival *rival)
{
    struct claim claim;
    const struct roster_member *self = self_of(swim);
    if (!swim->rival.known)
        return false;
    bool first = swim->rival.first;
    int parsed = claim_parse(&claim, first ? self->claim : swim->rival.claim,
                             first ? self->claim_size : swim->rival.claim_size);
    assert(parsed == 0);
    *rival = (struct swim_rival){.first = first, .address = claim.address};
    return true;
}
