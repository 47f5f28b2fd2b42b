/* transport_bench.h - nodes of which there is nothing but their transports, in one process, on the
 * loopback, with real sockets and keys. Each knows whom the test says, and does with a request what
 * the test says.
 */
#ifndef ECBAK_TEST_TRANSPORT_BENCH_H
#define ECBAK_TEST_TRANSPORT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/net/transport_internal.h"
#include "node/trust/node_keys.h"
#include "test/authority_sample.h"
#include "test/free_port.h"
#include "test/remove_tree.h"
#include "test/wait_for.h"

#define CALL_MS 5000

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

static inline int find(void *ctx, const struct node_id *id, struct peer_address *address)
{
    struct node *node = ctx;
    for (size_t i = 0; i < node->other_count; i++) {
        struct node *other = node->others[i];
        if (!id_equal(&other->keys->node, id))
            continue;
        snprintf(address->endpoint, sizeof(address->endpoint), "tcp://127.0.0.1:%u",
                 other->config.bulk_port);
        memcpy(address->curve_public, other->keys->curve_public, 32);
        return 0;
    }
    return -1;
}

static inline int arrived(void *ctx, struct incoming *in)
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

static inline struct node *node_made(void)
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
    certify_now(&node->cert, node->keys, "node");
    return node;
}

static inline void node_up(struct node *node, bool without_zap)
{
    struct err err = ERR_INIT;
    struct transport_ops ops = {
        .ctx = node, .find = find, .arrived = arrived, .revocations = node->revocations};
    if (transport_new_seam(&node->transport, &node->config,
                           &(struct credentials){node->keys, &node->cert, authority_public}, &ops,
                           without_zap, &err) != 0)
        fail_msg("%s", err.text);
}

static inline struct node *node_started(void)
{
    struct node *node = node_made();
    node_up(node, false);
    return node;
}

static inline void node_free(struct node *node)
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

static inline void knows(struct node *node, struct node *other)
{
    node->others[node->other_count++] = other;
}

/* Until so many requests were brought to it. */
static inline void wait_for_requests(struct node *at, int count)
{
    WAIT_FOR(at->arrived_count >= count);
}

static inline struct call *ask(struct node *from, struct node *to, const char *text,
                               struct payload *payload, int timeout_ms)
{
    struct err err = ERR_INIT;
    struct call *call = NULL;
    if (transport_call(from->transport, &to->keys->node,
                       &(struct outgoing){(const uint8_t *)text, strlen(text), payload}, timeout_ms,
                       &call, &err) != 0)
        fail_msg("%s", err.text);
    return call;
}

/* The code with which one call ended; ERR_NONE: the echo came back. */
static inline enum err_code outcome(struct node *from, struct node *to, int timeout_ms,
                                    struct err *err)
{
    struct call *call = ask(from, to, "hello", NULL, timeout_ms);
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + CALL_MS), 0);
    const uint8_t *header;
    size_t size;
    *err = ERR_INIT;
    if (call_result(call, &header, &size, NULL, err) == 0) {
        assert_int_equal(size, 5);
        assert_memory_equal(header, "hello", 5);
    }
    call_destroy(&call);
    return err->code;
}

static inline struct transport_counters counters(struct node *node)
{
    struct transport_counters c;
    transport_counters(node->transport, &c);
    return c;
}

static inline int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : authority_set_up();
}

static inline int tear_down(void **state)
{
    (void)state;
    return remove_tree(folder);
}

#endif
