/* One loop waits for answers to "who has it" and for fragments at once, of all objects fetched. It goes
 * through rounds: the nodes in good standing, then the doubtful, then those that are held for dead; a
 * round ends when it cannot bring enough rows of any object. */
#include "node/transfer/fetch_internal.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/clock.h"
#include "node/peers/ask.h"
#include "node/placement/ranking.h"

#define TICK_MS       100
#define GRACE_MS      3   /* for more answers, so that data rows can be preferred */
#define LATE_FIRST_MS 700 /* see pace.h */
#define LATE_FACTOR   3
#define LATE_LEAST_MS 250
#define QUIET_MS      300 /* then more nodes are asked who has it */

void fetch_init(struct fetching *fetching, struct nodes *nodes, const struct wanted_pack *wanted,
                const struct object_id *only)
{
    *fetching = (struct fetching){
        .nodes = nodes,
        .wanted = *wanted,
        .only = only,
        .pace = {.first_ms = LATE_FIRST_MS, .factor = LATE_FACTOR, .least_ms = LATE_LEAST_MS}};
    locate_init(&fetching->locating, nodes, wanted);
}

void fetch_release(struct fetching *fetching)
{
    while (fetching->target_count > 0)
        target_drop(fetching, fetching->targets[0]);
    free(fetching->struck);
    locate_release(&fetching->locating);
}

static int rank(const struct fetching *f, const struct fetch_target *t, const struct sighting *s)
{
    return ranking(f->nodes->standings[s->node], f->nodes->table->members[s->node].rtt_ms,
                   s->index >= t->need);
}

/* The best sighting whose row is neither here nor on its way; of rows on their way late, too. */
static int next_sighting(const struct fetching *f, const struct fetch_target *t, const bool *coming,
                         int64_t now)
{
    const struct sightings *seen = &f->locating.sightings;
    int best = -1;
    for (size_t i = 0; i < seen->count; i++) {
        const struct sighting *s = &seen->items[i];
        if (s->failed || s->fetched || s->again_ms > now || coming[s->index] ||
            t->rows[s->index].bytes != NULL || !id_equal(&s->object, &t->id))
            continue;
        if (best < 0 || rank(f, t, s) < rank(f, t, &seen->items[best]))
            best = (int)i;
    }
    return best;
}

/* Starts as many fetches as rows are missing and not on their way in good time. */
static void launch(struct fetching *f, struct fetch_target *t, int64_t now, int64_t late_ms)
{
    bool coming[RS_TOTAL_MAX] = {false};
    unsigned on_time = 0;
    for (size_t i = 0; i < FETCH_FLIGHTS_MAX; i++) {
        const struct fetch_flight *flight = &t->flights[i];
        if (flight->call == NULL || now - flight->start_ms > late_ms)
            continue;
        coming[f->locating.sightings.items[flight->sighting].index] = true;
        on_time++;
    }
    while (t->have + on_time < t->need + t->extra) {
        int next = next_sighting(f, t, coming, now);
        if (next < 0)
            return;
        struct sighting *s = &f->locating.sightings.items[next];
        if (f->nodes->standings[s->node] == STANDING_SELF) {
            row_read_here(f, t, s);
            continue;
        }
        row_ask(f, t, (size_t)next);
        if (s->fetched && !s->failed) {
            coming[s->index] = true;
            on_time++;
        } else if (!s->failed) {
            return; /* every flight is taken */
        }
    }
}

static size_t flying(const struct fetch_target *t)
{
    size_t count = 0;
    for (size_t i = 0; i < FETCH_FLIGHTS_MAX; i++)
        count += t->flights[i].call != NULL;
    return count;
}

static bool is_whole(const struct fetch_target *t)
{
    return t->have >= t->need + t->extra || (t->have >= t->need && t->extra > 0 && flying(t) == 0);
}

/* Waits for whatever comes first, a fragment or an answer to "who has it", and takes it. */
static void wait_for_any(struct fetching *f, int64_t deadline_ms)
{
    size_t nodes = f->nodes->count, count = nodes + f->target_count * FETCH_FLIGHTS_MAX;
    struct call **calls = alloc_zero(count, sizeof(struct call *));
    memcpy(calls, f->locating.calls, nodes * sizeof(struct call *));
    for (size_t i = nodes; i < count; i++)
        calls[i] = f->targets[(i - nodes) / FETCH_FLIGHTS_MAX]
                       ->flights[(i - nodes) % FETCH_FLIGHTS_MAX]
                       .call;
    int done = ask_wait(calls, count, deadline_ms);
    free(calls);
    if (done < 0)
        return;
    if ((size_t)done < nodes) {
        locate_take(&f->locating, (size_t)done);
        return;
    }
    struct fetch_target *t = f->targets[((size_t)done - nodes) / FETCH_FLIGHTS_MAX];
    row_came(f, t, &t->flights[((size_t)done - nodes) % FETCH_FLIGHTS_MAX]);
}

