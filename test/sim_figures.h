/* sim_figures.h - the experiments of the Lifeguard paper, with each component switched on and off.
 *
 *   False positives   128 members; C of them block (send and receive nothing, their clocks run) for D,
 *                     are well for I, and again, for two minutes. Counted are deaths concluded of
 *                     members that are well: by anybody, and by members that are well themselves.
 *   Detection         128 members, one crashes: when the first and when the last member knows.
 *   Anomaly           16 members block for 32 s: when the first healthy member calls one dead.
 *   Quiet             bytes that a member sends in a second when nothing happens.
 */
#ifndef ECBAK_TEST_SIM_FIGURES_H
#define ECBAK_TEST_SIM_FIGURES_H

#include "test/sim_world.h"

#define FIGURES_MEMBERS 128

struct setting {
    const char *name;
    bool local_health, nack, dynamic, buddy, active, pause, hearsay;
};

static const struct setting settings[] = {
    {"SWIM", false, false, false, false, false, false, true},
    {"+ local health", true, true, false, false, false, false, true},
    {"+ dynamic suspicion", false, false, true, false, false, false, true},
    {"+ buddy", false, false, false, true, false, false, true},
    {"Lifeguard", true, true, true, true, false, false, true},
    {"own conclusions", true, true, true, true, false, false, false},
    {"ecbak", true, true, true, true, true, true, false},
    {"- local health", false, false, true, true, true, true, false},
    {"- nack", true, false, true, true, true, true, false},
    {"- dynamic suspicion", true, true, false, true, true, true, false},
    {"- buddy", true, true, true, false, true, true, false},
};

struct figures {
    uint64_t false_dead, false_dead_healthy;
    uint64_t messages, bytes;
    uint32_t first_ms[512], all_ms[512];
    size_t count;
    uint32_t anomaly_ms[512];
    size_t anomaly_count;
    double quiet_bytes;
};

static inline void figures_world(struct world *world, const struct setting *setting, uint64_t seed)
{
    world_init(world, "figures", seed, FIGURES_MEMBERS, false);
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
    for (uint32_t i = 0; i < world->count; i++)
        node_start(world, i, 0);
    world_until(world, SWIM_ALIVE, 0, 120000);
    world_run(world, 15000);
}

static inline void figures_reset(struct world *world)
{
    world->false_dead = world->false_dead_healthy = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        struct sim_node *node = &world->nodes[i];
        node->sent_bytes = node->sent_count = 0;
        node->first_dead_ms = node->dead_seen = 0;
    }
}

static inline void figures_traffic(const struct world *world, uint64_t *messages, uint64_t *bytes)
{
    for (uint32_t i = 0; i < world->count; i++) {
        *messages += world->nodes[i].sent_count;
        *bytes += world->nodes[i].sent_bytes;
    }
}

static inline void figures_false(struct figures *figures, const struct setting *setting,
                                 uint64_t seed, uint32_t sick, uint64_t block_ms, uint64_t well_ms)
{
    struct world world;
    figures_world(&world, setting, seed);
    figures_reset(&world);
    for (uint32_t i = 0; i < sick; i++)
        world.nodes[i * FIGURES_MEMBERS / sick].sick = true;
    for (uint64_t left_ms = 120000; left_ms > 0;) {
        uint64_t step_ms = block_ms + well_ms < left_ms ? block_ms + well_ms : left_ms;
        for (uint32_t i = 0; i < world.count; i++)
            if (world.nodes[i].sick)
                world.nodes[i].blocked_until_ms = world.now_ms + block_ms;
        world_run(&world, step_ms);
        left_ms -= step_ms;
    }
    figures->false_dead += world.false_dead;
    figures->false_dead_healthy += world.false_dead_healthy;
    figures_traffic(&world, &figures->messages, &figures->bytes);
    world_release(&world);
}

