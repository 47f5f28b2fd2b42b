/* Links between real sockets on loopback, all on this thread: which connections are kept, which go,
 * and that nothing which waited too long is handed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/common/clock.h"
#include "node/net/link_internal.h"
#include "node/trust/node_keys.h"
#include "test/authority_sample.h"
#include "test/free_port.h"

#define PEERS         12
#define POOL          8
#define DEADLINE_MS   10000
#define NEVER_IDLE_MS 600000

struct node {
    struct link *link;
    struct node_keys *keys;
    struct cert cert;
    struct link_peer peer; /* how others reach it */
    struct protocol protocol;
    size_t incompatible_count;       /* how often it was told of one, */
    struct cert incompatible;        /* the last one, */
    struct protocol incompatible_at; /* what that speaks, */
    char incompatible_address[64];   /* and where it is, if that is known */
    size_t received_count;
};

static struct node *hub, *peers[PEERS];

static void received(void *ctx, struct link_message *message)
{
    struct node *node = ctx;
    (void)message;
    node->received_count++;
}

static void lost(void *ctx, const uint8_t curve[32], const struct err *why)
{
    (void)ctx;
    (void)curve;
    (void)why;
}

static void incompatible(void *ctx, const struct cert *cert, struct protocol protocol,
                         const char *address)
{
    struct node *node = ctx;
    node->incompatible_count++;
    node->incompatible = *cert;
    node->incompatible_at = protocol;
    snprintf(node->incompatible_address, sizeof(node->incompatible_address), "%s",
             address != NULL ? address : "");
}

static struct node *node_speaking(struct protocol protocol, int64_t idle_ms)
{
    struct node *node = calloc(1, sizeof(*node));
    node->protocol = protocol;
    struct err err = ERR_INIT;
    node->keys = node_keys_new();
    certify_now(&node->cert, node->keys, "node");
    node->peer.endpoint = at_port(free_port());
    memcpy(node->peer.curve, node->keys->curve_public, 32);
    const struct link_options options = {.listen = endpoint_address(&node->peer.endpoint),
                                         .keys = node->keys,
                                         .cert = &node->cert,
                                         .authority_public = authority_public,
                                         .protocol = node->protocol,
                                         .message_max = 4096,
                                         .sessions_max = 100,
                                         .peers_max = POOL,
                                         .idle_ms = idle_ms,
                                         .receive_hwm = 64,
                                         .send_hwm = 32,
                                         .backlog_max = 1 << 20};
    const struct link_ops ops = {
        .ctx = node, .received = received, .lost = lost, .incompatible = incompatible};
    if (link_new(&node->link, &options, &ops, &err) != 0)
        fail_msg("%s", err.text);
    return node;
}

static struct node *node_new(int64_t idle_ms)
{
    return node_speaking(PROTOCOL_OURS, idle_ms);
}

static void node_destroy(struct node *node)
{
    link_destroy(&node->link);
    node_keys_destroy(&node->keys);
    free(node);
}

static void start(int64_t idle_ms)
{
    hub = node_new(idle_ms);
    for (size_t i = 0; i < PEERS; i++)
        peers[i] = node_new(NEVER_IDLE_MS);
}

static int stop(void **state)
{
    (void)state;
    node_destroy(hub);
    for (size_t i = 0; i < PEERS; i++)
        node_destroy(peers[i]);
    return 0;
}

static void say(struct node *to, uint32_t ttl_ms)
{
    struct err err = ERR_INIT;
    zmq_msg_t body;
    zmq_msg_init_size(&body, 1);
    memset(zmq_msg_data(&body), 0, 1);
    if (link_send(hub->link, &to->peer, 0, ttl_ms, &body, NULL, &err) != 0)
        fail_msg("%s", err.text);
    assert_in_range(link_peer_count(hub->link), 1, POOL);
}

static void turn(void)
{
    link_process(hub->link);
    for (size_t i = 0; i < PEERS; i++)
        link_process(peers[i]->link);
    usleep(1000);
}

/* Says something to the peer, and turns until it has it. */
static void reach(struct node *to)
{
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    size_t before = to->received_count;
    say(to, DEADLINE_MS); /* so that it learns how our clocks differ */
    while (to->received_count == before || !link_ready(hub->link, &to->peer)) {
        turn();
        if (monotonic_ms() > end_ms)
            fail_msg("a peer does not hear us");
    }
    usleep(2000); /* the next use is later, also by a clock of milliseconds */
}

