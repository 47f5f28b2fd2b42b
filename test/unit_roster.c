/* The roster alone: whatever comes and goes, everybody is in exactly one place, and has its turn.
 *
 * Thousands of random steps beside a model that only knows who is there, who is dead, and who was
 * probed in this lap; one seed decides them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gossip/core/roster.h"

#define NUMBERS 400 /* who may be there; 0 is ourselves */

struct model {
    struct roster roster;
    struct prng prng;                                    /* of the roster */
    struct prng steps;                                   /* of the test */
    size_t count;                                        /* ourselves too */
    uint32_t lap;                                        /* the last one seen */
    uint64_t probe_count;                                /* of the living */
    bool there[NUMBERS], dead[NUMBERS], probed[NUMBERS]; /* the last in this lap */
    uint64_t at[NUMBERS]; /* the number of its last probe, or of when it came */
    bool seen[NUMBERS];
};

static struct node_id id_of(unsigned number)
{
    struct node_id id = {{0}};
    uint64_t word = prng_mix(number + 1);
    memcpy(id.bytes, &word, sizeof(word));
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static unsigned number_of(const struct roster_member *member)
{
    unsigned number;
    memcpy(&number, member->id.bytes + 8, sizeof(number));
    return number;
}

static void begin(struct model *model, size_t neighbours, uint64_t seed)
{
    struct node_id self = id_of(0);
    memset(model, 0, sizeof(*model));
    prng_init(&model->prng, seed);
    prng_init(&model->steps, ~seed);
    roster_init(&model->roster, &self, neighbours);
    model->there[0] = true;
    model->count = 1;
}

static size_t neighbours_end(const struct model *model)
{
    size_t others = model->count - 1;
    return 1 + (others < model->roster.neighbours ? others : model->roster.neighbours);
}

static void check(struct model *model)
{
    const struct roster *roster = &model->roster;
    assert_int_equal(roster->count, model->count);
    assert_int_equal(number_of(roster->members[0]), 0);
    assert_true(roster->cursor >= 1 && roster->cursor <= neighbours_end(model));
    assert_true(roster->waiting >= neighbours_end(model) && roster->waiting <= roster->count);
    assert_int_equal(roster_active(roster), model->count);
    memset(model->seen, 0, sizeof(model->seen));
    for (size_t i = 0; i < roster->count; i++) {
        const struct roster_member *member = roster->members[i];
        assert_int_equal(member->position, i);
        assert_ptr_equal(roster_find(roster, &member->id), member);
        assert_true(model->there[number_of(member)] && !model->seen[number_of(member)]);
        model->seen[number_of(member)] = true;
    }
}

/* As news.c does it: anywhere in what is left of the lap, or among the rest. */
static void come(struct model *model, unsigned number)
{
    struct roster *roster = &model->roster;
    struct node_id id = id_of(number);
    uint32_t left = (uint32_t)(roster->count - roster->cursor);
    roster_add(roster, &id, roster->cursor + prng_below(&model->steps, left + 1));
    model->there[number] = true;
    model->dead[number] = model->probed[number] = false;
    model->at[number] = model->probe_count;
    model->count++;
}

static void go(struct model *model, unsigned number)
{
    struct node_id id = id_of(number);
    roster_remove(&model->roster, roster_find(&model->roster, &id));
    model->there[number] = false;
    model->count--;
    assert_null(roster_find(&model->roster, &id));
}

static size_t living(const struct model *model)
{
    size_t count = 0;
    for (unsigned i = 1; i < NUMBERS; i++)
        count += model->there[i] && !model->dead[i];
    return count;
}

/* As probe.c does it: the dead are passed over. Nobody is probed twice in a lap, and somebody is. */
static void probe(struct model *model)
{
    for (size_t i = 2; i < 2 * model->count; i++) {
        unsigned number = number_of(roster_next(&model->roster, &model->prng));
        assert_true(number != 0 && model->there[number]);
        if (model->roster.lap != model->lap)
            memset(model->probed, 0, sizeof(model->probed));
        model->lap = model->roster.lap;
        if (model->dead[number]) {
            roster_pass_over(&model->roster);
            continue;
        }
        assert_false(model->probed[number]);
        model->probed[number] = true;
        model->at[number] = ++model->probe_count;
        return;
    }
    assert_int_equal(living(model), 0);
}

static void change_something(struct model *model)
{
    unsigned number = 1 + prng_below(&model->steps, NUMBERS - 1);
    if (!model->there[number])
        come(model, number);
    else if (prng_below(&model->steps, 4) == 0)
        go(model, number);
    else
        model->dead[number] = !model->dead[number];
}

static const size_t neighbour_counts[] = {1, 2, 3, 7, 8, 9, 16, 48, 1000};
#define NEIGHBOUR_COUNTS (sizeof(neighbour_counts) / sizeof(neighbour_counts[0]))

static void everybody_is_in_one_place_whatever_comes_and_goes(void **state)
{
    static struct model model;
    (void)state;
    for (size_t i = 0; i < NEIGHBOUR_COUNTS; i++) {
        begin(&model, neighbour_counts[i], 1 + i);
        for (unsigned step = 0; step < 4000; step++) {
            if (prng_below(&model.steps, 2) == 0)
                change_something(&model);
            else if (model.count > 1)
                probe(&model);
            check(&model);
        }
        /* And then all go, in any order, the one that the cursor is at among them. */
        while (model.count > 1) {
            size_t edge = model.roster.cursor - prng_below(&model.steps, 2);
            size_t any = prng_below(&model.steps, (uint32_t)model.count);
            size_t position = edge > 0 && edge < model.count ? edge : any > 0 ? any : 1;
            go(&model, number_of(model.roster.members[position]));
            check(&model);
            if (model.count > 1)
                probe(&model);
            check(&model);
        }
        roster_release(&model.roster);
    }
}

/* The bound that the simulator holds cores to: two laps, or two turns of everybody as a neighbour. */
static uint64_t latest_probe(const struct model *model)
{
    uint64_t others = model->count - 1, neighbours = model->roster.neighbours;
    if (others <= neighbours)
        return 2 * others + 1;
    return 2 * neighbours * ((others - neighbours) / (neighbours / 8 + 1) + 2);
}

static void check_turns(struct model *model, bool deaths)
{
    for (uint64_t i = 0; i < 4 * latest_probe(model) + 100; i++) {
        probe(model);
        for (unsigned number = 1; number < NUMBERS; number++)
            if (model->there[number] && !model->dead[number])
                assert_in_range(model->probe_count - model->at[number], 0, latest_probe(model));
        if (deaths && prng_below(&model->steps, 8) == 0) /* one more of those that never live */
            model->dead[2 * (1 + prng_below(&model->steps, NUMBERS / 2 - 1))] = true;
    }
}

static void everybody_has_its_turn_in_time(void **state)
{
    static struct model model;
    (void)state;
    for (size_t i = 0; i < NEIGHBOUR_COUNTS; i++) {
        size_t n = neighbour_counts[i];
        const size_t others[] = {1, 2, n, n + 1, n + 2, 2 * n, 5 * n, 120};
        for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
            if (others[j] >= NUMBERS)
                continue;
            begin(&model, n, 100 * i + j);
            for (unsigned number = 1; number <= others[j]; number++)
                come(&model, number);
            check_turns(&model, false);
            check_turns(&model, true);
            check(&model);
            roster_release(&model.roster);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_in_one_place_whatever_comes_and_goes),
        cmocka_unit_test(everybody_has_its_turn_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
