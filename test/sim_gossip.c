/* The membership protocol, hundreds of real cores at a time, over a network that loses, delays,
 * duplicates and splits. First come faults, with the invariants checked all along; then the faults
 * stop (or stay, outside a core) and everybody must agree within a stated bound.
 *
 *     sim_gossip                           the fixed set, as tests
 *     sim_gossip --full                    more seeds and more members
 *     sim_gossip --seed N --scenario S     one run, with its figures
 *     sim_gossip --figures N               the table of PROTOCOL.md, from N runs of each experiment */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gossip/statement.h"
#include "test/sim_figures.h"
#include "test/sim_world.h"

#define SECOND 1000u
#define MINUTE (60u * SECOND)

struct result {
    uint64_t trace;
    uint64_t took_ms; /* what the scenario measures: time until all agreed */
};

/* Everybody starts within a second and joins through node 0. */
static uint64_t bootstrap(struct world *world)
{
    uint64_t start_ms = world->now_ms;
    for (uint32_t i = 0; i < world->count; i++) {
        node_start(world, i, 0);
        world_run(world, 1000 / world->count);
    }
    world_until(world, SWIM_ALIVE, 0, 2 * MINUTE);
    return world->now_ms - start_ms;
}

static uint64_t run_bootstrap(struct world *world)
{
    return bootstrap(world);
}

static uint64_t run_crash(struct world *world)
{
    bootstrap(world);
    world_run(world, 5 * SECOND);
    for (uint32_t i = 0; i < 5; i++)
        node_crash(world, 3 + i * 7);
    uint64_t took_ms = world_until(world, SWIM_DEAD, 5, 2 * MINUTE);
    if (world->false_dead > 0)
        sim_fail(world, "a running member was declared dead", 0);
    return took_ms;
}

static uint64_t run_loss(struct world *world)
{
    bootstrap(world);
    world->loss = 0.1;
    world->duplication = 0.05;
    world->delay_max_ms = 60;
    world_run(world, 2 * MINUTE);
    world->loss = 0;
    uint64_t took_ms = world_until(world, SWIM_ALIVE, 0, MINUTE);
    if (world->false_dead > 0)
        sim_fail(world, "a running member was declared dead", 0);
    return took_ms;
}

static uint64_t run_partition(struct world *world)
{
    bootstrap(world);
    for (uint32_t i = 0; i < world->count / 4; i++)
        world->nodes[i].group = 1;
    world_run(world, 3 * MINUTE);
    for (uint32_t i = 0; i < world->count; i++)
        if (swim_count(world->nodes[i].core, SWIM_ALIVE) !=
            (i < world->count / 4 ? world->count / 4 : world->count - world->count / 4))
            sim_fail(world, "the other side is still believed in", i);
    for (uint32_t i = 0; i < world->count; i++)
        world->nodes[i].group = 0;
    return world_until(world, SWIM_ALIVE, 0, 3 * MINUTE);
}

/* Longer than anybody remembers the other side: only seeds can heal it. */
static uint64_t run_partition_forgotten(struct world *world)
{
    world->config.tombstone_ms = 2 * MINUTE;
    bootstrap(world);
    for (uint32_t i = 0; i < world->count / 2; i++)
        world->nodes[i].group = 1;
    world_run(world, 20 * MINUTE);
    for (uint32_t i = 0; i < world->count; i++)
        if (swim_member_count(world->nodes[i].core) != world->count / 2)
            sim_fail(world, "the other side is not forgotten", i);
    for (uint32_t i = 0; i < world->count; i++)
        world->nodes[i].group = 0;
    return world_until(world, SWIM_ALIVE, 0, 3 * MINUTE);
}

static uint64_t run_leave(struct world *world)
{
    bootstrap(world);
    for (uint32_t i = 10; i < 15; i++) {
        swim_leave(world->nodes[i].core, world->now_ms);
        sim_drain(world, i);
        node_crash(world, i); /* at once: what it said must be enough */
    }
    uint64_t took_ms = world_until(world, SWIM_LEFT, 5, MINUTE);
    world_run(world, 2 * MINUTE);
    if (!world_agrees(world, SWIM_LEFT, 5) || world->dead_events > 0)
        sim_fail(world, "who left did not stay away in peace", 0);
    return took_ms;
}

