/* Members that come, stop, leave and come back, and what the others know of them. How it is agreed on
 * is the simulator's subject; here it is between real sockets. */
#include "test/membership_bench.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static bool is_away(const struct member *member)
{
    return member != NULL && member->state == MEMBER_ALIVE && member->away;
}

static bool is_left(const struct member *member)
{
    return member != NULL && member->state == MEMBER_LEFT;
}

static bool has_used_42(const struct member *member)
{
    return member != NULL && member->used_bytes == 42 && member->store_epoch == 8;
}

static bool has_measured_round_trip(const struct member *member)
{
    return member != NULL && member->rtt_ms >= 0 && !member->rtt_estimated;
}

static void nodes_find_each_other_through_one_seed(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a), *c = node_started(a);
    struct node *all[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            assert_in_range(until(all[i], all[j], is_alive), 0, 3000);
    struct member_table *table;
    const struct member *member = seen(b, c, &table);
    assert_string_equal(member->cert.name, c->config.name);
    assert_memory_equal(member->cert.curve, c->keys->curve_public, 32);
    assert_string_equal(member->bulk_endpoint, "tcp://127.0.0.1:1");
    assert_string_equal(member->version, ECBAK_VERSION);
    assert_int_equal(member->capacity_bytes, 1000);
    assert_false(member->self);
    assert_true(table->members[0].self);
    assert_memory_equal(table->members[0].cert.node.bytes, b->keys->node.bytes, ID_SIZE);
    assert_in_range(member->since_s, wall_s() - 60, wall_s() + 1);
    member_table_release(&table);
    node_free(a);
    node_free(b);
    node_free(c);
}

static void the_order_of_starting_does_not_matter(void **state)
{
    (void)state;
    struct node *seed = node_made(NULL);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(seed->config.member_port)};
    int yes = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), knock;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    assert_int_equal(bind(door, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(door, 1), 0);
    struct node *early = node_started(seed);
    WAIT_FOR((knock = accept(door, NULL, NULL)) >= 0); /* it has tried, in vain */
    close(knock);
    close(door);
    node_up(seed);
    until(early, seed, is_alive);
    until(seed, early, is_alive);
    node_free(seed);
    node_free(early);
}

static void what_a_node_offers_is_told_to_the_others(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, is_alive);
    struct membership_offer offer = {.capacity_bytes = 1000, .used_bytes = 42, .store_epoch = 8};
    membership_update(b->membership, &offer);
    until(a, b, has_used_42);
    until(b, b, has_used_42);
    node_free(a);
    node_free(b);
}

static void a_stopping_node_says_that_it_is_away(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, is_alive);
    until(b, a, is_alive);
    int64_t start_ms = monotonic_ms();
    membership_destroy(&b->membership);
    assert_in_range(monotonic_ms() - start_ms, 0, 2000);
    assert_in_range(until(a, b, is_away), 0, 1000);
    node_free(a);
    node_free(b);
}

static void a_leaving_node_is_gone_for_good(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, is_alive);
    until(b, a, is_alive);
    membership_leave(b->membership);
    assert_in_range(until(a, b, is_left), 0, 1000);
    membership_destroy(&b->membership);
    /* Whoever comes later does not hear of it as one who is there. */
    struct node *c = node_started(a);
    until(c, a, is_alive);
    until(a, c, is_alive);
    struct member_table *table;
    assert_false(is_alive(seen(c, b, &table)));
    member_table_release(&table);
    assert_true(is_left(seen(a, b, &table)));
    member_table_release(&table);
    assert_string_equal(event_of(a, b, NULL).kind, "left");
    node_free(a);
    node_free(b);
    node_free(c);
}

static void a_node_comes_back_without_seeds_and_with_a_newer_incarnation(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(b, a, is_alive);
    until(a, b, is_alive);
    struct member_table *table;
    uint64_t before = seen(a, b, &table)->incarnation;
    member_table_release(&table);
    membership_destroy(&b->membership);
    until(a, b, is_away);
    b->config.seed_count = 0;
    node_up(b);
    until(b, a, is_alive);
    until(a, b, is_alive);
    assert_true(seen(a, b, &table)->incarnation > before);
    member_table_release(&table);
    node_free(a);
    node_free(b);
}

static void what_happens_to_members_is_noted_for_people(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", b->config.member_port);
    struct member_event joined = event_of(a, b, "joined");
    assert_string_equal(joined.name, b->config.name);
    assert_string_equal(joined.address, address);
    assert_in_range(joined.time_ms, wall_ms() - 60000, wall_ms());
    struct membership_offer offer = {.capacity_bytes = 1000, .used_bytes = 42, .store_epoch = 8};
    membership_update(b->membership, &offer);
    until(a, b, has_used_42); /* no news for people: nothing between joined and away */
    membership_destroy(&b->membership);
    struct member_event away = event_of(a, b, "away");
    assert_int_equal(away.number, joined.number + 1);
    b->config.bulk_port = 2;
    node_up(b);
    struct member_event updated = event_of(a, b, "updated");
    snprintf(address, sizeof(address), "address 127.0.0.1:%u", b->config.member_port);
    assert_string_equal(updated.detail, address);
    assert_string_equal(event_of(a, b, "alive").name, b->config.name);
    node_free(a);
    node_free(b);
}

static void round_trips_are_measured(void **state)
{
    (void)state;
    struct node *a = node_started(NULL), *b = node_started(a);
    until(a, b, has_measured_round_trip);
    until(b, a, has_measured_round_trip);
    node_free(a);
    node_free(b);
}

static void a_node_that_left_comes_back_only_with_a_newer_certificate(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const struct membership_offer offer = {.capacity_bytes = 1000};
    struct node *a = node_started(NULL), *b = node_started(a);
    const struct credentials credentials = {b->keys, &b->cert, authority_public};
    until(a, b, is_alive);
    membership_leave(b->membership);
    membership_destroy(&b->membership);
    assert_int_equal(membership_new(&b->membership, &b->config, &credentials, NULL, &offer, &err),
                     -1);
    assert_int_equal(err.code, ERR_LEFT);
    assert_non_null(strstr(err.text, "left the cluster for good"));
    b->cert.serial++;
    assert_int_equal(cert_sign(&b->cert, authority_secret, &err), 0);
    node_up(b);
    until(a, b, is_alive);
    membership_destroy(&b->membership);
    node_up(b); /* the mark is gone */
    until(a, b, is_alive);
    node_free(b);
    node_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_find_each_other_through_one_seed),
        cmocka_unit_test(the_order_of_starting_does_not_matter),
        cmocka_unit_test(what_a_node_offers_is_told_to_the_others),
        cmocka_unit_test(a_node_that_left_comes_back_only_with_a_newer_certificate),
        cmocka_unit_test(a_stopping_node_says_that_it_is_away),
        cmocka_unit_test(a_leaving_node_is_gone_for_good),
        cmocka_unit_test(a_node_comes_back_without_seeds_and_with_a_newer_incarnation),
        cmocka_unit_test(what_happens_to_members_is_noted_for_people),
        cmocka_unit_test(round_trips_are_measured),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
