/* sentinel.h - the file that says whose a data directory is.
 *
 *   offset size
 *        0    8  magic "ecbksent"
 *        8    2  version, 1
 *       10    6  zero
 *       16   32  node id
 *       48    8  epoch: random, new with each created directory
 *       56    8  zero
 *       64   32  BLAKE2b-256, personalised "ecbak sentinel 1", of bytes 0 to 63
 *
 *   Errors   ERR_NOT_FOUND; ERR_FORMAT; ERR_VERSION; ERR_DAMAGED; ERR_FOREIGN another node's
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_SENTINEL_H
#define ECBAK_NODE_BASE_SENTINEL_H

#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define SENTINEL_NAME "sentinel"

/* Writes a new one with a random epoch; ERR_EXISTS when there is one. */
int sentinel_create(const char *path, const struct node_id *node, struct err *err) MUST_CHECK;
int sentinel_read(const char *path, const struct node_id *node, uint64_t *epoch,
                  struct err *err) MUST_CHECK;

#endif