static uint64_t run_away(struct world *world)
{
    bootstrap(world);
    for (uint32_t i = 20; i < 24; i++) {
        swim_away(world->nodes[i].core, world->now_ms, MINUTE);
        sim_drain(world, i);
        node_crash(world, i);
    }
    uint64_t took_ms = world_until(world, SWIM_AWAY, 4, MINUTE);
    world_run(world, 50 * SECOND);
    if (!world_agrees(world, SWIM_AWAY, 4) || world->dead_events > 0)
        sim_fail(world, "a member that is away was suspected", 0);
    node_start(world, 20, 0);
    node_start(world, 21, 5);
    world_until(world, SWIM_DEAD, 2, 3 * MINUTE); /* the other two overstay */
    return took_ms;
}

static uint64_t run_rejoin(struct world *world)
{
    bootstrap(world);
    for (uint32_t i = 30; i < 35; i++)
        node_crash(world, i);
    world_until(world, SWIM_DEAD, 5, 2 * MINUTE);
    for (uint32_t i = 30; i < 35; i++)
        node_start(world, i, i == 30 ? 1 : 0);
    return world_until(world, SWIM_ALIVE, 0, MINUTE);
}

/* Everybody at once, and what they had persisted is gone. */
static uint64_t restart_all(struct world *world, bool incarnations_lost)
{
    bootstrap(world);
    for (uint32_t i = 0; i < world->count; i += 3) { /* some stay, and remember */
        node_crash(world, i);
        if (incarnations_lost)
            world->nodes[i].persisted = 0;
    }
    world_run(world, SECOND);
    for (uint32_t i = 0; i < world->count; i += 3)
        node_start(world, i, 1);
    return world_until(world, SWIM_ALIVE, 0, MINUTE);
}

static uint64_t run_restart(struct world *world)
{
    return restart_all(world, false);
}

static uint64_t run_restart_lost(struct world *world)
{
    return restart_all(world, true);
}

/* Members stand still, longer and longer, and go on as if nothing had happened. */
static uint64_t run_stopped(struct world *world)
{
    bootstrap(world);
    for (uint32_t i = 0; i < 10; i++) {
        world->nodes[i].sick = true;
        node_stop(world, i, (i + 1) * 20 * SECOND);
    }
    world_run(world, 4 * MINUTE);
    if (world->false_dead_healthy > 0)
        sim_fail(world, "a healthy member was declared dead", 0);
    return world_until(world, SWIM_ALIVE, 0, 2 * MINUTE);
}

/* What a member sends in a second when nothing happens, with 64 connections; and what it keeps. */
static uint64_t run_quiet(struct world *world)
{
    uint64_t sent_bytes = 0, sent_count = 0, handshakes = 0, memory_bytes = 0;
    bootstrap(world);
    world_run(world, 2 * MINUTE);
    for (uint32_t i = 0; i < world->count; i++)
        world->nodes[i].sent_bytes = world->nodes[i].sent_count = world->nodes[i].handshakes = 0;
    world_run(world, 10 * MINUTE);
    for (uint32_t i = 0; i < world->count; i++) {
        struct swim_stats stats;
        swim_stats(world->nodes[i].core, &stats);
        sent_bytes += world->nodes[i].sent_bytes;
        sent_count += world->nodes[i].sent_count;
        handshakes += world->nodes[i].handshakes;
        memory_bytes += stats.memory_bytes;
    }
    if (world->dead_events > 0 || !world_agrees(world, SWIM_ALIVE, 0))
        sim_fail(world, "a quiet cluster is not quiet", 0);
    double seconds = 600.0 * world->count;
    if (world->talkative)
        printf(
            "bytes a second: %.0f of messages, %.0f with framing, %.0f with handshakes; memory "
            "%.0f bytes a member known\n",
            (double)sent_bytes / seconds,
            (double)(sent_bytes + SIM_FRAME_BYTES * sent_count) / seconds,
            (double)(sent_bytes + SIM_FRAME_BYTES * sent_count + SIM_HANDSHAKE_BYTES * handshakes) /
                seconds,
            (double)memory_bytes / world->count / world->count);
    return (uint64_t)((double)sent_bytes / seconds);
}

/* Two members exchange their addresses while both are down. */
static uint64_t run_swap(struct world *world)
{
    char address[32];
    bootstrap(world);
    node_crash(world, 40);
    node_crash(world, 41);
    memcpy(address, world->nodes[40].address, sizeof(address));
    memcpy(world->nodes[40].address, world->nodes[41].address, sizeof(address));
    memcpy(world->nodes[41].address, address, sizeof(address));
    node_start(world, 40, 0);
    node_start(world, 41, 0);
    uint64_t took_ms = world_until(world, SWIM_ALIVE, 0, MINUTE);
    world_run(world, 3 * MINUTE);
    if (!world_agrees(world, SWIM_ALIVE, 0) || world->dead_events > 0)
        sim_fail(world, "an old address was not given up", 40);
    return took_ms;
}

