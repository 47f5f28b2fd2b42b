/* chunker.h - cuts a stream of bytes by its content (FastCDC, normalised, keyed gear table).
 *
 * The same bytes give the same cuts wherever they stand in a file, so an insertion changes the
 * chunks around it and no others. The table is keyed, so that chunk sizes do not tell known files.
 *
 *   Units    bytes
 *   Limits   chunks of CHUNK_BYTES_MIN to CHUNK_BYTES_MAX, about CHUNK_BYTES_AVG; the last may be
 *            shorter
 *   Threads  any; the table is read-only after it was made
 *   Source   Xia et al., "FastCDC", USENIX ATC 2016
 */
#ifndef ECBAK_CLI_VAULT_CHUNKER_H
#define ECBAK_CLI_VAULT_CHUNKER_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

#define CHUNK_BYTES_MIN (256u * 1024)
#define CHUNK_BYTES_AVG (1024u * 1024)
#define CHUNK_BYTES_MAX (4u * 1024 * 1024)

struct chunker {
    uint64_t gear[256];
};

/* The table that belongs to a vault's gear_key. */
void chunker_init(struct chunker *chunker, const uint8_t gear_key[32]);
/* Length of the first chunk of bytes[size]. Give at least CHUNK_BYTES_MAX bytes unless the stream
 * ends earlier: then the cut may be `size` itself. */
size_t chunker_cut(const struct chunker *chunker, const uint8_t *bytes, size_t size);

/* Chunk id: keyed BLAKE2b-256 of the plaintext. */
void chunk_id(struct chunk_id *id, const uint8_t chunk_id_key[32], const void *bytes, size_t size);

#endif
