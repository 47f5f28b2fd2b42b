/* Placement: who gets which pack, and how little moves when nodes come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "node/placement/placement.h"

#define NODES 12
#define GIB   (1024ull * 1024 * 1024)

static struct candidate nodes[NODES];

static void make_id(uint8_t id[ID_SIZE], const char *kind, unsigned number)
{
    uint8_t bytes[16] = {0};
    memcpy(bytes, kind, strlen(kind));
    bytes[12] = (uint8_t)number;
    bytes[13] = (uint8_t)(number >> 8);
    bytes[14] = (uint8_t)(number >> 16);
    crypto_generichash(id, ID_SIZE, bytes, sizeof(bytes), NULL, 0);
}

/* Twelve equal nodes, each its own zone. */
static int set_up(void **state)
{
    static const char *const zones[NODES] = {"a", "b", "c", "d", "e", "f",
                                             "g", "h", "i", "j", "k", "l"};
    (void)state;
    if (sodium_init() < 0)
        return -1;
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] = (struct candidate){
            .zone = zones[i], .capacity_bytes = 100 * GIB, .free_bytes = 50 * GIB, .usable = true};
        make_id(nodes[i].node.bytes, "node", i);
    }
    return 0;
}

static void the_order_of_a_pack_is_settled(void **state)
{
    (void)state;
    static const size_t golden[NODES] = {1, 0, 5, 9, 4, 10, 3, 2, 6, 8, 7, 11};
    struct pack_id pack;
    size_t order[NODES];
    make_id(pack.bytes, "pack", 1);
    placement_order(&pack, nodes, NODES, order);
    assert_memory_equal(order, golden, sizeof(golden));
}

static void a_node_that_leaves_changes_nothing_among_the_others(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 200; p++) {
        struct pack_id pack;
        size_t all[NODES], fewer[NODES], written = 0;
        make_id(pack.bytes, "pack", p);
        placement_order(&pack, nodes, NODES, all);
        placement_order(&pack, nodes, NODES - 1, fewer); /* the last one left */
        for (size_t i = 0; i < NODES; i++)
            if (all[i] != NODES - 1)
                assert_int_equal(all[i], fewer[written++]);
    }
}

static void a_node_that_joins_takes_at_most_one_place_of_a_pack(void **state)
{
    (void)state;
    unsigned moved = 0;
    for (unsigned p = 0; p < 600; p++) {
        struct pack_id pack;
        size_t before[6], after[6];
        bool had[NODES] = {false};
        unsigned fresh = 0;
        make_id(pack.bytes, "pack", p);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, nodes, NODES - 1, NULL, 2, GIB}, 6, before),
            6);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, nodes, NODES, NULL, 2, GIB}, 6, after), 6);
        for (size_t i = 0; i < 6; i++)
            had[before[i]] = true;
        for (size_t i = 0; i < 6; i++) {
            if (!had[after[i]]) {
                assert_int_equal(after[i], NODES - 1);
                fresh++;
            }
        }
        assert_true(fresh <= 1);
        moved += fresh;
    }
    /* It should get 6 of 12 places of each pack, a half of the packs. */
    assert_in_range(moved, 250, 350);
}

static void places_are_in_proportion_to_capacity(void **state)
{
    (void)state;
    struct candidate some[4];
    unsigned first[4] = {0};
    memcpy(some, nodes, sizeof(some));
    some[1].capacity_bytes = 2 * some[0].capacity_bytes;
    some[2].capacity_bytes = 5 * some[0].capacity_bytes;
    some[3].capacity_bytes = 0;
    for (unsigned p = 0; p < 8000; p++) {
        struct pack_id pack;
        size_t order[4];
        make_id(pack.bytes, "pack", p);
        placement_order(&pack, some, 4, order);
        first[order[0]]++;
        assert_int_equal(order[3], 3);
    }
    assert_in_range(first[0], 900, 1100); /* 1 of 8 */
    assert_in_range(first[1], 1850, 2150);
    assert_in_range(first[2], 4800, 5200);
}

