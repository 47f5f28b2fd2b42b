/* What is parsed is written anew, so that one address has one text: endpoints are compared as text, and
 * libzmq names them by it when a connection ends. */
#include "node/common/endpoint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <zmq.h>

#define SCHEME      "tcp://"
#define SCHEME_SIZE (sizeof(SCHEME) - 1)
#define HOST_MAX    256

_Static_assert(SCHEME_SIZE + INET6_ADDRSTRLEN + 2 + 6 + ENDPOINT_LINES <= ENDPOINT_MAX,
               "the longest one fits");

/* An address as the network has it. */
struct address {
    bool v6;
    struct in_addr v4;
    struct in6_addr bytes;
};

static int read_address(struct address *to, const char *host)
{
    *to = (struct address){.v6 = false};
    if (inet_pton(AF_INET, host, &to->v4) == 1)
        return 0;
    if (inet_pton(AF_INET6, host, &to->bytes) != 1)
        return -1;
    to->v6 = !IN6_IS_ADDR_V4MAPPED(&to->bytes);
    if (!to->v6) /* what a socket for both says of an IPv4 connection */
        memcpy(&to->v4, to->bytes.s6_addr + 12, sizeof(to->v4));
    return 0;
}

static bool is_any(const struct address *address)
{
    return address->v6 ? IN6_IS_ADDR_UNSPECIFIED(&address->bytes)
                       : address->v4.s_addr == htonl(INADDR_ANY);
}

/* HOST:PORT into its parts, the brackets taken off; false: it has none. */
static bool split(const char *text, char host[HOST_MAX], unsigned *port)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    size_t digits = colon != NULL ? strlen(colon + 1) : 0;
    if (size == 0 || size >= HOST_MAX || digits == 0 || digits > 5 ||
        strspn(colon + 1, "0123456789") != digits)
        return false;
    *port = 0;
    for (const char *digit = colon + 1; *digit != '\0'; digit++)
        *port = *port * 10 + (unsigned)(*digit - '0');
    bool bracketed = text[0] == '[' && text[size - 1] == ']';
    if (bracketed && size < 4) /* [::] at least */
        return false;
    size -= bracketed ? 2 : 0;
    memcpy(host, text + bracketed, size);
    host[size] = '\0';
    return *port <= 65535 && bracketed == (strchr(host, ':') != NULL);
}

static void write_endpoint(struct endpoint *to, const struct address *address, unsigned port)
{
    char digits[INET6_ADDRSTRLEN];
    *to = (struct endpoint){{0}};
    if (address->v6)
        inet_ntop(AF_INET6, &address->bytes, digits, sizeof(digits));
    else
        inet_ntop(AF_INET, &address->v4, digits, sizeof(digits));
    snprintf(to->text, sizeof(to->text), SCHEME "%s%s%s:%u", address->v6 ? "[" : "", digits,
             address->v6 ? "]" : "", port);
}

int endpoint_parse(struct endpoint *to, const char *text, struct err *err)
{
    struct address address;
    char host[HOST_MAX];
    unsigned port;
    *to = (struct endpoint){{0}};
    if (!split(text, host, &port) || port == 0 || read_address(&address, host) != 0)
        return err_set(err, ERR_INVALID, "%.80s is no address and port in digits", text);
    if (!is_any(&address))
        write_endpoint(to, &address, port);
    return 0;
}

bool endpoint_known(const struct endpoint *endpoint)
{
    return endpoint->text[0] != '\0';
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return strcmp(a->text, b->text) == 0;
}

bool endpoint_is_loopback(const struct endpoint *endpoint)
{
    struct address address;
    char host[HOST_MAX];
    unsigned port;
    if (!split(endpoint_address(endpoint), host, &port) || read_address(&address, host) != 0)
        return false;
    return address.v6 ? IN6_IS_ADDR_LOOPBACK(&address.bytes)
                      : ntohl(address.v4.s_addr) >> 24 == IN_LOOPBACKNET;
}

struct endpoint endpoint_on_port(const struct endpoint *endpoint, uint16_t port)
{
    struct endpoint other = *endpoint;
    char *colon = strrchr(other.text, ':');
    if (colon != NULL)
        snprintf(colon, sizeof(other.text) - (size_t)(colon - other.text), ":%u", (unsigned)port);
    return other;
}

