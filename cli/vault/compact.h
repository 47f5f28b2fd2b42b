/* compact.h - variable-length numbers, sized texts and a buffer that grows: what the tree, index
 * and snapshot formats are made of. Only for cli/vault.
 *
 * A number is little-endian base 128, seven bits a byte, the top bit set on all but the last; only
 * its shortest form is read back, so that equal things have equal bytes. Signed numbers are folded
 * (0, -1, 1, -2, ...). A text is its length as a number, then its bytes.
 *
 *   Errors   as in bytes.h: a reader that meets anything else has `failed`
 *   Memory   a buffer's bytes are malloc'd, the caller's
 *   Threads  any
 */
#ifndef ECBAK_CLI_VAULT_COMPACT_H
#define ECBAK_CLI_VAULT_COMPACT_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/bytes.h"

struct compact {
    uint8_t *bytes;
    size_t size, room;
};

void compact_u8(struct compact *b, uint8_t value);
void compact_number(struct compact *b, uint64_t value);
void compact_signed(struct compact *b, int64_t value);
void compact_bytes(struct compact *b, const void *from, size_t size);
void compact_text(struct compact *b, const void *from, size_t size);

uint64_t read_compact(struct reader *r, uint64_t max); /* a larger one fails */
int64_t read_compact_signed(struct reader *r);
/* A view of a text of min to max bytes without NUL; NULL on failure. */
const char *read_compact_text(struct reader *r, size_t min, size_t max, size_t *size);

#endif
