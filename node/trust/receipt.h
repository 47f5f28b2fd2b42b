/* receipt.h - a holder's word to a sponsor: on disk, fsynced.
 *
 *   Limits   RECEIPT_BYTES_MAX encoded
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_DAMAGED (signature); ERR_INVALID too large to be sealed
 *   Memory   *_seal functions return malloc'd bytes, the caller's to free; what *_open returns
 *            points into nothing of the caller's
 *   Threads  any, after sodium_init()
 */
#ifndef ECBAK_NODE_TRUST_RECEIPT_H
#define ECBAK_NODE_TRUST_RECEIPT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define RECEIPT_BYTES_MAX 512

struct receipt {
    struct cluster_id cluster;
    struct object_id object;
    uint32_t index;
    struct node_id holder;
    struct writer_id writer;
    uint64_t number;
};

/* holder of r is not read: it follows from the secret. */
int receipt_seal(const struct receipt *r, const uint8_t node_secret[64], uint8_t **bytes,
                 size_t *size, struct err *err) MUST_CHECK;
/* Signed by the holder that it names; whether cluster, object and pin are what was asked for is the
 * caller's to compare. */
int receipt_open(struct receipt *r, const uint8_t *bytes, size_t size, struct err *err) MUST_CHECK;

#endif
