/* A view is kept small, since there are n * n of them: 16 bytes let 5000 members be watched.
 *
 * Bounds that depend on n are taken over the n that a core has had since it last suspected nobody, so
 * that they need no history. */
#include "test/sim/invariants.h"

#include <math.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "gossip/core/swim_internal.h"

#define STATE_NONE    0xff
#define SCAN_EVERY    64 /* steps, and more in a large cluster */
#define OFFSET_NUMBER 8  /* of the incarnation in a claim, and of the id */
#define OFFSET_ID     28

struct view {
    uint64_t incarnation; /* the highest adopted */
    uint32_t mark; /* alive: the observer's round probe that it last got, counted from its start;
                             suspect: when it became that, in milliseconds */
    uint8_t state;
    bool probed;  /* `mark` is a probe, not the moment when it came (back) to life */
    uint8_t kept; /* claims adopted in this step that no change of state has used */
};

struct watch {
    uint64_t incarnation; /* of its own */
    uint64_t probe_ms;    /* when its next round is due */
    uint64_t probe_count;
    uint64_t lap_start; /* the number of the first probe of this lap */
    uint32_t lap;
    size_t forgotten;               /* in this step */
    size_t active_low, active_high; /* since it last suspected nobody */
    size_t count_high;              /* members ever known at once */
};

static struct view *view_of(struct world *world, uint32_t observer, uint32_t member)
{
    return &world->views[(size_t)observer * world->count + member];
}

void invariants_init(struct world *world)
{
    world->views = alloc_zero((size_t)world->count * world->count, sizeof(struct view));
    world->watches = alloc_zero(world->count, sizeof(struct watch));
}

void invariants_release(struct world *world)
{
    free(world->views);
    free(world->watches);
    free(world->touched);
}

void invariants_start(struct world *world, uint32_t index)
{
    for (uint32_t i = 0; i < world->count; i++)
        *view_of(world, index, i) = (struct view){.state = STATE_NONE};
    view_of(world, index, world->nodes[index].identity)->state = SWIM_ALIVE;
    world->watches[index] =
        (struct watch){.incarnation = world->nodes[index].persisted, .active_low = 1};
}

void invariants_announced(struct world *world, uint32_t identity, uint64_t incarnation)
{
    if (incarnation > world->nodes[identity].highest)
        world->nodes[identity].highest = incarnation;
}

static void touch(struct world *world, struct view *view)
{
    if (world->touched_count == world->touched_capacity) {
        world->touched_capacity = world->touched_capacity * 2 + 64;
        world->touched =
            alloc_grow(world->touched, world->touched_capacity, sizeof(*world->touched));
    }
    world->touched[world->touched_count++] = view;
    view->kept++;
}

static void kept_own(struct world *world, uint32_t index, uint64_t incarnation)
{
    struct watch *watch = &world->watches[index];
    if (incarnation <= watch->incarnation && incarnation != SWIM_INCARNATION_MAX)
        world_fail(world, "its own incarnation does not grow", index);
    watch->incarnation = incarnation;
}

/* A newcomer starts from nothing, here as in the core: its event has to say that it was forgotten. */
void invariants_kept(struct world *world, uint32_t observer, const uint8_t *claim)
{
    struct node_id id;
    uint64_t incarnation = 0;
    for (size_t i = 8; i-- > 0;)
        incarnation = incarnation << 8 | claim[OFFSET_NUMBER + i];
    id_set(&id, claim + OFFSET_ID);
    uint32_t index = node_index(world, &id);
    if (id_equal(&id, &world->nodes[observer].id)) {
        kept_own(world, observer, incarnation);
        return;
    }
    struct view *view = view_of(world, observer, index);
    const struct roster_member *member = roster_find(&world->nodes[observer].core->roster, &id);
    if (member == NULL)
        world_fail(world, "a claim of nobody it knows", observer);
    if (member->incarnation != 0 && incarnation <= view->incarnation)
        world_fail(world, "an incarnation did not rise", observer);
    if (incarnation > world->nodes[index].highest)
        world_fail(world, "an incarnation that its owner never announced", observer);
    view->incarnation = incarnation;
    touch(world, view);
}

/* ---- events */

