/* local.h - this node as a holder: what it does with a fragment or a record that is to be kept,
 * whoever brings it, another node or itself.
 *
 * It has a store and a key and no way to ask anybody, so what is done with it alone never waits for
 * another node.
 *
 *   Trust    every byte is checked; no fragment takes space without a grant for that very object, by a
 *            writer and the sponsor's node, no statement but on the account of the member that
 *            countersigned it
 *   Errors   those of writer_cert.h, grant.h and store.h
 *   Memory   borrows store, keys, certificate and counters
 *   Threads  any
 */
#ifndef ECBAK_NODE_STORE_LOCAL_H
#define ECBAK_NODE_STORE_LOCAL_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/allowance.h"
#include "node/base/counters.h"
#include "node/store/store.h"
#include "node/trust/node_keys.h"

/* What a member may bring of records at once, and in an hour; each counts as a block of the disk at
 * least. */
#define LOCAL_RECORDS_AT_ONCE ((uint64_t)16 << 20)
#define LOCAL_RECORDS_AN_HOUR ((uint64_t)16 << 20)

struct local {
    struct store *store;
    const struct node_keys *keys;
    const struct cert *cert;         /* what the node countersigns grants with */
    const uint8_t *authority_public; /* 32 bytes */
    struct cluster_id cluster;
    struct counters *counters;
    struct allowance *allowance;
};

/* Opens the grant, keeps the fragment and, when it did, fills the grant that it was kept under (NULL:
 * nobody cares). */
int local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                       struct grant *grant, struct err *err) MUST_CHECK;
/* What proves a row: what goes before it in its fragment, then these of its leaves; malloc'd. The row
 * is read whole nevertheless, so a disk that forgot another part of it is found out: ERR_DAMAGED, and
 * it is set aside and counted. */
int local_prove_row(const struct local *local, const struct fragment_key *key,
                    const uint32_t *leaves, size_t count, uint8_t **proof, size_t *size,
                    struct err *err) MUST_CHECK;
/* from: who brings it. asked NULL: it was pushed, and who pushes must be its sponsor. Else it was pulled
 * under that hash, whoever its sponsor is: what a member once brought reaches everybody, also when that
 * member is gone or was revoked since. */
int local_put_record(const struct local *local, const uint8_t *record, size_t size,
                     const struct node_id *from, const struct record_id *asked,
                     struct err *err) MUST_CHECK;
/* A SignedPin. held: for each of its packs, in their order. `opened` is the caller's to release,
 * also on failure. */
int local_put_pins(const struct local *local, const uint8_t *bytes, size_t size,
                   struct pins *opened, uint32_t **held, struct err *err) MUST_CHECK;
/* What this node countersigns with. */
struct credentials local_credentials(const struct local *local);

#endif
