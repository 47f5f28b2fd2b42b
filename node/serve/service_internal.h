/* service_internal.h - struct service, for the files that answer commands and start what it is made
 * of; what works with other nodes takes a struct peers instead.
 *
 *   Threads  set once before the first job runs; what changes has its own lock
 */
#ifndef ECBAK_NODE_SERVE_SERVICE_INTERNAL_H
#define ECBAK_NODE_SERVE_SERVICE_INTERNAL_H

#include "node/base/jobs.h"
#include "node/chores/chores.h"
#include "node/config/config.h"
#include "node/peers/peers.h"
#include "node/peers/reach.h"
#include "node/serve/request.h"
#include "node/serve/serve_peer.h"
#include "node/serve/service.h"

struct service {
    const struct config *config;
    const struct cert *cert;
    struct counters counters;
    struct heard heard;
    struct settled settled;
    struct unbelieved unbelieved;
    struct peers peers;
    struct reach *reach;
    struct responder responder;
    struct chores *chores;
    struct jobs *queues[QUEUE_COUNT];
    int left_fd;
};

/* Is this node still a member? ERR_DENIED: it was revoked; the text says why. */
int service_check_member(struct service *service, struct err *err) MUST_CHECK;
/* Leaves the cluster for good, and tells the daemon (service_left_fd). */
void service_leave(struct service *service);

#endif
