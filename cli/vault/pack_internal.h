/* pack_internal.h - the bytes of a pack, as its writer and its reader share them.
 *
 * Sizes of everything sealed include the 16-byte tag.
 *
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_KEY (no slot is for these keys), ERR_DAMAGED
 *   Memory   pack_directory_decode makes malloc'd lists: pack_directory_release
 *   Threads  any
 */
#ifndef ECBAK_CLI_VAULT_PACK_INTERNAL_H
#define ECBAK_CLI_VAULT_PACK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/vault/keys.h"
#include "cli/vault/pack.h"
#include "coding/base/err.h"

#define PACK_VERSION          1
#define PACK_SUITE            1 /* zstd, XChaCha20-Poly1305, BLAKE2b-256 */
#define PACK_KEY_SIZE         32
#define PACK_TAG_SIZE         16
#define PACK_HEAD_SIZE        16 /* what stands before the slots */
#define PACK_SLOT_SIZE        96
#define PACK_SLOTS_MAX        8
#define PACK_HEADER_SIZE      (PACK_HEAD_SIZE + PACK_SLOT_SIZE) /* with one slot */
#define PACK_FOOTER_SIZE      (16 + PACK_TAG_SIZE)
#define PACK_DIRECTORY_FIXED  16
#define PACK_SEGMENT_LINE     16
#define PACK_ENTRY_LINE       36
#define PACK_SEGMENTS_MAX     65536
#define PACK_ENTRIES_MAX      65536 /* so that the pack's index fits one chunk */
#define SEGMENT_ENTRIES_MAX   8192
#define SEGMENT_PLAIN_MAX     CHUNK_BYTES_MAX
#define PACK_NUMBER_DIRECTORY (UINT32_MAX - 1)
#define PACK_NUMBER_FOOTER    UINT32_MAX

enum segment_method {
    SEGMENT_RAW = 0,
    SEGMENT_ZSTD = 1,
};

/* What seals the parts of one pack. */
struct pack_seal {
    uint8_t key[PACK_KEY_SIZE];
    uint8_t header[32]; /* hash of the header, bound into every part */
};

/* Makes a header for one recipient, and the random key that it wraps. */
void pack_header_make(uint8_t header[PACK_HEADER_SIZE], struct pack_seal *seal,
                      const struct vault_keys *keys);
/* Reads a header and opens the slot that is for these keys. */
int pack_header_open(const uint8_t *bytes, size_t size, const struct vault_keys *keys,
                     struct pack_seal *seal, size_t *header_size, struct err *err) MUST_CHECK;

/* Seals part `number`; sealed (size + PACK_TAG_SIZE) may be plain itself. */
void pack_part_seal(const struct pack_seal *seal, uint32_t number, uint8_t *sealed,
                    const uint8_t *plain, size_t size);
/* plain (size - PACK_TAG_SIZE) may be sealed itself. */
int pack_part_open(const struct pack_seal *seal, uint32_t number, uint8_t *plain,
                   const uint8_t *sealed, size_t size, struct err *err) MUST_CHECK;

/* One line of the directory for each segment. */
struct pack_segment {
    uint32_t sealed_size, plain_size, entry_count;
    uint8_t method; /* enum segment_method */
    size_t offset;  /* in the pack; decoded only */
};

struct pack_directory {
    enum pack_kind kind;
    struct pack_segment *segments;
    size_t segment_count;
    struct pack_entry *entries;
    size_t entry_count;
};

/* Bytes of the directory before padding and seal. */
size_t pack_directory_size(size_t segment_count, size_t entry_count);
/* Writes pack_directory_size + padding bytes. */
void pack_directory_encode(const struct pack_directory *directory, size_t padding, uint8_t *bytes);
/* Checks that the segments fill `area` bytes that begin at `start`, and the entries their segments.
 */
int pack_directory_decode(struct pack_directory *directory, const uint8_t *bytes, size_t size,
                          size_t start, size_t area, struct err *err) MUST_CHECK;
void pack_directory_release(struct pack_directory *directory);

/* Decompresses one segment into a malloc'd buffer of its declared size. */
int segment_expand(uint8_t **plain, const struct pack_segment *line, const uint8_t *packed,
                   size_t packed_size, struct err *err) MUST_CHECK;

struct segment {
    void *zstd; /* ZSTD_CCtx */
    uint8_t *plain, *packed;
    size_t plain_size, plain_room, packed_size, packed_room;
    struct pack_entry *entries; /* their segment numbers are set by the pack that takes them */
    size_t entry_count, entry_room;
    bool ready; /* segment_compress was called since the last addition */
    enum segment_method method;
};

#endif