static void no_more_are_open_than_allowed_and_the_least_recently_used_goes_first(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    for (size_t i = 0; i < POOL; i++)
        reach(peers[i]);
    assert_int_equal(link_peer_count(hub->link), POOL);
    reach(peers[0]);
    reach(peers[POOL]); /* takes the place of peers[1] */
    assert_true(link_ready(hub->link, &peers[0]->peer));
    assert_false(link_ready(hub->link, &peers[1]->peer));
    for (size_t i = 2; i <= POOL; i++)
        assert_true(link_ready(hub->link, &peers[i]->peer));
    for (size_t i = 0; i < 3 * PEERS; i++)
        reach(peers[i * 5 % PEERS]);
    assert_int_equal(link_peer_count(hub->link), POOL);
}

static void what_waits_for_a_handshake_is_not_thrown_away(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    for (size_t i = 0; i < POOL; i++)
        reach(peers[i]);
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    for (size_t i = POOL; i < PEERS; i++)
        say(peers[i],
            0); /* these wait for their connections, and are soon the least recently used */
    usleep(2000);
    for (size_t i = PEERS - POOL; i < POOL; i++)
        say(peers[i], 0);
    usleep(2000);
    for (size_t i = 0; i < PEERS - POOL; i++)
        say(peers[i], 0); /* four more to be made: four have to go */
    for (size_t i = POOL; i < PEERS; i++)
        while (peers[i]->received_count == 0) {
            turn();
            if (monotonic_ms() > end_ms)
                fail_msg("what was said to peer %zu is lost", i);
        }
}

static void what_nobody_uses_is_closed_by_who_made_it(void **state)
{
    (void)state;
    start(400);
    for (size_t i = 0; i < 3; i++)
        reach(peers[i]);
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    while (link_peer_count(hub->link) > 1) {
        reach(peers[0]);
        if (monotonic_ms() > end_ms)
            fail_msg("idle connections stay open");
    }
    assert_true(link_ready(hub->link, &peers[0]->peer)); /* is not idle */
    while (link_peer_count(hub->link) > 0) {
        turn();
        if (monotonic_ms() > end_ms)
            fail_msg("the last idle connection stays open");
    }
    reach(peers[1]); /* and is made again when it is needed */
}

/* A process that stands still leaves what comes in its queues; when it goes on, nothing of that may
 * pass for fresh. */
static void what_waited_longer_than_it_may_is_not_handed_up(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    reach(peers[0]);
    struct link_counters counters;
    size_t before = peers[0]->received_count;
    int64_t thaw_ms = monotonic_ms() + 600;
    for (int i = 0; i < 5; i++)
        say(peers[0], 200);
    say(peers[0], 0);
    while (monotonic_ms() < thaw_ms)
        usleep(10000);
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    while (peers[0]->received_count == before && monotonic_ms() < end_ms)
        turn();
    assert_int_equal(peers[0]->received_count, before + 1); /* what may be under way for ever */
    link_counters(peers[0]->link, &counters);
    assert_int_equal(counters.late, 5);
    say(peers[0], 5000);
    while (peers[0]->received_count == before + 1 && monotonic_ms() < end_ms)
        turn();
    assert_int_equal(peers[0]->received_count, before + 2);
}

/* Both ends learn who the other is and what it speaks, whichever of them is the older. */
static void who_speaks_none_of_our_versions_is_refused_and_both_know_whom_and_why(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    struct node *caller =
        node_speaking((struct protocol){PROTOCOL_HIGHEST + 1, PROTOCOL_HIGHEST + 2}, NEVER_IDLE_MS);
    struct node *old = hub;
    hub = caller; /* say() speaks for the hub */
    say(&(struct node){.peer = old->peer}, 0);
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    while (caller->incompatible_count == 0 && monotonic_ms() < end_ms) {
        link_process(old->link);
        turn();
    }
    hub = old;
    assert_int_equal(caller->incompatible_count, 1);
    assert_memory_equal(caller->incompatible.node.bytes, old->cert.node.bytes, ID_SIZE);
    assert_int_equal(caller->incompatible_at.highest, PROTOCOL_HIGHEST);
    assert_string_equal(caller->incompatible_address, endpoint_address(&old->peer.endpoint));
    assert_int_equal(old->incompatible_count, 1);
    assert_memory_equal(old->incompatible.node.bytes, caller->cert.node.bytes, ID_SIZE);
    assert_int_equal(old->incompatible_at.lowest, PROTOCOL_HIGHEST + 1);
    assert_int_equal(old->incompatible_at.highest, PROTOCOL_HIGHEST + 2);
    assert_string_equal(old->incompatible_address, "");
    assert_int_equal(old->received_count, 0);
    struct link_counters counters;
    link_counters(old->link, &counters);
    assert_int_equal(counters.incompatible, 1);
    assert_int_equal(counters.bad_certificate, 0);
    node_destroy(caller);
}

