/* Evidence is merged by incarnation, and the cheap questions come before the signature:
 *
 *   - A claim counts only if its incarnation is higher than the one we hold, whatever state the
 *     member is in here.
 *   - An accusation counts only against exactly the incarnation that we hold, of a member that is
 *     alive, suspect, or away for longer than it said. So nothing old revives the dead, and no liar
 *     can name an incarnation of the future.
 *   - A member that we do not know enters by a claim of its own, alive or away, and in no other way:
 *     tombstones that were forgotten here do not come back from a member that forgets later.
 *   - Whoever speaks no protocol version that we speak is no member here, whatever others hold of
 *     it: we could neither ask it anything nor hear it refute. It counts as left, so that what it
 *     said before does not bring it back, and is never accused. */
#include "gossip/core/news.h"

#include <assert.h>
#include <string.h>

#include "gossip/claim.h"
#include "gossip/core/probe.h"
#include "gossip/core/rival.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/self.h"
#include "gossip/core/suspicion.h"
#include "gossip/core/swim_internal.h"
#include "gossip/order.h"
#include "gossip/prng.h"

#define FORGET_TICK_MS 1000
#define DOUBT_MS       60000 /* one accuser raises our awareness once in this time */

void news_forged(struct swim *swim, const struct node_id *from)
{
    swim->stats.forged_count++;
    struct roster_member *member = roster_find(&swim->roster, from);
    if (member != NULL)
        member->mute_until_ms = swim->now_ms + MUTE_MS;
}

bool news_away(const struct swim *swim, const struct roster_member *member)
{
    if (member->state != SWIM_AWAY)
        return false;
    uint64_t away_ms = roster_claim(member).away_ms;
    if (away_ms > swim->config.away_max_ms)
        away_ms = swim->config.away_max_ms;
    return swim->now_ms < member->since_ms + away_ms;
}

static bool tombstone(const struct roster_member *member)
{
    return member->state == SWIM_DEAD || member->state == SWIM_LEFT;
}

static void forget(struct swim *swim, struct roster_member *member)
{
    assert(tombstone(member));
    order_event(&swim->orders, SWIM_EVENT_FORGOTTEN, &member->id, NULL);
    probe_forget(swim, member);
    rumour_cancel(swim, member);
    swim->ops.drop(swim->ops.context, member->claim, member->claim_size);
    roster_remove(&swim->roster, member);
}

void news_forget(struct swim *swim)
{
    struct roster *roster = &swim->roster;
    if (swim->now_ms < swim->forget_ms)
        return;
    uint64_t next_ms = NEVER;
    for (size_t i = 1;
         i < roster->count && roster->by_state[SWIM_DEAD] + roster->by_state[SWIM_LEFT];) {
        struct roster_member *member = roster->members[i];
        uint64_t end_ms = member->since_ms + swim->config.tombstone_ms;
        if (tombstone(member) && end_ms <= swim->now_ms) {
            forget(swim, member);
            continue; /* another member is at i now */
        }
        if (tombstone(member) && end_ms < next_ms)
            next_ms = end_ms;
        i++;
    }
    uint64_t soonest_ms = swim->now_ms + FORGET_TICK_MS;
    uint64_t latest_ms = swim->now_ms + swim->config.tombstone_ms;
    swim->forget_ms = next_ms < soonest_ms ? soonest_ms : next_ms < latest_ms ? next_ms : latest_ms;
}

/* The table is full: the oldest tombstone gives way, a living member never does. */
static bool make_room(struct swim *swim)
{
    struct roster *roster = &swim->roster;
    struct roster_member *oldest = NULL;
    if (roster->count < swim->config.members_max)
        return true;
    if (roster->by_state[SWIM_DEAD] + roster->by_state[SWIM_LEFT] == 0)
        return false;
    for (size_t i = 1; i < roster->count; i++)
        if (tombstone(roster->members[i]) &&
            (oldest == NULL || roster->members[i]->since_ms < oldest->since_ms))
            oldest = roster->members[i];
    if (oldest == NULL)
        return false; /* the one counted is ourselves, who left */
    forget(swim, oldest);
    return true;
}

static bool admitted(struct swim *swim, const struct node_id *from, const struct claim *s,
                     const uint8_t *bytes, size_t size)
{
    if (!claim_verify(s, &swim->ops, bytes, size)) {
        news_forged(swim, from);
        return false;
    }
    /* Whether a certificate holds is a matter of dates too, so the one who passed it on is not to
     * blame. */
    if (swim->ops.admit != NULL && !swim->ops.admit(swim->ops.context, &s->id, s->name, s->address,
                                                    s->metadata, s->metadata_size)) {
        swim->stats.forged_count++;
        return false;
    }
    return true;
}

