/* catalogue.h - the index of a store: an SQLite file that can be deleted.
 *
 * Rows say which fragments, records and pins there are; the files are the truth, and the store makes
 * both agree at each start. Only hints live here alone: newer holder lists, which records were
 * refused, pins that nobody signed, and grants that other holders showed.
 *
 *   Limits   about 2 MiB of memory whatever its size
 *   Errors   ERR_FULL no space; ERR_DAMAGED the file is corrupt: the next start builds it anew;
 *            ERR_VERSION a newer program made it; ERR_IO
 *   Threads  one at a time: the store has the lock
 */
#ifndef ECBAK_NODE_STORE_CATALOGUE_H
#define ECBAK_NODE_STORE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "node/store/store.h"

struct catalogue;

/* Opens or creates it. A file that is corrupt, of an older version, or of a store with another epoch
 * is deleted and made anew, empty. */
int catalogue_open(struct catalogue **catalogue, const char *path, uint64_t epoch,
                   struct err *err) MUST_CHECK;
void catalogue_close(struct catalogue **catalogue);
/* Its file was removed or replaced while it was open: writes what it has to that path again, durable
 * pins and all, and goes on with it. Fails without harm: then it is asked again. */
int catalogue_restore(struct catalogue *catalogue, const char *path, uint64_t epoch,
                      struct err *err) MUST_CHECK;
/* Its file cannot be read any more: goes on with a new one at that path, empty. */
int catalogue_renew(struct catalogue *catalogue, const char *path, uint64_t epoch,
                    struct err *err) MUST_CHECK;
/* Removes the file, and what SQLite keeps beside it; not while it is open. */
void catalogue_remove(const char *path);
/* Removes the rows that no call reads, whatever made them so: their files are without a row then. */
int catalogue_remove_malformed(struct catalogue *c, struct err *err) MUST_CHECK;

/* Changes between begin and commit are made together. durable: they survive a power cut when commit
 * returns. Otherwise the last ones may be lost, but never a part of one, or one before another: that
 * is enough for rows which the files can give back. A failed commit rolls back. */
int catalogue_begin(struct catalogue *c, bool durable, struct err *err) MUST_CHECK;
int catalogue_commit(struct catalogue *c, struct err *err) MUST_CHECK;
void catalogue_rollback(struct catalogue *c);

/* ---- fragments ---- */

int catalogue_add_fragment(struct catalogue *c, const struct fragment_info *info,
                           const struct holders *holders, struct err *err) MUST_CHECK;
/* info and holders may be NULL. *found false is no error. */
int catalogue_find_fragment(struct catalogue *c, const struct fragment_key *key,
                            struct fragment_info *info, struct holders *holders, bool *found,
                            struct err *err) MUST_CHECK;
int catalogue_set_holders(struct catalogue *c, const struct fragment_key *key,
                          const struct holders *holders, struct err *err) MUST_CHECK;
int catalogue_remove_fragment(struct catalogue *c, const struct fragment_key *key,
                              struct err *err) MUST_CHECK;
/* Removes it as well, and keeps its name among the lost until it is added again. */
int catalogue_lose_fragment(struct catalogue *c, const struct fragment_key *key,
                            struct err *err) MUST_CHECK;
int catalogue_lost(struct catalogue *c, uint64_t *count, struct err *err) MUST_CHECK;
int catalogue_forget_lost(struct catalogue *c, struct err *err) MUST_CHECK;
/* What the fragments of a vault have, all together. */
int catalogue_vault_bytes(struct catalogue *c, const struct vault_id *vault, uint64_t *bytes,
                          struct err *err) MUST_CHECK;
int catalogue_find_pack(struct catalogue *c, const struct pack_question *question,
                        struct fragment_info *found, size_t max, size_t *count,
                        struct err *err) MUST_CHECK;
/* The fragment of an object of a vault whose grant is wanted: see store_get_grant. */
int catalogue_find_granted(struct catalogue *c, const struct vault_id *vault,
                           const struct object_id *object, const struct writer_id *writer,
                           struct fragment_info *info, bool *found, struct err *err) MUST_CHECK;
