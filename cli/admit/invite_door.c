/* Bytes are carried as they come, both ways: what they say is CURVE's, and none of it is known here. An
 * end that closes is closed at the other end when what it said before has been carried on.
 */
#include "cli/admit/invite_door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "node/common/clock.h"

#define PIPE_SIZE  8192
#define BACKLOG    128
#define ACCEPT_MAX 64 /* a turn */

/* One way of a connection. */
struct carried {
    uint8_t bytes[PIPE_SIZE];
    size_t used;
    bool ended; /* nothing comes any more */
};

struct guest {
    int outside, inside;
    struct in6_addr address; /* of IPv4: mapped; of IPv6: the /64 */
    int64_t since_ms, heard_ms;
    struct carried in, out;
};

struct door {
    int listener;
    struct sockaddr_un inside;
    socklen_t inside_size;
    struct guest *guests[DOOR_GUESTS_MAX];
    int count;
};

/* ---- opening --------------------------------------------------------------------------------- */

static int resolve(const char *where, struct addrinfo **found, struct err *err)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    if (colon == NULL || colon == where || (size_t)(colon - where) >= sizeof(host))
        return err_set(err, ERR_USAGE, "'%.64s' is not an address and a port", where);
    memcpy(host, where, (size_t)(colon - where));
    host[colon - where] = '\0';
    char *bare = host[0] == '[' ? host + 1 : host;
    bare[strcspn(bare, "]")] = '\0';
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int code = getaddrinfo(strcmp(bare, "*") == 0 ? "0.0.0.0" : bare, colon + 1, &wanted, found);
    if (code != 0)
        return err_set(err, ERR_USAGE, "listening at %.64s: %s", where, gai_strerror(code));
    return 0;
}

static int listen_at(struct door *door, const char *where, struct err *err)
{
    struct addrinfo *found = NULL;
    const int on = 1, off = 0;
    if (resolve(where, &found, err) != 0)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (good && found->ai_family == AF_INET6)
        good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0;
    good = good && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int result = good ? 0 : err_errno(err, "listening at %.64s", where);
    freeaddrinfo(found);
    door->listener = fd;
    return result;
}

