/* compact.h - variable-length numbers and sized texts: what the tree, index and snapshot formats
 * are made of.
 *
 * A number is little-endian base 128, seven bits a byte, the top bit set on all but the last; only
 * its shortest form is read back, so that equal things have equal bytes. Signed numbers are folded
 * (0, -1, 1, -2, ...). A text is its length as a number, then its bytes.
 *
 *   Errors   as in bytes.h: a reader that meets anything else has `failed`
 *   Threads  any
 */
#ifndef ECBAK_CLI_VAULT_COMPACT_H
#define ECBAK_CLI_VAULT_COMPACT_H

#include <stddef.h>
#include <stdint.h>

#include "cli/base/buffer.h"
#include "coding/base/bytes.h"

void compact_u8(struct buffer *b, uint8_t value);
void compact_number(struct buffer *b, uint64_t value);
void compact_signed(struct buffer *b, int64_t value);
void compact_text(struct buffer *b, const void *from, size_t size);

uint64_t read_compact(struct reader *r, uint64_t max); /* a larger one fails */
int64_t read_compact_signed(struct reader *r);
/* A view of a text of min to max bytes without NUL; NULL on failure. */
const char *read_compact_text(struct reader *r, size_t min, size_t max, size_t *size);

#endif
