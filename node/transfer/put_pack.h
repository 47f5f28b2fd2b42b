/* put_pack.h - a pack onto other nodes: code it, place it, and count the receipts.
 *
 *   Limits   a pack PACK_SIZE_MAX bytes; k + m at most RS_TOTAL_MAX
 *   Errors   ERR_FULL too few have space, and more of it would do: the text says who lacks how much;
 *            ERR_TOO_FEW fewer than k nodes can take a fragment, or took one: the text has the
 *            counts; ERR_DENIED, ERR_FOREIGN the grant is not for this pack and node
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRANSFER_PUT_PACK_H
#define ECBAK_NODE_TRANSFER_PUT_PACK_H

#include "node/api/client.h"
#include "node/peers/peers.h"

/* On success at least k nodes hold a fragment each; how many is in *held, and whether that is enough
 * is the command's to say. */
int put_pack(struct peers *peers, const uint8_t *pack, size_t pack_size,
             const struct put_terms *terms, struct redundancy *held, struct err *err) MUST_CHECK;

#endif
