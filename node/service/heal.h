/* heal.h - an object made whole again: rows that nobody has any more are rebuilt from k others and
 * sent to nodes that have none, with the grant that lies beside a fragment.
 *
 *   Errors   ERR_TOO_FEW fewer than k rows, or no node to take one; those of gather.h
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVICE_HEAL_H
#define ECBAK_NODE_SERVICE_HEAL_H

#include "node/api/client.h"
#include "node/service/nodes.h"
#include "node/store/store.h"

/* holders: who holds which row now (distinct nodes); those that were added are in it after.
 * *sent_bytes grows by what was placed. 0: at least one row was added. */
int heal_object(struct service *service, const uint8_t pack[ID_SIZE], const uint8_t object[ID_SIZE],
                uint32_t data, uint32_t parity, const struct pin *pin, struct holders *holders,
                uint64_t *sent_bytes, struct err *err) MUST_CHECK;

#endif