static void zones_are_respected_while_they_can_be(void **state)
{
    (void)state;
    struct candidate some[NODES];
    memcpy(some, nodes, sizeof(some));
    for (size_t i = 0; i < NODES; i++)
        some[i].zone = i < 6 ? "cellar" : i < 9 ? "attic" : "shed";
    for (unsigned p = 0; p < 100; p++) {
        struct pack_id pack;
        size_t chosen[NODES];
        unsigned in[3] = {0};
        make_id(pack.bytes, "pack", p);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, some, NODES, NULL, 2, GIB}, 6, chosen), 6);
        for (size_t i = 0; i < 6; i++)
            in[chosen[i] < 6 ? 0 : chosen[i] < 9 ? 1 : 2]++;
        assert_true(in[0] == 2 && in[1] == 2 && in[2] == 2);
        /* Nine wanted, six fit: the surplus is spread evenly as well. */
        memset(in, 0, sizeof(in));
        assert_int_equal(
            placement_choose(&(struct placement){&pack, some, NODES, NULL, 2, GIB}, 9, chosen), 9);
        for (size_t i = 0; i < 9; i++)
            in[chosen[i] < 6 ? 0 : chosen[i] < 9 ? 1 : 2]++;
        assert_true(in[0] == 3 && in[1] == 3 && in[2] == 3);
    }
}

static void what_is_held_already_counts_for_its_zone(void **state)
{
    (void)state;
    struct candidate some[4];
    bool taken[4] = {true, false, false, false};
    memcpy(some, nodes, sizeof(some));
    some[0].zone = some[1].zone = "cellar";
    for (unsigned p = 0; p < 50; p++) {
        struct pack_id pack;
        size_t chosen[4];
        make_id(pack.bytes, "pack", p);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, some, 4, taken, 1, GIB}, 2, chosen), 2);
        assert_true(chosen[0] >= 2 && chosen[1] >= 2);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, some, 4, taken, 1, GIB}, 4, chosen), 3);
    }
}

static void the_storing_node_is_the_last_choice(void **state)
{
    (void)state;
    struct candidate some[4];
    memcpy(some, nodes, sizeof(some));
    some[2].self = true;
    for (unsigned p = 0; p < 50; p++) {
        struct pack_id pack;
        size_t chosen[4];
        make_id(pack.bytes, "pack", p);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, some, 4, NULL, 1, GIB}, 3, chosen), 3);
        for (size_t i = 0; i < 3; i++)
            assert_int_not_equal(chosen[i], 2);
        assert_int_equal(
            placement_choose(&(struct placement){&pack, some, 4, NULL, 1, GIB}, 6, chosen), 4);
        assert_int_equal(chosen[3], 2);
    }
}

static void the_full_and_the_unusable_are_passed_over(void **state)
{
    (void)state;
    struct candidate some[4];
    struct pack_id pack;
    size_t chosen[4];
    memcpy(some, nodes, sizeof(some));
    some[1].usable = false;
    some[3].free_bytes = GIB - 1;
    make_id(pack.bytes, "pack", 7);
    assert_int_equal(placement_choose(&(struct placement){&pack, some, 4, NULL, 1, GIB}, 4, chosen),
                     2);
    assert_true((chosen[0] == 0 && chosen[1] == 2) || (chosen[0] == 2 && chosen[1] == 0));
    assert_int_equal(placement_choose(&(struct placement){&pack, some, 0, NULL, 1, GIB}, 4, chosen),
                     0);
}

static void the_shape_follows_the_members_known(void **state)
{
    (void)state;
    static const uint32_t expected[10][2] = {{0, 0}, {0, 0}, {1, 1}, {1, 2}, {2, 2},
                                             {2, 2}, {3, 2}, {4, 2}, {4, 2}, {4, 2}};
    for (size_t known = 0; known < 10; known++) {
        uint32_t data, parity;
        assert_int_equal(placement_shape(known, &data, &parity), known >= 2);
        assert_int_equal(data, expected[known][0]);
        assert_int_equal(parity, expected[known][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_a_pack_is_settled),
        cmocka_unit_test(a_node_that_leaves_changes_nothing_among_the_others),
        cmocka_unit_test(a_node_that_joins_takes_at_most_one_place_of_a_pack),
        cmocka_unit_test(places_are_in_proportion_to_capacity),
        cmocka_unit_test(zones_are_respected_while_they_can_be),
        cmocka_unit_test(what_is_held_already_counts_for_its_zone),
        cmocka_unit_test(the_storing_node_is_the_last_choice),
        cmocka_unit_test(the_full_and_the_unusable_are_passed_over),
        cmocka_unit_test(the_shape_follows_the_members_known),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
