/* spread.h - a pack onto other nodes: code it, place it, and count the receipts.
 *
 *   Limits   a pack PACK_SIZE_MAX bytes; k + m at most RS_TOTAL_MAX
 *   Errors   ERR_TOO_FEW fewer than k nodes can take a fragment, or took one: the text has the
 *            counts; ERR_DENIED, ERR_FOREIGN the grant is not for this pack and node
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVICE_SPREAD_H
#define ECBAK_NODE_SERVICE_SPREAD_H

#include "node/service/inside.h"
#include "node/service/nodes.h"

/* data = parity = 0: what fits the cluster. On success at least k nodes hold a fragment each; how
 * many is in *held, and whether that is enough is the command's to say. */
int spread_pack(struct service *service, const uint8_t *pack, size_t pack_size,
                const uint8_t *grant, size_t grant_size, const struct pin *pin, uint32_t data,
                uint32_t parity, struct held *held, struct err *err) MUST_CHECK;

/* k and m for the members known now. ERR_TOO_FEW when there is nobody to store at. */
int spread_shape(const struct nodes *nodes, uint32_t *data, uint32_t *parity,
                 struct err *err) MUST_CHECK;

#endif
