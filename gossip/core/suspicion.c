/* A suspect has until its deadline to refute. With n members taking part and C accusers beside the
 * first, of the K = confirmations that are wanted:
 *
 *     min      = suspicion_mult * max(1, log10(n)) * probe_interval
 *     max      = suspicion_max_mult * min
 *     deadline = start + max(min, max - (max - min) * ln(C + 1) / ln(K + 1))
 *
 * So a lone accuser, who may be the sick one, has to wait long, and several independent ones do not.
 * Only the first K + 1 accusers are counted, and only theirs are told on. Everybody concludes death
 * from a timer of its own: another's "dead" is one more accuser.
 *
 * Active confirmation goes further. Nobody concludes a death without having probed the suspect itself.
 * In return, who has K + 1 accusers AND a failed probe of its own waits only
 *
 *     short    = max(min * confirmed_percent / 100, probe_interval / 2 + 2 * probe_timeout)
 *                * (awareness + 1)
 *
 * and no longer at all once somebody else's timer ran out. (In a cluster of fewer than K + 2 all the
 * others are enough.) The first accuser has the K others at once: its helpers accuse in their Nacks.
 * Who hears of a suspicion with K + 1 accusers probes at a random moment of the short time, so that
 * all are ready when it ends, and the suspect, told by each probe what it is accused of, has as many
 * chances to refute. While the accusers are fewer, a few members (SECONDS_MEAN on average, whatever
 * n) probe at once. */
#include "gossip/core/suspicion.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"
#include "gossip/core/probe.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/swim_internal.h"
#include "gossip/order.h"
#include "gossip/prng.h"

#define SECONDS_MEAN 8

uint64_t suspicion_min_ms(const struct swim *swim)
{
    double digits = log10((double)roster_active(&swim->roster));
    double base_ms = (double)swim->config.suspicion_mult * swim->config.probe_interval_ms;
    return (uint64_t)(base_ms * (digits > 1 ? digits : 1));
}

uint64_t suspicion_max_ms(const struct swim *swim)
{
    return suspicion_min_ms(swim) * swim->config.suspicion_max_mult;
}

/* How many accusers beside the first are wanted: none where there are not enough members to be
 * them. */
static uint32_t wanted(const struct swim *swim)
{
    uint32_t k = swim->config.confirmations;
    return swim->config.dynamic_suspicion && roster_active(&swim->roster) >= k + 2 ? k : 0;
}

static uint64_t timeout_ms(const struct swim *swim, uint32_t accuser_count)
{
    uint32_t k = wanted(swim);
    uint64_t min_ms = suspicion_min_ms(swim);
    if (accuser_count > k)
        return min_ms;
    double span = (double)(suspicion_max_ms(swim) - min_ms);
    return suspicion_max_ms(swim) - (uint64_t)(span * log(accuser_count) / log(k + 1.0));
}

/* At least the time in which everybody can hear of it, probe the suspect and wait for its answer. */
static uint64_t short_ms(const struct swim *swim)
{
    uint64_t ms = suspicion_min_ms(swim) * swim->config.confirmed_percent / 100;
    uint64_t floor_ms =
        swim->config.probe_interval_ms / 2 + 2 * (uint64_t)swim->config.probe_timeout_ms;
    return (ms > floor_ms ? ms : floor_ms) * (swim->probes.awareness + 1);
}

/* How many accusers beside the first settle it: K, and in a small cluster all the others. */
static uint32_t settling(const struct swim *swim)
{
    uint32_t k = swim->config.confirmations;
    uint32_t active = (uint32_t)roster_active(&swim->roster);
    uint32_t others = active > 2 ? active - 2 : 0;
    if (!swim->config.active_confirmation)
        return wanted(swim);
    return others < k ? others : k;
}

/* Enough accuse it to settle it. */
static bool seconded(const struct swim *swim, const struct suspicion *suspicion)
{
    return settling(swim) > 0 && suspicion->accuser_count > settling(swim);
}

static void wake_by(struct swim *swim, const struct suspicion *suspicion)
{
    if (suspicion->deadline_ms < swim->suspicions.wake_ms)
        swim->suspicions.wake_ms = suspicion->deadline_ms;
    if (suspicion->probe_ms < swim->suspicions.wake_ms)
        swim->suspicions.wake_ms = suspicion->probe_ms;
}

