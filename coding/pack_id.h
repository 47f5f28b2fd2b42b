/* pack_id.h - the name of a sealed pack: what it is, whatever way it is coded.
 *
 * pack id = H(format, size, root of the hash tree over the sealed bytes). It says nothing of k, m
 * or fragments, so a pack keeps its id when it is coded again, and everything sealed refers to it.
 *
 *   Limits   a pack has at most PACK_SIZE_MAX bytes: about 16 MiB, and room for padding
 *   Memory   borrows every buffer
 *   Threads  any
 */
#ifndef ECBAK_CODING_PACK_ID_H
#define ECBAK_CODING_PACK_ID_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"
#include "coding/hash_tree.h"

#define PACK_ID_FORMAT 1
#define PACK_SIZE_MAX  ((size_t)17 << 20)

/* The id of a pack's bytes. */
void pack_id(struct pack_id *id, const void *pack, size_t size);

/* The same when the leaf hashes of its tree are there already. */
void pack_id_of_leaves(struct pack_id *id, const uint8_t *leaves, uint64_t size);

#endif
