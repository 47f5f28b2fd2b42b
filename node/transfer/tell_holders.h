/* tell_holders.h - tells every holder of a vault's object who the others are; waits a moment at most.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRANSFER_TELL_HOLDERS_H
#define ECBAK_NODE_TRANSFER_TELL_HOLDERS_H

#include "node/base/holders.h"
#include "node/peers/nodes.h"

void tell_holders(struct nodes *nodes, const struct vault_id *vault, const struct object_id *object,
                  const struct holders *holders);

#endif