static void set_deadline(struct swim *swim, struct suspicion *suspicion)
{
    suspicion->deadline_ms = suspicion->start_ms + timeout_ms(swim, suspicion->accuser_count);
    if (swim->config.active_confirmation && suspicion->first_hand && seconded(swim, suspicion)) {
        uint64_t confirmed_ms = suspicion->start_ms + short_ms(swim);
        if (suspicion->called_dead)
            confirmed_ms = swim->now_ms;
        if (confirmed_ms < suspicion->deadline_ms)
            suspicion->deadline_ms = confirmed_ms;
    }
    wake_by(swim, suspicion);
}

/* When we probe it ourselves. */
static void plan_probe(struct swim *swim, struct suspicion *suspicion)
{
    uint32_t timeout = swim->config.probe_timeout_ms;
    uint32_t active = (uint32_t)roster_active(&swim->roster);
    uint64_t probe_ms = NEVER;
    if (!swim->config.active_confirmation || suspicion->first_hand)
        return;
    if (seconded(swim, suspicion)) {
        uint64_t window_ms = short_ms(swim) - 2 * (uint64_t)timeout;
        probe_ms =
            swim->now_ms + (suspicion->called_dead ? prng_below(&swim->prng, timeout / 2 + 1)
                                                   : prng_below(&swim->prng, (uint32_t)window_ms));
    } else if (suspicion->accuser_count == 1 && prng_below(&swim->prng, active) < SECONDS_MEAN) {
        probe_ms = swim->now_ms + prng_below(&swim->prng, timeout / 2 + 1);
    }
    if (probe_ms < suspicion->probe_ms)
        suspicion->probe_ms = probe_ms;
    wake_by(swim, suspicion);
}

static struct suspicion *begin(struct swim *swim, struct roster_member *member,
                               const struct node_id *accuser)
{
    assert(member != self_of(swim) && (member->state == SWIM_ALIVE || member->state == SWIM_AWAY));
    struct suspicion *suspicion = alloc_zero(1, sizeof(*suspicion));
    suspicion->member = member;
    suspicion->start_ms = swim->now_ms;
    suspicion->probe_ms = NEVER;
    suspicion->next = swim->suspicions.first;
    if (suspicion->next != NULL)
        suspicion->next->previous = suspicion;
    swim->suspicions.first = suspicion;
    member->suspicion = suspicion;
    member->since_ms = swim->now_ms;
    roster_state(&swim->roster, member, SWIM_SUSPECT);
    order_event(&swim->orders, SWIM_EVENT_SUSPECT, &member->id, accuser);
    return suspicion;
}

static bool among_accusers(const struct suspicion *suspicion, const struct node_id *id)
{
    for (uint32_t i = 0; i < suspicion->accuser_count; i++)
        if (id_equal(&suspicion->accusers[i], id))
            return true;
    return false;
}

static bool one_more(const struct swim *swim, const struct suspicion *suspicion,
                     const struct node_id *accuser)
{
    return suspicion->accuser_count <= settling(swim) && !among_accusers(suspicion, accuser);
}

bool suspicion_counts(const struct swim *swim, const struct roster_member *member,
                      const struct accusation *accusation)
{
    const struct suspicion *suspicion = member->suspicion;
    if (suspicion == NULL || one_more(swim, suspicion, &accusation->accuser))
        return true;
    return swim->config.active_confirmation && accusation->state == SWIM_DEAD &&
           !suspicion->called_dead;
}

void suspicion_add(struct swim *swim, struct roster_member *member,
                   const struct accusation *accusation, const uint8_t bytes[ACCUSATION_SIZE])
{
    struct suspicion *suspicion = member->suspicion;
    if (suspicion == NULL) {
        suspicion = begin(swim, member, &accusation->accuser);
        memcpy(suspicion->first, bytes, ACCUSATION_SIZE);
    }
    bool call = accusation->state == SWIM_DEAD && !suspicion->called_dead;
    bool more = one_more(swim, suspicion, &accusation->accuser);
    suspicion->called_dead |= call;
    if (more) {
        assert(suspicion->accuser_count < ACCUSERS_MAX);
        suspicion->accusers[suspicion->accuser_count++] = accusation->accuser;
    }
    if (more || call)
        rumour_accusation(swim, member, bytes);
    plan_probe(swim, suspicion);
    set_deadline(swim, suspicion);
}

void suspicion_first_hand(struct swim *swim, struct roster_member *member)
{
    if (member->suspicion == NULL)
        return;
    member->suspicion->first_hand = true;
    member->suspicion->probe_ms = NEVER;
    set_deadline(swim, member->suspicion);
}

void suspicion_sign(const struct swim *swim, const struct roster_member *member,
                    enum swim_state state, uint8_t bytes[ACCUSATION_SIZE])
{
    struct accusation accusation = {
        .state = state,
        .incarnation = member->incarnation,
        .accused = member->id,
        .accuser = self_of(swim)->id,
    };
    accusation_encode(&accusation, &swim->ops, bytes);
}

