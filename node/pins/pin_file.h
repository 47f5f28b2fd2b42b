/* pin_file.h - what a writer pinned at a holder: a file that is only ever appended to, or replaced
 * whole by one that says less (node/FORMAT.md).
 *
 *   offset size
 *        0    8  magic "ecbkpins"
 *        8    2  version, 1
 *       10    6  zero
 *       16   32  vault
 *       48   16  writer
 *       64    8  how long it was when it was last written anew; 0: never
 *       72       entries
 *
 *   an entry
 *        0    4  size of the statement, s
 *        4    2  kind: 1 SignedPin
 *        6   10  zero
 *       16    s  the statement as it came
 *   16 + s   32  BLAKE2b-256, personalised "ecbak pins 1", of the entry before it
 *
 * The digest tells an entry from what is left of a write that a power cut ended. It proves nothing of
 * who wrote it: that does the statement.
 *
 *   Limits   PIN_FILE_MAX
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_FOREIGN the head is another's; those of durable.h
 *   Memory   entries point into the bytes they were read from
 *   Threads  one at a time for one file
 */
#ifndef ECBAK_NODE_PINS_PIN_FILE_H
#define ECBAK_NODE_PINS_PIN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/hash.h"
#include "coding/base/id.h"
#include "node/common/durable.h"
#include "node/trust/pin.h"

#define PIN_FILE_MAX    ((size_t)64 << 20)
#define PIN_FILE_HEAD   72
#define PIN_ENTRY_HEAD  16
#define PIN_ENTRY_EXTRA (PIN_ENTRY_HEAD + HASH_SIZE)

enum pin_entry_kind {
    PIN_ENTRY_PINS = 1, /* a SignedPin */
};

struct pin_entry {
    size_t at, size; /* of the whole entry, in the file */
    const uint8_t *statement;
    size_t statement_size;
    uint16_t kind;
};

void pin_file_head(uint8_t head[PIN_FILE_HEAD], const struct vault_id *vault,
                   const struct writer_id *writer, uint64_t base);
/* bytes: at least PIN_FILE_HEAD of the file's. */
int pin_file_check_head(const uint8_t *bytes, size_t size, const struct vault_id *vault,
                        const struct writer_id *writer, uint64_t *base, struct err *err) MUST_CHECK;
/* The entry at this offset; false: there is none that is whole. */
bool pin_entry_read(struct pin_entry *entry, const uint8_t *bytes, size_t size, size_t at);
/* Where the next entry is, if the one at this offset is damaged in itself; 0: what follows is the rest
 * of a write that did not come to its end. */
size_t pin_entry_skip(const uint8_t *bytes, size_t size, size_t at);
/* Fills `to`, of size + PIN_ENTRY_EXTRA bytes, with the entry of a statement. */
void pin_entry_write(uint8_t *to, const uint8_t *statement, size_t size);

/* Appends a statement durably to a file of `size` bytes (0: there is none, and its folder is made);
 * what is behind that was never acknowledged, and is overwritten. On failure the file is as it was. */
int pin_file_append(const char *path, uint64_t size, const struct pin *of, const uint8_t *statement,
                    size_t statement_size, struct err *err) MUST_CHECK;

#endif