/* Fragments of the key's object and vault that this member brought, but for the key's own. */
int catalogue_count_brought(struct catalogue *c, const struct fragment_key *key,
                            const struct node_id *bringer, uint64_t *count,
                            struct err *err) MUST_CHECK;
/* All fragments in order of (object, vault, index), after the one given (NULL: from the first). */
int catalogue_list_fragments(struct catalogue *c, const struct fragment_key *after,
                             struct fragment_info *found, size_t max, size_t *count,
                             struct err *err) MUST_CHECK;

/* ---- beliefs ---- */

int catalogue_believe(struct catalogue *c, const struct belief *belief, struct err *err) MUST_CHECK;
/* See store_believed. */
int catalogue_believed(struct catalogue *c, const struct vault_id *vault,
                       const struct object_id *object, const struct writer_id *writer,
                       struct belief *belief, bool *found, struct err *err) MUST_CHECK;

/* ---- pins (catalogue_pins.c) ---- */

/* Where a pin can be read again when the catalogue is lost. */
enum pin_kept {
    PIN_SAID = -1,      /* nowhere any more: its file is gone */
    PIN_IN_TRAILER = 0, /* in the trailer of a fragment */
    PIN_IN_FILE = 1,    /* in its writer's file */
    PIN_DOUBTED = 2,    /* in a file that is being written anew; see catalogue_doubt_pins */
};

/* A pin of a pack; *added: it was not here, or only said. */
int catalogue_pin(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                  enum pin_kept kept, bool *added, struct err *err) MUST_CHECK;
/* Is it here, and kept in a file? */
int catalogue_has_pin(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                      bool *has, struct err *err) MUST_CHECK;
/* The highest number that a writer has pinned; 0 when none is. */
int catalogue_pinned(struct catalogue *c, const struct pack_id *pack, const struct vault_id *vault,
                     const struct writer_id *writer, uint64_t *number, struct err *err) MUST_CHECK;
/* Attempts of the pin's writer at a number above the pin's that have pinned this pack, and keep it in
 * a file or a trailer; at most max. */
int catalogue_later_pins(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                         struct attempt_id *attempts, size_t max, size_t *count,
                         struct err *err) MUST_CHECK;
/* Makes of all pins of a writer that are in its file doubted ones (and back), then of those that the
 * file has again kept ones (*was: it was doubted), and forgets those that are still doubted. */
int catalogue_doubt_pins(struct catalogue *c, const struct vault_id *vault,
                         const struct writer_id *writer, struct err *err) MUST_CHECK;
int catalogue_undoubt_pins(struct catalogue *c, const struct vault_id *vault,
                           const struct writer_id *writer, struct err *err) MUST_CHECK;
int catalogue_confirm_pin(struct catalogue *c, const struct pack_id *pack, const struct pin *pin,
                          bool *was, struct err *err) MUST_CHECK;
int catalogue_forget_doubted(struct catalogue *c, const struct vault_id *vault,
                             const struct writer_id *writer, struct err *err) MUST_CHECK;
/* The file is gone: what it said is known, and kept nowhere. */
int catalogue_unkeep_pins(struct catalogue *c, const struct vault_id *vault,
                          const struct writer_id *writer, struct err *err) MUST_CHECK;

/* What a writer's file has, and what all files of a vault have; 0: there is none. */
int catalogue_pin_bytes(struct catalogue *c, const struct vault_id *vault,
                        const struct writer_id *writer, uint64_t *file, uint64_t *of_vault,
                        struct err *err) MUST_CHECK;
/* Charges an entry of a writer's file to its sponsor. */
int catalogue_add_pin_bytes(struct catalogue *c, const struct vault_id *vault,
                            const struct writer_id *writer, const struct node_id *sponsor,
                            uint64_t bytes, struct err *err) MUST_CHECK;