/* Which states an event may follow, as bits; and whether a claim of the member must have come. */
static const struct {
    uint8_t from;
    bool claim;
    uint8_t to;
} changes[] = {
    [SWIM_EVENT_ALIVE] = {1 << SWIM_SUSPECT | 1 << SWIM_DEAD | 1 << SWIM_LEFT | 1 << SWIM_AWAY,
                          true, SWIM_ALIVE},
    [SWIM_EVENT_SUSPECT] = {1 << SWIM_ALIVE | 1 << SWIM_AWAY, false, SWIM_SUSPECT},
    [SWIM_EVENT_DEAD] = {1 << SWIM_SUSPECT, false, SWIM_DEAD},
    [SWIM_EVENT_LEFT] = {1 << SWIM_ALIVE | 1 << SWIM_SUSPECT | 1 << SWIM_DEAD | 1 << SWIM_AWAY,
                         true, SWIM_LEFT},
    [SWIM_EVENT_AWAY] = {1 << SWIM_ALIVE | 1 << SWIM_SUSPECT | 1 << SWIM_DEAD | 1 << SWIM_LEFT,
                         true, SWIM_AWAY},
    [SWIM_EVENT_FORGOTTEN] = {1 << SWIM_DEAD | 1 << SWIM_LEFT, false, STATE_NONE},
};

static uint32_t clock_of(const struct world *world, uint32_t observer)
{
    return (uint32_t)node_now_ms(world, &world->nodes[observer]);
}

/* A death that neither others nor probes may hasten takes the whole of the shortest suspicion. */
static void check_death(struct world *world, uint32_t observer, const struct view *view)
{
    const struct swim_config *config = &world->config;
    uint32_t shortest_ms = config->suspicion_mult * config->probe_interval_ms;
    if (!config->hearsay_death && !config->active_confirmation &&
        clock_of(world, observer) - view->mark < shortest_ms)
        world_fail(world, "a suspicion shorter than the shortest", observer);
}

static void change(struct world *world, uint32_t observer, enum swim_event event, struct view *view)
{
    const struct swim_config *config = &world->config;
    unsigned from = changes[event].from;
    bool acquitted = event == SWIM_EVENT_ALIVE && view->state == SWIM_SUSPECT && view->kept == 0;
    if (event == SWIM_EVENT_DEAD && config->hearsay_death)
        from |= 1 << SWIM_ALIVE | 1 << SWIM_AWAY;
    if (view->state == STATE_NONE || (from >> view->state & 1) == 0)
        world_fail(world, "a state that does not follow from the one before", observer);
    if (changes[event].claim && !(acquitted && config->active_confirmation)) {
        if (view->kept == 0)
            world_fail(world, "a state without a claim that says so", observer);
        view->kept--;
    }
    if (event == SWIM_EVENT_DEAD && view->state == SWIM_SUSPECT)
        check_death(world, observer, view);
    view->state = changes[event].to;
    view->probed = false;
    view->mark = event == SWIM_EVENT_SUSPECT ? clock_of(world, observer)
                                             : (uint32_t)world->watches[observer].probe_count;
    if (event == SWIM_EVENT_FORGOTTEN)
        world->watches[observer].forgotten++;
}

void invariants_event(struct world *world, uint32_t observer, enum swim_event event,
                      uint32_t member)
{
    struct view *view = view_of(world, observer, member);
    if (event == SWIM_EVENT_CONFLICT)
        return;
    if (event == SWIM_EVENT_REFUSED) { /* whatever it was, it counts as left */
        view->state = SWIM_LEFT;
        return;
    }
    if (member == world->nodes[observer].identity)
        world_fail(world, "an event about itself", observer);
    if (event == SWIM_EVENT_JOINED) {
        if (view->state != STATE_NONE)
            world_fail(world, "somebody known joins", observer);
        if (view->kept == 0)
            world_fail(world, "a state without a claim that says so", observer);
        view->state = SWIM_ALIVE;
        view->probed = false;
        view->mark = (uint32_t)world->watches[observer].probe_count;
        return;
    }
    if (event == SWIM_EVENT_UPDATED) {
        if (view->state == STATE_NONE || view->kept == 0)
            world_fail(world, "a state without a claim that says so", observer);
        return;
    }
    change(world, observer, event, view);
}

void invariants_persist(struct world *world, uint32_t index, uint64_t incarnation)
{
    if (incarnation < world->nodes[index].persisted)
        world_fail(world, "persists a lower incarnation", index);
}

void invariants_ordered(struct world *world, uint32_t index)
{
    if (world->nodes[index].core->orders.send_count > world->config.orders_max)
        world_fail(world, "too many sends wait", index);
}

/* ---- after each step */

static double digits(size_t n)
{
    return n > 10 ? log10((double)n) : 1;
}

