/* job.h - what a long job (store, recover) shows while it runs, and how it ended.
 *
 * The job writes the counters from many threads, a painter reads them whenever it likes. files and
 * bytes begin again at zero when a store has to read its files once more (packs were lost
 * meanwhile); files_all and bytes_all are set once they are known. The others only grow.
 *
 *   Units    bytes of file contents unless named otherwise
 *   Threads  any: every field is an atomic, or has functions; the problem callback is called by one thread at a time
 */
#ifndef ECBAK_CLI_BASE_JOB_H
#define ECBAK_CLI_BASE_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

enum job_phase {
    JOB_STARTING = 0,   /* asking the node, reading the vault's records */
    JOB_CHECKING = 1,   /* store: are the packs of earlier snapshots still whole? */
    JOB_RUNNING = 2,    /* reading and sending, or fetching and writing */
    JOB_FINISHING = 3,  /* store: the last packs, the index, the second check */
    JOB_PUBLISHING = 4, /* store: the snapshot's record */
    JOB_ENDED = 6,
};

#define JOB_NOW_MAX 512

struct job_progress {
    _Atomic int phase;          /* enum job_phase */
    _Atomic uint64_t files;     /* done: stored or found unchanged; written */
    _Atomic uint64_t bytes;     /* of these */
    _Atomic uint64_t files_all; /* an estimate of the end; 0: not known yet */
    _Atomic uint64_t bytes_all;
    _Atomic uint64_t
        bytes_sent;            /* store: over the network, all fragments; recover: packs fetched */
    _Atomic uint64_t problems; /* calls of the problem callback so far */
    _Atomic bool naming;       /* somebody writes or reads `now` */
    char now[JOB_NOW_MAX];     /* the file that was begun last: job_now, job_now_read */
    _Atomic bool cancel;       /* set by the caller: the job ends soon with ERR_CANCELLED */
};

/* problem: told of each file that could not be stored or recovered whole; the job goes on. path is
 * NUL terminated and may hold any byte but NUL: escape it before a terminal sees it. notice: told of
 * what a person should know and what costs nothing but time; one sentence. Each may be NULL. */
struct job_report {
    void (*problem)(void *ctx, const char *path, const struct err *err);
    void (*notice)(void *ctx, const char *text);
    void *ctx;
};

/* Says which file is in work; the last folders of a path that is too long. Costs next to nothing: when
 * two threads say it at once, one of them is not heard. */
void job_now(struct job_progress *progress, const char *folder, const char *name, size_t name_size);
/* "" when there is none yet. Any byte but NUL may be in it. False: it is being written; try later. */
bool job_now_read(struct job_progress *progress, char to[JOB_NOW_MAX]) MUST_CHECK;

/* Counts a problem and tells of it. Of several threads one at a time. */
void job_problem(struct job_progress *progress, const struct job_report *report, const char *path,
                 const struct err *err);

/* text NULL: nothing is to be said. */
void job_notice(const struct job_report *report, const char *text);

/* How many threads a job runs: as many as are wanted (0: one per core, at least 2), at most max. */
unsigned job_threads(unsigned wanted, unsigned max);
/* How a job ended: the command's exit code (exit_code.h). */
enum job_outcome {
    JOB_DONE = 0,
    JOB_FAILED = 1,     /* nothing came back */
    JOB_INCOMPLETE = 3, /* files missing, or fewer losses survived than asked for */
    JOB_TOO_FEW = 4,    /* members: what is stored would be lost with this machine; what is
                         * recovered is not all there */
    JOB_DAMAGED = 5,    /* wrong key, or damaged data was met */
    JOB_FULL = 6,       /* no space */
};

#endif
