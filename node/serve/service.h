/* service.h - what a node does: it answers commands and other nodes.
 *
 * Owns the transport, the membership and the job threads. Commands' requests (store a pack, fetch
 * it, pin it, ...) run on the `client` threads in plain blocking code and may wait for other
 * nodes, but for those of the `quick` queue, which wait for nothing; requests of other nodes run on
 * the `peer` threads, touch this node's disk only, and never wait for anybody, so nodes that ask
 * each other cannot lock up (request.h).
 *
 *   Limits   every queue is bounded in requests and in bytes: another node whose request finds no
 *            room is answered ERR_BUSY at once, a command waits
 *   Memory   borrows config, keys, cert and store until service_destroy
 *   Threads  new and destroy on one thread; the rest any
 */
#ifndef ECBAK_NODE_SERVE_SERVICE_H
#define ECBAK_NODE_SERVE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/config/config.h"
#include "node/store/store.h"
#include "node/trust/node_keys.h"

struct service;

/* Serves from the moment it returns 0. Call rs_setup() and sodium_init() before. */
int service_new(struct service **service, const struct config *config,
                const struct credentials *credentials, struct store *store,
                struct err *err) MUST_CHECK;

/* Finishes or cancels the jobs that run, tells the others that this node is away for a while
 * (unless it left), and closes every socket. */
void service_destroy(struct service **service);

/* Have all threads that must always turn done so since the last time that this was true? Waits for
 * nothing; for one thread, which watches. */
bool service_turns(struct service *service);

/* A descriptor that becomes readable when a command made this node leave for good: the daemon then
 * stops. Owned by the service. */
int service_left_fd(const struct service *service);

#endif
