/* pin_rewrite.h - a file of pins that is being written anew: what is kept of the old one.
 *
 *   Errors   those of durable.h
 *   Memory   borrows the entries until it is written; pin_rewrite_release
 *   Threads  one at a time
 */
#ifndef ECBAK_NODE_PINS_PIN_REWRITE_H
#define ECBAK_NODE_PINS_PIN_REWRITE_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/common/durable.h"
#include "node/pins/pin_file.h"

struct pin_rewrite {
    struct durable_piece *pieces; /* the head, then entries */
    struct node_id *sponsors;     /* of each piece; the head has none */
    size_t count;
    size_t bytes; /* of the file */
};

void pin_rewrite_init(struct pin_rewrite *rewrite);
void pin_rewrite_release(struct pin_rewrite *rewrite);
void pin_rewrite_keep(struct pin_rewrite *rewrite, const uint8_t *entry, size_t size,
                      const struct node_id *sponsor);
/* Bytes that the file has then: 0 when nothing is kept. */
size_t pin_rewrite_bytes(const struct pin_rewrite *rewrite);
/* Replaces the file; removes it when nothing is kept. */
int pin_rewrite_write(const struct pin_rewrite *rewrite, const char *path, const struct pin *of,
                      struct err *err) MUST_CHECK;

#endif
