/* pin.h - a run's claim on what is stored, for the record that it may end in.
 *
 * Each pin says which run makes it: a random attempt under a number. Two runs of one number (a
 * vault's folder was copied or set back) are two attempts, and a record tells which of them it came
 * from. A writer signs the packs that a run relies on, up to PIN_PACKS_MAX at a time; its node
 * countersigns them, and the same bytes are kept by every holder of any of them.
 *
 *   Limits   PIN_BYTES_MAX, encoded with all that goes along
 *   Errors   those of writer_cert.h; ERR_DENIED also when no member has countersigned
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; pins_release
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_PIN_H
#define ECBAK_NODE_TRUST_PIN_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/node_keys.h"
#include "node/trust/statement.pb-c.h"
#include "node/trust/writer_cert.h"

#define PIN_PACKS_MAX 2048
#define PIN_BYTES_MAX (PIN_PACKS_MAX * ID_SIZE + 2048)

/* Attempt `attempt` at record `number` of a writer of a vault. */
struct pin {
    struct vault_id vault;
    struct writer_id writer;
    uint64_t number;
    struct attempt_id attempt;
};

/* Packs that a writer pinned. */
struct pins {
    struct cluster_id cluster;
    struct pin pin;
    struct pack_id *packs; /* malloc'd by pins_open */
    size_t count;          /* 1 to PIN_PACKS_MAX */
};

/* Without a countersignature. */
int pins_seal(const struct pins *pins, const struct signer *signer, uint8_t **bytes, size_t *size,
              struct err *err) MUST_CHECK;
/* Puts this node's countersignature in the place of any that is there. */
int pins_countersign(const uint8_t *bytes, size_t size, const struct credentials *node,
                     uint8_t **with, size_t *with_size, struct err *err) MUST_CHECK;
/* What a command gives its node: nobody has countersigned it yet. */
int pins_open(struct pins *pins, const uint8_t *bytes, size_t size,
              const struct cluster_id *cluster, struct err *err) MUST_CHECK;
/* For holders: and that a member of the authority's cluster countersigned it, the sponsor. */
int pins_open_held(struct pins *pins, struct node_id *sponsor, const uint8_t *bytes, size_t size,
                   const uint8_t authority_public[32], struct err *err) MUST_CHECK;
void pins_release(struct pins *pins);

#endif
