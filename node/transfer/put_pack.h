/* put_pack.h - a pack onto other nodes: its fragments, as the command made them, are placed and sent,
 * and the receipts counted.
 *
 * The command encodes, so its writer signs an object that it made itself. This node countersigns the
 * grant, as its sponsor, and hashes no row: whoever keeps one proves it.
 *
 *   Limits   the fragments BUNDLE_SIZE_MAX bytes
 *   Errors   ERR_FULL too few have space, and more of it would do: the text says who lacks how much;
 *            ERR_TOO_FEW fewer than k nodes can take a fragment, or took one: the text has the
 *            counts; ERR_FOREIGN the grant is not for this object and node; those of
 *            fragment_bundle.h and grant.h
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRANSFER_PUT_PACK_H
#define ECBAK_NODE_TRANSFER_PUT_PACK_H

#include "node/api/client.h"
#include "node/net/transport.h"
#include "node/peers/peers.h"

/* Takes the fragments (a bundle); the grant is its writer's part. On success at least k nodes hold a
 * fragment each; how many is in *held, and whether that is enough is the command's to say. */
int put_pack(struct peers *peers, struct payload *fragments, const uint8_t *grant,
             size_t grant_size, struct redundancy *held, struct err *err) MUST_CHECK;

#endif
