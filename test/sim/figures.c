/* Every setting has signatures and everything else that is not a component of its own, so only the
 * components differ. */
#include "test/sim/figures.h"

#include <stdio.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "test/sim/table.h"

#define MEMBERS  128
#define WATCH_MS (2 * MINUTE)
#define CRASHES  20

static const struct setting {
    const char *name;
    bool local_health, nack, dynamic, buddy, active, pause, hearsay;
} settings[] = {
    {"SWIM", false, false, false, false, false, false, true},
    {"SWIM + local health, Nack", true, true, false, false, false, false, true},
    {"SWIM + dynamic suspicion", false, false, true, false, false, false, true},
    {"SWIM + buddy", false, false, false, true, false, false, true},
    {"Lifeguard", true, true, true, true, false, false, true},
    {"Lifeguard, own conclusions", true, true, true, true, false, false, false},
    {"ecbak", true, true, true, true, true, true, false},
    {"ecbak - local health", false, false, true, true, true, true, false},
    {"ecbak - Nack", true, false, true, true, true, true, false},
    {"ecbak - dynamic suspicion", true, true, false, true, true, true, false},
    {"ecbak - buddy", true, true, true, false, true, true, false},
    {"ecbak - active confirmation", true, true, true, true, false, true, false},
    {"ecbak - pause detection", true, true, true, true, true, false, false},
    {"ecbak - own conclusions", true, true, true, true, true, true, true},
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

enum experiment { THRESHOLD, INTERVAL, CRASH, EXPERIMENTS };

struct figures {
    uint64_t false_dead, false_dead_healthy;
    double messages, bytes;
    double *first, *all; /* seconds */
    size_t first_count, all_count;
    double quiet; /* bytes a second and member, after the crashes */
};

static void add(double **values, size_t *count, double value)
{
    if ((*count & (*count - 1)) == 0)
        *values = alloc_grow(*values, *count == 0 ? 1 : *count * 2, sizeof(double));
    (*values)[(*count)++] = value;
}

static void prepare(struct world *world, const struct setting *setting)
{
    struct swim_config *config = &world->config;
    config->suspicion_mult = 5;
    config->suspicion_max_mult = 6;
    config->local_health = setting->local_health;
    config->nack = setting->nack;
    config->dynamic_suspicion = setting->dynamic;
    config->buddy = setting->buddy;
    config->active_confirmation = setting->active;
    config->pause_detection = setting->pause;
    config->hearsay_death = setting->hearsay;
    scenario_bootstrap(world);
    world_run(world, 15 * SECOND);
    world->false_dead = world->false_dead_healthy = 0;
    for (uint32_t i = 0; i < world->count; i++)
        world->nodes[i].sent_bytes = world->nodes[i].sent_count = 0;
}

static void count_traffic(const struct world *world, struct figures *figures)
{
    for (uint32_t i = 0; i < world->count; i++) {
        figures->messages += (double)world->nodes[i].sent_count;
        figures->bytes += (double)world->nodes[i].sent_bytes;
    }
    figures->false_dead += world->false_dead;
    figures->false_dead_healthy += world->false_dead_healthy;
}

/* Block the sick for block_ms; what the healthy found out by then is a detection. */
static void block(struct world *world, struct figures *figures, uint32_t sick, uint64_t block_ms)
{
    uint64_t start_ms = world->now_ms;
    for (uint32_t i = 0; i < sick; i++) {
        struct sim_node *node = &world->nodes[i * MEMBERS / sick];
        node->sick = true;
        node->blocked_until_ms = start_ms + block_ms;
        node->first_dead_ms = node->dead_seen = 0;
    }
    world_run(world, block_ms);
    for (uint32_t i = 0; i < sick; i++) {
        const struct sim_node *node = &world->nodes[i * MEMBERS / sick];
        if (node->dead_seen == 0)
            continue;
        add(&figures->first, &figures->first_count,
            (double)(node->first_dead_ms - start_ms) / 1000);
        if (node->dead_seen == MEMBERS - sick)
            add(&figures->all, &figures->all_count, (double)(node->last_dead_ms - start_ms) / 1000);
    }
}

static void threshold(struct world *world, struct figures *figures, uint32_t sick,
                      uint64_t block_ms)
{
    block(world, figures, sick, block_ms);
    world_run(world, WATCH_MS - block_ms);
    count_traffic(world, figures);
}

static void interval(struct world *world, struct figures *figures, uint32_t sick, uint64_t block_ms,
                     uint64_t well_ms)
{
    uint64_t end_ms = world->now_ms + WATCH_MS;
    while (world->now_ms < end_ms) {
        uint64_t left_ms = end_ms - world->now_ms;
        block(world, figures, sick, block_ms < left_ms ? block_ms : left_ms);
        left_ms = end_ms - world->now_ms;
        world_run(world, well_ms < left_ms ? well_ms : left_ms);
    }
    count_traffic(world, figures);
}

static void crash(struct world *world, struct figures *figures)
{
    for (unsigned i = 0; i < CRASHES; i++) {
        uint32_t index = 1 + prng_below(&world->prng, MEMBERS - 1);
        struct sim_node *node = &world->nodes[index];
        world_run(world, prng_below(&world->prng, 1000));
        node_crash(world, index);
        uint64_t start_ms = world->now_ms;
        while (node->dead_seen < MEMBERS - 1)
            world_run(world, 10);
        add(&figures->first, &figures->first_count,
            (double)(node->first_dead_ms - start_ms) / 1000);
        add(&figures->all, &figures->all_count, (double)(node->last_dead_ms - start_ms) / 1000);
        node_start(world, index, 0);
        world_until(world, SWIM_ALIVE, 0);
        world_run(world, 10 * SECOND);
    }
    count_traffic(world, figures);
    world_run(world, MINUTE);
    struct figures quiet = {0}, before = {0};
    count_traffic(world, &before);
    world_run(world, WATCH_MS);
    count_traffic(world, &quiet);
    figures->quiet = (quiet.bytes - before.bytes) / MEMBERS / ((double)WATCH_MS / SECOND);
}

/* One run; false when it failed. */
static bool run(struct figures *figures, const struct setting *setting, enum experiment experiment,
                uint64_t seed, uint32_t sick, uint64_t block_ms, uint64_t well_ms)
{
    struct world world;
    world_init(&world, "figures", seed, MEMBERS);
    if (setjmp(world.failed) != 0)
        return false;
    prepare(&world, setting);
    if (experiment == THRESHOLD)
        threshold(&world, figures, sick, block_ms);
    else if (experiment == INTERVAL)
        interval(&world, figures, sick, block_ms, well_ms);
    else
        crash(&world, figures);
    world_release(&world);
    return true;
}

static bool collect(struct figures *figures, const struct setting *setting,
                    enum experiment experiment, unsigned effort)
{
    static const uint32_t sick[] = {4, 16, 32};
    static const uint32_t block_ms[] = {2048, 8192, 16384, 32768};
    static const uint32_t well_ms[] = {64, 4096};
    bool passed = true;
    for (uint64_t seed = 1; seed <= effort; seed++) {
        if (experiment == CRASH) {
            passed &= run(figures, setting, experiment, seed, 0, 0, 0);
            continue;
        }
        for (size_t c = 0; c < 3; c++)
            for (size_t d = 0; d < 4; d++)
                for (size_t i = 0; i < (experiment == INTERVAL ? 2 : 1); i++)
                    passed &=
                        run(figures, setting, experiment, seed, sick[c], block_ms[d], well_ms[i]);
    }
    return passed;
}

static void print_row(const struct setting *setting, enum experiment experiment, struct figures *f,
                      bool passed)
{
    printf("| %s%s ", setting->name, passed ? "" : " **FAILED**");
    if (experiment != CRASH)
        printf("| %" PRIu64 " | %" PRIu64 " ", f->false_dead, f->false_dead_healthy);
    printf("| %.2f | %.2f ", table_quantile(f->first, f->first_count, 0.5),
           table_quantile(f->first, f->first_count, 0.99));
    printf("| %.2f | %.2f ", table_quantile(f->all, f->all_count, 0.5),
           table_quantile(f->all, f->all_count, 0.99));
    if (experiment != CRASH)
        printf("| %.2f | %.0f |\n", f->messages / 1e6, f->bytes / 1e6);
    else
        printf("| %.0f |\n", f->quiet);
    fflush(stdout);
    free(f->first);
    free(f->all);
}

bool figures_known(const char *setting)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].name, setting) == 0)
            return true;
    return false;
}

int figures_run(unsigned effort, const char *only)
{
    static const char *const heads[EXPERIMENTS] = {
        "\nThreshold: blocked once.\n\n"
        "| setting | false dead | by the well | first | p99 | all | p99 | million messages | MB |\n"
        "|---|---|---|---|---|---|---|---|---|\n",
        "\nInterval: blocked again and again.\n\n"
        "| setting | false dead | by the well | first | p99 | all | p99 | million messages | MB |\n"
        "|---|---|---|---|---|---|---|---|---|\n",
        "\nCrash: one member, 20 times.\n\n"
        "| setting | first | p99 | all | p99 | B/s and member when quiet |\n"
        "|---|---|---|---|---|---|\n",
    };
    bool passed = true;
    for (enum experiment e = THRESHOLD; e < EXPERIMENTS; e++) {
        printf("%s", heads[e]);
        for (size_t s = 0; s < SETTINGS; s++) {
            struct figures figures = {0};
            if (only != NULL && strcmp(only, settings[s].name) != 0)
                continue;
            bool ok = collect(&figures, &settings[s], e, effort);
            passed &= ok;
            print_row(&settings[s], e, &figures, ok);
        }
    }
    return passed ? 0 : 1;
}
