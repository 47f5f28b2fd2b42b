/* Two and more nodes' transports on loopback, with real sockets: who is let in, who is not, and
 * what becomes of calls when the other side is slow, busy, gone, or back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/net/dial.h"
#include "node/net/transport_core.h"
#include "test/free_port.h"

#define CALL_MS 5000

static uint8_t authority_secret[64], authority_public[32];
static char folder[] = "/tmp/ecbak-transport-XXXXXX";
static int node_number;

enum behaviour {
    ECHO, /* answer at once with what was asked */
    HOLD, /* keep the request; the test answers */
    FULL, /* no room */
};

struct node {
    struct config config;
    struct node_keys *keys;
    struct cert cert;
    struct revocations *revocations; /* NULL: none */
    struct transport *transport;
    struct node *others[80]; /* whom find() knows */
    size_t other_count;
    _Atomic int behaviour;
    _Atomic int arrived_count;
    pthread_mutex_t lock;
    struct incoming held[16];
    size_t held_count;
};

static int find(void *ctx, const uint8_t id[CERT_ID_SIZE], struct peer_address *address)
{
    struct node *node = ctx;
    for (size_t i = 0; i < node->other_count; i++) {
        struct node *other = node->others[i];
        if (memcmp(other->keys->node, id, CERT_ID_SIZE) != 0)
            continue;
        snprintf(address->endpoint, sizeof(address->endpoint), "tcp://127.0.0.1:%u",
                 other->config.bulk_port);
        memcpy(address->curve_public, other->keys->curve_public, 32);
        return 0;
    }
    return -1;
}

static int arrived(void *ctx, struct incoming *in)
{
    struct node *node = ctx;
    int behaviour = node->behaviour;
    if (behaviour == HOLD) {
        pthread_mutex_lock(&node->lock);
        assert_in_range(node->held_count, 0, 15);
        node->held[node->held_count++] = *in;
        pthread_mutex_unlock(&node->lock);
    }
    node->arrived_count++;
    if (behaviour != ECHO)
        return behaviour == HOLD ? 0 : -1;
    struct incoming taken = *in;
    uint8_t header[256];
    size_t size = in->header_size < sizeof(header) ? in->header_size : sizeof(header);
    memcpy(header, in->header, size);
    struct payload payload = in->payload; /* the same bytes go back, without a copy */
    taken.payload = (struct payload){0};
    transport_reply(node->transport, &taken, header, size, &payload);
    return 0;
}

static void sign(struct node *node, int64_t from_s, int64_t to_s, const uint8_t secret[64])
{
    struct err err = ERR_INIT;
    memcpy(node->cert.node, node->keys->node, CERT_ID_SIZE);
    memcpy(node->cert.curve, node->keys->curve_public, 32);
    node->cert.serial = 1;
    node->cert.not_before_s = from_s;
    node->cert.not_after_s = to_s;
    snprintf(node->cert.name, sizeof(node->cert.name), "%s", "node");
    snprintf(node->cert.zone, sizeof(node->cert.zone), "%s", "zone");
    assert_int_equal(cert_sign(&node->cert, secret, &err), 0);
}

static struct node *node_made(void)
{
    struct node *node = calloc(1, sizeof(*node));
    pthread_mutex_init(&node->lock, NULL);
    node->config.members_max = 100;
    node->config.protocol = PROTOCOL_OURS;
    snprintf(node->config.listen_address, sizeof(node->config.listen_address), "%s", "127.0.0.1");
    node->config.bulk_port = free_port();
    snprintf(node->config.client_endpoint, sizeof(node->config.client_endpoint), "ipc://%s/%d",
             folder, node_number++);
    node->keys = node_keys_new();
    sign(node, wall_s() - 60, wall_s() + 3600, authority_secret);
    return node;
}

static void node_up(struct node *node, bool without_zap)
{
    struct err err = ERR_INIT;
    struct transport_ops ops = {
        .ctx = node, .find = find, .arrived = arrived, .revocations = node->revocations};
    if (transport_new_seam(&node->transport, &node->config, node->keys, &node->cert,
                           authority_public, &ops, without_zap, &err) != 0)
        fail_msg("%s", err.text);
}

static struct node *node_started(void)
{
    struct node *node = node_made();
    node_up(node, false);
    return node;
}

