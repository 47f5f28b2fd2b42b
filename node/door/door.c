/* What libzmq's monitor tells of the inbox, and the thread that looks. */
#include "node/door/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zmq.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/endpoint.h"
#include "node/door/callers.h"

#define MONITOR_ENDPOINT "inproc://inbox-monitor"
#define EVENTS_MAX       64
#define SAY_AGAIN_MS     60000
#define SHORT_MS         1000 /* since the last time that a descriptor was missing */

struct door {
    struct callers callers;
    void *inbox, *monitor;
    pthread_t thread;
    bool thread_runs;
    int stop_fd, spare_fd;
    /* Of the thread. */
    int listen_fd; /* libzmq's */
    in_port_t port;
    int64_t said_ms, short_until_ms;
};

void door_made(struct door *door, int fd)
{
    callers_made(&door->callers, fd);
}

void door_gone(struct door *door, int fd)
{
    callers_gone(&door->callers, fd);
}

void door_heard(struct door *door, int fd, uint64_t bytes, const uint8_t curve[32])
{
    callers_heard(&door->callers, fd, bytes, curve);
}

/* Those that no descriptor is left for wait to be accepted, and libzmq tries at once again, for ever.
 * With the descriptor that is kept for this they are taken, and turned away; where libzmq was faster,
 * its newcomer is a stranger, and goes as all of them do while descriptors are short. */
static void turn_away(struct door *door, int why)
{
    if ((why != EMFILE && why != ENFILE) || door->listen_fd < 0)
        return;
    door->short_until_ms = monotonic_ms() + SHORT_MS;
    callers_end_strangers(&door->callers);
    if (door->spare_fd >= 0)
        close(door->spare_fd);
    for (int i = 0; i < EVENTS_MAX; i++) {
        int fd = accept4(door->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        close(fd);
        atomic_fetch_add(&door->callers.counts[CALLERS_TURNED_AWAY], 1);
    }
    door->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (monotonic_ms() < door->said_ms)
        return;
    door->said_ms = monotonic_ms() + SAY_AGAIN_MS;
    log_warn(
        "others cannot connect: %s. Raise the limit of open files (LimitNOFILE of the service)",
        strerror(why));
}

static void read_event(struct door *door, unsigned event, uint32_t value)
{
    if (event == ZMQ_EVENT_LISTENING) {
        door->listen_fd = (int)value;
        /* libzmq's own accept must not wait either, for one that was turned away meanwhile. */
        if (!callers_own_port(door->listen_fd, &door->port) ||
            fcntl(door->listen_fd, F_SETFL, fcntl(door->listen_fd, F_GETFL) | O_NONBLOCK) != 0)
            door->listen_fd = -1;
    } else if (event == ZMQ_EVENT_ACCEPTED) {
        callers_came(&door->callers, (int)value, door->port, monotonic_ms() < door->short_until_ms);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        callers_gone(&door->callers, (int)value);
    } else if (event == ZMQ_EVENT_ACCEPT_FAILED) {
        turn_away(door, (int)value);
    }
}

/* An event: frame 1 {u16 event, u32 value}, frame 2 the endpoint. */
static void read_monitor(struct door *door)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        uint8_t bytes[8], endpoint[1];
        uint16_t event;
        uint32_t value;
        if (zmq_recv(door->monitor, bytes, sizeof(bytes), ZMQ_DONTWAIT) != 6 ||
            zmq_recv(door->monitor, endpoint, sizeof(endpoint), 0) < 0)
            return;
        memcpy(&event, bytes, sizeof(event));
        memcpy(&value, bytes + 2, sizeof(value));
        read_event(door, event, value);
    }
}

static void *run(void *argument)
{
    struct door *door = argument;
    zmq_pollitem_t items[] = {{.socket = door->monitor, .events = ZMQ_POLLIN},
                              {.fd = door->callers.epoll_fd, .events = ZMQ_POLLIN},
                              {.fd = door->stop_fd, .events = ZMQ_POLLIN}};
    for (;;) {
        if (zmq_poll(items, 3, callers_look(&door->callers)) < 0 && zmq_errno() != EINTR)
            break;
        if (items[2].revents != 0)
            break;
        read_monitor(door);
        callers_read_watched(&door->callers);
    }
    return NULL;
}

/* ---- life cycle ---- */

static int open_monitor(struct door *door, void *context, struct err *err)
{
    int none = 0;
    door->monitor = zmq_socket(context, ZMQ_PAIR);
    if (door->monitor == NULL ||
        zmq_setsockopt(door->monitor, ZMQ_LINGER, &none, sizeof(none)) != 0 ||
        zmq_socket_monitor(door->inbox, MONITOR_ENDPOINT,
                           ZMQ_EVENT_LISTENING | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED |
                               ZMQ_EVENT_DISCONNECTED) != 0 ||
        endpoint_connect_here(door->monitor, MONITOR_ENDPOINT) != 0)
        return err_set(err, ERR_IO, "watching the inbox: %s", zmq_strerror(zmq_errno()));
    return 0;
}

int door_new(struct door **door, void *context, void *inbox, uint64_t backlog_max, struct err *err)
{
    struct door *d = alloc_zero(1, sizeof(*d));
    d->inbox = inbox;
    d->listen_fd = -1;
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool opened = d->stop_fd >= 0 && d->spare_fd >= 0;
    if (!opened)
        err_errno(err, "watching connections");
    if (callers_init(&d->callers, backlog_max, err) != 0 || !opened ||
        open_monitor(d, context, err) != 0)
        goto fail;
    int error = pthread_create(&d->thread, NULL, run, d);
    if (error != 0) {
        errno = error;
        err_errno(err, "starting the thread that watches connections");
        goto fail;
    }
    pthread_setname_np(d->thread, "ecbak-door");
    d->thread_runs = true;
    *door = d;
    return 0;

fail:
    door_destroy(&d);
    return -1;
}

/* The monitor ends first: while nobody reads it, libzmq's thread would wait for somebody who does. */
void door_destroy(struct door **door)
{
    struct door *d = *door;
    uint64_t one = 1;
    *door = NULL;
    if (d == NULL)
        return;
    zmq_socket_monitor(d->inbox, NULL, 0);
    if (d->thread_runs) {
        ssize_t ignored = write(d->stop_fd, &one, sizeof(one));
        (void)ignored;
        pthread_join(d->thread, NULL);
    }
    if (d->monitor != NULL)
        zmq_close(d->monitor);
    int fds[] = {d->stop_fd, d->spare_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    callers_release(&d->callers);
    free(d);
}

void door_counters(struct door *door, struct door_counters *counters)
{
    counters->silent = atomic_load(&door->callers.counts[CALLERS_SILENT]);
    counters->crowded = atomic_load(&door->callers.counts[CALLERS_CROWDED]);
    counters->oversized = atomic_load(&door->callers.counts[CALLERS_OVERSIZED]);
    counters->turned_away = atomic_load(&door->callers.counts[CALLERS_TURNED_AWAY]);
}
