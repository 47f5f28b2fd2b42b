/* serve_peer.h - what other nodes ask of this one.
 *
 * A holder has a store and a key, and no way to ask anybody: what runs here cannot wait for another
 * node, so nodes that ask each other never lock up.
 *
 *   Trust    the caller is a certified member of the cluster, no more: every byte is checked, and
 *            nothing takes space without a writer's grant
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVICE_SERVE_PEER_H
#define ECBAK_NODE_SERVICE_SERVE_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "node/api/cert.h"
#include "node/base/counters.h"
#include "node/net/revocations.h"
#include "node/net/transport.h"
#include "node/store/store.h"

struct holder {
    struct store *store;
    const struct node_keys *keys;
    uint8_t cluster[ID_SIZE];
    struct counters *counters;
    struct revocations *revocations;
};

/* The answer to a PeerRequest, errors included: *reply is malloc'd, *answer_payload (of size 0 when
 * there is none) is the caller's to release. `payload` is borrowed. */
void serve_peer(const struct holder *holder, const uint8_t *header, size_t header_size,
                const uint8_t *payload, size_t payload_size, uint8_t **reply, size_t *reply_size,
                struct payload *answer_payload);

/* What the node would do for a peer, for itself: the same checks, without messages. */
int holder_put(const struct holder *holder, const uint8_t *fragment, size_t fragment_size,
               const uint8_t *grant, size_t grant_size, const struct holders *holders,
               const struct pin *pin, struct err *err) MUST_CHECK;
int holder_put_record(const struct holder *holder, const uint8_t *record, size_t size,
                      struct err *err) MUST_CHECK;

#endif
