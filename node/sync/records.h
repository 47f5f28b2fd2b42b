/* records.h - every node keeps every snapshot record of every vault.
 *
 * A new record is pushed to others at once; whoever missed it pulls it: two nodes compare 256
 * digests (the XOR of the hashes that start with each byte), then lists of hashes where they
 * differ, then fetch what is missing. Records only ever add up, so two of one number (a fork)
 * both stay and show. Each is checked before it is kept.
 *
 * Members need not all keep the same: what one refuses, for its sponsor's share, another may have
 * room for. So two digests may differ for good. What was refused is not fetched again, and two nodes
 * whose digests are as they were when there was nothing new to be had are not compared again.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_SYNC_RECORDS_H
#define ECBAK_NODE_SYNC_RECORDS_H

#include "node/peers/nodes.h"
#include "node/peers/peers.h"

#define RECORDS_PUSH_MAX 16 /* others that a new record is sent to; anti-entropy has the rest */

/* What became of a record at the others. */
struct records_put {
    uint32_t others; /* have it on disk */
    uint32_t full;   /* have no room for it */
    struct err why;  /* what one of these said */
};

/* Countersigns a record that a command brought, keeps it here and sends it to others. Waits for
 * `wanted` of them, and a moment for the rest. */
int records_put(struct peers *peers, const uint8_t *record, size_t size, uint32_t wanted,
                struct records_put *put, struct err *err) MUST_CHECK;

/* Pulls what one other node has and this one has not; *pulled counts the new ones. */
int records_pull(struct nodes *nodes, size_t node, size_t *pulled, struct err *err) MUST_CHECK;

/* Pulls from everybody who answers in time, so that what follows is the newest of x of y nodes. */
void records_pull_all(struct peers *peers, uint32_t *asked, uint32_t *answered);

#endif
