/* Who may open the socket file may use the node: mode 0660, and the folder's permissions. Who it is that
 * asks is what the kernel knew of the process when it connected (SO_PEERCRED): ZeroMQ gives that
 * with each message, as it gives an address of TCP's. The
 * socket is read only while there is room for what it would bring, so a command that sends faster
 * than the node can work is slowed down by its own full pipe. */
#include "node/net/transport_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "node/common/endpoint.h"

#define CLIENT_RECEIVE_HWM 2
#define CLIENT_SEND_HWM    64
#define CLIENT_BATCH       16

/* A socket file on which nobody answers is left over from a process that was killed. */
static int remove_stale(const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_EXISTS, "%s is there and is no socket: move it away", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "opening a socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path)); /* its length was checked */
    int connected = connect(fd, (struct sockaddr *)&address, sizeof(address));
    int error = errno;
    close(fd);
    if (connected == 0)
        return err_set(err, ERR_EXISTS, "another process answers on %s: is ecbakd running already?",
                       path);
    if (error != ECONNREFUSED) {
        errno = error;
        return err_errno(err, "%s", path);
    }
    if (unlink(path) != 0 && errno != ENOENT)
        return err_errno(err, "removing the stale %s", path);
    return 0;
}

/* Its folder is below /run, which is empty after each start of the machine. What goes wrong here shows
 * when the socket is bound. */
static void make_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    size_t length = (size_t)(strrchr(path, '/') - path);
    if (length == 0 || length >= sizeof(folder))
        return;
    memcpy(folder, path, length);
    folder[length] = '\0';
    (void)mkdir(folder, 0755);
}

int client_bind(void **socket, void *context, const char *endpoint, struct err *err)
{
    struct sockaddr_un address;
    if (strncmp(endpoint, "ipc://", 6) != 0 || endpoint[6] != '/')
        return err_set(err, ERR_INVALID, "\"%s\" is not ipc:// and an absolute path", endpoint);
    const char *path = endpoint + 6;
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INVALID, "%s is longer than the %zu bytes that a socket can have",
                       path, sizeof(address.sun_path) - 1);
    make_folder(path);
    if (remove_stale(path, err) != 0)
        return -1;
    const int options[][2] = {{ZMQ_LINGER, 0},
                              {ZMQ_ROUTER_MANDATORY, 1},
                              {ZMQ_RCVHWM, CLIENT_RECEIVE_HWM},
                              {ZMQ_SNDHWM, CLIENT_SEND_HWM}};
    int64_t message_max = TRANSPORT_CLIENT_PAYLOAD_MAX;
    void *router = zmq_socket(context, ZMQ_ROUTER);
    bool good = router != NULL &&
                zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) == 0;
    for (size_t i = 0; good && i < sizeof(options) / sizeof(options[0]); i++)
        good = zmq_setsockopt(router, options[i][0], &options[i][1], sizeof(int)) == 0;
    mode_t before = umask(0117); /* the file is made with mode 0660, never wider */
    good = good && endpoint_bind_here(router, endpoint) == 0;
    int error = zmq_errno();
    umask(before);
    if (good) {
        *socket = router;
        return 0;
    }
    if (router != NULL)
        zmq_close(router);
    return err_set(err, ERR_IO, "listening on %s: %s", endpoint, zmq_strerror(error));
}

bool client_has_room(struct transport *t)
{
    return !t->is_stalled && atomic_load(&t->client_bytes) < TRANSPORT_CLIENT_BYTES_MAX;
}

/* "localhost:UID:GID:PID". What does not look so is somebody else. */
static bool is_owner(zmq_msg_t *frame)
{
    const char *address = zmq_msg_gets(frame, "Peer-Address");
    unsigned uid, gid, pid;
    int end = 0;
    if (address == NULL || (address = strchr(address, ':')) == NULL ||
        sscanf(address, ":%u:%u:%u%n", &uid, &gid, &pid, &end) != 3 || address[end] != '\0')
        return false;
    return uid == 0 || uid == geteuid();
}

/* Route, header and at most one payload. False: *none, nothing waits; else what came was none of that
 * and is dropped. */
static bool receive(struct transport *t, struct incoming *in, bool *none)
{
    zmq_msg_t frames[3], spare;
    for (size_t i = 0; i < 3; i++)
        zmq_msg_init(&frames[i]);
    zmq_msg_init(&spare);
    size_t count = 0;
    bool more = true;
    *none = false;
    while (more && !*none) {
        zmq_msg_t *frame = count < 3 ? &frames[count] : &spare;
        if (zmq_msg_recv(frame, t->client, ZMQ_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            *none = true;
            break;
        }
        more = zmq_msg_more(frame);
        count++;
    }
    size_t route_size = zmq_msg_size(&frames[0]), header_size = zmq_msg_size(&frames[1]);
    bool good = !*none && (count == 2 || count == 3) && route_size <= ROUTE_SIZE_MAX &&
                header_size <= TRANSPORT_HEADER_MAX;
    if (good) {
        *in = (struct incoming){
            .from_client = true, .from_owner = is_owner(&frames[1]), .route_size = route_size};
        memcpy(in->route, zmq_msg_data(&frames[0]), route_size);
        in->header = alloc_copy(zmq_msg_data(&frames[1]), header_size);
        in->header_size = header_size;
        if (count == 3)
            payload_from_message(&in->payload, &frames[2]);
        in->charge = header_size + in->payload.size;
        atomic_fetch_add(&t->client_bytes, in->charge);
    }
    for (size_t i = 0; i < 3; i++)
        zmq_msg_close(&frames[i]);
    zmq_msg_close(&spare);
    return good;
}

void client_process(struct transport *t)
{
    if (t->is_stalled) {
        if (t->ops.arrived(t->ops.ctx, &t->stalled) != 0)
            return;
        t->is_stalled = false;
    }
    for (int i = 0; i < CLIENT_BATCH && client_has_room(t); i++) {
        struct incoming in;
        bool none;
        if (!receive(t, &in, &none)) {
            if (none)
                return;
            atomic_fetch_add(&t->oversized, 1);
            continue;
        }
        if (t->ops.arrived(t->ops.ctx, &in) != 0) {
            assert(!t->is_stalled);
            t->stalled = in;
            t->is_stalled = true;
        }
    }
}

void client_send(struct transport *t, struct reply *reply)
{
    zmq_msg_t route;
    bytes_to_message(reply->route.bytes, reply->route.size, &route);
    zmq_msg_t *frames[] = {&route, &reply->header, &reply->payload};
    size_t count = reply->has_payload ? 3 : 2;
    bool sent = true; /* false: the command is gone, or has not read what it asked for */
    for (size_t i = 0; i < count; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0);
        sent = sent && zmq_msg_send(frames[i], t->client, flags) >= 0;
        zmq_msg_close(frames[i]);
    }
}
