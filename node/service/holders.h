/* holders.h - who holds which row: lists of node ids by fragment index, as they travel.
 *
 * A list is a hint for readers, kept beside each fragment; what counts are receipts and pins.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVICE_HOLDERS_H
#define ECBAK_NODE_SERVICE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "node/service/nodes.h"
#include "node/store/store.h"

bool holders_has(const struct holders *holders, uint32_t index);
/* Distinct nodes (no list has one twice), and how many of them are not `self`. */
void holders_count(const struct holders *holders, const uint8_t self[ID_SIZE], uint32_t *nodes,
                   uint32_t *others);

/* Views that borrow the list. */
void holders_to_wire(ProtobufCBinaryData views[STORE_HOLDERS_MAX], const struct holders *holders);
int holders_from_wire(struct holders *holders, size_t count, const ProtobufCBinaryData *views,
                      struct err *err) MUST_CHECK;

/* Tells every holder of the object who the others are; waits a moment at most. */
void holders_tell(struct nodes *nodes, const uint8_t object[ID_SIZE],
                  const struct holders *holders);

#endif
