/* The socket for commands: whose it is, how long its path may be, and that a command waits for room. */
#include "test/transport_bench.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

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
    assert_memory_equal(header, "head", 4);
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
    wait_for_requests(a, 3); /* the first one, tried again and again */
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
    assert_int_equal(transport_new(&b->transport, &b->config,
                                   &(struct credentials){b->keys, &b->cert, authority_public}, &ops,
                                   &err),
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
    assert_int_equal(transport_new(&a->transport, &a->config,
                                   &(struct credentials){a->keys, &a->cert, authority_public}, &ops,
                                   &err),
                     -1);
    assert_non_null(strstr(err.text, "107"));
    node_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_answered_and_the_socket_is_the_groups_only),
        cmocka_unit_test(a_command_waits_while_there_is_no_room),
        cmocka_unit_test(a_live_socket_file_is_not_taken_over_and_a_stale_one_is),
        cmocka_unit_test(an_overlong_socket_path_is_refused_by_its_length),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
