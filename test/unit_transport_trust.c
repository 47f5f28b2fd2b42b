/* Who is let in by a node's transport, and who is not: certificates, dates, revocations, keys. */
#include "test/transport_bench.h"

static void a_certified_node_is_answered(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    struct err err;
    knows(a, b);
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
    assert_int_equal(b->arrived_count, 1);
    struct transport_counters none = {0}, c = counters(b);
    assert_memory_equal(&c, &none, sizeof(c));
    node_free(a);
    node_free(b);
}

static void the_asker_is_who_its_certificate_says(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    b->behaviour = HOLD;
    struct call *call = ask(a, b, "who", NULL, CALL_MS);
    wait_for_requests(b, 1);
    pthread_mutex_lock(&b->lock);
    assert_int_equal(b->held_count, 1);
    assert_memory_equal(b->held[0].node.bytes, a->keys->node.bytes, ID_SIZE);
    assert_false(b->held[0].from_client);
    pthread_mutex_unlock(&b->lock);
    call_destroy(&call);
    node_free(a);
    node_free(b);
}

static void a_key_of_another_cluster_is_refused(void **state)
{
    (void)state;
    struct node *good = node_started(), *stranger = node_made();
    uint8_t other_public[32], other_secret[64];
    crypto_sign_keypair(other_public, other_secret);
    certify(&stranger->cert, stranger->keys, "node", wall_s() - 60, wall_s() + 3600, other_secret);
    node_up(stranger, false);
    knows(stranger, good);
    struct err err;
    assert_int_equal(outcome(stranger, good, CALL_MS, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "another cluster"));
    assert_int_equal(counters(good).foreign, 1);
    assert_int_equal(good->arrived_count, 0);
    node_free(stranger);
    node_free(good);
}

static void a_certificate_that_the_authority_never_signed_is_refused(void **state)
{
    (void)state;
    struct node *good = node_started(), *forger = node_made();
    forger->cert.signature[3] ^= 1;
    node_up(forger, false);
    knows(forger, good);
    struct err err;
    assert_int_equal(outcome(forger, good, CALL_MS, &err), ERR_DENIED);
    assert_int_equal(counters(good).bad_certificate, 1);
    assert_int_equal(good->arrived_count, 0);
    node_free(forger);
    node_free(good);
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    struct node *good = node_started(), *old = node_made();
    certify(&old->cert, old->keys, "node", wall_s() - 7200, wall_s() - 3600, authority_secret);
    node_up(old, false);
    knows(old, good);
    struct err err;
    assert_int_equal(outcome(old, good, CALL_MS, &err), ERR_DENIED);
    assert_int_equal(counters(good).expired, 1);
    assert_int_equal(good->arrived_count, 0);
    node_free(old);
    node_free(good);
}

static void a_certificate_expires_while_its_connection_is_open(void **state)
{
    (void)state;
    struct node *good = node_started(), *brief = node_made();
    certify(&brief->cert, brief->keys, "node", wall_s() - 60, wall_s() + 2, authority_secret);
    node_up(brief, false);
    knows(brief, good);
    struct err err;
    assert_int_equal(outcome(brief, good, CALL_MS, &err), ERR_NONE);
    WAIT_FOR(wall_s() > brief->cert.not_after_s);
    assert_int_equal(outcome(brief, good, CALL_MS, &err), ERR_DENIED);
    assert_int_equal(counters(good).expired, 1);
    assert_int_equal(good->arrived_count, 1);
    node_free(brief);
    node_free(good);
}

static struct node *node_with_revocations(void)
{
    struct node *node = node_made();
    struct err err = ERR_INIT;
    size_t dropped;
    assert_int_equal(revocations_open(&node->revocations, "/nowhere/at/all", authority_public,
                                      wall_s(), &dropped, &err),
                     0);
    node_up(node, false);
    return node;
}

static void a_revoked_node_is_not_answered_from_the_next_message_on_but_may_be_asked(void **state)
{
    (void)state;
    struct node *good = node_with_revocations(), *bad = node_started();
    struct revocations *set = good->revocations;
    struct err err;
    knows(bad, good);
    knows(good, bad);
    assert_int_equal(outcome(bad, good, CALL_MS, &err), ERR_NONE);
    shut_out(good->revocations, &bad->cert, 0);
    assert_int_equal(outcome(bad, good, CALL_MS, &err), ERR_DENIED); /* on the same connection */
    assert_non_null(strstr(err.text, "revoked: lost"));
    assert_int_equal(counters(good).revoked, 1);
    assert_int_equal(outcome(good, bad, CALL_MS, &err), ERR_NONE); /* for what it holds */
    transport_destroy(&bad->transport);
    node_up(bad, false);
    assert_int_equal(outcome(bad, good, CALL_MS, &err), ERR_DENIED); /* on a new one */
    assert_non_null(strstr(err.text, "revoked: lost"));
    assert_int_equal(outcome(good, bad, CALL_MS, &err), ERR_NONE);
    assert_int_equal(good->arrived_count, 1);
    node_free(bad);
    node_free(good);
    revocations_close(&set);
}