void suspicion_accuse(struct swim *swim, struct roster_member *member)
{
    uint8_t bytes[ACCUSATION_SIZE];
    struct accusation accusation = {
        .state = SWIM_SUSPECT,
        .incarnation = member->incarnation,
        .accused = member->id,
        .accuser = self_of(swim)->id,
    };
    if (member->suspicion == NULL || one_more(swim, member->suspicion, &accusation.accuser)) {
        accusation_encode(&accusation, &swim->ops, bytes);
        swim->stats.suspect_count++;
        suspicion_add(swim, member, &accusation, bytes);
    }
    suspicion_first_hand(swim, member);
}

void suspicion_end(struct swim *swim, struct roster_member *member)
{
    struct suspicion *suspicion = member->suspicion;
    if (suspicion == NULL)
        return;
    assert(suspicion->member == member);
    assert((suspicion->previous == NULL) == (swim->suspicions.first == suspicion));
    if (suspicion->previous != NULL)
        suspicion->previous->next = suspicion->next;
    else
        swim->suspicions.first = suspicion->next;
    if (suspicion->next != NULL)
        suspicion->next->previous = suspicion->previous;
    member->suspicion = NULL;
    free(suspicion);
}

/* Whose timer ran out first calls it, and its call is passed on: the others need not call as well. */
void suspicion_conclude(struct swim *swim, struct roster_member *member)
{
    uint8_t bytes[ACCUSATION_SIZE];
    bool called = member->suspicion != NULL && member->suspicion->called_dead;
    assert(member != self_of(swim) && member->state != SWIM_DEAD);
    suspicion_end(swim, member);
    roster_state(&swim->roster, member, SWIM_DEAD);
    member->since_ms = swim->now_ms;
    swim->stats.dead_count++;
    order_event(&swim->orders, SWIM_EVENT_DEAD, &member->id, NULL);
    probe_forget(swim, member);
    if (called && swim->config.active_confirmation)
        return;
    rumour_cancel(swim, member);
    suspicion_sign(swim, member, SWIM_DEAD, bytes);
    rumour_accusation(swim, member, bytes);
}

/* It answered us since it was suspected: whatever others say, it is there. */
static void acquit(struct swim *swim, struct roster_member *member)
{
    suspicion_end(swim, member);
    roster_state(&swim->roster, member, SWIM_ALIVE);
    member->since_ms = swim->now_ms;
    order_event(&swim->orders, SWIM_EVENT_ALIVE, &member->id, NULL);
}

/* At once; or, when too many probes are under way, in a moment. */
static void probe_it(struct swim *swim, struct suspicion *suspicion)
{
    bool asked = probe_confirm(swim, suspicion->member);
    suspicion->probe_ms = asked ? NEVER : swim->now_ms + swim->config.probe_timeout_ms / 2 + 1;
}

/* Its deadline has come. */
static void judge(struct swim *swim, struct suspicion *suspicion)
{
    struct roster_member *member = suspicion->member;
    if (swim->config.active_confirmation && member->heard_ms > suspicion->start_ms) {
        acquit(swim, member);
    } else if (swim->config.active_confirmation && !suspicion->first_hand) {
        /* Not before a probe of our own has failed. */
        suspicion->deadline_ms =
            swim->now_ms + (uint64_t)swim->config.probe_interval_ms * (swim->probes.awareness + 1);
        probe_it(swim, suspicion);
        wake_by(swim, suspicion);
    } else {
        suspicion_conclude(swim, member);
    }
}

void suspicion_tick(struct swim *swim)
{
    if (swim->now_ms < swim->suspicions.wake_ms)
        return;
    swim->suspicions.wake_ms = NEVER;
    struct suspicion *next;
    for (struct suspicion *suspicion = swim->suspicions.first; suspicion != NULL;
         suspicion = next) {
        next = suspicion->next;
        if (suspicion->deadline_ms <= swim->now_ms) {
            judge(swim, suspicion);
            continue;
        }
        if (suspicion->probe_ms <= swim->now_ms)
            probe_it(swim, suspicion);
        wake_by(swim, suspicion);
    }
}

void suspicion_shift(struct swim *swim, uint64_t late_ms)
{
    for (struct suspicion *s = swim->suspicions.first; s != NULL; s = s->next) {
        s->start_ms += late_ms;
        s->deadline_ms += late_ms;
        if (s->probe_ms != NEVER)
            s->probe_ms += late_ms;
    }
    if (swim->suspicions.wake_ms != NEVER)
        swim->suspicions.wake_ms += late_ms;
}
