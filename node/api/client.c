/* A DEALER on ipc://, with a monitor beside it that tells when the node went away. That nobody listens
 * at an endpoint is found by a plain connect() before anything is sent: a command says within
 * milliseconds that its node is not running. */
#include "node/api/client_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "node/common/endpoint.h"

int client_no_answer(const struct client *client, struct err *err)
{
    return err_set(
        err, ERR_TIMEOUT,
        "no answer from ecbakd at %s: start it with `systemctl start ecbakd` (or `ecbakd "
        "--config FILE`), or name its socket in ECBAK_SOCKET",
        client->endpoint);
}

int client_mute(const struct client *client, struct err *err)
{
    return err_set(
        err, ERR_TIMEOUT,
        "ecbakd at %s is there, but does not answer: it hangs, or has too much to do; see "
        "`systemctl status ecbakd`, and restart it if need be",
        client->endpoint);
}

/* Only what a node listens at. */
static int check_endpoint(const char *endpoint, struct err *err)
{
    static const char ipc[] = "ipc://";
    size_t size = sizeof(ipc) - 1;
    if (strncmp(endpoint, ipc, size) == 0 && endpoint[size] != '\0')
        return 0;
    if (endpoint[0] == '/')
        return err_set(err, ERR_USAGE, "a node's socket is ipc://PATH: ipc://%s", endpoint);
    return err_set(err, ERR_USAGE, "a node's socket is ipc://PATH, not %s", endpoint);
}

int client_knock(const struct client *client, struct err *err)
{
    static const char scheme[] = "ipc://";
    const char *path = client->endpoint + sizeof(scheme) - 1;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strncmp(client->endpoint, scheme, sizeof(scheme) - 1) != 0 || path[0] == '@')
        return 0;
    if (strlen(path) >= sizeof(to.sun_path))
        return err_set(err, ERR_INVALID, "the socket's path is longer than %zu bytes: %s",
                       sizeof(to.sun_path) - 1, path);
    memcpy(to.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, "socket");
    int done = connect(fd, (const struct sockaddr *)&to, sizeof(to));
    int why = errno;
    close(fd);
    if (done == 0 || why == EAGAIN || why == EINPROGRESS)
        return 0;
    if (why == EACCES || why == EPERM)
        return err_set(err, ERR_DENIED,
                       "%s: permission denied: become a member of the group that owns it, or root",
                       path);
    return client_no_answer(client, err);
}

static int client_connect(struct client *client, struct err *err)
{
    int linger = 0, hwm = 0;
    int64_t largest = CLIENT_REPLY_PAYLOAD_MAX;
    client->context = zmq_ctx_new();
    if (client->context == NULL)
        return err_set(err, ERR_IO, "ZeroMQ: %s", zmq_strerror(errno));
    client->socket = zmq_socket(client->context, ZMQ_DEALER);
    client->monitor = zmq_socket(client->context, ZMQ_PAIR);
    if (client->socket == NULL || client->monitor == NULL ||
        zmq_setsockopt(client->socket, ZMQ_LINGER, &linger, sizeof(linger)) != 0 ||
        zmq_setsockopt(client->monitor, ZMQ_LINGER, &linger, sizeof(linger)) != 0 ||
        zmq_setsockopt(client->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm)) != 0 ||
        zmq_setsockopt(client->socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest)) != 0 ||
        zmq_socket_monitor(client->socket, "inproc://monitor",
                           ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0 ||
        endpoint_connect_here(client->monitor, "inproc://monitor") != 0)
        return err_set(err, ERR_IO, "ZeroMQ: %s", zmq_strerror(errno));
    if (endpoint_connect_here(client->socket, client->endpoint) != 0)
        return err_set(err, ERR_INVALID, "%s is no socket to connect to: %s", client->endpoint,
                       zmq_strerror(errno));
    return 0;
}

int client_open(struct client **client, const char *endpoint, struct err *err)
{
    return client_open_patient(client, endpoint, 0, err);
}

int client_open_patient(struct client **client, const char *endpoint, int patience_ms,
                        struct err *err)
{
    *client = NULL;
    if (endpoint == NULL)
        endpoint = getenv("ECBAK_SOCKET");
    if (endpoint == NULL || endpoint[0] == '\0')
        endpoint = CLIENT_SOCKET_DEFAULT;
    struct client *c = alloc_zero(1, sizeof(*c));
    c->endpoint = alloc_text(endpoint);
    c->timeout_ms = 120 * 1000;
    c->patience_ms = patience_ms;
    struct err closed = ERR_INIT;
    int result = check_endpoint(endpoint, &closed);
    if (result == 0)
        result = client_knock(c, &closed);
    if (result != 0 && closed.code == ERR_TIMEOUT && patience_ms > 0) {
        c->lost = c->never_met = true;
        result = 0;
    } else if (result != 0) {
        err_copy(err, &closed);
    }
    if (result == 0)
        result = client_connect(c, err);
    if (result != 0)
        client_close(&c);
    *client = c;
    return result;
}

void client_close(struct client **client)
{
    struct client *c = *client;
    *client = NULL;
    if (c == NULL)
        return;
    for (size_t i = 0; i < CLIENT_CALLS_MAX; i++)
        client_call_end(&c->calls[i]);
    if (c->monitor != NULL) {
        zmq_socket_monitor(c->socket, NULL, 0);
        zmq_close(c->monitor);
    }
    if (c->socket != NULL)
        zmq_close(c->socket);
    if (c->context != NULL)
        zmq_ctx_term(c->context);
    free(c->endpoint);
    free(c);
}

void client_set_timeout(struct client *client, int timeout_ms)
{
    client->timeout_ms = timeout_ms;
}

void client_set_patience(struct client *client, int patience_ms)
{
    client->patience_ms = patience_ms;
}
