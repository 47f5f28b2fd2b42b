/* The protocol measures round trips, to whomever it probed so far. For the others there are two ways to
 * guess: the median of what was measured to the same zone, which costs nothing; or network coordinates
 * (Dabek et al., "Vivaldi"; the constants are serf's), which cost some 80 bytes on each Ack. The model
 * runs here beside the cores, fed with exactly the round trips that they measure.
 *
 * What counts is the choice that is made with it: which k of the k + m holders of a file are nearest. */
#include "test/sim/coordinates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "gossip/core/swim_internal.h"
#include "test/sim/table.h"

#define DIMENSIONS 8
#define ERROR_MAX  1.5
#define C_ERROR    0.25
#define C_COORD    0.25
#define WINDOW     20   /* of the adjustment */
#define HEIGHT_MIN 1e-5 /* seconds, as all of the model */
#define RHO        150.0
#define FILTER     3
#define RTT_MIN    5e-4 /* the cores' clock has milliseconds; a round trip of none would be noise */
#define ZERO       1e-6

#define JITTER  0.3
#define PAIRS   20000
#define K       4
#define HOLDERS 14

/* One way; the round trips are twice that, 4 to 120 ms between sites. Some triangles do not close. */
static const double latency_ms[SIM_SITES][SIM_SITES] = {
    {0.0, 2.0, 6.0, 19.0, 45.0},   {2.0, 0.0, 7.5, 15.0, 42.5},   {6.0, 7.5, 0.0, 22.5, 60.0},
    {19.0, 15.0, 22.5, 0.0, 30.0}, {45.0, 42.5, 60.0, 30.0, 0.0},
};

struct coordinate {
    double at[DIMENSIONS];
    double height, error, adjustment;
    double window[WINDOW];
    uint32_t samples;
};

/* The last round trips of a pair, of which the median is taken. */
struct filter {
    float last[FILTER];
    uint32_t count;
};

struct model {
    struct coordinate *coordinates;
    struct filter *filters; /* [from][to] */
    float rtt_ms;           /* before the message that is being handled */
    uint64_t heard_ms;
};

/* ---- the model */

static double raw_distance(const struct coordinate *a, const struct coordinate *b)
{
    double sum = 0;
    for (size_t i = 0; i < DIMENSIONS; i++)
        sum += (a->at[i] - b->at[i]) * (a->at[i] - b->at[i]);
    return sqrt(sum) + a->height + b->height;
}

static double distance(const struct coordinate *a, const struct coordinate *b)
{
    double raw = raw_distance(a, b);
    double adjusted = raw + a->adjustment + b->adjustment;
    return adjusted > 0 ? adjusted : raw;
}

/* Away from the other (or towards it, when negative). */
static void push(struct world *world, struct coordinate *c, const struct coordinate *from,
                 double force)
{
    double unit[DIMENSIONS], length = 0;
    for (size_t i = 0; i < DIMENSIONS; i++) {
        unit[i] = c->at[i] - from->at[i];
        length += unit[i] * unit[i];
    }
    length = sqrt(length);
    double apart = length;
    if (length <= ZERO) { /* at one place: in any direction */
        length = 0;
        for (size_t i = 0; i < DIMENSIONS; i++) {
            unit[i] = world_random(world) - 0.5;
            length += unit[i] * unit[i];
        }
        length = sqrt(length);
        apart = 0;
    }
    for (size_t i = 0; i < DIMENSIONS; i++)
        c->at[i] += unit[i] / length * force;
    if (apart > ZERO) {
        c->height += (c->height + from->height) * force / apart;
        if (c->height < HEIGHT_MIN)
            c->height = HEIGHT_MIN;
    }
}

static void adjust(struct coordinate *c, const struct coordinate *other, double rtt)
{
    double sum = 0;
    c->window[c->samples++ % WINDOW] = rtt - raw_distance(c, other);
    for (size_t i = 0; i < WINDOW; i++)
        sum += c->window[i];
    c->adjustment = sum / (2.0 * WINDOW);
}

static void update(struct world *world, struct coordinate *c, const struct coordinate *other,
                   double rtt)
{
    static const struct coordinate origin = {.height = HEIGHT_MIN};
    double away = distance(c, other);
    double wrong = fabs(away - rtt) / rtt;
    double total = c->error + other->error;
    double weight = c->error / (total > ZERO ? total : ZERO);
    c->error = C_ERROR * weight * wrong + c->error * (1 - C_ERROR * weight);
    if (c->error > ERROR_MAX)
        c->error = ERROR_MAX;
    push(world, c, other, C_COORD * weight * (rtt - away));
    adjust(c, other, rtt);
    double drift = raw_distance(c, &origin) / RHO;
    push(world, c, &origin, -drift * drift);
}

