/* peers.h - what a job needs to work with other nodes: who they are, the way to them, and what this
 * node itself can do.
 *
 * Everything below this folder's table line (transfer, repair, sync, chores) takes this and nothing
 * more, so that it can be built, and tested, without the daemon around it.
 *
 *   Memory   borrows what it points to
 *   Threads  set once before the first job runs; what changes has its own lock
 */
#ifndef ECBAK_NODE_PEERS_PEERS_H
#define ECBAK_NODE_PEERS_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/membership/membership.h"
#include "node/net/transport.h"
#include "node/peers/health.h"
#include "node/peers/heard.h"
#include "node/peers/settled.h"
#include "node/peers/unbelieved.h"
#include "node/store/local.h"

/* How long other nodes have for an answer, before they are given up. */
#define PUT_TIMEOUT_MS    20000 /* a fragment, until it is on disk */
#define GET_TIMEOUT_MS    20000
#define SMALL_TIMEOUT_MS  5000 /* questions without bulk */
#define DOUBTFUL_GRACE_MS 600  /* for doubtful ones, once nobody else is waited for */

struct peers {
    struct local local; /* this node, as a holder like the others */
    struct membership *membership;
    struct transport *transport;
    struct health *health;
    struct heard *heard; /* NULL: nobody cares */
    struct settled *settled;
    struct unbelieved *unbelieved; /* NULL: nobody cares */
    struct revocations *revocations;
    _Atomic uint64_t moved_bytes; /* packs and fragments in and out: whether it works or rests */
    atomic_bool stop;             /* the node stops: whoever waits for another node gives up */
};

#endif