static void what_is_no_range_is_malformed_and_nobody_is_told(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    struct node *caller = node_speaking((struct protocol){3, 2}, NEVER_IDLE_MS), *old = hub;
    struct link_counters counters = {0};
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    hub = caller;
    say(&(struct node){.peer = old->peer}, 0);
    while ((counters.malformed == 0 || link_peer_count(caller->link) > 0) &&
           monotonic_ms() < end_ms) {
        link_process(old->link);
        turn();
        link_counters(old->link, &counters);
    }
    hub = old;
    assert_int_equal(counters.malformed, 1);
    assert_int_equal(link_peer_count(caller->link), 0); /* it is told, too */
    assert_int_equal(old->incompatible_count + caller->incompatible_count, 0);
    node_destroy(caller);
}

static void ranges_that_meet_are_enough(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    struct node *both = node_speaking((struct protocol){1, 2}, NEVER_IDLE_MS), *mine = peers[0];
    peers[0] = both;
    reach(both);
    assert_int_equal(both->incompatible_count + hub->incompatible_count, 0);
    peers[0] = mine;
    node_destroy(both);
}

/* That member's key, and another's address. */
static struct node misplaced(const struct node *whose, const struct node *where)
{
    struct node node = {.peer = whose->peer};
    node.peer.endpoint = where->peer.endpoint;
    return node;
}

static void who_states_anothers_address_takes_no_connection_away(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    struct node liar = misplaced(peers[1], peers[0]), again = misplaced(peers[3], peers[2]);
    reach(peers[0]);
    say(&liar, 0);
    assert_true(link_ready(hub->link, &peers[0]->peer));
    say(peers[2], 0); /* whose handshake is under way */
    say(&again, 0);
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    while (link_peer_count(hub->link) > 2 || peers[2]->received_count == 0) {
        turn();
        assert_true(link_ready(hub->link, &peers[0]->peer));
        if (monotonic_ms() > end_ms)
            fail_msg("%zu connections, %zu messages", link_peer_count(hub->link),
                     peers[2]->received_count);
    }
    assert_int_equal(peers[2]->received_count, 1);
    assert_int_equal(peers[1]->received_count + peers[3]->received_count, 0);
    reach(peers[0]);
    reach(peers[1]); /* where it is */
}

/* As many as there may be of those that nobody has welcomed; the next takes the place of the oldest. */
static void many_who_state_anothers_address_take_no_connection_away(void **state)
{
    (void)state;
    start(NEVER_IDLE_MS);
    struct node liars[PEERS];
    reach(peers[0]);
    for (size_t i = 1; i < PEERS; i++) {
        liars[i] = misplaced(peers[i], peers[0]);
        say(&liars[i], 0);
        assert_true(link_ready(hub->link, &peers[0]->peer));
    }
    int64_t end_ms = monotonic_ms() + DEADLINE_MS;
    while (link_peer_count(hub->link) > 1) {
        turn();
        assert_true(link_ready(hub->link, &peers[0]->peer));
        if (monotonic_ms() > end_ms)
            fail_msg("%zu connections", link_peer_count(hub->link));
    }
    reach(peers[0]);
}

static int setup(void **state)
{
    (void)state;
    return authority_set_up();
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_more_are_open_than_allowed_and_the_least_recently_used_goes_first),
        TEST(what_waits_for_a_handshake_is_not_thrown_away),
        TEST(what_nobody_uses_is_closed_by_who_made_it),
        TEST(what_waited_longer_than_it_may_is_not_handed_up),
        TEST(who_speaks_none_of_our_versions_is_refused_and_both_know_whom_and_why),
        TEST(what_is_no_range_is_malformed_and_nobody_is_told),
        TEST(ranges_that_meet_are_enough),
        TEST(who_states_anothers_address_takes_no_connection_away),
        TEST(many_who_state_anothers_address_take_no_connection_away),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
