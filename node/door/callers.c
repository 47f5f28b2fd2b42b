/* A descriptor may be closed and given to another connection at any moment, by libzmq's thread. So
 * nothing is done to one by its number alone: its two addresses must be those of the connection that
 * is meant. */
#include "node/door/callers.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "node/common/clock.h"
#include "node/common/open_files.h"
#include "node/door/door.h"

#define EVENTS_MAX      64
#define HOT_BYTES       ((uint64_t)64 * 1024) /* of a caller with less, nothing has to be feared soon */
#define DESCRIPTORS_MAX ((size_t)1 << 20)

/* ---- descriptors ---- */

static bool address_of(const struct sockaddr_storage *from, struct in6_addr *address,
                       in_port_t *port)
{
    memset(address, 0, sizeof(*address));
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
        *address = six->sin6_addr;
        *port = six->sin6_port;
        return true;
    }
    if (from->ss_family != AF_INET)
        return false;
    const struct sockaddr_in *four = (const struct sockaddr_in *)from;
    memset(address->s6_addr + 10, 0xff, 2);
    memcpy(address->s6_addr + 12, &four->sin_addr, 4);
    *port = four->sin_port;
    return true;
}

static bool other_end(int fd, struct in6_addr *address, in_port_t *port)
{
    struct sockaddr_storage found;
    socklen_t size = sizeof(found);
    return getpeername(fd, (struct sockaddr *)&found, &size) == 0 &&
           address_of(&found, address, port);
}

bool callers_own_port(int fd, in_port_t *port)
{
    struct sockaddr_storage found;
    struct in6_addr ignored;
    socklen_t size = sizeof(found);
    return getsockname(fd, (struct sockaddr *)&found, &size) == 0 &&
           address_of(&found, &ignored, port);
}

static bool is_same(int fd, const struct caller *caller)
{
    struct in6_addr address;
    in_port_t port;
    return other_end(fd, &address, &port) && port == caller->port &&
           memcmp(&address, &caller->address, sizeof(address)) == 0;
}

static uint64_t received(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

static void watch(struct callers *callers, int fd, int how)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET | EPOLLONESHOT, .data.fd = fd};
    callers->of[fd].watched = epoll_ctl(callers->epoll_fd, how, fd, &event) == 0;
}

/* ---- who is there. With the lock held ---- */

static struct caller *caller_at(struct callers *callers, int fd)
{
    if (fd < 0 || (size_t)fd >= DESCRIPTORS_MAX)
        return NULL;
    if ((size_t)fd >= callers->room) {
        size_t room = (size_t)fd + 64;
        callers->of = alloc_grow(callers->of, room, sizeof(*callers->of));
        memset(callers->of + callers->room, 0, (room - callers->room) * sizeof(*callers->of));
        callers->room = room;
    }
    return &callers->of[fd];
}

static bool is_stranger(const struct caller *caller)
{
    return caller->there && !caller->ended && !caller->proven;
}

static void end(struct callers *callers, int fd, int why)
{
    struct caller *caller = &callers->of[fd];
    if (caller->ended || !is_same(fd, caller))
        return;
    shutdown(fd, SHUT_RDWR);
    caller->ended = true;
    atomic_fetch_add(&callers->counts[why], 1);
}

/* The oldest of those that `is` says; -1: none. *count gets how many there are. */
static int oldest(const struct callers *callers,
                  bool (*is)(const struct caller *, const struct caller *),
                  const struct caller *like, size_t *count)
{
    int found = -1;
    *count = 0;
    for (size_t i = 0; i < callers->room; i++) {
        if (!is(&callers->of[i], like))
            continue;
        (*count)++;
        if (found < 0 || callers->of[i].since_ms < callers->of[found].since_ms)
            found = (int)i;
    }
    return found;
}

static bool any_stranger(const struct caller *caller, const struct caller *like)
{
    (void)like;
    return is_stranger(caller);
}

static bool stranger_from(const struct caller *caller, const struct caller *like)
{
    return is_stranger(caller) &&
           memcmp(&caller->address, &like->address, sizeof(like->address)) == 0;
}

static bool any_caller(const struct caller *caller, const struct caller *like)
{
    (void)like;
    return caller->there && !caller->ended && !caller->made;
}

static bool caller_with_key(const struct caller *caller, const struct caller *like)
{
    return any_caller(caller, like) && caller->proven &&
           memcmp(caller->curve, like->curve, 32) == 0;
}

static void make_room(struct callers *callers, int fd)
{
    const struct caller like = callers->of[fd];
    size_t of_address, strangers, all;
    int first_of_address = oldest(callers, stranger_from, &like, &of_address);
    int first = oldest(callers, any_stranger, &like, &strangers);
    oldest(callers, any_caller, &like, &all);
    size_t strangers_max = callers->max / 2;
    if (of_address > DOOR_ADDRESS_MAX)
        end(callers, first_of_address, CALLERS_CROWDED);
    else if (strangers > DOOR_STRANGERS_MAX || strangers > strangers_max || all > callers->max)
        end(callers, first >= 0 ? first : fd, CALLERS_CROWDED);
}

