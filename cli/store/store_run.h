/* store_run.h - a store: paths in, one snapshot out.
 *
 * Walks the paths read-only, reads what changed since the last store of the same paths, cuts,
 * deduplicates, compresses and seals it, sends the packs to the node, makes sure that everything
 * the snapshot relies on is held, and publishes the snapshot's record.
 *
 *   Tree     a snapshot's root stands for "/": `store /home/ann/work` records home, ann and work,
 *            with the attributes of each, and of home and ann nothing else. Paths are made absolute
 *            (symbolic links above the last component resolved), so that a name is stored once.
 *   Safety   may be killed at any moment: a snapshot is listed and whole, or not listed; packs sent
 *            so far are used by the next store. What would be lost with this machine is no snapshot:
 *            it is not published either
 *   Errors   ERR_TOO_FEW the cluster has too few members; ERR_FULL they have no space; ERR_BUSY
 *            another store of this vault runs here, also after the wait; ERR_CANCELLED; those of the
 *            node. A file that cannot be read is not an error: it
 *            is reported, and the outcome is JOB_INCOMPLETE
 *   Memory   below 200 MB whatever the size of the tree
 *   Threads  makes its own; call from one thread
 */
#ifndef ECBAK_CLI_STORE_STORE_RUN_H
#define ECBAK_CLI_STORE_STORE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/job.h"
#include "cli/files/exclude.h"
#include "cli/home/home.h"
#include "node/api/client.h"

#define STORE_LOST_WITH_US (-1) /* the survives of what other nodes do not hold whole */

struct store_options {
    const char *const *paths; /* at least one, at most SNAPSHOT_PATHS_MAX */
    size_t path_count;
    const char *const *tags;
    size_t tag_count;
    const struct exclude *exclude; /* NULL: nothing is left out */
    bool exclude_caches;           /* leave out folders marked by a CACHEDIR.TAG */
    bool one_file_system;          /* do not enter other file systems */
    bool read_all;                 /* read every file, also those that look unchanged */
    bool dry_run;                  /* read and count; send and publish nothing */
    bool count_ahead;              /* count the tree beside, for the progress' totals */
    const char *host;              /* NULL: this machine's name */
    const char *endpoint;          /* of the node; NULL: $ECBAK_SOCKET or the default */
    uint32_t data, parity;         /* k and m; both 0: by the size of the cluster */
    unsigned threads;              /* 0: one per core, at least 2; at most 4 */
    unsigned zstd_level;           /* 0: the default, 3 */
    uint64_t wait_ms;              /* for another store into the vault to end */
};

struct store_result {
    bool published;            /* false: a dry run, or all of it would be lost with this machine */
    struct record_id snapshot; /* the record's hash; shown as hex, its first 8 digits for people */
    uint64_t files;            /* every entry but directories */
    uint64_t bytes;
    uint64_t bytes_new;
    uint64_t bytes_sent;
    uint64_t objects; /* packs that this snapshot relies on, earlier ones included */
    uint32_t data, parity;
    /* Node losses survived beyond that of this machine, least of all objects; STORE_LOST_WITH_US:
     * not even that one is. */
    int32_t survives;
    double seconds;
    uint64_t problems;      /* files reported */
    uint64_t grown;         /* files appended to meanwhile: stored as of when they were opened */
    uint64_t objects_short; /* objects on fewer nodes than data + parity */
    bool full;              /* some of these because nodes have no space */
    /* Members that could not prove what they said they hold: what was not proven is not counted. */
    struct unproven unproven[CLIENT_UNPROVEN_MAX];
    size_t unproven_count;
    uint32_t record_others; /* other nodes that have the record */
    enum job_outcome outcome;
    char note[ERR_TEXT_MAX]; /* why the outcome is not JOB_DONE: one sentence; "" when it is */
};

/* 0 when all was done that could be (see result->outcome and result->published; JOB_TOO_FEW or
 * JOB_FULL: it is sent, but no snapshot, and the next store completes it), -1 when not. Takes the vault's lock, which vault_close gives back. */
int store_run(struct vault *vault, const struct store_options *options,
              struct job_progress *progress, const struct job_report *report,
              struct store_result *result, struct err *err) MUST_CHECK;

#endif