static double filtered(struct filter *filter, float rtt_ms)
{
    double values[FILTER];
    filter->last[filter->count++ % FILTER] = rtt_ms;
    size_t count = filter->count < FILTER ? filter->count : FILTER;
    for (size_t i = 0; i < count; i++)
        values[i] = filter->last[i];
    double rtt = table_quantile(values, count, 0.5) / 1000;
    return rtt > RTT_MIN ? rtt : RTT_MIN;
}

/* ---- what the cores measure, seen from outside */

static const struct roster_member *sender(const struct world *world, const struct sim_item *item)
{
    return roster_find(&world->nodes[item->to].core->roster, &world->nodes[item->from].id);
}

static void before(struct world *world, const struct sim_item *item)
{
    struct model *model = world->detail;
    const struct roster_member *member = sender(world, item);
    model->rtt_ms = member != NULL ? member->rtt_ms : -1;
    model->heard_ms = member != NULL ? member->heard_ms : 0;
}

static void after(struct world *world, const struct sim_item *item)
{
    struct model *model = world->detail;
    const struct roster_member *member = sender(world, item);
    if (member == NULL || member->heard_ms == model->heard_ms || member->rtt_ms < 0)
        return;
    float sample_ms = model->rtt_ms < 0 ? member->rtt_ms : 8 * member->rtt_ms - 7 * model->rtt_ms;
    struct filter *filter = &model->filters[(size_t)item->to * world->count + item->from];
    update(world, &model->coordinates[item->to], &model->coordinates[item->from],
           filtered(filter, sample_ms));
}

/* ---- estimates: NAN where there is none */

enum way { NOTHING, MEASURED, ZONE, VIVALDI, WAYS };

struct guesses {
    double measured_share;
    double error[WAYS];    /* median, relative */
    double added_6[WAYS];  /* milliseconds, mean: 4 of 6 */
    double added_14[WAYS]; /* 4 of 14 */
};

static double measured(const struct world *world, uint32_t from, uint32_t to)
{
    const struct roster_member *member =
        roster_find(&world->nodes[from].core->roster, &world->nodes[to].id);
    return member != NULL && member->rtt_ms >= 0 ? (double)member->rtt_ms : NAN;
}

/* [from][site]: the median of what was measured. */
static double *zone_medians(const struct world *world)
{
    double *medians = alloc_zero((size_t)world->count * SIM_SITES, sizeof(double));
    double *values = alloc_zero(world->count, sizeof(double));
    for (uint32_t from = 0; from < world->count; from++)
        for (uint32_t site = 0; site < SIM_SITES; site++) {
            size_t count = 0;
            for (uint32_t to = 0; to < world->count; to++)
                if (to != from && world->nodes[to].site == site &&
                    !isnan(measured(world, from, to)))
                    values[count++] = measured(world, from, to);
            medians[from * SIM_SITES + site] = count > 0 ? table_quantile(values, count, 0.5) : NAN;
        }
    free(values);
    return medians;
}

static double guess(const struct world *world, const double *medians, enum way way, uint32_t from,
                    uint32_t to)
{
    const struct model *model = world->detail;
    double ms = measured(world, from, to);
    if (way == NOTHING)
        return NAN;
    if (way == VIVALDI)
        return 1000 * distance(&model->coordinates[from], &model->coordinates[to]);
    if (way == ZONE && isnan(ms))
        return medians[from * SIM_SITES + world->nodes[to].site];
    return ms;
}

static double truth(const struct world *world, uint32_t from, uint32_t to)
{
    return 2 * network_latency_ms(world, from, to);
}

/* The mean distance of the K holders that seem nearest; those without a guess come last. */
static double chosen(const struct world *world, uint32_t from, const uint32_t *holders,
                     const double *guessed, size_t count)
{
    bool taken[HOLDERS] = {false};
    double sum = 0;
    for (size_t i = 0; i < K; i++) {
        size_t best = HOLDERS;
        for (size_t j = 0; j < count; j++)
            if (!taken[j] && (best == HOLDERS || (isnan(guessed[best]) && !isnan(guessed[j])) ||
                              guessed[j] < guessed[best]))
                best = j;
        taken[best] = true;
        sum += truth(world, from, holders[best]);
    }
    return sum / K;
}

