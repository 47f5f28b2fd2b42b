/* endpoint.h - where a node is reached, in digits.
 *
 * libzmq asks the name server itself for a name that it is given, on the one thread that carries all
 * connections of a context: a name that somebody else chose could stop all of them. So a socket is
 * connected and bound here alone (`make tidy` holds that), and to a TCP address only by way of this
 * type, which holds no name: it is made by endpoint_parse, or of a name of one's own beside.
 *
 *   Form     192.0.2.1:7411 or [2001:db8::1]:7411; port 1 to 65535; no zone index
 *   Limits   ENDPOINT_MAX bytes with the NUL
 *   Errors   ERR_INVALID what is no such address
 *   Memory   a plain value; zeros are nowhere
 *   Threads  any
 */
#ifndef ECBAK_NODE_COMMON_ENDPOINT_H
#define ECBAK_NODE_COMMON_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/base/err.h"

#define ENDPOINT_MAX   80
#define ENDPOINT_LINES 8 /* connections of one socket to one place */

struct endpoint {
    char text[ENDPOINT_MAX]; /* tcp://ADDRESS:PORT as libzmq takes it; "": nowhere */
};

/* ADDRESS:PORT in digits. The address 0.0.0.0 or [::] stands for nowhere: so says who does not know its
 * own yet. */
int endpoint_parse(struct endpoint *to, const char *address, struct err *err) MUST_CHECK;
bool endpoint_known(const struct endpoint *endpoint);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* Of the machine that asks: 127.0.0.0/8 or ::1. */
bool endpoint_is_loopback(const struct endpoint *endpoint);
/* Another port of the same machine. */
struct endpoint endpoint_on_port(const struct endpoint *endpoint, uint16_t port);
/* ADDRESS:PORT, or "". */
const char *endpoint_address(const struct endpoint *endpoint);
/* Whether it is at this address, which is one of a connection: in digits, without port and brackets. */
bool endpoint_is_at(const struct endpoint *endpoint, const char *host);

/* HOST:PORT, where HOST may be a name: waits for the name server, as long as that may take. Of several
 * addresses *before (or NULL), if it is one of them, else the first. ERR_IO: it does not resolve. */
int endpoint_resolve(struct endpoint *to, const char *address, const struct endpoint *before,
                     struct err *err) MUST_CHECK;

/* libzmq knows a connection by the text that it was given, also when it tells that one ended. So that
 * several of one socket to one place are told apart, each is a line of its own, 0 ... ENDPOINT_LINES - 1:
 * the same place, its port with so many zeros before it. */
struct endpoint endpoint_line(const struct endpoint *endpoint, unsigned line);

/* As zmq_connect: 0, or -1 and zmq_errno(). The endpoint is known. */
int endpoint_connect(void *socket, const struct endpoint *endpoint) MUST_CHECK;
int endpoint_disconnect(void *socket, const struct endpoint *endpoint);
/* ADDRESS:PORT in digits; 0.0.0.0, [::] and 0 for any of them. Sets ZMQ_IPV6 as it needs. */
int endpoint_bind(void *socket, const char *address, struct err *err) MUST_CHECK;

/* As zmq_connect and zmq_bind, within this machine: inproc:// or ipc://. */
int endpoint_connect_here(void *socket, const char *name) MUST_CHECK;
int endpoint_bind_here(void *socket, const char *name) MUST_CHECK;

#endif
