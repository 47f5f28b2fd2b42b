/* index.h - index chunks: which pack holds which chunk. A blank machine rebuilds its cache from
 * these.
 *
 * An index chunk lists packs, each with its directory. (A mixed pack also serves as its own index:
 * whoever loads an index pack takes that pack's own directory in too.)
 *
 *   Errors   ERR_VERSION; ERR_FORMAT for anything else; what each() says
 *   Memory   borrows every buffer but the one that it appends to
 *   Threads  any
 */
#ifndef ECBAK_CLI_VAULT_INDEX_H
#define ECBAK_CLI_VAULT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "cli/base/buffer.h"
#include "cli/vault/pack.h"
#include "coding/base/err.h"

/* An index pack that says less than this is merged with others one day. */
#define INDEX_MERGE_BYTES (1024u * 1024)

/* Appends one pack's directory to an index chunk, which begins as an empty buffer. */
void index_append(struct buffer *index, const struct pack_id *pack,
                  const struct pack_entry *entries, size_t count);
/* Calls each() for every pack listed; entries are valid during the call. Stops at its first -1. */
int index_read(const uint8_t *bytes, size_t size,
               int (*each)(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                           size_t count, struct err *err),
               void *ctx, struct err *err) MUST_CHECK;

#endif