static void node_free(struct node *node)
{
    transport_destroy(&node->transport);
    for (size_t i = 0; i < node->held_count; i++) {
        free(node->held[i].header);
        payload_release(&node->held[i].payload);
    }
    node_keys_destroy(&node->keys);
    pthread_mutex_destroy(&node->lock);
    free(node);
}

static void knows(struct node *node, struct node *other)
{
    node->others[node->other_count++] = other;
}

static struct call *ask(struct node *from, struct node *to, const char *text,
                        struct payload *payload, int timeout_ms)
{
    struct err err = ERR_INIT;
    struct call *call = NULL;
    if (transport_call(from->transport, to->keys->node, (const uint8_t *)text, strlen(text),
                       payload, timeout_ms, &call, &err) != 0)
        fail_msg("%s", err.text);
    return call;
}

/* The code with which one call ended; ERR_NONE: the echo came back. */
static enum err_code outcome(struct node *from, struct node *to, int timeout_ms, struct err *err)
{
    struct call *call = ask(from, to, "hello", NULL, timeout_ms);
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + CALL_MS), 0);
    const uint8_t *header;
    size_t size;
    *err = (struct err)ERR_INIT;
    if (call_result(call, &header, &size, NULL, err) == 0) {
        assert_int_equal(size, 5);
        assert_memory_equal(header, "hello", 5);
    }
    call_destroy(&call);
    return err->code;
}

static struct transport_counters counters(struct node *node)
{
    struct transport_counters c;
    transport_counters(node->transport, &c);
    return c;
}

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
    int64_t until_ms = monotonic_ms() + CALL_MS;
    while (b->arrived_count == 0 && monotonic_ms() < until_ms)
        usleep(1000);
    pthread_mutex_lock(&b->lock);
    assert_int_equal(b->held_count, 1);
    assert_memory_equal(b->held[0].node, a->keys->node, CERT_ID_SIZE);
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
    sign(stranger, wall_s() - 60, wall_s() + 3600, other_secret);
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
    sign(old, wall_s() - 7200, wall_s() - 3600, authority_secret);
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
    sign(brief, wall_s() - 60, wall_s() + 1, authority_secret);
    node_up(brief, false);
    knows(brief, good);
    struct err err;
    assert_int_equal(outcome(brief, good, CALL_MS, &err), ERR_NONE);
    while (wall_s() <= brief->cert.not_after_s)
        usleep(20000);
    assert_int_equal(outcome(brief, good, CALL_MS, &err), ERR_DENIED);
    assert_int_equal(counters(good).expired, 1);
    assert_int_equal(good->arrived_count, 1);
    node_free(brief);
    node_free(good);
}

/* In force from now on at `at`; serial 0: all certificates of `whom`. */
static void shut_out(struct node *at, struct node *whom, uint64_t serial)
{
    struct revocation r = {
        .serial = serial, .at_s = wall_s(), .until_s = whom->cert.not_after_s, .name = "node"};
    uint8_t bytes[REVOCATION_BYTES];
    bool added;
    struct err err = ERR_INIT;
    memcpy(r.node, whom->cert.node, sizeof(r.node));
    memcpy(r.curve, whom->cert.curve, sizeof(r.curve));
    snprintf(r.reason, sizeof(r.reason), "lost");
    assert_int_equal(revocation_sign(&r, authority_secret, &err), 0);
    assert_int_equal(revocation_encode(&r, bytes, &err), 0);
    assert_int_equal(
        revocations_add(at->revocations, bytes, sizeof(bytes), NULL, wall_s(), &added, &err), 0);
    assert_true(added);
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
    shut_out(good, bad, 0);
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
    shut_out(good, node, node->cert.serial);
    assert_int_equal(outcome(node, good, CALL_MS, &err), ERR_DENIED);
    transport_destroy(&node->transport);
    node->cert.serial++;
    assert_int_equal(cert_sign(&node->cert, authority_secret, &err), 0);
    node_up(node, false);
    /* Whoever was refused is not let in again for LINK_DENY_MS. */
    int64_t until_ms = monotonic_ms() + 4 * CALL_MS;
    while (outcome(node, good, CALL_MS, &err) != ERR_NONE) {
        assert_true(monotonic_ms() < until_ms);
        usleep(100000);
    }
    node_free(node);
    node_free(good);
    revocations_close(&set);
}

