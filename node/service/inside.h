/* inside.h - the inside of struct service, for the files that make up the service.
 *
 *   Threads  everything here is set once before the first job runs; what changes has its own lock
 */
#ifndef ECBAK_NODE_SERVICE_INSIDE_H
#define ECBAK_NODE_SERVICE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/base/config.h"
#include "node/base/counters.h"
#include "node/membership/membership.h"
#include "node/net/transport.h"
#include "node/service/health.h"
#include "node/service/jobs.h"
#include "node/service/reach.h"
#include "node/service/serve_peer.h"
#include "node/store/store.h"

/* How long other nodes have for an answer, before they are given up. */
#define PUT_TIMEOUT_MS    20000 /* a fragment, until it is on disk */
#define GET_TIMEOUT_MS    20000
#define SMALL_TIMEOUT_MS  5000 /* questions without bulk */
#define DOUBTFUL_GRACE_MS 600  /* for doubtful ones, once nobody else is waited for */

struct service {
    const struct config *config;
    const struct node_keys *keys;
    const struct cert *cert;
    struct store *store;
    struct counters counters;
    struct revocations *revocations;
    struct reach *reach;
    struct holder holder; /* this node as a holder */
    struct membership *membership;
    struct transport *transport;
    struct health *health;
    struct jobs *client_jobs, *quick_jobs, *peer_jobs;
    int left_fd;
    _Atomic uint64_t moved_bytes; /* packs and fragments in and out: whether it works or rests */

    /* The thread that keeps house: announces usage, checks the sentinel, syncs records. */
    pthread_t keeper;
    bool keeper_runs;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop;
};

/* Leaves the cluster for good, and tells the daemon (service_left_fd). */
void service_leave(struct service *service);

#endif
