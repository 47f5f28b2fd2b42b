/* pack.h - sealed packs: many chunks, compressed and encrypted, of which peers learn only a padded
 * size.
 *
 * A pack is a header with key slots, then sealed segments, then a sealed directory (cli/FORMAT.md).
 * A segment is one zstd frame of one or more chunks (small ones are joined up to SEGMENT_BYTES,
 * which compresses better), or the chunks as they are where that does not help, sealed with
 * XChaCha20-Poly1305 under the pack's own random key and a counter nonce. Reading one chunk costs
 * opening one segment.
 *
 *   Limits   PACK_BYTES about 16 MiB sealed, or less as the writer is told, at most PACK_BYTES_MAX; a
 *            chunk at most CHUNK_BYTES_MAX
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_DAMAGED (a seal does not hold), ERR_KEY (no slot is for
 *            this vault)
 *   Memory   a segment keeps its buffers for the next one: at most about 8 MiB and its zstd context
 *   Threads  segments are compressed on any thread (segment_*); a writer belongs to one thread or
 *            one lock; a reader is read-only after pack_open and can be shared
 */
#ifndef ECBAK_CLI_VAULT_PACK_H
#define ECBAK_CLI_VAULT_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/vault/chunker.h"
#include "cli/vault/keys.h"
#include "coding/base/err.h"

#define PACK_BYTES     (16u * 1024 * 1024)
#define PACK_BYTES_MAX (17u * 1024 * 1024)
#define SEGMENT_BYTES  (1024u * 1024)

enum pack_kind {
    PACK_DATA = 1,
    PACK_TREE = 2,
    PACK_INDEX = 3,
    PACK_MIXED = 4,
};

enum chunk_kind {
    CHUNK_DATA = 1,
    CHUNK_TREE = 2,
    CHUNK_INDEX = 3,
};

/* One line of a pack's directory: where a chunk is inside the opened segment. */
struct pack_entry {
    struct chunk_id id;
    uint8_t kind;     /* enum chunk_kind */
    uint32_t segment; /* number */
    uint32_t offset;  /* in the segment's plaintext */
    uint32_t size;
};

/* A segment being filled by one thread: plaintext and its entries. */
struct segment;
struct segment *segment_new(int zstd_level);
void segment_destroy(struct segment **segment);
void segment_reset(struct segment *segment);
bool segment_has_room(const struct segment *segment,
                      size_t chunk_size); /* an empty one takes any chunk */
void segment_add(struct segment *segment, const struct chunk_id *id, enum chunk_kind kind,
                 const void *bytes, size_t size);
size_t segment_size(const struct segment *segment); /* plaintext bytes so far */
/* Compresses what was added (kept in the segment); the costly step, outside any lock. */
int segment_compress(struct segment *segment, struct err *err) MUST_CHECK;

struct pack_writer;
/* bytes_max: what the pack is to have at most, up to PACK_BYTES; one segment it takes always. */
int pack_writer_new(struct pack_writer **writer, enum pack_kind kind, size_t bytes_max,
                    const struct vault_keys *keys, struct err *err) MUST_CHECK;
void pack_writer_destroy(struct pack_writer **writer);
/* Room for a compressed segment (an empty pack takes any). */
bool pack_writer_has_room(const struct pack_writer *writer, const struct segment *segment);
/* Seals a compressed segment into the pack. */
int pack_writer_add(struct pack_writer *writer, const struct segment *segment,
                    struct err *err) MUST_CHECK;

/* A pack that is complete, and the chunks in it as its directory lists them. */
struct sealed_pack {
    struct pack_id id;
    enum pack_kind kind;
    uint8_t *bytes;
    size_t size;
    struct pack_entry *entries;
    size_t entry_count;
};
/* Ends the pack: directory, padding. The writer is destroyed. */
void pack_writer_finish(struct pack_writer **writer, struct sealed_pack *pack);
void sealed_pack_release(struct sealed_pack *pack);

/* An opened pack: takes the bytes (malloc'd), also on failure. */
struct pack_reader;
int pack_open(struct pack_reader **reader, uint8_t **bytes, size_t size,
              const struct vault_keys *keys, struct err *err) MUST_CHECK;
void pack_reader_destroy(struct pack_reader **reader);
enum pack_kind pack_reader_kind(const struct pack_reader *reader);
/* Its chunks, as they lie in it: by segment, then offset. */
const struct pack_entry *pack_entries(const struct pack_reader *reader, size_t *count);
/* Opens and decompresses one segment into a malloc'd buffer, the caller's. */
int pack_read_segment(const struct pack_reader *reader, uint32_t segment, uint8_t **plain,
                      size_t *size, struct err *err) MUST_CHECK;

/* Padmé: the padded length of a sealed pack of size bytes. */
size_t padme(size_t size);

#endif
