/* snapshots_internal.h - what snapshots.c, which reads records, and chains.c, which judges how they
 * follow each other, share.
 */
#ifndef ECBAK_CLI_REMOTE_SNAPSHOTS_INTERNAL_H
#define ECBAK_CLI_REMOTE_SNAPSHOTS_INTERNAL_H

#include "cli/home/heads.h"
#include "cli/remote/snapshots.h"

/* What of a record its chain is judged by. */
struct chain_link {
    struct writer_id writer;
    uint64_t number;
    struct record_id hash, previous;
};

/* The records of all writers. */
struct chains {
    struct chain_link *links;
    size_t count;
    size_t unknown; /* of them, of a kind that this version does not know */
};

/* writer NULL: it concerns none. */
void finding_add(struct snapshot_list *list, enum finding_kind kind, const struct writer_id *writer,
                 uint64_t number, uint64_t count, const char *text);

/* Adds what is odd to the findings, and each writer's newest record to heads. Sorts the links. */
void chains_judge(struct snapshot_list *list, struct chains *chains, struct heads *heads);

#endif
