/* Claims are weighed, not believed: rows that one node claims weigh as one, nodes that were late or
 * failed weigh less than all others. Whoever wants to be asked first for what is none needs more
 * accomplices than the pack has holders, and is late only once. Objects of which no grant was seen are
 * not weighed at all, and those that a reader of the vault granted go before all others. */
#include "node/transfer/fetch_internal.h"

#include <stdlib.h>

#include "coding/base/alloc.h"

/* What is claimed of one object. */
struct worth {
    bool by_reader; /* a writer granted it who can read the vault */
    size_t rows;    /* distinct rows that did not fail */
    size_t good,
        nodes; /* nodes that claim one, those in good standing and all; never more than rows */
    int spare; /* rows beyond those needed */
};

static struct worth worth_of(const struct fetching *f, const struct object_id *object,
                             unsigned need, bool by_reader)
{
    const struct sightings *seen = &f->locating.sightings;
    bool rows[RS_TOTAL_MAX] = {false};
    bool *nodes = alloc_zero(f->nodes->count, sizeof(*nodes));
    struct worth w = {.by_reader = by_reader};
    for (size_t i = 0; i < seen->count; i++) {
        const struct sighting *s = &seen->items[i];
        if (s->failed || !id_equal(&s->object, object))
            continue;
        w.rows += !rows[s->index];
        w.nodes += !nodes[s->node];
        w.good += !nodes[s->node] && f->nodes->standings[s->node] <= STANDING_GOOD;
        rows[s->index] = nodes[s->node] = true;
    }
    free(nodes);
    if (w.nodes > w.rows)
        w.nodes = w.rows;
    if (w.good > w.rows)
        w.good = w.rows;
    w.spare = (int)w.rows - (int)need;
    return w;
}

static struct worth target_worth(const struct fetching *f, const struct fetch_target *target)
{
    return worth_of(f, &target->id, target->need, target->by_reader);
}

static bool better(const struct worth *a, const struct worth *b)
{
    if (a->by_reader != b->by_reader)
        return a->by_reader;
    if (a->good != b->good)
        return a->good > b->good;
    if (a->nodes != b->nodes)
        return a->nodes > b->nodes;
    return a->spare > b->spare;
}

static bool is_target(const struct fetching *f, const struct object_id *object)
{
    for (size_t i = 0; i < f->target_count; i++)
        if (id_equal(&f->targets[i]->id, object))
            return true;
    return false;
}

static bool is_struck(const struct fetching *f, const struct object_id *object)
{
    for (size_t i = 0; i < f->struck_count; i++)
        if (id_equal(&f->struck[i], object))
            return true;
    return false;
}

/* The best object that is granted and not fetched yet; NULL: none has enough rows in sight. */
static const struct belief *best_other(const struct fetching *f)
{
    const struct belief *best = NULL;
    struct worth best_worth = {.rows = 0};
    for (size_t i = 0; i < f->locating.belief_count; i++) {
        const struct belief *belief = &f->locating.beliefs[i];
        if ((f->only != NULL && !id_equal(&belief->object, f->only)) ||
            is_struck(f, &belief->object) || is_target(f, &belief->object))
            continue;
        struct worth w = worth_of(f, &belief->object, belief->data, belief->by_reader);
        if (w.spare >= 0 && (best == NULL || better(&w, &best_worth))) {
            best = belief;
            best_worth = w;
        }
    }
    return best;
}

static void begin(struct fetching *f, const struct belief *belief)
{
    struct fetch_target *target = alloc_zero(1, sizeof(*target));
    target->id = belief->object;
    target->by_reader = belief->by_reader;
    target->need = belief->data;
    f->targets[f->target_count++] = target;
}

void target_drop(struct fetching *f, struct fetch_target *target)
{
    struct sightings *seen = &f->locating.sightings;
    for (unsigned i = 0; i < RS_TOTAL_MAX; i++) {
        call_destroy(&target->kept[i]);
        free(target->own[i]);
    }
    for (size_t i = 0; i < FETCH_FLIGHTS_MAX; i++)
        call_destroy(&target->flights[i].call);
    for (size_t i = 0; i < seen->count; i++)
        if (id_equal(&seen->items[i].object, &target->id))
            seen->items[i].fetched = false;
    size_t kept = 0;
    for (size_t i = 0; i < f->target_count; i++)
        if (f->targets[i] != target)
            f->targets[kept++] = f->targets[i];
    f->target_count = kept;
    if (f->whole == target)
        f->whole = NULL;
    free(target->object);
    free(target);
}

bool targets_choose(struct fetching *f)
{
    for (size_t i = f->target_count; i-- > 0;) {
        struct fetch_target *target = f->targets[i];
        /* Until something is asked for, each answer may show a better one. */
        if (target->moved_ms == 0 || target_worth(f, target).spare < 0)
            target_drop(f, target);
    }
    const struct belief *best = f->target_count == 0 ? best_other(f) : NULL;
    if (best != NULL)
        begin(f, best);
    return f->target_count > 0;
}

/* Who keeps us waiting while there is something else to ask for is doubted. */
static void doubt_the_late(struct fetching *f, int64_t now, int64_t late_ms)
{
    for (size_t i = 0; i < f->target_count * FETCH_FLIGHTS_MAX; i++) {
        const struct fetch_flight *flight =
            &f->targets[i / FETCH_FLIGHTS_MAX]->flights[i % FETCH_FLIGHTS_MAX];
        size_t node = f->locating.sightings.items[flight->sighting].node;
        if (flight->call != NULL && now - flight->start_ms > late_ms &&
            f->nodes->standings[node] == STANDING_GOOD)
            nodes_failed(f->nodes, node);
    }
}

/* Of those that brought nothing yet, the one that is worth least now; NULL: all brought something. */
static struct fetch_target *weakest(const struct fetching *f, struct worth *worth)
{
    struct fetch_target *found = NULL;
    for (size_t i = 0; i < f->target_count; i++) {
        struct fetch_target *target = f->targets[i];
        struct worth w = target_worth(f, target);
        if (target->have == 0 && (found == NULL || better(worth, &w))) {
            found = target;
            *worth = w;
        }
    }
    return found;
}

void targets_race(struct fetching *f, int64_t now, int64_t late_ms)
{
    for (size_t i = 0; i < f->target_count; i++)
        if (f->targets[i]->moved_ms == 0 || now - f->targets[i]->moved_ms <= late_ms)
            return; /* not asked for yet, or in time */
    if (best_other(f) == NULL)
        return;
    doubt_the_late(f, now, late_ms);
    const struct belief *best = best_other(f); /* as things are now */
    if (f->target_count == FETCH_RACE_MAX) {
        struct worth least, other = worth_of(f, &best->object, best->data, best->by_reader);
        struct fetch_target *target = weakest(f, &least);
        if (target == NULL || !better(&other, &least))
            return;
        target_drop(f, target);
    }
    begin(f, best);
}