static void dialling_proves_that_a_port_is_open_and_whose_it_is(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    char here[64], closed[64];
    snprintf(here, sizeof(here), "tcp://127.0.0.1:%u", a->config.bulk_port);
    snprintf(closed, sizeof(closed), "tcp://127.0.0.1:%u", free_port());
    struct dialled two[DIAL_MAX] = {{.endpoint = here}, {.endpoint = closed}};
    dial(two, DIAL_MAX, a->keys->curve_public, 3000);
    assert_true(two[0].reached);
    assert_false(two[1].reached);
    assert_string_equal(two[1].why, "the connection is refused");
    dial(two, 1, b->keys->curve_public, 1000);
    assert_false(two[0].reached);
    assert_string_equal(two[0].why, "something else answers there");
    struct dialled odd = {.endpoint = "tcp://no port"};
    dial(&odd, 1, a->keys->curve_public, 1000);
    assert_false(odd.reached);
    assert_int_equal(outcome((knows(a, b), a), b, CALL_MS, &(struct err)ERR_INIT), ERR_NONE);
    node_free(a);
    node_free(b);
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
    thief->others[0] = good;
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
    int none = 0, wait_ms = 300;
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
    char buffer[256];
    assert_int_equal(zmq_recv(socket, buffer, sizeof(buffer), 0), -1);
    assert_int_equal(counters(good).no_hello, 1);
    assert_int_equal(counters(good).malformed, 2);
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
    assert_int_equal(open_door->arrived_count, 0);
    assert_int_equal(counters(open_door).no_user_id, 2); /* HELLO and the request */
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

static _Atomic int released;

static void release_bulk(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
    released++;
}

static void sixteen_mebibytes_come_back_whole(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    size_t size = 16 << 20;
    uint8_t *bytes = malloc(size), digest[32], got[32];
    randombytes_buf(bytes, size);
    crypto_generichash(digest, 32, bytes, size, NULL, 0);
    released = 0;
    struct payload payload = {.bytes = bytes, .size = size, .release = release_bulk};
    struct call *call = ask(a, b, "bulk", &payload, 20000);
    assert_null(payload.bytes); /* taken */
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + 20000), 0);
    const uint8_t *header;
    size_t header_size;
    struct payload answer;
    struct err err = ERR_INIT;
    assert_int_equal(call_result(call, &header, &header_size, &answer, &err), 0);
    assert_int_equal(answer.size, size);
    crypto_generichash(got, 32, answer.bytes, answer.size, NULL, 0);
    assert_memory_equal(got, digest, 32);
    call_destroy(&call);
    node_free(a);
    node_free(b);
    assert_int_equal(released, 1);
}

static void a_slow_node_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct node *a = node_started(), *slow = node_started(), *quick = node_started();
    knows(a, slow);
    knows(a, quick);
    slow->behaviour = HOLD;
    struct call *calls[3] = {ask(a, slow, "one", NULL, CALL_MS), NULL,
                             ask(a, quick, "two", NULL, CALL_MS)};
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + CALL_MS), 2);
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + 50), -1);
    pthread_mutex_lock(&slow->lock);
    assert_int_equal(slow->held_count, 1);
    transport_reply(slow->transport, &slow->held[0], (const uint8_t *)"late", 4, NULL);
    slow->held_count = 0;
    pthread_mutex_unlock(&slow->lock);
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + CALL_MS), 0);
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + CALL_MS), -1); /* none is left */
    call_destroy(&calls[0]);
    call_destroy(&calls[2]);
    node_free(a);
    node_free(slow);
    node_free(quick);
}

static void a_call_ends_at_its_deadline_and_may_be_dropped_before(void **state)
{
    (void)state;
    struct node *a = node_started(), *slow = node_started();
    knows(a, slow);
    slow->behaviour = HOLD;
    struct err err;
    int64_t start_ms = monotonic_ms();
    assert_int_equal(outcome(a, slow, 200, &err), ERR_TIMEOUT);
    assert_in_range(monotonic_ms() - start_ms, 200, 1500);
    struct call *call = ask(a, slow, "x", NULL, CALL_MS);
    call_destroy(&call);
    node_free(a);
    node_free(slow);
}

static void a_node_without_room_says_busy_at_once(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    b->behaviour = FULL;
    struct err err;
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_BUSY);
    assert_int_equal(counters(b).busy, 1);
    b->behaviour = ECHO;
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
    node_free(a);
    node_free(b);
}

