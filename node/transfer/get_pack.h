/* get_pack.h - a vault's pack back from any k of its fragments.
 *
 *   Errors   those of fetch.h; ERR_DAMAGED enough rows, but no set of them gives the pack
 *   Memory   k rows and the pack
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRANSFER_GET_PACK_H
#define ECBAK_NODE_TRANSFER_GET_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "node/peers/peers.h"
#include "node/transfer/locate.h"

/* *bytes is malloc'd; *corrupt: damaged fragments met on the way. */
int get_pack(struct peers *peers, const struct wanted_pack *wanted, uint8_t **bytes, size_t *size,
             struct object_id *object, uint32_t *corrupt, struct err *err) MUST_CHECK;

#endif