static void check_suspicion(struct world *world, uint32_t index, const struct suspicion *suspicion)
{
    const struct swim_config *config = &world->config;
    const struct watch *watch = &world->watches[index];
    double base_ms = (double)config->suspicion_mult * config->probe_interval_ms;
    double min_ms = base_ms * digits(watch->active_low);
    double max_ms = base_ms * digits(watch->active_high) * config->suspicion_max_mult;
    double lasts_ms = (double)suspicion->deadline_ms - (double)suspicion->start_ms;
    if (suspicion->member->suspicion != suspicion || suspicion->member->state != SWIM_SUSPECT)
        world_fail(world, "a suspicion of nobody suspect", index);
    if (suspicion->member->position == 0)
        world_fail(world, "suspects itself", index);
    if (suspicion->accuser_count == 0 || suspicion->accuser_count > config->confirmations + 1)
        world_fail(world, "too many accusers are counted", index);
    /* Whom we have not probed by then is probed, at most as many at once as there are probes. */
    double longest_ms = (double)suspicion->start_ms + max_ms;
    if (config->active_confirmation && !suspicion->first_hand)
        longest_ms += 3.0 * config->probe_interval_ms * (config->awareness_max + 1);
    if ((double)suspicion->deadline_ms > longest_ms + 1)
        world_fail(world, "a suspicion longer than the longest", index);
    bool hastened = config->active_confirmation && suspicion->first_hand;
    if (!hastened && lasts_ms < min_ms - 1)
        world_fail(world, "a suspicion shorter than the shortest", index);
}

static void check_suspicions(struct world *world, uint32_t index)
{
    const struct swim *core = world->nodes[index].core;
    struct watch *watch = &world->watches[index];
    size_t active = roster_active(&core->roster);
    size_t count = 0;
    if (active < watch->active_low)
        watch->active_low = active;
    if (core->roster.count > watch->active_high)
        watch->active_high = core->roster.count;
    for (const struct suspicion *s = core->suspicions.first; s != NULL; s = s->next, count++)
        check_suspicion(world, index, s);
    if (count != core->roster.by_state[SWIM_SUSPECT])
        world_fail(world, "a suspect without its one suspicion", index);
    if (count == 0) {
        watch->active_low = active;
        watch->active_high = core->roster.count;
    }
}

static void check_rumours(struct world *world, uint32_t index)
{
    const struct rumours *rumours = &world->nodes[index].core->rumours;
    if (rumours->by_class[0] > 2 * (size_t)world->config.members_max ||
        rumours->by_class[1] > UNHURRIED_MAX ||
        rumours->by_class[0] + rumours->by_class[1] != rumours->count)
        world_fail(world, "too many rumours", index);
    /* Only as far as a larger cluster's limit could reach. */
    uint32_t end = rumours->limit + 2 * world->config.retransmit_mult;
    uint32_t first = rumours->limit > 0 ? rumours->limit : 1;
    for (uint32_t sent = first; sent < end && sent < RUMOUR_SENT_MAX; sent++)
        if (rumours->by_sent[0][sent].first != NULL || rumours->by_sent[1][sent].first != NULL)
            world_fail(world, "a rumour sent too often", index);
}

/* The member that the round has just come to stands before the cursor; but when one was forgotten in the
 * same step, others may have moved there, and its probe has to be looked for. */
static const struct roster_member *just_probed(const struct swim *core, size_t forgotten)
{
    if (forgotten == 0)
        return core->roster.members[core->roster.cursor - 1];
    for (size_t i = 0; i < PROBES_MAX; i++) {
        const struct probe *probe = &core->probes.slots[i];
        if (probe->member != NULL && probe->kind == PROBE_ROUND && probe->sent_ms == core->now_ms)
            return probe->member;
    }
    return NULL;
}

/* Two probes of one target lie at most so many probes apart: in two laps, or where not all are neighbours,
 * until all that wait have been neighbours twice. */
static uint64_t latest_probe(const struct world *world, uint64_t count)
{
    uint64_t neighbours = world->config.neighbours;
    if (count - 1 <= neighbours)
        return 2 * count - 1;
    uint64_t laps = (count - 1 - neighbours) / (neighbours / 8 + 1) + 2;
    return 2 * laps * neighbours;
}

static bool probes(const struct swim *core, const struct roster_member *member)
{
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (core->probes.slots[i].member == member)
            return true;
    return false;
}

/* A round has just come and nobody was probed: then all that are there were being probed already. */
static void check_idle(struct world *world, uint32_t index)
{
    const struct swim *core = world->nodes[index].core;
    for (size_t i = 1; i < core->roster.count; i++) {
        const struct roster_member *member = core->roster.members[i];
        if ((member->state == SWIM_ALIVE || member->state == SWIM_SUSPECT) && !probes(core, member))
            world_fail(world, "a round without a probe", index);
    }
}