static bool same_text(const struct claim *a, const struct claim *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->address, b->address) == 0 &&
           a->metadata_size == b->metadata_size &&
           memcmp(a->metadata, b->metadata, a->metadata_size) == 0;
}

/* Two living members with one name both stay, for each has a certificate; but people must know. */
static void report_conflict(struct swim *swim, const struct roster_member *member, const char *name)
{
    const struct roster_member *other = roster_named(&swim->roster, name, member);
    if (other != NULL)
        order_event(&swim->orders, SWIM_EVENT_CONFLICT, &member->id, &other->id);
}

static void announce_state(struct swim *swim, struct roster_member *member, enum swim_state old,
                           enum swim_state state)
{
    static const enum swim_event events[] = {
        [SWIM_ALIVE] = SWIM_EVENT_ALIVE,
        [SWIM_LEFT] = SWIM_EVENT_LEFT,
        [SWIM_AWAY] = SWIM_EVENT_AWAY,
    };
    /* Being away anew starts the time anew. */
    if (old != state || state == SWIM_AWAY)
        member->since_ms = swim->now_ms;
    if (old == state)
        return;
    roster_state(&swim->roster, member, state);
    order_event(&swim->orders, events[state], &member->id, NULL);
}

static void keep(struct swim *swim, struct roster_member *member, const struct claim *claim,
                 const uint8_t *bytes, size_t size)
{
    const uint8_t *old = member->claim;
    size_t old_size = member->claim_size;
    member->claim = swim->ops.keep(swim->ops.context, bytes, size);
    member->claim_size = (uint16_t)size;
    member->incarnation = claim->incarnation;
    member->protocol = claim_protocol(claim);
    if (old != NULL)
        swim->ops.drop(swim->ops.context, old, old_size);
}

static struct roster_member *newcomer(struct swim *swim, const struct claim *claim)
{
    struct roster *roster = &swim->roster;
    assert(roster->cursor <= roster->count);
    uint32_t left_in_lap = (uint32_t)(roster->count - roster->cursor);
    size_t where = roster->cursor + prng_below(&swim->prng, left_in_lap + 1);
    struct roster_member *member = roster_add(roster, &claim->id, where);
    member->since_ms = swim->now_ms;
    order_event(&swim->orders, SWIM_EVENT_JOINED, &member->id, NULL);
    return member;
}

static void apply(struct swim *swim, struct roster_member *member, const struct claim *claim,
                  const uint8_t *bytes, size_t size)
{
    bool renamed = true;
    if (member == NULL) {
        member = newcomer(swim, claim);
    } else {
        struct claim old = roster_claim(member);
        renamed = strcmp(old.name, claim->name) != 0;
        if (!same_text(&old, claim))
            order_event(&swim->orders, SWIM_EVENT_UPDATED, &member->id, NULL);
    }
    keep(swim, member, claim, bytes, size);
    if (renamed) {
        report_conflict(swim, member, claim->name);
        roster_name(&swim->roster, member, claim->name);
    }
    bool urgent = claim->state != SWIM_ALIVE || member->state != SWIM_ALIVE;
    suspicion_end(swim, member);
    announce_state(swim, member, (enum swim_state)member->state, claim->state);
    if (claim->state != SWIM_ALIVE)
        probe_forget(swim, member);
    rumour_claim(swim, member, urgent);
    swim->join.learnt = true;
}

/* It is no member from now on, and nothing of it is told on. */
static void shut_out(struct swim *swim, struct roster_member *member)
{
    suspicion_end(swim, member);
    probe_forget(swim, member);
    rumour_cancel(swim, member);
    member->since_ms = swim->now_ms;
    roster_state(&swim->roster, member, SWIM_LEFT);
}

static void refuse(struct swim *swim, struct roster_member *member, const struct claim *claim,
                   const uint8_t *bytes, size_t size)
{
    swim->stats.refused_count++;
    order_refused(&swim->orders, bytes, size, swim->now_ms);
    if (member == NULL && !make_room(swim))
        return;
    if (member == NULL)
        member = roster_add(&swim->roster, &claim->id, swim->roster.count);
    keep(swim, member, claim, bytes, size);
    roster_name(&swim->roster, member, claim->name);
    shut_out(swim, member);
}

/* A claim with the incarnation that we hold, or a lower one; it is not verified. That of somebody
 * refused shows that this one is still there: the shell is told so, with the claim that we hold. */
static enum news known_already(struct swim *swim, struct roster_member *member,
                               const struct claim *claim)
{
    if (!protocol_meets(member->protocol, swim->config.protocol) &&
        claim->incarnation == member->incarnation) {
        swim->stats.refused_count++;
        member->since_ms = swim->now_ms;
        order_refused(&swim->orders, member->claim, member->claim_size, swim->now_ms);
        return NEWS_NONE;
    }
    return tombstone(member) && claim->state != SWIM_LEFT ? NEWS_OBSOLETE : NEWS_NONE;
}