static void draw(struct world *world, uint32_t from, uint32_t *holders)
{
    for (size_t i = 0; i < HOLDERS;) {
        uint32_t index = prng_below(&world->prng, world->count);
        bool again = index == from;
        for (size_t j = 0; j < i; j++)
            again |= holders[j] == index;
        if (!again)
            holders[i++] = index;
    }
}

static void measure(struct world *world, struct guesses *g)
{
    double *medians = zone_medians(world);
    double *errors = alloc_zero(PAIRS * WAYS, sizeof(double));
    size_t counts[WAYS] = {0};
    memset(g, 0, sizeof(*g));
    for (size_t i = 0; i < PAIRS; i++) {
        uint32_t from = prng_below(&world->prng, world->count);
        uint32_t holders[HOLDERS];
        double guessed[HOLDERS], best[HOLDERS];
        draw(world, from, holders);
        for (size_t j = 0; j < HOLDERS; j++)
            best[j] = truth(world, from, holders[j]);
        double best_6 = chosen(world, from, holders, best, 6);
        double best_14 = chosen(world, from, holders, best, HOLDERS);
        for (enum way way = NOTHING; way < WAYS; way++) {
            for (size_t j = 0; j < HOLDERS; j++)
                guessed[j] = guess(world, medians, way, from, holders[j]);
            if (!isnan(guessed[0]))
                errors[way * PAIRS + counts[way]++] = fabs(guessed[0] - best[0]) / best[0];
            g->added_6[way] += (chosen(world, from, holders, guessed, 6) - best_6) / PAIRS;
            g->added_14[way] += (chosen(world, from, holders, guessed, HOLDERS) - best_14) / PAIRS;
        }
    }
    for (enum way way = NOTHING; way < WAYS; way++)
        g->error[way] = table_quantile(errors + way * PAIRS, counts[way], 0.5);
    g->measured_share = (double)counts[MEASURED] / PAIRS;
    free(errors);
    free(medians);
}

static void print_row(const struct world *world, unsigned minutes, const struct guesses *g)
{
    printf("| %u | %u min | %.0f %% | %.0f / %.0f / %.0f %% | %.1f / %.1f / %.1f / %.1f | %.1f / "
           "%.1f / "
           "%.1f / %.1f |\n",
           world->count, minutes, 100 * g->measured_share, 100 * g->error[MEASURED],
           100 * g->error[ZONE], 100 * g->error[VIVALDI], g->added_6[NOTHING], g->added_6[MEASURED],
           g->added_6[ZONE], g->added_6[VIVALDI], g->added_14[NOTHING], g->added_14[MEASURED],
           g->added_14[ZONE], g->added_14[VIVALDI]);
    fflush(stdout);
}

static int compare(uint32_t members)
{
    struct world world;
    struct model model;
    struct guesses guesses;
    world_init(&world, "coordinates", 1, members);
    world.latency_ms = latency_ms;
    world.jitter = JITTER;
    model.coordinates = alloc_zero(members, sizeof(struct coordinate));
    model.filters = alloc_zero((size_t)members * members, sizeof(struct filter));
    for (uint32_t i = 0; i < members; i++) {
        world.nodes[i].site = prng_below(&world.prng, SIM_SITES);
        world.nodes[i].access_ms = 0.05 + 0.45 * world_random(&world);
        model.coordinates[i].error = ERROR_MAX;
        model.coordinates[i].height = HEIGHT_MIN;
    }
    world.detail = &model;
    world.receiving = before;
    world.received = after;
    if (setjmp(world.failed) != 0)
        return 1;
    scenario_bootstrap(&world);
    for (unsigned minutes = 1; minutes <= 10; minutes++) {
        world_run(&world, MINUTE);
        if (minutes != 1 && minutes != 10)
            continue;
        measure(&world, &guesses);
        print_row(&world, minutes, &guesses);
    }
    world_release(&world);
    free(model.coordinates);
    free(model.filters);
    return 0;
}

int coordinates_run(void)
{
    static const uint32_t members[] = {30, 100, 1000};
    int failed = 0;
    printf(
        "| n | after | measured | error: measured / zone / Vivaldi | added ms, 4 of 6: nothing / "
        "measured / zone / Vivaldi | the same, 4 of 14 |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        failed |= compare(members[i]);
    return failed;
}