static void a_peer_that_restarted_is_answered_by_the_next_call(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    struct err err;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
        transport_destroy(&b->transport);
        node_up(b, false);
        int64_t start_ms = monotonic_ms();
        assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
        assert_in_range(monotonic_ms() - start_ms, 0, 1000);
    }
    node_free(a);
    node_free(b);
}

/* Forwards one connection after another to a node; cut closes the one that is open. */
struct proxy {
    uint16_t port, to_port;
    int listener;
    _Atomic bool cut, end;
    _Atomic int connections;
    pthread_t thread;
};

static bool pump(int from, int to)
{
    char buffer[4096];
    ssize_t size = read(from, buffer, sizeof(buffer));
    return size > 0 && write(to, buffer, (size_t)size) == size;
}

static void *proxy_run(void *argument)
{
    struct proxy *proxy = argument;
    int in = -1, out = -1;
    while (!proxy->end) {
        struct pollfd fds[3] = {
            {proxy->listener, in < 0 ? POLLIN : 0, 0}, {in, POLLIN, 0}, {out, POLLIN, 0}};
        poll(fds, 3, 10);
        if ((fds[0].revents & POLLIN) != 0) {
            struct sockaddr_in to = {.sin_family = AF_INET,
                                     .sin_port = htons(proxy->to_port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            in = accept(proxy->listener, NULL, NULL);
            out = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(out, (struct sockaddr *)&to, sizeof(to)) == 0)
                proxy->connections++;
        }
        bool open = true;
        if (in >= 0 && (fds[1].revents & POLLIN) != 0)
            open = pump(in, out);
        if (out >= 0 && open && (fds[2].revents & POLLIN) != 0)
            open = pump(out, in);
        if (in >= 0 && (!open || proxy->cut)) {
            close(in);
            close(out);
            in = out = -1;
            proxy->cut = false;
        }
    }
    if (in >= 0) {
        close(in);
        close(out);
    }
    return NULL;
}

static void a_request_whose_connection_is_lost_is_sent_once_more(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    struct proxy proxy = {.port = free_port(), .to_port = b->config.bulk_port};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(proxy.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    proxy.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(proxy.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(proxy.listener, 4), 0);
    assert_int_equal(pthread_create(&proxy.thread, NULL, proxy_run, &proxy), 0);
    b->config.bulk_port = proxy.port; /* that is what find() tells */
    knows(a, b);
    b->behaviour = HOLD;
    struct call *call = ask(a, b, "again", NULL, CALL_MS);
    int64_t until_ms = monotonic_ms() + CALL_MS;
    while (b->arrived_count < 1 && monotonic_ms() < until_ms)
        usleep(1000);
    assert_int_equal(b->arrived_count, 1);
    b->behaviour = ECHO;
    proxy.cut = true;
    assert_int_equal(calls_wait(&call, 1, until_ms), 0);
    const uint8_t *header;
    size_t size;
    struct err err = ERR_INIT;
    assert_int_equal(call_result(call, &header, &size, NULL, &err), 0);
    assert_int_equal(b->arrived_count, 2);
    assert_int_equal(proxy.connections, 2);
    call_destroy(&call);
    node_free(a);
    node_free(b);
    proxy.end = true;
    pthread_join(proxy.thread, NULL);
    close(proxy.listener);
}

static void a_call_to_a_stopped_peer_fails_without_waiting(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    struct err err;
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
    b->behaviour = HOLD;
    struct call *call = ask(a, b, "x", NULL, CALL_MS);
    int64_t start_ms = monotonic_ms();
    while (b->arrived_count < 2 && monotonic_ms() < start_ms + CALL_MS)
        usleep(1000);
    start_ms = monotonic_ms();
    transport_destroy(&b->transport);
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + CALL_MS), 0);
    const uint8_t *header;
    size_t size;
    assert_int_equal(call_result(call, &header, &size, NULL, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_in_range(monotonic_ms() - start_ms, 0, 1000);
    call_destroy(&call);
    node_free(a);
    node_free(b);
}

/* Scores of nodes in one process need more descriptors than the usual soft limit of 1024. */
static bool many_files_allowed(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    return limit.rlim_max >= 4096 && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void a_connection_is_ready_once_it_was_welcomed(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    struct link_peer peer;
    struct err err;
    knows(a, b);
    snprintf(peer.endpoint, sizeof(peer.endpoint), "tcp://127.0.0.1:%u", b->config.bulk_port);
    memcpy(peer.curve, b->keys->curve_public, sizeof(peer.curve));
    assert_false(link_ready(a->transport->link, &peer));
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
    assert_true(link_ready(a->transport->link, &peer));
    snprintf(peer.endpoint, sizeof(peer.endpoint), "tcp://127.0.0.1:1"); /* it moved */
    assert_false(link_ready(a->transport->link, &peer));
    node_free(a);
    node_free(b);
}

static void more_peers_than_the_pool_holds_are_all_answered(void **state)
{
    (void)state;
    if (!many_files_allowed())
        skip();
    struct node *a = node_started();
    struct node *peers[TRANSPORT_PEERS_MAX + 6];
    size_t count = sizeof(peers) / sizeof(peers[0]);
    struct err err;
    for (size_t i = 0; i < count; i++) {
        peers[i] = node_started();
        knows(a, peers[i]);
        assert_int_equal(outcome(a, peers[i], CALL_MS, &err), ERR_NONE);
    }
    assert_int_equal(link_peer_count(a->transport->link), TRANSPORT_PEERS_MAX);
    assert_int_equal(outcome(a, peers[0], CALL_MS, &err), ERR_NONE);
    node_free(a);
    for (size_t i = 0; i < count; i++)
        node_free(peers[i]);
}

static void cancelling_ends_every_call(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    b->behaviour = HOLD;
    struct call *call = ask(a, b, "x", NULL, 60000);
    transport_cancel(a->transport);
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + CALL_MS), 0);
    const uint8_t *header;
    size_t size;
    struct err err = ERR_INIT;
    assert_int_equal(call_result(call, &header, &size, NULL, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    call_destroy(&call);
    assert_int_equal(transport_call(a->transport, b->keys->node, (const uint8_t *)"x", 1, NULL, 100,
                                    &call, &err),
                     -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    node_free(a);
    node_free(b);
}

static void *client_socket(void *context, struct node *node)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int none = 0, wait_ms = CALL_MS;
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof(wait_ms));
    assert_int_equal(zmq_connect(socket, node->config.client_endpoint), 0);
    return socket;
}

static void a_command_is_answered_and_the_socket_is_the_groups_only(void **state)
{
    (void)state;
    struct node *a = node_started();
    struct stat st;
    assert_int_equal(stat(a->config.client_endpoint + 6, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    void *context = zmq_ctx_new();
    void *socket = client_socket(context, a);
    char header[16], payload[16];
    assert_int_equal(zmq_send(socket, "head", 4, ZMQ_SNDMORE), 4);
    assert_int_equal(zmq_send(socket, "payload", 7, 0), 7);
    assert_int_equal(zmq_recv(socket, header, sizeof(header), 0), 4);
    assert_int_equal(zmq_recv(socket, payload, sizeof(payload), 0), 7);
    assert_memory_equal(payload, "payload", 7);
    zmq_close(socket);
    zmq_ctx_term(context);
    node_free(a);
}

static void a_command_waits_while_there_is_no_room(void **state)
{
    (void)state;
    struct node *a = node_started();
    a->behaviour = FULL;
    void *context = zmq_ctx_new();
    void *socket = client_socket(context, a);
    for (int i = 0; i < 8; i++)
        assert_int_equal(zmq_send(socket, "head", 4, 0), 4);
    int64_t until_ms = monotonic_ms() + CALL_MS;
    while (a->arrived_count < 3 && monotonic_ms() < until_ms)
        usleep(1000);
    assert_in_range(a->arrived_count, 3, INT32_MAX); /* the first one, tried again and again */
    a->behaviour = ECHO;
    char header[16];
    for (int i = 0; i < 8; i++)
        assert_int_equal(zmq_recv(socket, header, sizeof(header), 0), 4);
    zmq_close(socket);
    zmq_ctx_term(context);
    node_free(a);
}

static void a_live_socket_file_is_not_taken_over_and_a_stale_one_is(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_made();
    struct transport_ops ops = {.ctx = b, .find = find, .arrived = arrived};
    struct err err = ERR_INIT;
    snprintf(b->config.client_endpoint, sizeof(b->config.client_endpoint), "%s",
             a->config.client_endpoint);
    assert_int_equal(
        transport_new(&b->transport, &b->config, b->keys, &b->cert, authority_public, &ops, &err),
        -1);
    assert_int_equal(err.code, ERR_EXISTS);
    snprintf(b->config.client_endpoint, sizeof(b->config.client_endpoint), "ipc://%s/stale",
             folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", b->config.client_endpoint + 6);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* the file stays */
    node_up(b, false);
    node_free(a);
    node_free(b);
}

static void an_overlong_socket_path_is_refused_by_its_length(void **state)
{
    (void)state;
    struct node *a = node_made();
    struct transport_ops ops = {.ctx = a, .find = find, .arrived = arrived};
    struct err err = ERR_INIT;
    memset(a->config.client_endpoint, 'x', 200);
    memcpy(a->config.client_endpoint, "ipc:///", 7);
    a->config.client_endpoint[200] = '\0';
    assert_int_equal(
        transport_new(&a->transport, &a->config, a->keys, &a->cert, authority_public, &ops, &err),
        -1);
    assert_non_null(strstr(err.text, "107"));
    node_free(a);
}

static void a_late_message_is_told_from_a_fresh_one(void **state)
{
    (void)state;
    struct lateness l = {0};
    assert_false(lateness_check(&l, 1000000, 5000, 500));
    assert_false(lateness_check(&l, 1001000, 6000, 500));
    assert_false(lateness_check(&l, 1002400, 7000, 500)); /* 400 ms on its way */
    assert_true(lateness_check(&l, 1009000, 8000, 500));  /* 6 s: queued somewhere */
    assert_true(lateness_check(&l, 1009001, 9000, 500));
    assert_false(lateness_check(&l, 1009002, 14000, 500)); /* the queue is empty again */
    assert_false(lateness_check(&l, 1009003, 8000, 0));    /* never late */
    /* The sender's clock stood still for an hour, for good. */
    assert_true(lateness_check(&l, 4610000, 15000, 500));
    assert_true(lateness_check(&l, 4611000, 16000, 500));
    assert_false(lateness_check(&l, 4612100, 17100, 500));
    assert_false(lateness_check(&l, 4613000, 18000, 500));
    assert_true(lateness_check(&l, 4613000, INT64_MIN, 500)); /* hostile stamps */
    assert_true(lateness_check(&l, 4613000, INT64_MAX, 500));
}

static int setup(void **state)
{
    (void)state;
    if (sodium_init() < 0 || mkdtemp(folder) == NULL)
        return -1;
    return crypto_sign_keypair(authority_public, authority_secret);
}

static int teardown(void **state)
{
    (void)state;
    char path[128];
    for (int i = 0; i < node_number; i++) {
        snprintf(path, sizeof(path), "%s/%d", folder, i);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/stale", folder);
    unlink(path);
    return rmdir(folder);
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
        cmocka_unit_test(dialling_proves_that_a_port_is_open_and_whose_it_is),
        cmocka_unit_test(a_stolen_certificate_is_worthless_without_its_curve_key),
        cmocka_unit_test(nothing_is_answered_before_hello),
        cmocka_unit_test(without_the_zap_handler_every_message_is_dropped),
        cmocka_unit_test(a_node_that_is_not_whom_we_seek_gets_nothing),
        cmocka_unit_test(sixteen_mebibytes_come_back_whole),
        cmocka_unit_test(a_slow_node_does_not_hold_up_the_others),
        cmocka_unit_test(a_call_ends_at_its_deadline_and_may_be_dropped_before),
        cmocka_unit_test(a_node_without_room_says_busy_at_once),
        cmocka_unit_test(a_peer_that_restarted_is_answered_by_the_next_call),
        cmocka_unit_test(a_request_whose_connection_is_lost_is_sent_once_more),
        cmocka_unit_test(a_call_to_a_stopped_peer_fails_without_waiting),
        cmocka_unit_test(a_connection_is_ready_once_it_was_welcomed),
        cmocka_unit_test(more_peers_than_the_pool_holds_are_all_answered),
        cmocka_unit_test(cancelling_ends_every_call),
        cmocka_unit_test(a_command_is_answered_and_the_socket_is_the_groups_only),
        cmocka_unit_test(a_command_waits_while_there_is_no_room),
        cmocka_unit_test(a_live_socket_file_is_not_taken_over_and_a_stale_one_is),
        cmocka_unit_test(an_overlong_socket_path_is_refused_by_its_length),
        cmocka_unit_test(a_late_message_is_told_from_a_fresh_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
