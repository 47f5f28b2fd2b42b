/* What becomes of calls when connections break, peers restart or stop, or there are more peers than
 * connections. */
#include "test/transport_bench.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

static void a_connection_is_ready_once_it_was_welcomed(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    struct link_peer peer;
    struct err err;
    knows(a, b);
    peer.endpoint = at_port(b->config.bulk_port);
    memcpy(peer.curve, b->keys->curve_public, sizeof(peer.curve));
    assert_false(link_ready(a->transport->link, &peer));
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
    assert_true(link_ready(a->transport->link, &peer));
    peer.endpoint = at_port(1); /* it moved */
    assert_false(link_ready(a->transport->link, &peer));
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
    wait_for_requests(b, 1);
    b->behaviour = ECHO;
    proxy.cut = true;
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + CALL_MS), 0);
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
    wait_for_requests(b, 2);
    int64_t start_ms = monotonic_ms();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_ready_once_it_was_welcomed),
        cmocka_unit_test(a_peer_that_restarted_is_answered_by_the_next_call),
        cmocka_unit_test(a_request_whose_connection_is_lost_is_sent_once_more),
        cmocka_unit_test(a_call_to_a_stopped_peer_fails_without_waiting),
        cmocka_unit_test(more_peers_than_the_pool_holds_are_all_answered),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
