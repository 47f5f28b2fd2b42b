/* snapshot.h - the sealed part of a record: one snapshot of a set of paths.
 *
 *   Limits   SNAPSHOT_PATHS_MAX paths, SNAPSHOT_TAGS_MAX tags, a text SNAPSHOT_TEXT_MAX bytes;
 *            sealed at most SNAPSHOT_BYTES_MAX
 *   Errors   seal: ERR_INVALID beyond those limits; open: ERR_FORMAT, ERR_VERSION, ERR_KEY (sealed
 *            for another vault), ERR_DAMAGED (the seal does not hold)
 *   Memory   snapshot_open fills malloc'd fields: snapshot_release
 *   Threads  any
 */
#ifndef ECBAK_CLI_VAULT_SNAPSHOT_H
#define ECBAK_CLI_VAULT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "cli/vault/chunker.h"
#include "cli/vault/keys.h"
#include "coding/base/err.h"
#include "node/trust/record.h"

#define SNAPSHOT_PATHS_MAX 1024
#define SNAPSHOT_TAGS_MAX  64
#define SNAPSHOT_TEXT_MAX  4096
#define SNAPSHOT_BYTES_MAX RECORD_SEALED_MAX

struct snapshot {
    struct record_id id; /* hash of the record; shown as its first 8 hex digits */
    struct writer_id writer;
    uint64_t number;
    int64_t time_s;
    uint32_t time_ns;
    char *host, *user;
    char **paths;
    size_t path_count;
    char **tags;
    size_t tag_count;
    struct chunk_id *root; /* tree chunks of the root directory */
    size_t root_count;
    struct pack_id *index_packs; /* packs with the index chunks that this snapshot added */
    size_t index_pack_count;
    struct pack_id *replaced; /* index packs of earlier snapshots: all that they say is in those */
    size_t replaced_count;
    struct pack_id
        *relied;         /* not sealed: all index packs that its record relies on, those included */
    size_t relied_count; /* that it added; snapshot_seal does not read it */
    uint64_t files, bytes; /* totals, for lists */
    uint64_t bytes_new;
};

/* Encrypts and pads; sealed is malloc'd. The vault and writer id and number are bound in. */
int snapshot_seal(const struct snapshot *s, const struct vault_keys *keys, uint8_t **sealed,
                  size_t *size, struct err *err) MUST_CHECK;
int snapshot_open(struct snapshot *s, const struct vault_keys *keys, const struct record *record,
                  struct err *err) MUST_CHECK;
void snapshot_release(struct snapshot *s);

#endif