enum news news_claim(struct swim *swim, const struct node_id *from, const uint8_t *bytes,
                     size_t size)
{
    struct claim claim;
    if (claim_parse(&claim, bytes, size) != 0) {
        swim->stats.malformed_count++;
        return NEWS_NONE;
    }
    if (id_equal(&claim.id, &self_of(swim)->id)) {
        rival_heard(swim, from, &claim, bytes, size);
        return NEWS_NONE;
    }
    struct roster_member *member = roster_find(&swim->roster, &claim.id);
    if (member != NULL && claim.incarnation <= member->incarnation) {
        if (id_equal(from, &claim.id))
            rival_met(swim, member, &claim, bytes, size);
        return known_already(swim, member, &claim);
    }
    if (member == NULL && claim.state == SWIM_LEFT)
        return NEWS_NONE;
    if (member != NULL && !roster_within(member, swim->now_ms, RATE_NEWS))
        return NEWS_NONE;
    if (!admitted(swim, from, &claim, bytes, size))
        return NEWS_NONE;
    if (!protocol_meets(claim_protocol(&claim), swim->config.protocol)) {
        refuse(swim, member, &claim, bytes, size);
        return NEWS_NONE;
    }
    if (member == NULL && !make_room(swim))
        return NEWS_NONE;
    apply(swim, member, &claim, bytes, size);
    return NEWS_LEARNT;
}

void swim_refuse(struct swim *swim, uint64_t now_ms, const struct node_id *id)
{
    swim_advance(swim, now_ms);
    struct roster_member *member = roster_find(&swim->roster, id);
    if (member != NULL && member != self_of(swim) && member->state != SWIM_LEFT)
        shut_out(swim, member);
}

void swim_expel(struct swim *swim, uint64_t now_ms, const struct node_id *id)
{
    swim_advance(swim, now_ms);
    struct roster_member *member = roster_find(&swim->roster, id);
    if (member == NULL || member == self_of(swim) || member->state == SWIM_LEFT)
        return;
    shut_out(swim, member);
    order_event(&swim->orders, SWIM_EVENT_LEFT, &member->id, NULL);
}

/* Who is accused may indeed be unwell; but one accuser is not counted again and again. */
static void doubt_ourselves(struct swim *swim, const struct node_id *accuser)
{
    struct own *own = &swim->own;
    if (id_equal(&own->accuser, accuser) && swim->now_ms < own->accused_ms + DOUBT_MS)
        return;
    own->accuser = *accuser;
    own->accused_ms = swim->now_ms;
    probe_awareness(swim, 1);
}

/* Accused ourselves: our own word settles it. */
static void accused_self(struct swim *swim, const struct node_id *from,
                         const struct accusation *accusation, const uint8_t *bytes)
{
    if (accusation->incarnation != swim->own.incarnation || swim->own.state != SWIM_ALIVE ||
        swim->own.refute_above != 0)
        return;
    if (!accusation_verify(accusation, &swim->ops, bytes)) {
        news_forged(swim, from);
        return;
    }
    if (rival_goes_first(swim)) {
        rival_accused(swim, accusation);
        return;
    }
    doubt_ourselves(swim, &accusation->accuser);
    self_refute(swim, accusation->incarnation);
}

void news_accusation(struct swim *swim, const struct node_id *from, const uint8_t *bytes,
                     size_t size)
{
    struct accusation accusation;
    const struct node_id *self = &self_of(swim)->id;
    if (accusation_parse(&accusation, bytes, size) != 0) {
        swim->stats.malformed_count++;
        return;
    }
    if (id_equal(&accusation.accused, self)) {
        accused_self(swim, from, &accusation, bytes);
        return;
    }
    struct roster_member *member = roster_find(&swim->roster, &accusation.accused);
    const struct roster_member *accuser = roster_find(&swim->roster, &accusation.accuser);
    bool hearsay = accusation.state == SWIM_DEAD && swim->config.hearsay_death;
    if (member == NULL || accuser == NULL || accuser->state == SWIM_LEFT ||
        accusation.incarnation != member->incarnation || tombstone(member) ||
        news_away(swim, member) || (!hearsay && !suspicion_counts(swim, member, &accusation)))
        return;
    if (!accusation_verify(&accusation, &swim->ops, bytes)) {
        news_forged(swim, from);
        return;
    }
    if (hearsay)
        suspicion_conclude(swim, member);
    else
        suspicion_add(swim, member, &accusation, bytes);
}
