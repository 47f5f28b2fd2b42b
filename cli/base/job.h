/* job.h - what a long job (store, recover) shows while it runs, and how it ended.
 *
 * The job writes the counters from many threads, a painter reads them whenever it likes. They
 * only ever grow, but for `phase`.
 *
 *   Units    bytes of file contents unless named otherwise
 *   Threads  any: every field is an atomic; the problem callback is called by one thread at a time
 */
#ifndef ECBAK_CLI_BASE_JOB_H
#define ECBAK_CLI_BASE_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "coding/base/err.h"

enum job_phase {
    JOB_STARTING = 0,   /* asking the node, reading the vault's records */
    JOB_CHECKING = 1,   /* store: are the packs of earlier snapshots still whole? */
    JOB_RUNNING = 2,    /* reading and sending, or fetching and writing */
    JOB_FINISHING = 3,  /* store: the last packs, the index, the second check */
    JOB_PUBLISHING = 4, /* store: the snapshot's record */
    JOB_VERIFYING = 5,  /* recover --verify: reading back what was written */
    JOB_ENDED = 6,
};

struct job_progress {
    _Atomic int phase;          /* enum job_phase */
    _Atomic uint64_t files;     /* done: stored or found unchanged; written */
    _Atomic uint64_t bytes;     /* of these */
    _Atomic uint64_t files_all; /* an estimate of the end; 0: not known yet */
    _Atomic uint64_t bytes_all;
    _Atomic uint64_t bytes_new; /* store: in chunks that were not in the vault before */
    _Atomic uint64_t
        bytes_sent;            /* store: over the network, all fragments; recover: packs fetched */
    _Atomic uint64_t problems; /* calls of the problem callback so far */
    _Atomic bool cancel;       /* set by the caller: the job ends soon with ERR_CANCELLED */
};

/* Told of each file that could not be stored or recovered whole; the job goes on. path is NUL
 * terminated and may hold any byte but NUL: escape it before a terminal sees it. */
struct job_report {
    void (*problem)(void *ctx, const char *path, const struct err *err);
    void *ctx;
};

/* How a job ended: the command's exit code (exit_code.h). */
enum job_outcome {
    JOB_DONE = 0,
    JOB_FAILED = 1,
    JOB_INCOMPLETE = 3, /* files missing, or fewer losses survived than asked for */
    JOB_TOO_FEW = 4,    /* stored, but no loss of a node is survived; or refused for that */
    JOB_DAMAGED = 5,    /* wrong key, or damaged data was met */
};

#endif
