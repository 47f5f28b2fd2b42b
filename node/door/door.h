/* door.h - the TCP connections of a link's sockets, each bounded from accept to close.
 *
 * libzmq bounds frames, not messages, never ends a connection that says nothing, and hands up a
 * message when its last frame is there: until then it keeps whatever comes, of whomever. But it says
 * which descriptor each connection has (its monitor, and ZMQ_SRCFD of each message), and the kernel
 * says how many bytes came in on one. So a thread of its own looks at each connection on which
 * something happens, every few milliseconds, and ends it by shutdown(2) when it is beyond what it may.
 *
 *   strangers   connections that have not shown a certificate yet: DOOR_PROOF_MS from accept,
 *               DOOR_STRANGER_BYTES in all; of one address DOOR_ADDRESS_MAX, of all DOOR_STRANGERS_MAX:
 *               the oldest goes for the next, so that who floods the door keeps out himself
 *   callers     those that have: DOOR_KEY_MAX for one CURVE key; bytes of a message that is not whole,
 *               and of those that nobody has read, backlog_max a connection
 *   made        those that we made: backlog_max as well
 *
 * Of the process's descriptors a quarter is for the connections that come in at one door, so that half
 * of them are left for disks, commands and what we connect to. Where they are short nevertheless,
 * whoever connects is turned away at once, so that nothing spins at a full backlog.
 *
 *   Limits   between two looks (DOOR_LOOK_MS) comes what the machine can take in in that time
 *   Errors   ERR_IO what the system or ZeroMQ says
 *   Threads  door_new and door_destroy: the link's owner; the others: the link's
 */
#ifndef ECBAK_NODE_DOOR_DOOR_H
#define ECBAK_NODE_DOOR_DOOR_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

#define DOOR_PROOF_MS       5000
#define DOOR_STRANGER_BYTES ((uint64_t)64 * 1024)
#define DOOR_STRANGERS_MAX  256
#define DOOR_ADDRESS_MAX    64
#define DOOR_KEY_MAX        4
#define DOOR_LOOK_MS        5

struct door;

/* `inbox` is not bound yet. */
int door_new(struct door **door, void *context, void *inbox, uint64_t backlog_max,
             struct err *err) MUST_CHECK;
/* Before the inbox is closed. */
void door_destroy(struct door **door);

/* A whole message of so many bytes on the wire came by this descriptor. curve: it is of a node that has
 * shown its certificate, on this connection or on one before; NULL: not so. */
void door_heard(struct door *door, int fd, uint64_t bytes, const uint8_t curve[32]);
/* A connection that we made, and its end. */
void door_made(struct door *door, int fd);
void door_gone(struct door *door, int fd);

/* Connections that were ended: silent strangers, those that were too many, those that sent too much;
 * those that were turned away for want of a descriptor. */
struct door_counters {
    uint64_t silent, crowded, oversized, turned_away;
};
void door_counters(struct door *door, struct door_counters *counters);

#endif
