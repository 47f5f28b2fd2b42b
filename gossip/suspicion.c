/* A suspect has until its deadline to refute. With n members taking part and C accusers beside the
 * first, of the K = confirmations that are wanted:
 *
 *     min      = suspicion_mult * max(1, log10(n)) * probe_interval
 *     max      = suspicion_max_mult * min
 *     deadline = start + max(min, max - (max - min) * ln(C + 1) / ln(K + 1))
 *
 * So a lone accuser, who may be the sick one, has to wait long, and several independent ones do
 * not. Only the first K + 1 accusers are counted, and only theirs are told on. Everybody concludes
 * death from a timer of its own: another's "dead" is one more accuser. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/core.h"

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

static void set_deadline(struct swim *swim, struct suspicion *suspicion)
{
    suspicion->deadline_ms = suspicion->start_ms + timeout_ms(swim, suspicion->accuser_count);
    if (suspicion->deadline_ms < swim->suspicion_ms)
        swim->suspicion_ms = suspicion->deadline_ms;
}

static struct suspicion *begin(struct swim *swim, struct member *member,
                               const struct swim_id *accuser)
{
    struct suspicion *suspicion = alloc_zero(1, sizeof(*suspicion));
    suspicion->member = member;
    suspicion->start_ms = swim->now_ms;
    suspicion->next = swim->suspicions;
    if (suspicion->next != NULL)
        suspicion->next->previous = suspicion;
    swim->suspicions = suspicion;
    member->suspicion = suspicion;
    member->since_ms = swim->now_ms;
    roster_state(&swim->roster, member, SWIM_SUSPECT);
    order_event(swim, SWIM_EVENT_SUSPECT, &member->id, accuser);
    return suspicion;
}

bool suspicion_counts(const struct swim *swim, const struct member *member,
                      const struct swim_id *accuser)
{
    const struct suspicion *suspicion = member->suspicion;
    if (suspicion == NULL)
        return true;
    if (suspicion->accuser_count > wanted(swim))
        return false;
    for (uint32_t i = 0; i < suspicion->accuser_count; i++)
        if (swim_id_equal(&suspicion->accusers[i], accuser))
            return false;
    return true;
}

void suspicion_add(struct swim *swim, struct member *member, const struct accusation *accusation,
                   const uint8_t bytes[ACCUSATION_SIZE])
{
    bool ours = swim_id_equal(&accusation->accuser, &self_of(swim)->id);
    struct suspicion *suspicion = member->suspicion;
    if (!suspicion_counts(swim, member, &accusation->accuser))
        return;
    bool first = suspicion == NULL;
    if (first) {
        suspicion = begin(swim, member, &accusation->accuser);
        memcpy(suspicion->first, bytes, ACCUSATION_SIZE);
    }
    suspicion->accusers[suspicion->accuser_count++] = accusation->accuser;
    set_deadline(swim, suspicion);
    rumour_accusation(swim, member, bytes);
    if (first && !ours && swim->config.active_confirmation)
        probe_confirm(swim, member);
}

void suspicion_sign(const struct swim *swim, const struct member *member, enum swim_state state,
                    uint8_t bytes[ACCUSATION_SIZE])
{
    struct accusation accusation = {
        .state = state,
        .incarnation = member->incarnation,
        .accused = member->id,
        .accuser = self_of(swim)->id,
    };
    accusation_encode(&accusation, &swim->ops, bytes);
}

void suspicion_accuse(struct swim *swim, struct member *member)
{
    uint8_t bytes[ACCUSATION_SIZE];
    struct accusation accusation;
    if (!suspicion_counts(swim, member, &self_of(swim)->id))
        return;
    suspicion_sign(swim, member, SWIM_SUSPECT, bytes);
    if (accusation_parse(&accusation, bytes, sizeof(bytes)) != 0)
        return;
    swim->stats.suspect_count++;
    suspicion_add(swim, member, &accusation, bytes);
}

void suspicion_end(struct swim *swim, struct member *member)
{
    struct suspicion *suspicion = member->suspicion;
    if (suspicion == NULL)
        return;
    if (suspicion->previous != NULL)
        suspicion->previous->next = suspicion->next;
    else
        swim->suspicions = suspicion->next;
    if (suspicion->next != NULL)
        suspicion->next->previous = suspicion->previous;
    member->suspicion = NULL;
    free(suspicion);
}

void suspicion_conclude(struct swim *swim, struct member *member)
{
    uint8_t bytes[ACCUSATION_SIZE];
    suspicion_end(swim, member);
    roster_state(&swim->roster, member, SWIM_DEAD);
    member->since_ms = swim->now_ms;
    swim->stats.dead_count++;
    order_event(swim, SWIM_EVENT_DEAD, &member->id, NULL);
    probe_forget(swim, member);
    rumour_cancel(swim, member);
    suspicion_sign(swim, member, SWIM_DEAD, bytes);
    rumour_accusation(swim, member, bytes);
}

void suspicion_tick(struct swim *swim)
{
    if (swim->now_ms < swim->suspicion_ms)
        return;
    swim->suspicion_ms = NEVER;
    struct suspicion *next;
    for (struct suspicion *suspicion = swim->suspicions; suspicion != NULL; suspicion = next) {
        next = suspicion->next;
        if (suspicion->deadline_ms <= swim->now_ms)
            suspicion_conclude(swim, suspicion->member);
        else if (suspicion->deadline_ms < swim->suspicion_ms)
            swim->suspicion_ms = suspicion->deadline_ms;
    }
}

void suspicion_shift(struct swim *swim, uint64_t late_ms)
{
    for (struct suspicion *s = swim->suspicions; s != NULL; s = s->next) {
        s->start_ms += late_ms;
        s->deadline_ms += late_ms;
    }
    if (swim->suspicion_ms != NEVER)
        swim->suspicion_ms += late_ms;
}
