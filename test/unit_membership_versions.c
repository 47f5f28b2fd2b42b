/* Nodes of different protocol versions, between real sockets: who speaks with whom, and what the others
 * are told. What it does to a cluster is the simulator's subject. */
#include "test/membership_bench.h"

static struct node *node_speaking(struct protocol protocol, struct node *seed)
{
    struct node *node = node_made(seed);
    node->config.protocol = protocol;
    node_up(node);
    return node;
}

static bool is_incompatible(const struct member *member)
{
    return member != NULL && member->state == MEMBER_INCOMPATIBLE;
}

static size_t count_events(struct node *by, const char *kind)
{
    static struct member_event events[MEMBER_EVENTS_MAX];
    uint64_t newest;
    size_t count = membership_events(by->membership, 0, MEMBER_EVENTS_MAX, events, &newest);
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += strcmp(events[i].kind, kind) == 0;
    return found;
}

/* Two alone, of which one is too old: it is not just lonely, and the other knows whom to upgrade. */
static void two_that_share_no_version_both_name_the_other_once(void **state)
{
    (void)state;
    struct node *new = node_speaking((struct protocol){2, 3}, NULL);
    struct node *old = node_speaking((struct protocol){1, 1}, new);
    until(new, old, is_incompatible);
    until(old, new, is_incompatible);
    assert_string_equal(event_of(new, old, "refused").detail,
                        "speaks protocol 1, this node 2 to 3: upgrade it");
    struct member_event told = event_of(old, new, "refused");
    assert_string_equal(told.detail, "speaks protocol 2 to 3, this node 1: upgrade this node");
    assert_string_equal(told.name, new->config.name);
    struct member_table *table;
    const struct member *member = seen(old, new, &table);
    assert_int_equal(member->protocol.lowest, 2);
    assert_int_equal(member->protocol.highest, 3);
    uint32_t known, alive;
    member_table_count(table, &known, &alive);
    assert_int_equal(known, 2);
    assert_int_equal(alive, 1);
    member_table_release(&table);
    struct membership_counters c;
    membership_counters(new->membership, &c);
    assert_int_not_equal(c.incompatible, 0);
    assert_int_equal(count_events(new, "refused"), 1);
    assert_int_equal(count_events(old, "refused"), 1);
    node_free(old);
    node_free(new);
}

/* A transitional version holds together what cannot speak with each other; and when the old one is
 * upgraded, all are members of all. */
static void what_lies_between_an_old_and_a_new_version_speaks_with_both(void **state)
{
    (void)state;
    struct node *between = node_speaking((struct protocol){1, 2}, NULL);
    struct node *old = node_speaking((struct protocol){1, 1}, between);
    struct node *new = node_speaking((struct protocol){2, 2}, between);
    until(between, old, is_alive);
    until(between, new, is_alive);
    until(old, between, is_alive);
    until(new, between, is_alive);
    until(old, new, is_incompatible);
    until(new, old, is_incompatible);
    struct member_table *table; /* gossip told its address and version too */
    const struct member *member = seen(old, new, &table);
    assert_string_equal(member->version, ECBAK_VERSION);
    assert_true(member->address[0] != '\0');
    member_table_release(&table);
    membership_destroy(&old->membership);
    old->config.protocol = (struct protocol){1, 2};
    node_up(old);
    until(old, new, is_alive);
    until(new, old, is_alive);
    until(between, old, is_alive);
    struct node *all[] = {between, old, new};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(count_events(all[i], "suspect"), 0);
        assert_int_equal(count_events(all[i], "dead"), 0);
    }
    node_free(old);
    node_free(new);
    node_free(between);
}

/* It was a member before it was upgraded beyond this one, with nobody there to tell of that: the
 * connection does. */
static void a_member_that_comes_back_incompatible_is_not_taken_for_dead(void **state)
{
    (void)state;
    struct node *a = node_speaking((struct protocol){1, 1}, NULL);
    struct node *b = node_speaking((struct protocol){1, 2}, a);
    until(a, b, is_alive);
    until(b, a, is_alive);
    membership_destroy(&b->membership);
    b->config.protocol = (struct protocol){2, 2};
    node_up(b);
    until(a, b, is_incompatible);
    until(b, a, is_incompatible);
    assert_int_equal(count_events(a, "suspect") + count_events(a, "dead"), 0);
    node_free(b);
    node_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_that_share_no_version_both_name_the_other_once),
        cmocka_unit_test(what_lies_between_an_old_and_a_new_version_speaks_with_both),
        cmocka_unit_test(a_member_that_comes_back_incompatible_is_not_taken_for_dead),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
