/* The membership protocol, hundreds of real cores at a time, over a network that loses, delays,
 * duplicates and splits. The parts are in test/sim/: world.h is where to start reading. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "coding/base/alloc.h"
#include "test/sim/coordinates.h"
#include "test/sim/figures.h"
#include "test/sim/mutations.h"
#include "test/sim/table.h"

static const char usage[] =
    "usage: sim_gossip                                    the quick set, as tests\n"
    "       sim_gossip --help                             this\n"
    "       sim_gossip --list                             the scenarios, one a line\n"
    "       sim_gossip --full [--scenario S | BEGIN]      all of them (or one, or those whose name "
    "begins so), all sizes, as one table\n"
    "       sim_gossip --scenario S [--seed N] [--members N]    one run\n"
    "       sim_gossip --figures N [SETTING]              the Lifeguard paper's experiments, N "
    "runs each\n"
    "       sim_gossip --coordinates                      would network coordinates earn their "
    "place?\n";

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    const struct scenario *scenario = scenario_find("loss");
    struct outcome first = scenario_play(scenario, 77, 60, false);
    struct outcome second = scenario_play(scenario, 77, 60, false);
    struct outcome other = scenario_play(scenario, 78, 60, false);
    assert_true(first.passed && second.passed && other.passed);
    assert_true(first.trace == second.trace);
    assert_true(first.trace != other.trace);
}

static void each_invariant_has_been_seen_to_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < mutations_count(); i++)
        if (!mutations_caught(i))
            fail_msg("nobody noticed: %s", mutations_name(i));
}

static void play_quick(void **state)
{
    const struct scenario *scenario = *state;
    assert_true(scenario_play(scenario, 1, scenario->quick, false).passed);
}

/* "nobody_is_called_dead__until_agreed" */
static char *test_name(const struct scenario *scenario)
{
    char *name = alloc_format("%s: %s", scenario->name, scenario->holds);
    for (char *at = name; *at != '\0'; at++)
        if (strchr(" ,;:", *at) != NULL)
            *at = '_';
    return name;
}

static int run_quick(void)
{
    struct CMUnitTest tests[128] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(each_invariant_has_been_seen_to_fail),
    };
    size_t fixed = 2, count = fixed;
    const struct scenario *scenario;
    for (size_t i = 0; (scenario = scenario_at(i)) != NULL && count < 128; i++)
        if (scenario->quick != 0)
            tests[count++] = (struct CMUnitTest){.name = test_name(scenario),
                                                 .test_func = play_quick,
                                                 .initial_state = (void *)(uintptr_t)scenario};
    int failed = _cmocka_run_group_tests("sim_gossip", tests, count, NULL, NULL);
    for (size_t i = fixed; i < count; i++)
        free((void *)(uintptr_t)tests[i].name);
    return failed;
}

static int run_full(const char *begin)
{
    bool passed = true;
    const struct scenario *scenario;
    table_begin();
    for (size_t i = 0; (scenario = scenario_at(i)) != NULL; i++)
        for (size_t j = 0; j < SCENARIO_SIZES && scenario->full[j].members != 0; j++)
            if (strncmp(scenario->name, begin, strlen(begin)) == 0)
                passed &= table_row(scenario, scenario->full[j].members, scenario->full[j].seeds);
    return passed ? 0 : 1;
}

static int run_list(void)
{
    const struct scenario *scenario;
    for (size_t i = 0; (scenario = scenario_at(i)) != NULL; i++)
        printf("%-24s %s\n", scenario->name, scenario->holds);
    return 0;
}

/* Scenarios name members by number: fewer than they are made for there cannot be. */
static uint32_t fewest(const struct scenario *scenario)
{
    uint32_t members = scenario->quick != 0 ? scenario->quick : UINT32_MAX;
    for (size_t i = 0; i < SCENARIO_SIZES && scenario->full[i].members != 0; i++)
        if (scenario->full[i].members < members)
            members = scenario->full[i].members;
    return members;
}

static int run_one(const struct scenario *scenario, uint64_t seed, uint32_t members)
{
    if (members == 0)
        members = scenario->full[0].members;
    if (members < fewest(scenario)) {
        fprintf(stderr, "sim_gossip: %s is played with %u members or more\n", scenario->name,
                fewest(scenario));
        return 2;
    }
    struct outcome outcome = scenario_play(scenario, seed, members, true);
    if (outcome.passed)
        printf("%s seed %" PRIu64 " members %u: %.1f %s, trace %016" PRIx64 "\n", scenario->name,
               seed, members, outcome.figure, scenario->unit, outcome.trace);
    return outcome.passed ? 0 : 1;
}

static int bad_usage(const char *what, const char *value)
{
    fprintf(stderr, "sim_gossip: %s: \"%s\"\n%s", what, value, usage);
    return 2;
}

static bool number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *value <= max;
}

struct options {
    bool full, list, coordinates, help;
    const struct scenario *scenario;
    uint64_t seed, members, effort;
    const char *setting, *begin;
};

/* 0, or the status to end with. */
static int parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(name, "--full") == 0) {
            options->full = true;
            if (i + 1 < argc && argv[i + 1][0] != '-')
                options->begin = argv[++i];
        } else if (strcmp(name, "--list") == 0) {
            options->list = true;
        } else if (strcmp(name, "--help") == 0) {
            options->help = true;
        } else if (strcmp(name, "--coordinates") == 0) {
            options->coordinates = true;
        } else if (strcmp(name, "--seed") == 0) {
            if (!number(value, UINT64_MAX, &options->seed))
                return bad_usage("a seed is a number", value);
            i++;
        } else if (strcmp(name, "--members") == 0) {
            if (!number(value, 10000, &options->members) || options->members == 0)
                return bad_usage("members are 1 to 10000", value);
            i++;
        } else if (strcmp(name, "--scenario") == 0) {
            options->scenario = scenario_find(value);
            if (options->scenario == NULL)
                return bad_usage("no such scenario (see --list)", value);
            i++;
        } else if (strcmp(name, "--figures") == 0) {
            if (!number(value, 64, &options->effort) || options->effort == 0)
                return bad_usage("--figures wants the number of runs, 1 to 64", value);
            i++;
            if (i + 1 < argc && argv[i + 1][0] != '-' && figures_known(argv[i + 1]))
                options->setting = argv[++i];
        } else {
            return bad_usage("unknown argument", name);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1, .begin = ""};
    int status = parse(&options, argc, argv);
    if (status != 0)
        return status;
    if (options.help)
        return fputs(usage, stdout) == EOF;
    if (options.list)
        return run_list();
    if (options.full)
        return run_full(options.scenario != NULL ? options.scenario->name : options.begin);
    if (options.coordinates)
        return coordinates_run();
    if (options.effort != 0)
        return figures_run((unsigned)options.effort, options.setting);
    if (options.scenario != NULL)
        return run_one(options.scenario, options.seed, (uint32_t)options.members);
    if (argc > 1)
        return bad_usage("--seed and --members go with --scenario", argv[1]);
    return run_quick();
}