/* Flights to nodes that have died meanwhile are given up without waiting for their time. */
static void give_up_the_dead(struct fetching *f)
{
    for (size_t i = 0; i < f->target_count * FETCH_FLIGHTS_MAX; i++) {
        struct fetch_flight *flight =
            &f->targets[i / FETCH_FLIGHTS_MAX]->flights[i % FETCH_FLIGHTS_MAX];
        if (flight->call == NULL)
            continue;
        struct sighting *s = &f->locating.sightings.items[flight->sighting];
        if (f->nodes->standings[s->node] < STANDING_DEAD && nodes_gone(f->nodes, s->node)) {
            call_destroy(&flight->call);
            s->failed = true;
            nodes_failed(f->nodes, s->node);
        }
    }
}

/* Asks for what is missing, of each object that is fetched; true when one of them is whole. */
static bool go_on(struct fetching *f, int64_t now)
{
    int64_t late_ms = pace_late_ms(&f->pace);
    targets_race(f, now, late_ms);
    for (size_t i = 0; i < f->target_count && f->whole == NULL; i++) {
        if (f->targets[i]->moved_ms == 0)
            f->targets[i]->moved_ms = now;
        launch(f, f->targets[i], now, late_ms);
        if (is_whole(f->targets[i]))
            f->whole = f->targets[i];
    }
    return f->whole != NULL;
}

/* Nobody is away who could have more: then it does not help to wait for members. */
static bool all_answered(const struct fetching *f)
{
    const struct locating *l = &f->locating;
    return l->answered == l->asked && l->asked >= nodes_count(f->nodes, STANDING_DEAD);
}

static int missing(const struct fetching *f, struct err *err)
{
    const struct locating *l = &f->locating;
    const struct belief *best = NULL;
    size_t best_rows = 0, best_nodes = 0;
    char pack[17], object[17], damaged[48] = "";
    hex_encode(pack, f->wanted.pack->bytes, 8);
    for (size_t i = 0; i < l->belief_count; i++) {
        size_t nodes, rows = sightings_rows(&l->sightings, &l->beliefs[i].object, &nodes);
        if ((f->only == NULL || id_equal(&l->beliefs[i].object, f->only)) &&
            (best == NULL || rows > best_rows)) {
            best = &l->beliefs[i];
            best_rows = rows;
            best_nodes = nodes;
        }
    }
    if (f->corrupt > 0)
        snprintf(damaged, sizeof(damaged), ", %u more damaged", f->corrupt);
    if (best == NULL)
        return err_set(err, all_answered(f) ? ERR_DAMAGED : ERR_NOT_FOUND,
                       "pack %s: no fragment of it on the %zu nodes that answered, of %zu asked%s",
                       pack, l->answered, l->asked,
                       l->sightings.count > 0 ? ", but for some without a grant of the vault" : "");
    if (best_rows >= best->data)
        return err_set(err, ERR_CANCELLED, "pack %s: this node is stopping", pack);
    bool lost = best_rows + f->corrupt >= best->data || all_answered(f);
    return err_set(err, lost ? ERR_DAMAGED : ERR_TOO_FEW,
                   "pack %s: object %s needs %u fragments and misses %zu: %zu found on %zu of %zu "
                   "nodes asked, %zu answered%s",
                   pack, hex_encode(object, best->object.bytes, 8), best->data,
                   best->data - best_rows, best_rows, best_nodes, l->asked, l->answered, damaged);
}

int fetch_rows(struct fetching *fetching, struct err *err)
{
    struct fetching *f = fetching;
    enum standing worst = STANDING_GOOD;
    int64_t quiet_ms = monotonic_ms();
    f->whole = NULL;
    while (!atomic_load(&f->nodes->peers->stop)) {
        int64_t now = monotonic_ms();
        bool feasible = targets_choose(f);
        size_t waiting = locate_waiting(&f->locating, worst);
        if (feasible && f->feasible_ms == 0)
            f->feasible_ms = now;
        int64_t wake = now + TICK_MS;
        if (feasible && (waiting == 0 || now - f->feasible_ms >= GRACE_MS)) {
            if (go_on(f, now))
                return 0;
        } else if (feasible) {
            wake = f->feasible_ms + GRACE_MS;
        } else if (waiting == 0 || now - quiet_ms >= QUIET_MS) {
            quiet_ms = now;
            bool more = locate_more(&f->locating, LOCATE_FIRST, worst);
            if (!more && waiting == 0 && worst == STANDING_REVOKED)
                break;
            if (!more && worst < STANDING_REVOKED) {
                worst++;
                continue;
            }
        }
        wait_for_any(f, wake);
        give_up_the_dead(f);
    }
    return missing(f, err);
}

void fetch_strike(struct fetching *fetching)
{
    struct fetching *f = fetching;
    f->struck = alloc_grow(f->struck, f->struck_count + 1, sizeof(*f->struck));
    f->struck[f->struck_count++] = f->whole->id;
    target_drop(f, f->whole);
}
