/* invite_door.h - the TCP port of an invitation: who may wait at it, how long, and how many.
 *
 * Anybody reaches the port. Each connection is carried on to a local socket, where ZeroMQ answers it;
 * which can neither bound them nor end one that says nothing. One that has been silent for
 * DOOR_SILENCE_MS, or there for DOOR_STAY_MS, is closed. Where there are too many, the one gives way
 * that was silent for longest, of the address that has most: so a newcomer who speaks is always
 * heard, however many others are held open.
 *
 *   Limits   DOOR_GUESTS_MAX connections, DOOR_ADDRESS_MAX of one address (of IPv6: one /64); some
 *            16 KiB each
 *   Errors   ERR_USAGE not an address and a port; ERR_IO the system's words
 *   Threads  one
 */
#ifndef ECBAK_CLI_ADMIT_INVITE_DOOR_H
#define ECBAK_CLI_ADMIT_INVITE_DOOR_H

#include <zmq.h>

#include "coding/base/err.h"

#define DOOR_GUESTS_MAX  32
#define DOOR_ADDRESS_MAX 8
#define DOOR_SILENCE_MS  10000
#define DOOR_STAY_MS     30000
#define DOOR_ITEMS_MAX   (1 + 2 * DOOR_GUESTS_MAX)
#define DOOR_BOUND_MAX   64

struct door;

/* Listens at ADDRESS:PORT ("[::]:0": any port), and carries connections to the abstract local socket of
 * this name. bound gets where it listens. */
int door_open(struct door **door, const char *where, const char *inside, char bound[DOOR_BOUND_MAX],
              struct err *err) MUST_CHECK;
void door_close(struct door **door);

/* What to wait for; the number of items. Then give them to door_turn, which never waits, and is to be
 * called every second though nothing came. */
int door_items(struct door *door, zmq_pollitem_t items[DOOR_ITEMS_MAX]);
void door_turn(struct door *door);

#endif
