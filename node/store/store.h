/* store.h - what this node keeps on disk: fragments, records, pins, and the catalogue that finds
 * them.
 *
 * Files are the truth (node/FORMAT.md): a fragment file is the fragment as it travelled plus a
 * trailer {grant, holders, first pin}; a record file is the SignedRecord. The SQLite catalogue
 * beside them is an index that is reconciled with the folders at each start and can be deleted.
 *
 *   Errors   ERR_FULL capacity or disk reached, nothing is left behind; ERR_FOREIGN the data
 *            directory is another node's, or bytes are of another cluster, pack or vault;
 *            ERR_NOT_FOUND it is missing; ERR_DAMAGED a file that does not prove itself; ERR_BUSY
 *            another ecbakd has the directory open
 *   Threads  any; a store is shared by the job threads
 *   Durable  what a call acknowledged is on disk: temporary file, fsync, rename, fsync of the folder
 */
#ifndef ECBAK_NODE_STORE_STORE_H
#define ECBAK_NODE_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/store/holders.h"
#include "node/trust/grant.h"
#include "node/trust/pin.h"
#include "node/trust/record.h"

struct store;

struct fragment_info {
    struct object_id object;
    struct pack_id pack;
    struct vault_id vault;
    uint32_t index, data, parity;
    uint64_t pack_bytes;
    uint64_t file_bytes;
};

/* Creates a data directory with its sentinel; refuses one that is there. */
int store_create(const char *dir, const struct node_id *node, struct err *err) MUST_CHECK;
int store_open(struct store **store, const char *dir, const struct node_id *node,
               const struct cluster_id *cluster, uint64_t capacity_bytes,
               struct err *err) MUST_CHECK;
void store_close(struct store **store);
/* Random, new with each created data directory: announced, so that others see a store that was
 * lost. */
uint64_t store_epoch(const struct store *store);
/* 0 while the sentinel is still ours; else storage is out of service and every other call refuses. */
int store_check(struct store *store, struct err *err) MUST_CHECK;
/* What store_check said last, without a look at the disk; these five never wait for one. */
int store_state(struct store *store, struct err *err) MUST_CHECK;
/* How long the disk has kept the call waiting that waits longest; 0: none is under way. */
int64_t store_waits_ms(struct store *store);
void store_usage(struct store *store, uint64_t *used_bytes, uint64_t *fragments, uint64_t *records);
/* Files that did not prove themselves and were moved aside, since store_open. */
uint64_t store_damaged(struct store *store);

/* Fragments whose files are gone from the disk and did not come back, since store_open. */
uint64_t store_lost(struct store *store);
/* Makes anew what vanished of the folders and the catalogue, takes the rows away whose files are gone,
 * and knows files again that came back. Cheap while nothing changed: call it about once a second, on
 * one thread. */
int store_look(struct store *store, struct err *err) MUST_CHECK;

/* A fragment that is to be kept, with what lies beside it. Borrows all. */
struct fragment_to_put {
    const uint8_t *bytes;
    size_t size;
    const uint8_t *grant;
    size_t grant_size;
    const struct holders *holders;
    const struct pin *pin;
};

/* Checks that the fragment proves itself and is the grant's pack, then makes it durable and pinned.
 * A fragment that is already here, undamaged, is pinned again: success. The grant was opened by the
 * caller; the pin must be of its vault. */
int store_put_fragment(struct store *store, const struct fragment_to_put *put,
                       const struct grant *opened, struct err *err) MUST_CHECK;
/* The fragment's bytes, malloc'd, verified (a damaged one is moved aside, counted, and
 * ERR_DAMAGED). */
int store_get_fragment(struct store *store, const struct object_id *object, uint32_t index,
                       uint8_t **bytes, size_t *size, struct err *err) MUST_CHECK;
/* All fragments held of a pack (at most max); returns the number in *count. */
int store_find_pack(struct store *store, const struct pack_id *pack, struct fragment_info *found,
                    size_t max, size_t *count, struct err *err) MUST_CHECK;
int store_get_holders(struct store *store, const struct object_id *object, uint32_t index,
                      struct holders *holders, struct err *err) MUST_CHECK;
/* Kept in the catalogue alone: a list is a hint, and when the catalogue is lost, the one that came
 * with the fragment has to do. */
int store_set_holders(struct store *store, const struct object_id *object, uint32_t index,
                      const struct holders *holders, struct err *err) MUST_CHECK;
/* The grant that came with a fragment, malloc'd. */
int store_get_grant(struct store *store, const struct object_id *object, uint32_t index,
                    uint8_t **grant, size_t *size, struct err *err) MUST_CHECK;
/* Pins every fragment of each pack that is held for the pin's vault and whose file is there; held[i]
 * gets how many. One durable transaction for all. */
int store_pin_packs(struct store *store, const struct pack_id *packs, size_t count,
                    const struct pin *pin, uint32_t *held, struct err *err) MUST_CHECK;

/* Records. The caller has opened (checked) it. A record that is here already: success. */
int store_put_record(struct store *store, const uint8_t *bytes, size_t size,
                     const struct record *opened, struct err *err) MUST_CHECK;
int store_get_record(struct store *store, const struct record_id *hash, uint8_t **bytes,
                     size_t *size, struct err *err) MUST_CHECK;
/* Hashes in ascending order after `after` (NULL: from the first), at most max; vault NULL: of all
 * vaults. */
int store_list_records(struct store *store, const struct vault_id *vault,
                       const struct record_id *after, struct record_id *hashes, size_t max,
                       size_t *count, struct err *err) MUST_CHECK;
/* For anti-entropy: XOR of bytes 8 to 15 of all record hashes whose first byte is b, for the 256
 * values of b. */
int store_record_digest(struct store *store, uint8_t digest[256][8], struct err *err) MUST_CHECK;

#endif
