/* serve_peer.h - what other nodes ask of this one.
 *
 * A responder has a store and a key, and no way to ask anybody: what runs here cannot wait for
 * another node, so nodes that ask each other never lock up. The one exception, dialling the caller
 * back, is handed in, and has a queue and a thread of its own.
 *
 *   Trust    the caller is a certified member of the cluster, no more: every byte is checked, and
 *            nothing takes space without a writer's grant
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVE_SERVE_PEER_H
#define ECBAK_NODE_SERVE_SERVE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/net/revocations.h"
#include "node/net/transport.h"
#include "node/peers/reach.h"
#include "node/serve/request.h"
#include "node/store/local.h"

struct responder {
    const struct local *local;
    struct revocations *revocations;
    struct reach *reach; /* dials callers back */
};

/* Does it ask for a fragment? Its answer may be as large as a pack. */
bool serve_peer_is_large(const uint8_t *header, size_t header_size);
/* Where a request waits; one of an unknown kind, where it is refused at little cost. */
enum queue serve_peer_queue(const uint8_t *header, size_t header_size);

/* The answer, errors included: *reply is malloc'd, *answer_payload (of size 0 when there is none) is
 * the caller's to release. */
void serve_peer(const struct responder *responder, const struct question *question, uint8_t **reply,
                size_t *reply_size, struct payload *answer_payload);

/* The table: row i, or NULL after the last. */
const struct request *serve_peer_request(size_t i);

#endif