/* Every tenth member lies with a valid certificate: all of them accuse everybody, as loudly as they can,
 * of having been seen dead. Nobody believes it without having seen for itself. */
static void lie(struct world *world, uint32_t liar)
{
    struct sim_node *node = &world->nodes[liar];
    struct swim_ops ops = {.context = &node->context, .sign = sim_sign, .verify = sim_verify};
    uint8_t accusations[9][ACCUSATION_SIZE];
    ProtobufCBinaryData items[9];
    Ecbak__Gossip__Packet packet = ECBAK__GOSSIP__PACKET__INIT;
    packet.version = packet.version_min = packet.version_max = 1;
    packet.accusations = items;
    for (size_t i = 0; i < 9; i++) {
        struct swim_member victim;
        size_t count = swim_member_count(node->core);
        swim_member(node->core, 1 + prng_below(&world->prng, (uint32_t)count - 1), &victim);
        struct accusation accusation = {.state = SWIM_DEAD,
                                        .incarnation = victim.incarnation,
                                        .accused = victim.id,
                                        .accuser = node->id};
        accusation_encode(&accusation, &ops, accusations[i]);
        items[packet.n_accusations++] =
            (ProtobufCBinaryData){.len = ACCUSATION_SIZE, .data = accusations[i]};
    }
    uint8_t bytes[2048];
    struct swim_order order = {.kind = SWIM_SEND};
    order.send.size = ecbak__gossip__packet__pack(&packet, bytes);
    order.send.bytes = bytes;
    for (size_t i = 0; i < 5; i++)
        sim_deliver(world, liar, prng_below(&world->prng, world->count), &order);
}

static uint64_t run_liars(struct world *world)
{
    bootstrap(world);
    for (uint32_t liar = 0; liar < world->count; liar += 10)
        world->nodes[liar].sick = true;
    for (unsigned i = 0; i < 600; i++) {
        for (uint32_t liar = 0; liar < world->count; liar += 10)
            lie(world, liar);
        world_run(world, 200);
    }
    if (world->false_dead_healthy > 0)
        sim_fail(world, "liars had their way", 0);
    return world_until(world, SWIM_ALIVE, 0, MINUTE);
}

/* A machine sleeps for hours, and goes on where it was. */
static uint64_t run_suspended(struct world *world)
{
    bootstrap(world);
    world->nodes[7].sick = true;
    node_stop(world, 7, 3 * 60 * MINUTE);
    world_run(world, 3 * 60 * MINUTE);
    if (world->false_dead > 0)
        sim_fail(world, "a healthy member was declared dead", 7);
    return world_until(world, SWIM_ALIVE, 0, MINUTE);
}

/* A tenth of the members a minute goes down and comes back half a minute later, for ten minutes. */
static uint64_t run_churn(struct world *world)
{
    uint32_t down[4096];
    uint32_t first = 0, last = 0;
    uint32_t half_minute = world->count / 20;
    bootstrap(world);
    for (unsigned step = 0; step < 20; step++) {
        for (uint32_t i = 0; step > 0 && i < half_minute; i++, first++)
            node_start(world, down[first], 0);
        for (uint32_t i = 0; i < half_minute; i++) {
            uint32_t index;
            do
                index = 1 + prng_below(&world->prng, world->count - 1);
            while (world->nodes[index].core == NULL);
            node_crash(world, index);
            down[last++] = index;
        }
        world_run(world, MINUTE / 2);
    }
    for (; first < last; first++)
        node_start(world, down[first], 0);
    if (world->false_dead > 0)
        sim_fail(world, "a running member was declared dead", 0);
    return world_until(world, SWIM_ALIVE, 0, MINUTE);
}

/* One in a hundred hears nothing for 20 s, hears for 20 s, and again. */
static uint64_t run_one_way(struct world *world)
{
    bootstrap(world);
    for (unsigned step = 0; step < 10; step++) {
        for (uint32_t i = 0; i < world->count; i += 100) {
            world->nodes[i].sick = true;
            world->nodes[i].loss_in = step % 2 == 0 ? 1.0 : 0.0;
        }
        world_run(world, 20 * SECOND);
    }
    if (world->false_dead_healthy > 0)
        sim_fail(world, "a healthy member was declared dead", 0);
    return world_until(world, SWIM_ALIVE, 0, 2 * MINUTE);
}

