/* store_internal.h - what the files of the store share; nobody else includes it.
 *
 *   store.c            creating, opening, the sentinel, accounting
 *   store_agree.c      making catalogue and files agree
 *   store_look.c       where that is to be done: at the start all of them, and the sums; while it runs,
 *                      what vanished and what is back
 *   store_fragments.c  fragments
 *   store_notes.c      what is noted of them: holders, and which objects are believed
 *   store_pins.c       pins
 *   store_pins_file.c  their files, and the rows that are made from them
 *   store_pins_compact.c  files of pins that have doubled
 *   store_records.c    records, and what sponsors may have
 *
 * Locks, in the order in which they are taken: stripe[x] around the whole making of a file, so that
 * one name is made by one thread at a time while others fsync theirs; then lock, for the catalogue
 * and the sums, never held while a fragment or a record is read or written.
 */
#ifndef ECBAK_NODE_STORE_STORE_INTERNAL_H
#define ECBAK_NODE_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "node/common/durable.h"
#include "node/pins/attempts.h"
#include "node/pins/pin_rewrite.h"
#include "node/store/catalogue.h"
#include "node/store/fragment_file.h"
#include "node/store/store.h"

#define STORE_STRIPES   64
#define STORE_UNDER_WAY 128 /* calls whose time is taken; of more, some are not watched */
/* Damaged files that are kept for whoever wants to look at them; later ones are removed. */
#define STORE_DAMAGED_KEPT 64

/* A folder of fragments as it was when its files and its rows agreed. */
struct folder_seen {
    bool known;
    dev_t device;
    ino_t inode; /* 0: it was not there */
    struct timespec changed;
};

struct store {
    char dir[DURABLE_PATH_MAX / 2];
    struct node_id node;
    uint8_t authority_public[32];
    struct cluster_id cluster; /* of this authority */
    uint64_t epoch;
    uint64_t capacity_bytes;
    uint64_t share_bytes; /* of it, for what one sponsor brought */
    int sentinel;         /* open and locked */
    dev_t device;         /* of the sentinel */
    ino_t inode;
    _Atomic int64_t under_way_ms[STORE_UNDER_WAY]; /* calls: since when; 0: a free place */
    pthread_mutex_t state_lock;                    /* never held while a disk is waited for */
    struct err state;                              /* what store_check said last */

    pthread_mutex_t stripes[STORE_STRIPES];
    /* Of each stripe, and with it held: when a file of pins was last written anew for want of room. */
    int64_t compacted_ms[STORE_STRIPES];

    pthread_mutex_t lock; /* guards what follows */
    struct catalogue *catalogue;
    /* Read without the lock too, by whoever must not wait for a disk. */
    _Atomic uint64_t used_bytes; /* files, and what is reserved */
    _Atomic uint64_t fragments, records;
    _Atomic uint64_t lost;    /* fragments whose file is gone since the start, and no other came */
    _Atomic uint64_t damaged; /* files that did not prove themselves */
    uint64_t reserved_bytes;  /* for files that have no row yet */
    uint64_t damaged_kept;
    struct folder_seen seen[256];
    int64_t read_ms; /* when the sentinel's content was read last */
    uint8_t digest[256][8];

    /* Of the one thread that looks (store_look.c). */
    struct folder_seen fragments_seen, records_seen;
    bool pins_agree;
    ino_t catalogue_inode;
    unsigned next_folder;
    uint64_t lost_said; /* in the log */
};

/* Around a call that works with the disk: for store_waits_ms. -1: no place was free. */
int store_begin(struct store *store);
void store_end(struct store *store, int place);

pthread_mutex_t *store_stripe(struct store *store, const uint8_t id[ID_SIZE]);

void store_fragment_dir(const struct store *store, char path[DURABLE_PATH_MAX], uint8_t first);
void store_fragment_path(const struct store *store, char path[DURABLE_PATH_MAX],
                         const struct fragment_key *key);
void store_vault_dir(const struct store *store, char path[DURABLE_PATH_MAX],
                     const struct vault_id *vault);
void store_record_path(const struct store *store, char path[DURABLE_PATH_MAX],
                       const struct vault_id *vault, const struct record_id *hash);
void store_pins_path(const struct store *store, char path[DURABLE_PATH_MAX],
                     const struct vault_id *vault, const struct writer_id *writer);

/* Takes bytes from the capacity before a file is written; gives them back when it was not, or settles
 * them, with the lock held, when it is there and has its row. */
int store_reserve(struct store *store, uint64_t bytes, struct err *err) MUST_CHECK;
void store_give_back(struct store *store, uint64_t bytes);
void store_settle(struct store *store, uint64_t bytes);

