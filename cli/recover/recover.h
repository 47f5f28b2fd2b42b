/* recover.h - a recover: a snapshot in, files out.
 *
 * Writes the snapshot's tree (or some of its paths) below a folder: `recover latest --to /mnt` of a
 * store of /home/ann/work makes /mnt/home/ann/work. Files are planned first and written in the
 * order of packs, which are fetched ahead of the writers, once each; a file is written under a
 * temporary name and gets its own once every byte was checked.
 *
 *   Safety   never follows a symbolic link below the folder, never leaves it, never replaces what
 *            is there unless told to. For root: nothing comes into a folder that another user may
 *            write, unless told to. Until it is complete only its owner can see what is made
 *   Errors   ERR_DENIED DIR is such a folder; ERR_NOT_FOUND a path that the snapshot does not have; ERR_TOO_FEW, ERR_DAMAGED its root
 *            cannot be had; those of the node. A file that
 *            cannot be written whole is reported, nothing of it is left, and the job goes on; the
 *            outcome says so
 *   Memory   below 200 MB whatever the size of the tree
 *   Threads  makes its own; call from one thread
 */
#ifndef ECBAK_CLI_RECOVER_RECOVER_H
#define ECBAK_CLI_RECOVER_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/job.h"
#include "cli/home/home.h"
#include "cli/vault/snapshot.h"

struct snapshot_list;

struct recover_options {
    const struct snapshot *snapshot;
    const struct snapshot_list
        *list;      /* that the snapshot is of: its records' index packs are read where the
                                       * cache has not seen them yet */
    const char *to; /* made when it is not there (its parent must be) */
    const char *const *paths; /* as they were stored ("/home/ann/work/a"); none: everything */
    size_t path_count;
    bool overwrite;       /* replace files that are there */
    bool into_shared;     /* root: also into folders that others may write */
    bool numeric_owners;  /* owners by number, not by name */
    bool verify;          /* read every file back and compare */
    const char *endpoint; /* of the node; NULL: $ECBAK_SOCKET or the default */
    unsigned threads;     /* 0: one per core, at least 2; at most 4 */
};

struct recover_result {
    uint64_t files; /* written, everything but directories */
    uint64_t directories;
    uint64_t bytes;
    uint64_t bytes_fetched; /* of packs, from the node */
    uint64_t problems;      /* files and folders reported */
    uint64_t flags_refused; /* files and folders without all of their flags (chattr) */
    uint64_t corrupt;       /* damaged fragments met (and replaced by others) on the way */
    double seconds;
    enum job_outcome outcome;
    char note[ERR_TEXT_MAX]; /* why the outcome is not JOB_DONE: one sentence; "" when it is */
};

/* 0 when the job came to its end (see result->outcome), -1 when it could not. */
int recover_run(struct vault *vault, const struct recover_options *options,
                struct job_progress *progress, const struct job_report *report,
                struct recover_result *result, struct err *err) MUST_CHECK;

#endif
