/* snapshots.h - a vault's snapshots: from the records that nodes hold to a checked list.
 *
 * Records only merge by union, so a list is as complete as the nodes that answered. Each record is
 * checked (signature, writer certificate, vault, seal) before it is believed; then each writer's
 * chain is: records missing in the middle, two records after one (a fork), or an end older than
 * what this machine has seen before (a roll-back) are findings, shown to the user, not errors. A fork
 * is history, and no finding any more, once the writer has gone on from one of its ends.
 *
 *   Memory   snapshot_list_release
 *   Threads  any, one at a time for one vault
 */
#ifndef ECBAK_CLI_REMOTE_SNAPSHOTS_H
#define ECBAK_CLI_REMOTE_SNAPSHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/home/home.h"
#include "cli/vault/snapshot.h"
#include "coding/base/err.h"
#include "node/api/client.h"

enum finding_kind {
    FINDING_GAP = 1,  /* records [number, number + count) of writer are missing, or another one of
                       * that number */
    FINDING_FORK = 2, /* number exists more than once, or follows what another one follows */
    FINDING_ROLLBACK = 3,   /* this machine has seen `number`, and it is not among the records */
    FINDING_UNREADABLE = 4, /* a record that is not what it should be: text says why */
    FINDING_NEWER = 5,      /* `count` records are of kinds that this version does not know */
    FINDING_FORGETFUL = 6,  /* what was seen cannot be read or remembered here: text says why */
};

struct finding {
    enum finding_kind kind;
    struct writer_id writer;
    uint64_t number, count;
    char text[160]; /* a sentence for people */
};

/* A record of any kind, as signed; bytes NULL: there is none. */
struct own_record {
    uint64_t number;
    struct record_id hash;
    uint8_t *bytes;
    size_t size;
};

struct snapshot_list {
    struct snapshot *snapshots; /* oldest first */
    size_t count;
    struct finding *findings;
    size_t finding_count;
    struct own_record newest; /* of this machine's writer */
    uint32_t nodes_asked, nodes_answered;
};

/* Asks the node for the vault's records. Heads seen are remembered in the vault's folder. */
int snapshot_list_load(struct snapshot_list *list, const struct vault *vault, struct client *client,
                       struct err *err) MUST_CHECK;
void snapshot_list_release(struct snapshot_list *list);

/* The one of this writer with the highest number; NULL when there is none. */
const struct snapshot *snapshot_newest_of(const struct snapshot_list *list,
                                          const struct writer_id *writer);

/* What to choose from: NULL matches all. path: clean and absolute; a snapshot that was made of it, or
 * of something in it. What is inside of what a snapshot was made of, only its tree knows. */
struct snapshot_filter {
    const char *host;
    const char *path;
    const char *tag;
};
bool snapshot_matches(const struct snapshot *snapshot, const struct snapshot_filter *filter);
/* ERR_NOT_FOUND: that none matches, and which folders above the path there are snapshots of. */
int snapshot_explain(const struct snapshot_list *list, const struct snapshot_filter *filter,
                     struct err *err) MUST_CHECK;

/* name: "latest" (the newest that matches; filter may be NULL) or at least 4 hex digits that begin
 * exactly one id. ERR_NOT_FOUND, or ERR_USAGE when several begin so. */
int snapshot_select(const struct snapshot **snapshot, const struct snapshot_list *list,
                    const char *name, const struct snapshot_filter *filter,
                    struct err *err) MUST_CHECK;

#endif
