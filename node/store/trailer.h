/* trailer.h - what lies behind the fragment in a fragment file: why it may be here and who else has
 * its siblings.
 *
 *   offset size
 *        0    8  magic "ecbktrlr"
 *        8    2  version, 2
 *       10    2  number of holders, h
 *       12    4  size of the grant, g
 *       16    8  size of the fragment before it
 *       24   32  node id of the member that brought it
 *       56    8  zero
 *       64    g  the grant (SignedGrant of statement.proto), as it came: it is the first pin
 *   64 + g 32 h  node ids of the holders by fragment index; zeros: nobody yet
 *       ..   32  BLAKE2b-256, personalised "ecbak trailer 2", of all before it in the trailer
 *
 * Written once, with the fragment. Pins that come later are in their writer's file,
 * holder lists in the catalogue.
 *
 *   Limits   TRAILER_SIZE_MAX
 *   Errors   ERR_FORMAT; ERR_VERSION; ERR_DAMAGED its digest differs
 *   Memory   a struct trailer borrows the bytes that it was decoded from
 *   Threads  any
 */
#ifndef ECBAK_NODE_STORE_TRAILER_H
#define ECBAK_NODE_STORE_TRAILER_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/hash.h"
#include "node/store/store.h"
#include "node/trust/grant.h"

#define TRAILER_HEAD_SIZE 64
#define TRAILER_SIZE_MAX  (TRAILER_HEAD_SIZE + GRANT_BYTES_MAX + HOLDERS_MAX * ID_SIZE + HASH_SIZE)

struct trailer {
    uint64_t fragment_size;
    const uint8_t *grant;
    size_t grant_size;
    struct node_id bringer;
    struct holders holders;
};

/* Fills bytes[TRAILER_SIZE_MAX] and returns how many were used; the grant and the holders are within
 * their limits. */
size_t trailer_encode(uint8_t bytes[TRAILER_SIZE_MAX], const struct trailer *trailer);
int trailer_decode(struct trailer *trailer, const uint8_t *bytes, size_t size,
                   struct err *err) MUST_CHECK;

#endif
