/* store_run_internal.h - one run of `ecbak store`: the pipeline, and what its steps say to the
 * node. */
#ifndef ECBAK_CLI_STORE_STORE_RUN_INTERNAL_H
#define ECBAK_CLI_STORE_STORE_RUN_INTERNAL_H

#include "cli/remote/index_packs.h"
#include "cli/remote/snapshots.h"
#include "cli/store/pipeline_internal.h"

struct store_run {
    struct pipeline pipeline;
    struct client *client;
    struct node_status status;
    struct cache *cache;
    bool again; /* after an attempt that met a damaged cache */
    struct snapshot_list list;
    struct reserved reserved; /* the record that this store is to end in */
    struct pin pin;
    char **targets;
    size_t target_count;
    char *state_path;
    struct id_list relied;      /* index packs of earlier stores */
    struct id_list index_packs; /* that this store adds */
    struct id_list replaced;    /* of those relied on: what they say is in those added */
    struct id_list given_up;    /* as well: all that were read when one of them was found lost */
    struct record_kept record;  /* what became of the record */
    struct id_list proven;      /* earlier packs that were proven in this pass */
    struct proofs proofs;       /* members that could not prove what they said they hold */
    struct store_result *result;
};

/* ---- store_check.c --------------------------------------------------------------------------- */

/* Asks whether everything that the last store left is still held: packs of the state file, packs
 * that no record names yet, index packs. What is lost is dropped from the cache and marked. */
int check_before(struct store_run *run, struct err *err) MUST_CHECK;
/* Lists the index packs of earlier stores that were read, but for those replaced. */
void list_index_packs(const struct store_run *run, struct id_list *list);
/* Asks for every pack that this snapshot relies on, and fills the result. *again when some are
 * lost: what is in them must be read once more. */
int check_after(struct store_run *run, bool *again, struct err *err) MUST_CHECK;
/* What could not be stored whole, for the outcome: true when there is any. */
bool judge_problems(struct store_run *run);
/* What the figures mean for the outcome. */
void judge_outcome(struct store_run *run);

/* ---- store_caches.c -------------------------------------------------------------------------- */

/* Is the snapshot one of these paths? */
bool is_of_targets(const struct store_run *run, const struct snapshot *snapshot);
/* Opens the cache and the state of the last store, or makes them anew, and says so. -1 only when
 * there can be no cache at all. */
int open_caches(struct store_run *run, struct err *err) MUST_CHECK;
/* Begins to write what this store sees, beside what the last one saw. */
void start_state(struct store_run *run);
/* Notes down that everything is published now. */
void remember(struct store_run *run);

/* ---- store_publish.c ------------------------------------------------------------------------- */

/* Makes the record numbers anew when they are lost here, and says so. */
int renew_numbers(struct store_run *run, struct err *err) MUST_CHECK;
/* Sends the newest own record when the nodes do not have it (an earlier store was stopped between
 * saving and sending it). */
int publish_pending(struct store_run *run, struct err *err) MUST_CHECK;
/* Goes on from the newest own record that the nodes have, where this folder knows an older one. */
int catch_up(struct store_run *run, struct err *err) MUST_CHECK;
/* Seals, saves and sends the snapshot's record. */
int publish_snapshot(struct store_run *run, struct err *err) MUST_CHECK;

#endif