void callers_came(struct callers *callers, int fd, in_port_t own, bool turned_away)
{
    in_port_t port;
    pthread_mutex_lock(&callers->lock);
    struct caller *caller = caller_at(callers, fd);
    if (caller != NULL && callers_own_port(fd, &port) && port == own &&
        other_end(fd, &caller->address, &caller->port)) {
        caller->there = true;
        caller->since_ms = monotonic_ms();
        watch(callers, fd, EPOLL_CTL_ADD);
        if (turned_away && !caller->proven)
            end(callers, fd, CALLERS_TURNED_AWAY);
        else
            make_room(callers, fd);
    }
    pthread_mutex_unlock(&callers->lock);
}

void callers_made(struct callers *callers, int fd)
{
    pthread_mutex_lock(&callers->lock);
    struct caller *caller = caller_at(callers, fd);
    if (caller != NULL && other_end(fd, &caller->address, &caller->port)) {
        caller->there = caller->made = caller->proven = true;
        caller->since_ms = monotonic_ms();
        watch(callers, fd, EPOLL_CTL_ADD);
    }
    pthread_mutex_unlock(&callers->lock);
}

void callers_gone(struct callers *callers, int fd)
{
    pthread_mutex_lock(&callers->lock);
    struct caller *caller = caller_at(callers, fd);
    if (caller != NULL)
        *caller = (struct caller){.there = false};
    pthread_mutex_unlock(&callers->lock);
}

void callers_heard(struct callers *callers, int fd, uint64_t bytes, const uint8_t curve[32])
{
    size_t count;
    pthread_mutex_lock(&callers->lock);
    struct caller *caller = caller_at(callers, fd);
    if (caller != NULL) {
        caller->taken += bytes;
        if (curve != NULL && !caller->proven) {
            caller->proven = true;
            memcpy(caller->curve, curve, sizeof(caller->curve));
            const struct caller like = *caller;
            int first = oldest(callers, caller_with_key, &like, &count);
            if (count > DOOR_KEY_MAX)
                end(callers, first, CALLERS_CROWDED);
        }
    }
    pthread_mutex_unlock(&callers->lock);
}

/* ---- looking ---- */

/* Ends a connection that is beyond what it may. What is quiet is watched again. */
static void look_at(struct callers *callers, int fd, int64_t now_ms)
{
    struct caller *caller = &callers->of[fd];
    if (!caller->watched) {
        uint64_t bytes = received(fd);
        uint64_t backlog = bytes > caller->taken ? bytes - caller->taken : 0;
        bool quiet = bytes == caller->seen || (caller->proven && backlog < HOT_BYTES);
        caller->seen = bytes;
        if (caller->proven ? backlog > callers->backlog_max : bytes > DOOR_STRANGER_BYTES)
            end(callers, fd, CALLERS_OVERSIZED);
        else if (quiet)
            watch(callers, fd, EPOLL_CTL_MOD);
    }
    if (is_stranger(caller) && now_ms - caller->since_ms >= DOOR_PROOF_MS)
        end(callers, fd, CALLERS_SILENT);
}

/* Returns how long nothing has to be looked at; -1: for ever. */
long callers_look(struct callers *callers)
{
    int64_t now_ms = monotonic_ms(), wait_ms = -1;
    pthread_mutex_lock(&callers->lock);
    for (size_t i = 0; i < callers->room; i++) {
        struct caller *caller = &callers->of[i];
        if (!caller->there || caller->ended)
            continue;
        look_at(callers, (int)i, now_ms);
        int64_t left_ms = -1;
        if (!caller->ended && !caller->watched)
            left_ms = DOOR_LOOK_MS;
        else if (is_stranger(caller))
            left_ms = caller->since_ms + DOOR_PROOF_MS - now_ms;
        if (left_ms >= 0 && (wait_ms < 0 || left_ms < wait_ms))
            wait_ms = left_ms;
    }
    pthread_mutex_unlock(&callers->lock);
    return (long)wait_ms;
}

/* Those that something came of are looked at from now on. */
void callers_read_watched(struct callers *callers)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(callers->epoll_fd, events, EVENTS_MAX, 0);
    pthread_mutex_lock(&callers->lock);
    for (int i = 0; i < count; i++) {
        struct caller *caller = caller_at(callers, events[i].data.fd);
        if (caller != NULL)
            caller->watched = false;
    }
    pthread_mutex_unlock(&callers->lock);
}

void callers_end_strangers(struct callers *callers)
{
    pthread_mutex_lock(&callers->lock);
    for (size_t i = 0; i < callers->room; i++)
        if (is_stranger(&callers->of[i]))
            end(callers, (int)i, CALLERS_TURNED_AWAY);
    pthread_mutex_unlock(&callers->lock);
}

/* ---- life cycle ---- */

int callers_init(struct callers *callers, uint64_t backlog_max, struct err *err)
{
    size_t max = open_files_limit();
    *callers = (struct callers){.backlog_max = backlog_max,
                                .max = max < DESCRIPTORS_MAX ? max / 4 : DESCRIPTORS_MAX / 4};
    pthread_mutex_init(&callers->lock, NULL);
    callers->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return callers->epoll_fd < 0 ? err_errno(err, "watching connections") : 0;
}

void callers_release(struct callers *callers)
{
    if (callers->epoll_fd >= 0)
        close(callers->epoll_fd);
    pthread_mutex_destroy(&callers->lock);
    free(callers->of);
}