/* One in a hundred loses 80 % of what it sends and of what it should hear. */
static uint64_t run_lossy_few(struct world *world)
{
    bootstrap(world);
    for (uint32_t i = 0; i < world->count; i += 100) {
        world->nodes[i].sick = true;
        world->nodes[i].loss_in = world->nodes[i].loss_out = 0.8;
    }
    world_run(world, 5 * MINUTE);
    if (world->false_dead_healthy > 0)
        sim_fail(world, "a healthy member was declared dead", 0);
    for (uint32_t i = 0; i < world->count; i += 100)
        world->nodes[i].loss_in = world->nodes[i].loss_out = 0;
    return world_until(world, SWIM_ALIVE, 0, 2 * MINUTE);
}

/* Ten of all crash at once: how long until everybody knows of all ten. */
static uint64_t run_crash_ten(struct world *world)
{
    bootstrap(world);
    world_run(world, 10 * SECOND);
    for (uint32_t i = 0; i < 10; i++)
        node_crash(world, 5 + i * (world->count / 11));
    uint64_t took_ms = world_until(world, SWIM_DEAD, 10, 2 * MINUTE);
    if (world->false_dead > 0)
        sim_fail(world, "a running member was declared dead", 0);
    return took_ms;
}

static const struct scenario {
    const char *name;
    uint64_t (*run)(struct world *world);
    uint32_t count;
    const char *figure; /* what the run returns */
    bool large;         /* one seed is enough for --full */
} scenarios[] = {
    {"bootstrap", run_bootstrap, 200, "ms until all know all", false},
    {"crash", run_crash, 200, "ms until all know of 5 crashes", false},
    {"loss", run_loss, 128, "ms until all agree after 10 % loss", false},
    {"partition", run_partition, 200, "ms until 25/75 is healed", false},
    {"partition_forgotten", run_partition_forgotten, 40, "ms, ten times the tombstone time", false},
    {"leave", run_leave, 200, "ms until all know of 5 leaves", false},
    {"away", run_away, 100, "ms until all know of 4 absences", false},
    {"rejoin", run_rejoin, 200, "ms until 5 dead are back", false},
    {"restart", run_restart, 200, "ms until a third is back", false},
    {"restart_lost", run_restart_lost, 200, "ms, incarnations lost", false},
    {"stopped", run_stopped, 100, "ms after standstills of 20 to 200 s", false},
    {"quiet", run_quiet, 100, "bytes sent a second and member", false},
    {"swap", run_swap, 100, "ms until swapped addresses are known", false},
    {"liars", run_liars, 60, "ms after two minutes of lies", false},
    {"suspended", run_suspended, 30, "ms after three hours of sleep", false},
    {"churn", run_churn, 100, "ms after 10 minutes of 10 % a minute", false},
    {"one_way", run_one_way, 300, "ms after 20 s deaf, 20 s not", false},
    {"lossy_few", run_lossy_few, 300, "ms after 80 % loss at 1 %", false},
    {"crash_ten", run_crash_ten, 300, "ms until all know of 10 crashes", false},
    {"bootstrap_1000", run_bootstrap, 1000, "ms until all know all", true},
    {"bootstrap_2000", run_bootstrap, 2000, "ms until all know all", true},
    {"crash_1000", run_crash_ten, 1000, "ms until all know of 10 crashes", true},
};

static struct result play(const struct scenario *scenario, uint64_t seed, uint32_t count,
                          bool talkative)
{
    struct world world;
    struct result result;
    world_init(&world, scenario->name, seed, count, count <= 512);
    world.talkative = talkative;
    result.took_ms = scenario->run(&world);
    result.trace = world.trace;
    world_release(&world);
    return result;
}

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

static void play_named(const char *name)
{
    play(find(name), 1, find(name)->count, false);
}

static void two_hundred_members_find_each_other_through_one_seed(void **state)
{
    (void)state;
    play_named("bootstrap");
}

static void crashed_members_are_dead_to_all_and_nobody_else_is(void **state)
{
    (void)state;
    play_named("crash");
}

static void ten_percent_loss_kills_nobody(void **state)
{
    (void)state;
    play_named("loss");
}

static void a_partition_heals(void **state)
{
    (void)state;
    play_named("partition");
}

static void a_partition_longer_than_memory_heals_through_seeds(void **state)
{
    (void)state;
    play_named("partition_forgotten");
}

static void who_leaves_is_gone_for_good_and_never_called_dead(void **state)
{
    (void)state;
    play_named("leave");
}

static void who_is_away_is_not_suspected_until_its_time_is_over(void **state)
{
    (void)state;
    play_named("away");
}

static void the_dead_come_back_when_they_start_again(void **state)
{
    (void)state;
    play_named("rejoin");
}

static void a_third_restarts_at_once(void **state)
{
    (void)state;
    play_named("restart");
}