static void a_certificate_that_is_revoked_alone_gives_way_to_a_newer_one(void **state)
{
    (void)state;
    struct node *good = node_with_revocations(), *node = node_started();
    struct revocations *set = good->revocations;
    struct err err;
    knows(node, good);
    shut_out(good->revocations, &node->cert, node->cert.serial);
    assert_int_equal(outcome(node, good, CALL_MS, &err), ERR_DENIED);
    transport_destroy(&node->transport);
    node->cert.serial++;
    assert_int_equal(cert_sign(&node->cert, authority_secret, &err), 0);
    node_up(node, false);
    /* Whoever was refused is not let in again for LINK_DENY_MS. */
    WAIT_FOR(outcome(node, good, CALL_MS, &err) == ERR_NONE);
    node_free(node);
    node_free(good);
    revocations_close(&set);
}

static void a_stolen_certificate_is_worthless_without_its_curve_key(void **state)
{
    (void)state;
    struct node *good = node_started(), *victim = node_made(), *thief = node_made();
    thief->cert = victim->cert;
    node_up(thief, false);
    knows(thief, good);
    struct err err;
    assert_int_equal(outcome(thief, good, CALL_MS, &err), ERR_DENIED);
    assert_int_equal(counters(good).bad_certificate, 1);
    assert_int_equal(good->arrived_count, 0);
    /* and who was refused does not get past the handshake for a while */
    assert_int_not_equal(outcome(thief, good, 1000, &err), ERR_NONE);
    assert_int_not_equal(counters(good).denied_key, 0);
    node_free(thief);
    node_free(victim);
    node_free(good);
}

static void nothing_is_answered_before_hello(void **state)
{
    (void)state;
    struct node *good = node_started();
    struct node_keys *keys = node_keys_new();
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int none = 0, wait_ms = 200;
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%u", good->config.bulk_port);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof(wait_ms));
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, good->keys->curve_public, 32);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->curve_public, 32);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->curve_secret, 32);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    zmq_send(socket, "", 0, ZMQ_SNDMORE); /* an empty envelope: a message without control */
    zmq_send(socket, "request", 7, 0);
    zmq_send(socket, "not protobuf \xff\xff", 15, 0);
    for (int i = 0; i < 10; i++)
        zmq_send(socket, "", 0, i < 9 ? ZMQ_SNDMORE : 0);
    WAIT_FOR(counters(good).no_hello == 1 && counters(good).malformed == 2);
    char buffer[256];
    assert_int_equal(zmq_recv(socket, buffer, sizeof(buffer), 0), -1);
    assert_int_equal(good->arrived_count, 0);
    zmq_close(socket);
    zmq_ctx_term(context);
    node_keys_destroy(&keys);
    node_free(good);
}

/* libzmq lets everybody in when a context has no ZAP handler. Then nobody's key is proven, and the
 * check of the User-Id on every message must hold the door alone. */
static void without_the_zap_handler_every_message_is_dropped(void **state)
{
    (void)state;
    struct node *open_door = node_made(), *a = node_started();
    node_up(open_door, true);
    knows(a, open_door);
    struct err err;
    assert_int_equal(outcome(a, open_door, 500, &err), ERR_TIMEOUT);
    WAIT_FOR(counters(open_door).no_user_id == 2); /* HELLO and the request */
    assert_int_equal(open_door->arrived_count, 0);
    node_free(a);
    node_free(open_door);
}

static void a_node_that_is_not_whom_we_seek_gets_nothing(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started(), *sought = node_made();
    sought->config.bulk_port = b->config.bulk_port; /* another key listens there */
    knows(a, sought);
    struct err err;
    assert_int_not_equal(outcome(a, sought, 1000, &err), ERR_NONE);
    assert_int_equal(b->arrived_count, 0);
    node_free(sought);
    node_free(a);
    node_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certified_node_is_answered),
        cmocka_unit_test(the_asker_is_who_its_certificate_says),
        cmocka_unit_test(a_key_of_another_cluster_is_refused),
        cmocka_unit_test(a_certificate_that_the_authority_never_signed_is_refused),
        cmocka_unit_test(an_expired_certificate_is_refused),
        cmocka_unit_test(a_certificate_expires_while_its_connection_is_open),
        cmocka_unit_test(a_revoked_node_is_not_answered_from_the_next_message_on_but_may_be_asked),
        cmocka_unit_test(a_certificate_that_is_revoked_alone_gives_way_to_a_newer_one),
        cmocka_unit_test(a_stolen_certificate_is_worthless_without_its_curve_key),
        cmocka_unit_test(nothing_is_answered_before_hello),
        cmocka_unit_test(without_the_zap_handler_every_message_is_dropped),
        cmocka_unit_test(a_node_that_is_not_whom_we_seek_gets_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
