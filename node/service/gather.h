/* gather.h - a pack back from any k of its fragments.
 *
 *   Errors   those of fetch.h; ERR_DAMAGED enough rows, but no set of them gives the pack
 *   Memory   k rows and the pack
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVICE_GATHER_H
#define ECBAK_NODE_SERVICE_GATHER_H

#include <stddef.h>
#include <stdint.h>

#include "node/service/inside.h"

/* *bytes is malloc'd; *corrupt: damaged fragments met on the way. */
int gather_pack(struct service *service, const uint8_t pack[ID_SIZE], uint8_t **bytes, size_t *size,
                uint8_t object[ID_SIZE], uint32_t *corrupt, struct err *err) MUST_CHECK;

#endif
