/* store.h - what this node keeps on disk: fragments, records, pins, and the catalogue that finds
 * them.
 *
 * Files are the truth (node/FORMAT.md): a fragment file is the fragment as it travelled plus a
 * trailer {grant, holders, who brought it}; a record file is the SignedRecord; a file of pins has what
 * a writer pinned, as it came. The SQLite catalogue beside them is an index that is reconciled with the
 * folders at each start and can be deleted.
 *
 * One member must not fill this disk with statements that cost it nothing: records and pins are charged
 * to the node that countersigned them, its sponsor, which may have a share of the capacity.
 *
 *   Errors   ERR_FULL capacity, disk or a share of it reached, nothing is left behind; ERR_DENIED a
 *            statement of a closed writer or a void attempt; ERR_FOREIGN the data
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
#include "node/base/holders.h"
#include "node/trust/grant.h"
#include "node/trust/pin.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

struct store;

/* What a fragment is kept under. A vault's are kept by themselves: whoever stores another's pack into a
 * vault of its own can neither take the place of what is there nor be taken for it. */
struct fragment_key {
    struct vault_id vault;
    struct object_id object;
    uint32_t index;
};

struct fragment_info {
    struct fragment_key key;
    struct pack_id pack;
    struct writer_id writer; /* of its grant */
    bool by_reader;          /* who has RIGHT_READ */
    struct node_id bringer;  /* the member that brought it; this node, when it did itself */
    uint32_t data, parity;
    uint64_t pack_bytes;
    uint64_t file_bytes;
    struct node_id sponsor; /* of its grant */
};

/* Rows of an object that one member may bring to a node. One is what it takes; a second, since who
 * asks for a put again after a restart may see other members, and plan another row for this node. The
 * limit is for each member that brings rows: a limit for all of them together could be used up by
 * whoever copies rows to every node first, and no repair would find a place after that. */
#define STORE_ROWS_MAX 2

/* Creates a data directory with its sentinel; refuses one that is there. */
int store_create(const char *dir, const struct node_id *node, struct err *err) MUST_CHECK;

/* Whose store it is and how much it may take. Copied. */
struct store_terms {
    struct node_id node;
    uint8_t authority_public[32]; /* of the node's cluster */
    uint64_t capacity_bytes;
    uint32_t sponsor_percent; /* of the capacity, for all records and pins that one node brought */
};
int store_open(struct store **store, const char *dir, const struct store_terms *terms,
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
    const struct node_id *bringer;
};

/* The grant of a fragment that is to be kept, opened by the caller. */
struct opened_grant {
    struct grant grant;
    struct writer_cert writer;
};

/* Checks that the fragment proves itself and is of the very object of the grant, then makes it durable
 * and pinned. A fragment that is already here, undamaged, is pinned again: success. ERR_DENIED the
 * bringer brought STORE_ROWS_MAX others of the object; ERR_FOREIGN the pin is of another vault. */
int store_put_fragment(struct store *store, const struct fragment_to_put *put,
                       const struct opened_grant *opened, struct err *err) MUST_CHECK;
/* The fragment's bytes, malloc'd, verified (a damaged one is moved aside, counted, and
 * ERR_DAMAGED). */
int store_get_fragment(struct store *store, const struct fragment_key *key, uint8_t **bytes,
                       size_t *size, struct err *err) MUST_CHECK;

/* A question about a vault's fragments of a pack, answered in pages, in order of (object, index). */
struct pack_question {
    const struct vault_id *vault;
    const struct pack_id *pack;
    const struct fragment_key *after; /* NULL: from the first; its vault is not looked at */
};
/* At most max fragments; returns the number in *count. Fewer than max: there are no more. */
int store_find_pack(struct store *store, const struct pack_question *question,
                    struct fragment_info *found, size_t max, size_t *count,
                    struct err *err) MUST_CHECK;
int store_get_holders(struct store *store, const struct fragment_key *key, struct holders *holders,
                      struct err *err) MUST_CHECK;
/* Kept in the catalogue alone: a list is a hint, and when the catalogue is lost, the one that came
 * with the fragment has to do. from: who says it. The sponsor of the fragment's grant, and this node
 * itself, say how it is; a holder in the list fills empty places of it and no more; nobody else is
 * listened to (ERR_DENIED). */
int store_set_holders(struct store *store, const struct fragment_key *key,
                      const struct holders *holders, const struct node_id *from,
                      struct err *err) MUST_CHECK;
/* A grant that came with some fragment of the object, malloc'd: by a writer with RIGHT_READ, else by
 * this one (NULL: nobody in particular), else by any. */
int store_get_grant(struct store *store, const struct vault_id *vault,
                    const struct object_id *object, const struct writer_id *writer, uint8_t **grant,
                    size_t *size, struct err *err) MUST_CHECK;
/* Pins each pack of which fragments are held for the pin's vault whose files are there; held[i] gets
 * how many. The statement is kept as it came, once, if it pins anything that its attempt has not
 * pinned yet. The caller has opened (checked) it. */
int store_put_pins(struct store *store, const uint8_t *bytes, size_t size,
                   const struct pins *opened, const struct node_id *sponsor, uint32_t *held,
                   struct err *err) MUST_CHECK;

/* ---- what is believed of objects ---- */

/* That a grant of the vault for the object was seen and found valid, by a node that stores for it. */
struct belief {
    struct vault_id vault;
    struct object_id object;
    struct writer_id writer;
    bool by_reader; /* the writer has RIGHT_READ: it has the vault's secret, and packs to lose */
    struct pack_id pack;
    uint32_t data, parity;
    uint64_t pack_bytes;
};
struct belief belief_of(const struct grant *grant, const struct writer_cert *writer);

/* Remembers them, in one transaction; in the catalogue alone, since holders can be asked again. */
int store_believe(struct store *store, const struct belief *beliefs, size_t count,
                  struct err *err) MUST_CHECK;
/* What is believed of an object of a vault: by a writer with RIGHT_READ, else by this one, else (writer
 * NULL) by any. *found false is no error. */
int store_believed(struct store *store, const struct vault_id *vault,
                   const struct object_id *object, const struct writer_id *writer,
                   struct belief *belief, bool *found, struct err *err) MUST_CHECK;

/* Records. The caller has opened (checked) it. A record that is here already: success. One that is
 * refused for its sponsor's share or because its writer is closed is remembered by its hash. */
int store_put_record(struct store *store, const uint8_t *bytes, size_t size,
                     const struct record *opened, const struct node_id *sponsor,
                     struct err *err) MUST_CHECK;
/* Was this record refused, and would be again? Then it need not be fetched once more. */
bool store_has_refused(struct store *store, const struct record_id *hash);
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
