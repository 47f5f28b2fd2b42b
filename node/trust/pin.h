/* pin.h - a record's claim on what is stored, and how it travels in requests.
 *
 *   Errors   ERR_FORMAT a vault or writer of the wrong length, or none
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRUST_PIN_H
#define ECBAK_NODE_TRUST_PIN_H

#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/statement.pb-c.h"

/* Record `number` of a writer of a vault. */
struct pin {
    struct vault_id vault;
    struct writer_id writer;
    uint64_t number;
};

/* The message borrows the pin. */
void pin_to_wire(Ecbak__Pin *message, const struct pin *pin);
/* message: NULL when the request has none. */
int pin_from_wire(struct pin *pin, const Ecbak__Pin *message, struct err *err) MUST_CHECK;

#endif