/* Moves a file that does not prove itself into `damaged`, and counts it. With the lock held, or before
 * the store is shared. */
void store_set_aside(struct store *store, const char *path);
/* Does an error say that the file itself is bad? (ERR_IO does not: it may be a lack of file
 * descriptors, or of rights.) */
bool store_is_damage(enum err_code code);

/* Counts the fragments that are lost anew, after a transaction that may have changed that. With the
 * lock held, or before the store is shared. */
int store_count_lost(struct store *store, struct err *err) MUST_CHECK;
/* The sums, from the catalogue. With the lock held, or before the store is shared. */
int store_sum_rows(struct store *store, struct err *err) MUST_CHECK;
/* The rows of a fragment whose file is there: its own, the pin and the belief that its grant is. In a
 * transaction. */
int store_add_rows(struct store *store, const struct fragment_info *info,
                   const struct holders *holders, const struct opened_grant *grant,
                   struct err *err) MUST_CHECK;
/* The row of a record's file. */
void store_record_row(struct record_row *row, const struct record *opened,
                      const struct node_id *sponsor, size_t size);
/* Adds a record's row and what it says of attempts. In a transaction. */
int store_add_record(struct store *store, const struct record_row *row, const struct record *opened,
                     struct err *err) MUST_CHECK;
/* May the sponsor bring so much more? ERR_FULL when not. With the lock held. */
int store_check_share(struct store *store, const struct node_id *sponsor, uint64_t bytes,
                      struct err *err) MUST_CHECK;

/* All records of the pin's writer. */
int store_load_attempts(struct store *store, const struct pin *of, struct attempts *attempts,
                        struct err *err) MUST_CHECK;
/* Did a record of its writer say that the attempt is given up, and no record came from it after all? */
int store_is_given_up(struct store *store, const struct pin *pin, const struct attempts *attempts,
                      bool *given_up, struct err *err) MUST_CHECK;
/* Ends a change in a transaction: commits, or rolls back. With the lock held. */
int store_end_change(struct store *store, int result, struct err *err) MUST_CHECK;
int store_read_pins(struct store *store, const struct pin *of, uint8_t **bytes, size_t *size,
                    struct err *err) MUST_CHECK;
/* Charges sponsors anew for what the file has now. In a transaction. */
int store_charge_pins(struct store *store, const struct pin *of, const struct pin_rewrite *has,
                      struct err *err) MUST_CHECK;
int store_doubt_pins(struct store *store, const struct pin *of, bool undo,
                     struct err *err) MUST_CHECK;
/* Of the file of the pin's writer, with the stripe of the vault held: writes it anew without what is
 * not needed; makes its rows anew. */
int store_compact_pins(struct store *store, const struct pin *of, struct err *err) MUST_CHECK;
int store_rebuild_pins(struct store *store, const struct pin *of, struct err *err) MUST_CHECK;
/* Makes the rows of all pins agree with their files. */
int store_agree_pins(struct store *store, struct err *err) MUST_CHECK;
/* At a start: removes what unfinished writes of them left. */
void store_clear_pin_leftovers(struct store *store);
/* Makes the folders that are missing, and says so. */
int store_make_folders(const struct store *store, struct err *err) MUST_CHECK;
/* Is the fragment of the very object of the grant? ERR_FOREIGN: what differs. */
int store_check_grant(const struct store *store, const struct fragment *fragment,
                      const struct grant *grant, struct err *err) MUST_CHECK;
/* What a folder is like now; before its files are looked at. */
struct folder_seen store_see_folder(const char *path);
/* What the catalogue's file is now; 0: it is not there. */
ino_t store_catalogue_inode(const struct store *store);

/* Adds a record's hash to the digest, or takes it out again. With the lock held, or before the store is
 * shared. */
void store_digest_flip(struct store *store, const struct record_id *hash);

/* Makes rows and files agree: of the fragments whose object begins with `first`, with their stripe held;
 * of all records. */
int store_agree_fragments(struct store *store, uint8_t first, struct err *err) MUST_CHECK;
int store_agree_records(struct store *store, struct err *err) MUST_CHECK;
/* Visits the folder of each vault that has records. */
int store_each_vault(struct store *store,
                     int (*visit)(struct store *store, const char *path, struct err *err),
                     struct err *err) MUST_CHECK;
/* Before the store is shared: removes leftovers, and makes catalogue and files agree. */
int store_reconcile(struct store *store, struct err *err) MUST_CHECK;

#endif