static void check_round(struct world *world, uint32_t index)
{
    const struct swim *core = world->nodes[index].core;
    const struct roster *roster = &core->roster;
    struct watch *watch = &world->watches[index];
    if (core->probes.round_ms != watch->probe_ms && watch->probe_ms != 0 &&
        core->own.state == SWIM_ALIVE && !rival_goes_first(core) &&
        core->stats.probe_count == watch->probe_count)
        check_idle(world, index);
    watch->probe_ms = core->probes.round_ms;
    if (roster->lap != watch->lap)
        watch->lap_start = watch->probe_count + 1;
    watch->lap = roster->lap;
    if (core->stats.probe_count == watch->probe_count)
        return;
    watch->probe_count++;
    if (core->stats.probe_count != watch->probe_count)
        world_fail(world, "two round probes at once", index);
    const struct roster_member *member = just_probed(core, watch->forgotten);
    if (member == NULL)
        return;
    struct view *view = view_of(world, index, node_index(world, &member->id));
    if (view->state != SWIM_ALIVE)
        return;
    if (view->probed && view->mark >= (uint32_t)watch->lap_start)
        world_fail(world, "probed twice in a lap", index);
    if (watch->probe_count - view->mark > latest_probe(world, watch->count_high))
        world_fail(world, "probed too late", index);
    view->mark = (uint32_t)watch->probe_count;
    view->probed = true;
}

void invariants_stepped(struct world *world, uint32_t index)
{
    const struct swim *core = world->nodes[index].core;
    const struct roster *roster = &core->roster;
    struct watch *watch = &world->watches[index];
    size_t total = 0;
    for (int state = SWIM_ALIVE; state <= SWIM_AWAY; state++)
        total += roster->by_state[state];
    if (total != roster->count || roster->count > world->config.members_max)
        world_fail(world, "members are counted wrongly", index);
    if (roster->count > watch->count_high)
        watch->count_high = roster->count;
    if (roster->members[0]->state == SWIM_SUSPECT || roster->members[0]->state == SWIM_DEAD)
        world_fail(world, "suspects itself", index);
    if (core->probes.awareness > world->config.awareness_max)
        world_fail(world, "awareness beyond its maximum", index);
    if (core->own.incarnation != watch->incarnation ||
        core->own.incarnation != world->nodes[index].persisted)
        world_fail(world, "an incarnation that is not persisted", index);
    check_suspicions(world, index);
    check_rumours(world, index);
    check_round(world, index);
    watch->forgotten = 0;
    while (world->touched_count > 0)
        world->touched[--world->touched_count]->kept = 0;
    if (world->steps % (SCAN_EVERY + world->count / 2) == 0)
        invariants_scan(world, index);
}

/* ---- all of a core */

static void scan_member(struct world *world, uint32_t observer, const struct roster_member *member)
{
    struct watch *watch = &world->watches[observer];
    uint32_t index = node_index(world, &member->id);
    const struct view *view = view_of(world, observer, index);
    if (view->state != member->state || view->incarnation != member->incarnation)
        world_fail(world, "knows what it did not say", observer);
    if ((member->state == SWIM_SUSPECT) != (member->suspicion != NULL))
        world_fail(world, "a suspect without its one suspicion", observer);
    if (view->state == SWIM_ALIVE &&
        watch->probe_count > view->mark + latest_probe(world, watch->count_high))
        world_fail(world, "probed too late", observer);
}

void invariants_scan(struct world *world, uint32_t index)
{
    const struct swim *core = world->nodes[index].core;
    const struct roster *roster = &core->roster;
    size_t states[SWIM_AWAY + 1] = {0};
    size_t rumours = 0;
    for (size_t i = 0; i < roster->count; i++) {
        const struct roster_member *member = roster->members[i];
        if (member->position != i || roster_find(roster, &member->id) != member)
            world_fail(world, "a member out of its place", index);
        if (i > 0)
            scan_member(world, index, member);
        states[member->state]++;
        for (const struct rumour *r = member->rumours; r != NULL; r = r->sibling, rumours++)
            if (r->about != member || (r->sent > 0 && r->sent >= core->rumours.limit))
                world_fail(world, "a rumour sent too often", index);
    }
    if (memcmp(states, roster->by_state, sizeof(states)) != 0)
        world_fail(world, "members are counted wrongly", index);
    if (rumours != core->rumours.count)
        world_fail(world, "too many rumours", index);
}
