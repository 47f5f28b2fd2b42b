/* With a throw-away key of ours: a node completes the handshake before it asks who we are. */
#include "node/net/dial.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "node/common/clock.h"

struct line {
    struct dialled *to;
    void *socket, *monitor;
    bool over;
};

static bool open_line(struct line *line, void *context, size_t number, const uint8_t curve[32],
                      int timeout_ms)
{
    char name[32], public_key[41], secret_key[41];
    const int options[][2] = {{ZMQ_LINGER, 0},
                              {ZMQ_RECONNECT_IVL, -1},
                              {ZMQ_CONNECT_TIMEOUT, timeout_ms},
                              {ZMQ_HANDSHAKE_IVL, timeout_ms},
                              {ZMQ_IPV6, 1}};
    snprintf(name, sizeof(name), "inproc://dial-%zu", number);
    line->socket = zmq_socket(context, ZMQ_DEALER);
    bool good = line->socket != NULL && zmq_curve_keypair(public_key, secret_key) == 0 &&
                zmq_setsockopt(line->socket, ZMQ_CURVE_SERVERKEY, curve, 32) == 0 &&
                zmq_setsockopt(line->socket, ZMQ_CURVE_PUBLICKEY, public_key, 41) == 0 &&
                zmq_setsockopt(line->socket, ZMQ_CURVE_SECRETKEY, secret_key, 41) == 0;
    for (size_t i = 0; good && i < sizeof(options) / sizeof(options[0]); i++)
        good = zmq_setsockopt(line->socket, options[i][0], &options[i][1], sizeof(int)) == 0;
    good = good && zmq_socket_monitor(line->socket, name,
                                      ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_CONNECTED |
                                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                          ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_CLOSED |
                                          ZMQ_EVENT_DISCONNECTED) == 0;
    line->monitor = good ? zmq_socket(context, ZMQ_PAIR) : NULL;
    return line->monitor != NULL &&
           zmq_setsockopt(line->monitor, ZMQ_LINGER, &options[0][1], sizeof(int)) == 0 &&
           endpoint_connect_here(line->monitor, name) == 0 &&
           endpoint_connect(line->socket, &line->to->endpoint) == 0;
}

static void end_line(struct line *line, bool reached, const char *why)
{
    line->to->reached = reached;
    if (!reached)
        snprintf(line->to->why, sizeof(line->to->why), "%s", why);
    line->over = true;
}

static void read_events(struct line *line, bool *connected)
{
    uint8_t event[8];
    char endpoint[256];
    while (!line->over && zmq_recv(line->monitor, event, sizeof(event), ZMQ_DONTWAIT) >= 0) {
        uint16_t number;
        memcpy(&number, event, sizeof(number));
        if (zmq_recv(line->monitor, endpoint, sizeof(endpoint), 0) < 0)
            return;
        if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            end_line(line, true, "");
        else if (number == ZMQ_EVENT_CONNECTED)
            *connected = true;
        else
            end_line(line, false,
                     *connected ? "something else answers there" : "the connection is refused");
    }
}

static void close_line(struct line *line)
{
    if (line->socket != NULL)
        zmq_socket_monitor(line->socket, NULL, 0);
    if (line->monitor != NULL)
        zmq_close(line->monitor);
    if (line->socket != NULL)
        zmq_close(line->socket);
}

void dial(struct dialled *dialled, size_t count, const uint8_t curve[32], int timeout_ms)
{
    struct line lines[DIAL_MAX] = {{0}};
    bool connected[DIAL_MAX] = {false};
    int64_t until_ms = monotonic_ms() + timeout_ms;
    void *context = zmq_ctx_new();
    assert(count <= DIAL_MAX);
    for (size_t i = 0; i < count; i++) {
        lines[i].to = &dialled[i];
        dialled[i].reached = false;
        dialled[i].why[0] = '\0';
        if (!endpoint_known(&dialled[i].endpoint) || context == NULL ||
            !open_line(&lines[i], context, i, curve, timeout_ms))
            end_line(&lines[i], false, "that is no address to connect to");
    }
    for (int64_t now_ms; (now_ms = monotonic_ms()) < until_ms;) {
        zmq_pollitem_t items[DIAL_MAX];
        int waiting = 0;
        for (size_t i = 0; i < count; i++)
            if (!lines[i].over)
                items[waiting++] =
                    (zmq_pollitem_t){.socket = lines[i].monitor, .events = ZMQ_POLLIN};
        if (waiting == 0)
            break;
        (void)!zmq_poll(items, waiting, (long)(until_ms - now_ms));
        for (size_t i = 0; i < count; i++)
            if (!lines[i].over)
                read_events(&lines[i], &connected[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!lines[i].over)
            end_line(&lines[i], false,
                     connected[i] ? "something else answers there" : "nobody answers");
        close_line(&lines[i]);
    }
    if (context != NULL)
        zmq_ctx_term(context);
}