const char *endpoint_address(const struct endpoint *endpoint)
{
    return endpoint_known(endpoint) ? endpoint->text + SCHEME_SIZE : "";
}

bool endpoint_is_at(const struct endpoint *endpoint, const char *where)
{
    struct address here, there;
    char host[HOST_MAX];
    unsigned port;
    return split(endpoint_address(endpoint), host, &port) && read_address(&here, host) == 0 &&
           read_address(&there, where) == 0 && here.v6 == there.v6 &&
           memcmp(&here.v4, &there.v4, sizeof(here.v4)) == 0 &&
           (!here.v6 || memcmp(&here.bytes, &there.bytes, sizeof(here.bytes)) == 0);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool take_found(struct endpoint *to, const struct addrinfo *found, unsigned port)
{
    char host[INET6_ADDRSTRLEN + 24]; /* with the zone index that a link-local one has */
    struct address address;
    if (getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), NULL, 0,
                    NI_NUMERICHOST) != 0 ||
        read_address(&address, host) != 0 || is_any(&address))
        return false;
    write_endpoint(to, &address, port);
    return true;
}

int endpoint_resolve(struct endpoint *to, const char *text, const struct endpoint *before,
                     struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct endpoint each;
    char host[HOST_MAX];
    unsigned port;
    if (endpoint_parse(to, text, err) == 0)
        return 0;
    if (!split(text, host, &port) || port == 0)
        return -1;
    err->code = ERR_NONE;
    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0)
        return err_set(err, ERR_IO, "the name %s does not resolve: %s", host, gai_strerror(error));
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (!take_found(&each, at, port))
            continue;
        bool same = before != NULL && endpoint_equal(&each, before);
        if (!endpoint_known(to) || same)
            *to = each;
    }
    freeaddrinfo(found);
    if (!endpoint_known(to))
        return err_set(err, ERR_IO, "the name %s does not resolve: no address", host);
    return 0;
}

/* ---- sockets --------------------------------------------------------------------------------- */

struct endpoint endpoint_line(const struct endpoint *endpoint, unsigned line)
{
    struct endpoint other = *endpoint;
    const char *colon = strrchr(endpoint->text, ':');
    assert(line < ENDPOINT_LINES && endpoint_known(endpoint));
    size_t before = (size_t)(colon - endpoint->text);
    snprintf(other.text + before, sizeof(other.text) - before, ":%.*s%s", (int)line, "0000000",
             colon + 1);
    return other;
}

int endpoint_connect(void *socket, const struct endpoint *endpoint)
{
    assert(endpoint_known(endpoint));
    return zmq_connect(socket, endpoint->text);
}

int endpoint_disconnect(void *socket, const struct endpoint *endpoint)
{
    return zmq_disconnect(socket, endpoint->text);
}

int endpoint_bind(void *socket, const char *text, struct err *err)
{
    struct address address;
    char host[HOST_MAX];
    struct endpoint at;
    unsigned port;
    if (!split(text, host, &port) || read_address(&address, host) != 0)
        return err_set(err, ERR_INVALID,
                       "listening at %s: that is no address of this machine in digits", text);
    write_endpoint(&at, &address, port);
    int v6 = address.v6;
    if (zmq_setsockopt(socket, ZMQ_IPV6, &v6, sizeof(v6)) != 0 || zmq_bind(socket, at.text) != 0)
        return err_set(err, ERR_IO, "listening at %s: %s", text, zmq_strerror(zmq_errno()));
    return 0;
}

static bool is_here(const char *name)
{
    return strncmp(name, "inproc://", 9) == 0 || strncmp(name, "ipc://", 6) == 0;
}

int endpoint_connect_here(void *socket, const char *name)
{
    if (is_here(name))
        return zmq_connect(socket, name);
    errno = EPROTONOSUPPORT;
    return -1;
}

int endpoint_bind_here(void *socket, const char *name)
{
    if (is_here(name))
        return zmq_bind(socket, name);
    errno = EPROTONOSUPPORT;
    return -1;
}
