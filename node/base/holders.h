/* holders.h - who holds which row: lists of node ids by fragment index, as they travel.
 *
 * A list is a hint for readers, kept beside each fragment; what counts are receipts and pins.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_HOLDERS_H
#define ECBAK_NODE_BASE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "coding/base/err.h"
#include "coding/base/id.h"

#define HOLDERS_MAX 255

/* Node ids by fragment index; zeros where nobody holds it. */
struct holders {
    uint32_t count;
    struct node_id node[HOLDERS_MAX];
};

bool holders_has(const struct holders *holders, uint32_t index);
/* Places that are taken, and how many of them are not by `self`; they are as many nodes, as long as no
 * node is in the list twice. */
void holders_count(const struct holders *holders, const struct node_id *self, uint32_t *nodes,
                   uint32_t *others);

/* Views that borrow the list. */
void holders_to_wire(ProtobufCBinaryData views[HOLDERS_MAX], const struct holders *holders);
int holders_from_wire(struct holders *holders, size_t count, const ProtobufCBinaryData *views,
                      struct err *err) MUST_CHECK;

#endif