static int read_bound(const struct door *door, char bound[DOOR_BOUND_MAX], struct err *err)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    char host[INET6_ADDRSTRLEN], port[8];
    if (getsockname(door->listener, (struct sockaddr *)&own, &size) != 0 ||
        getnameinfo((struct sockaddr *)&own, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return err_errno(err, "listening");
    snprintf(bound, DOOR_BOUND_MAX, own.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

int door_open(struct door **door, const char *where, const char *inside, char bound[DOOR_BOUND_MAX],
              struct err *err)
{
    struct door *new = alloc_zero(1, sizeof(*new));
    size_t size = strlen(inside);
    new->listener = -1;
    new->inside.sun_family = AF_UNIX;
    if (size >= sizeof(new->inside.sun_path))
        size = sizeof(new->inside.sun_path) - 1;
    memcpy(new->inside.sun_path + 1, inside, size); /* abstract: it begins with a NUL */
    new->inside_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
    *door = new;
    if (listen_at(new, where, err) == 0 && read_bound(new, bound, err) == 0)
        return 0;
    door_close(door);
    return -1;
}

/* ---- who is there ---------------------------------------------------------------------------- */

static void end_guest(struct door *door, int which)
{
    struct guest *guest = door->guests[which];
    close(guest->outside);
    close(guest->inside);
    free(guest);
    door->guests[which] = door->guests[--door->count];
}

void door_close(struct door **door)
{
    struct door *old = *door;
    *door = NULL;
    if (old == NULL)
        return;
    while (old->count > 0)
        end_guest(old, 0);
    if (old->listener >= 0)
        close(old->listener);
    free(old);
}

static void address_of(struct in6_addr *address, const struct sockaddr_storage *from)
{
    memset(address, 0, sizeof(*address));
    if (from->ss_family == AF_INET) {
        address->s6_addr[10] = address->s6_addr[11] = 0xff;
        memcpy(&address->s6_addr[12], &((const struct sockaddr_in *)(const void *)from)->sin_addr,
               4);
    } else if (from->ss_family == AF_INET6) {
        const struct in6_addr *whole =
            &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
        memcpy(address, whole, IN6_IS_ADDR_V4MAPPED(whole) ? sizeof(*address) : 8);
    }
}

static int count_of(const struct door *door, const struct in6_addr *address)
{
    int count = 0;
    for (int i = 0; i < door->count; i++)
        count += memcmp(&door->guests[i]->address, address, sizeof(*address)) == 0;
    return count;
}

/* Of the address that has most (or of this one alone), the guest that was silent for longest. */
static int who_gives_way(const struct door *door, const struct in6_addr *address)
{
    int chosen = -1, most = 0;
    for (int i = 0; i < door->count; i++) {
        const struct guest *guest = door->guests[i];
        int count = count_of(door, &guest->address);
        if (address != NULL && memcmp(&guest->address, address, sizeof(*address)) != 0)
            continue;
        if (chosen < 0 || count > most ||
            (count == most && guest->heard_ms < door->guests[chosen]->heard_ms)) {
            chosen = i;
            most = count;
        }
    }
    return chosen;
}

static void admit_guest(struct door *door, int outside, const struct sockaddr_storage *from)
{
    struct in6_addr address;
    address_of(&address, from);
    if (count_of(door, &address) >= DOOR_ADDRESS_MAX)
        end_guest(door, who_gives_way(door, &address));
    else if (door->count == DOOR_GUESTS_MAX)
        end_guest(door, who_gives_way(door, NULL));
    int inside = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (inside < 0 ||
        connect(inside, (const struct sockaddr *)&door->inside, door->inside_size) != 0) {
        if (inside >= 0)
            close(inside);
        close(outside);
        return;
    }
    struct guest *guest = alloc_zero(1, sizeof(*guest));
    guest->outside = outside;
    guest->inside = inside;
    guest->address = address;
    guest->since_ms = guest->heard_ms = monotonic_ms();
    door->guests[door->count++] = guest;
}

/* ---- carrying -------------------------------------------------------------------------------- */

/* False: this way is broken. *heard: something came. */
static bool carry(struct carried *way, int from, int to, bool *heard)
{
    if (!way->ended && way->used < PIPE_SIZE) {
        ssize_t got = recv(from, way->bytes + way->used, PIPE_SIZE - way->used, 0);
        if (got > 0) {
            way->used += (size_t)got;
            *heard = true;
        } else if (got == 0) {
            way->ended = true;
        } else if (errno != EAGAIN && errno != EINTR) {
            return false;
        }
    }
    if (way->used > 0) {
        ssize_t sent = send(to, way->bytes, way->used, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent > 0) {
            way->used -= (size_t)sent;
            memmove(way->bytes, way->bytes + sent, way->used);
        }
    }
    return !(way->ended && way->used == 0);
}

int door_items(struct door *door, zmq_pollitem_t items[DOOR_ITEMS_MAX])
{
    int count = 0;
    items[count++] = (zmq_pollitem_t){.fd = door->listener, .events = ZMQ_POLLIN};
    for (int i = 0; i < door->count; i++) {
        const struct guest *guest = door->guests[i];
        short outside = 0, inside = 0;
        outside |= guest->in.used < PIPE_SIZE && !guest->in.ended ? ZMQ_POLLIN : 0;
        outside |= guest->out.used > 0 ? ZMQ_POLLOUT : 0;
        inside |= guest->out.used < PIPE_SIZE && !guest->out.ended ? ZMQ_POLLIN : 0;
        inside |= guest->in.used > 0 ? ZMQ_POLLOUT : 0;
        items[count++] = (zmq_pollitem_t){.fd = guest->outside, .events = outside};
        items[count++] = (zmq_pollitem_t){.fd = guest->inside, .events = inside};
    }
    return count;
}

void door_turn(struct door *door)
{
    int64_t now_ms = monotonic_ms();
    for (int i = door->count; i-- > 0;) { /* the last one takes the place of one that ends */
        struct guest *guest = door->guests[i];
        bool heard = false, answered = false;
        bool good = carry(&guest->in, guest->outside, guest->inside, &heard) &&
                    carry(&guest->out, guest->inside, guest->outside, &answered);
        if (heard)
            guest->heard_ms = now_ms;
        if (!good || now_ms - guest->heard_ms >= DOOR_SILENCE_MS ||
            now_ms - guest->since_ms >= DOOR_STAY_MS)
            end_guest(door, i);
    }
    for (int i = 0; i < ACCEPT_MAX; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof(from);
        int fd =
            accept4(door->listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        admit_guest(door, fd, &from);
    }
}
