/* dial.h - can this address be reached, and is it who we think? On a connection made for this alone.
 *
 * A CURVE handshake that succeeds proves both: that the port is open from here, and that the key
 * which must be there is there. Nothing is said on it.
 *
 *   Limits   DIAL_MAX addresses at once, all within timeout_ms
 *   Threads  any; a context of its own each time
 */
#ifndef ECBAK_NODE_NET_DIAL_H
#define ECBAK_NODE_NET_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/common/endpoint.h"

#define DIAL_MAX       2
#define DIAL_TEXT_SIZE 96

struct dialled {
    struct endpoint endpoint;
    bool reached;
    char why[DIAL_TEXT_SIZE]; /* it was not reached */
};

/* Returns when each was reached or is known not to be. */
void dial(struct dialled *dialled, size_t count, const uint8_t curve[32], int timeout_ms);

#endif