/* Takes all of the file's charges back. */
int catalogue_remove_pin_bytes(struct catalogue *c, const struct vault_id *vault,
                               const struct writer_id *writer, struct err *err) MUST_CHECK;
/* The file of pins after the one given (zeros: the first). */
int catalogue_next_pin_file(struct catalogue *c, struct vault_id *vault, struct writer_id *writer,
                            bool *found, struct err *err) MUST_CHECK;

/* ---- records ---- */

struct record_row {
    struct record_id hash;
    struct vault_id vault;
    uint64_t file_bytes;
    struct writer_id writer;
    uint32_t kind;
    uint64_t number; /* of a closed writer: of its last record that counts */
    struct attempt_id attempt;
    struct record_id previous; /* zeros: none */
    struct node_id sponsor;
};

int catalogue_add_record(struct catalogue *c, const struct record_row *row,
                         struct err *err) MUST_CHECK;
int catalogue_find_record(struct catalogue *c, const struct record_id *hash, struct record_row *row,
                          bool *found, struct err *err) MUST_CHECK;
int catalogue_remove_record(struct catalogue *c, const struct record_id *hash,
                            struct err *err) MUST_CHECK;
/* In ascending order of hash, after the one given (NULL: from the first); vault NULL: of all. */
int catalogue_list_records(struct catalogue *c, const struct vault_id *vault,
                           const struct record_id *after, struct record_row *rows, size_t max,
                           size_t *count, struct err *err) MUST_CHECK;

/* The records of a writer but those that close it, from the highest number down, after the one given
 * (NULL: from the first). */
int catalogue_writer_records(struct catalogue *c, const struct vault_id *vault,
                             const struct writer_id *writer, const struct record_row *after,
                             struct record_row *rows, size_t max, size_t *count,
                             struct err *err) MUST_CHECK;
/* Is the writer closed, and at which record? Of several, the earliest. */
int catalogue_closed(struct catalogue *c, const struct vault_id *vault,
                     const struct writer_id *writer, bool *closed, struct record_row *row,
                     struct err *err) MUST_CHECK;

/* Attempts that a record of their writer says are given up. */
int catalogue_add_void(struct catalogue *c, const struct vault_id *vault,
                       const struct writer_id *writer, const struct attempt_id *attempt,
                       struct err *err) MUST_CHECK;
int catalogue_is_void(struct catalogue *c, const struct vault_id *vault,
                      const struct writer_id *writer, const struct attempt_id *attempt,
                      bool *is_void, struct err *err) MUST_CHECK;

/* ---- who brought what ---- */

/* What a record takes of its sponsor's share: a block of the disk at least. */
#define RECORD_CHARGE_MIN 4096
static inline uint64_t catalogue_charge(uint64_t record_bytes)
{
    return record_bytes > RECORD_CHARGE_MIN ? record_bytes : RECORD_CHARGE_MIN;
}

/* What a sponsor's records and pins are charged. */
int catalogue_sponsored(struct catalogue *c, const struct node_id *sponsor, uint64_t *bytes,
                        struct err *err) MUST_CHECK;
/* Adds all charges up anew from the rows. */
int catalogue_sum_sponsors(struct catalogue *c, struct err *err) MUST_CHECK;

/* A record was refused although it proves itself, because its sponsor may have no more than `share`
 * (UINT64_MAX: whatever that is). The oldest of more than REFUSED_MAX is forgotten. */
#define REFUSED_MAX 65536
int catalogue_refuse(struct catalogue *c, const struct record_id *hash, uint64_t share,
                     struct err *err) MUST_CHECK;
/* Was it refused, and would still be, with this share? */
int catalogue_is_refused(struct catalogue *c, const struct record_id *hash, uint64_t share,
                         bool *refused, struct err *err) MUST_CHECK;

/* What all files together have. */
int catalogue_totals(struct catalogue *c, uint64_t *bytes, uint64_t *fragments, uint64_t *records,
                     struct err *err) MUST_CHECK;

#endif
