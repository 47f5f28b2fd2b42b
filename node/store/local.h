/* local.h - this node as a holder: what it does with a fragment or a record that is to be kept,
 * whoever brings it, another node or itself.
 *
 * It has a store and a key and no way to ask anybody, so what is done with it alone never waits for
 * another node.
 *
 *   Trust    every byte is checked; nothing takes space without a writer's grant
 *   Errors   those of writer_cert.h and store.h
 *   Memory   borrows store, keys and counters
 *   Threads  any
 */
#ifndef ECBAK_NODE_STORE_LOCAL_H
#define ECBAK_NODE_STORE_LOCAL_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/counters.h"
#include "node/store/store.h"
#include "node/trust/node_keys.h"

struct local {
    struct store *store;
    const struct node_keys *keys;
    struct cluster_id cluster;
    struct counters *counters;
};

int local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                       struct err *err) MUST_CHECK;
/* What proves a row: what goes before it in its fragment, then these of its leaves; malloc'd. The row
 * is read whole nevertheless, so a disk that forgot another part of it is found out: ERR_DAMAGED, and
 * it is set aside and counted. */
int local_prove_row(const struct local *local, const struct object_id *object, uint32_t index,
                    const uint32_t *leaves, size_t count, uint8_t **proof, size_t *size,
                    struct err *err) MUST_CHECK;
int local_put_record(const struct local *local, const uint8_t *record, size_t size,
                     struct err *err) MUST_CHECK;

#endif