static void a_third_restarts_at_once_without_its_incarnations(void **state)
{
    (void)state;
    play_named("restart_lost");
}

static void members_that_stand_still_accuse_nobody_when_they_wake(void **state)
{
    (void)state;
    play_named("stopped");
}

static void nothing_happens_in_a_quiet_cluster(void **state)
{
    (void)state;
    play_named("quiet");
}

static void two_members_may_swap_their_addresses(void **state)
{
    (void)state;
    play_named("swap");
}

static void liars_with_certificates_cannot_remove_a_healthy_member(void **state)
{
    (void)state;
    play_named("liars");
}

static void a_machine_that_slept_for_hours_is_back_at_once(void **state)
{
    (void)state;
    play_named("suspended");
}

static void a_tenth_coming_and_going_every_minute_is_followed(void **state)
{
    (void)state;
    play_named("churn");
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    const struct scenario *scenario = find("loss");
    struct result first = play(scenario, 77, 60, false);
    struct result second = play(scenario, 77, 60, false);
    struct result other = play(scenario, 78, 60, false);
    assert_int_equal(first.trace, second.trace);
    assert_int_not_equal(first.trace, other.trace);
}

static void from_one_to_four_members_work_too(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 4; count++) {
        struct world world;
        world_init(&world, "bootstrap", count, count, true);
        bootstrap(&world);
        if (count > 1) {
            node_crash(&world, count - 1);
            world_until(&world, SWIM_DEAD, 1, MINUTE);
            node_start(&world, count - 1, 0);
            world_until(&world, SWIM_ALIVE, 0, MINUTE);
        }
        world_release(&world);
    }
}

static int run_all(bool full)
{
    if (!full) {
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(two_hundred_members_find_each_other_through_one_seed),
            cmocka_unit_test(crashed_members_are_dead_to_all_and_nobody_else_is),
            cmocka_unit_test(ten_percent_loss_kills_nobody),
            cmocka_unit_test(a_partition_heals),
            cmocka_unit_test(a_partition_longer_than_memory_heals_through_seeds),
            cmocka_unit_test(who_leaves_is_gone_for_good_and_never_called_dead),
            cmocka_unit_test(who_is_away_is_not_suspected_until_its_time_is_over),
            cmocka_unit_test(the_dead_come_back_when_they_start_again),
            cmocka_unit_test(a_third_restarts_at_once),
            cmocka_unit_test(a_third_restarts_at_once_without_its_incarnations),
            cmocka_unit_test(members_that_stand_still_accuse_nobody_when_they_wake),
            cmocka_unit_test(nothing_happens_in_a_quiet_cluster),
            cmocka_unit_test(two_members_may_swap_their_addresses),
            cmocka_unit_test(liars_with_certificates_cannot_remove_a_healthy_member),
            cmocka_unit_test(a_machine_that_slept_for_hours_is_back_at_once),
            cmocka_unit_test(a_tenth_coming_and_going_every_minute_is_followed),
            cmocka_unit_test(the_same_seed_gives_the_same_trace),
            cmocka_unit_test(from_one_to_four_members_work_too),
        };
        return cmocka_run_group_tests_name("sim_gossip", tests, NULL, NULL);
    }
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        for (uint64_t seed = 1; seed <= (scenarios[i].large ? 1 : 5); seed++) {
            struct result result = play(&scenarios[i], seed, scenarios[i].count, false);
            printf("%-20s seed %" PRIu64 "  n %4u  %6" PRIu64 " %s\n", scenarios[i].name, seed,
                   scenarios[i].count, result.took_ms, scenarios[i].figure);
            fflush(stdout);
        }
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint32_t count = 0;
    const struct scenario *scenario = NULL;
    bool full = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--full") == 0) {
            full = true;
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--members") == 0) {
            count = (uint32_t)strtoul(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--figures") == 0) {
            figures_run((unsigned)strtoul(value, NULL, 10), i + 2 < argc ? argv[i + 2] : NULL);
            return 0;
        } else if (strcmp(argv[i], "--scenario") == 0 && find(value) != NULL) {
            scenario = find(value);
            i++;
        } else {
            fprintf(stderr, "usage: sim_gossip [--full | --scenario S [--seed N] [--members N]]\n");
            return 2;
        }
    }
    if (scenario == NULL)
        return run_all(full);
    struct result result = play(scenario, seed, count != 0 ? count : scenario->count, true);
    printf("%s seed %" PRIu64 ": %" PRIu64 ", trace %016" PRIx64 "\n", scenario->name, seed,
           result.took_ms, result.trace);
    return 0;
}
