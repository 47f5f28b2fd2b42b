/* serve_client.h - what commands ask of their node: one function a kind of request.
 *
 * Runs on the threads of the client queues in straight blocking code, and may wait for other nodes.
 *
 *   Trust    who may open the socket may ask, but for what changes the cluster, which is root's and
 *            this node's own user's; every byte is checked all the same
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVE_SERVE_CLIENT_H
#define ECBAK_NODE_SERVE_SERVE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "node/net/transport.h"
#include "node/serve/request.h"

struct service;

/* Where a request waits; one of an unknown kind, where it is refused at little cost. */
enum queue serve_client_queue(const uint8_t *header, size_t header_size);

/* The answer, errors included: *reply is malloc'd, *answer_payload (of size 0 when there is none) is
 * the caller's to release. */
void serve_client(struct service *service, const struct question *question, uint8_t **reply,
                  size_t *reply_size, struct payload *answer_payload);

/* The table: row i, or NULL after the last. */
const struct request *serve_client_request(size_t i);

#endif