static inline void figures_detection(struct figures *figures, const struct setting *setting,
                                     uint64_t seed, unsigned crashes)
{
    struct world world;
    figures_world(&world, setting, seed);
    for (unsigned i = 0; i < crashes; i++) {
        uint32_t index = 1 + prng_below(&world.prng, FIGURES_MEMBERS - 1);
        figures_reset(&world);
        world_run(&world, prng_below(&world.prng, 1000));
        node_crash(&world, index);
        uint64_t start_ms = world.now_ms;
        while (world.nodes[index].dead_seen < FIGURES_MEMBERS - 1)
            world_run(&world, 10);
        figures->first_ms[figures->count] = (uint32_t)(world.nodes[index].first_dead_ms - start_ms);
        figures->all_ms[figures->count++] = (uint32_t)(world.nodes[index].last_dead_ms - start_ms);
        node_start(&world, index, 0);
        world_until(&world, SWIM_ALIVE, 0, 120000);
        world_run(&world, 10000);
    }
    uint64_t messages = 0, bytes = 0;
    world_run(&world, 60000);
    figures_reset(&world);
    world_run(&world, 120000);
    figures_traffic(&world, &messages, &bytes);
    figures->quiet_bytes = (double)bytes / FIGURES_MEMBERS / 120;
    world_release(&world);
}

static inline void figures_anomaly(struct figures *figures, const struct setting *setting,
                                   uint64_t seed)
{
    struct world world;
    figures_world(&world, setting, seed);
    figures_reset(&world);
    uint64_t start_ms = world.now_ms;
    for (uint32_t i = 0; i < 16; i++) {
        world.nodes[i * 8].sick = true;
        world.nodes[i * 8].blocked_until_ms = start_ms + 32768;
    }
    world_run(&world, 32768);
    for (uint32_t i = 0; i < 16; i++)
        if (world.nodes[i * 8].first_dead_ms != 0)
            figures->anomaly_ms[figures->anomaly_count++] =
                (uint32_t)(world.nodes[i * 8].first_dead_ms - start_ms);
    world_release(&world);
}

static inline int figures_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static inline double figures_quantile(uint32_t *values, size_t count, double share)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), figures_order);
    return values[(size_t)((double)(count - 1) * share + 0.5)] / 1000.0;
}

static inline void figures_print(const struct setting *setting, struct figures *f)
{
    printf("| %-19s | %7" PRIu64 " | %6" PRIu64
           " | %5.2f | %5.2f | %5.2f | %5.2f | %5.2f | %6.2f | %6.1f | %5.0f |\n",
           setting->name, f->false_dead, f->false_dead_healthy,
           figures_quantile(f->first_ms, f->count, 0.5),
           figures_quantile(f->first_ms, f->count, 0.99),
           figures_quantile(f->all_ms, f->count, 0.5), figures_quantile(f->all_ms, f->count, 0.99),
           figures_quantile(f->anomaly_ms, f->anomaly_count, 0.5), (double)f->messages / 1e6,
           (double)f->bytes / 1e6, f->quiet_bytes);
    fflush(stdout);
}

/* `effort` runs of each experiment and setting; `only` picks one setting by its name. */
static inline void figures_run(unsigned effort, const char *only)
{
    static const uint32_t sick[] = {4, 16, 32};
    static const uint32_t block_ms[] = {2048, 8192, 16384, 32768};
    static const uint32_t well_ms[] = {64, 4096};
    printf("| setting             | FP      | FP-ok  | first | p99   | all   | p99   | anom. | "
           "Mmsg   | MB     | quiet |\n"
           "|---------------------|---------|--------|-------|-------|-------|-------|-------|-----"
           "---|--------|-------|\n");
    for (size_t s = 0; s < sizeof(settings) / sizeof(settings[0]); s++) {
        struct figures figures = {0};
        if (only != NULL && strcmp(only, settings[s].name) != 0)
            continue;
        for (uint64_t seed = 1; seed <= effort; seed++) {
            for (size_t c = 0; c < 3; c++)
                for (size_t d = 0; d < 4; d++)
                    for (size_t i = 0; i < 2; i++)
                        figures_false(&figures, &settings[s], seed, sick[c], block_ms[d],
                                      well_ms[i]);
            figures_detection(&figures, &settings[s], seed, 20);
            figures_anomaly(&figures, &settings[s], seed);
        }
        figures_print(&settings[s], &figures);
    }
}

#endif
