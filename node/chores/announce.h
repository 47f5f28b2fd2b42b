/* announce.h - the chore that tells the other members what this node offers.
 *
 * Notices on the way that the data directory is not ours any more: then nothing is offered.
 *
 *   Threads  announce one at a time; announce_offer any
 */
#ifndef ECBAK_NODE_CHORES_ANNOUNCE_H
#define ECBAK_NODE_CHORES_ANNOUNCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "node/membership/membership.h"
#include "node/store/store.h"

struct announced {
    struct membership_offer told; /* to the others, last */
    uint32_t storage;             /* as the log was told */
};

/* A call that has waited for the disk for so long says that it hangs. */
#define DISK_HANGS_MS 10000

/* What is offered now; no capacity when storage is out of service: when its directory was not ours at
 * the last look, or the disk has kept somebody waiting (waited_ms) for too long. Waits for no disk. */
void announce_offer(struct store *store, uint64_t capacity_bytes, int64_t waited_ms,
                    struct membership_offer *offer);
/* Tells it when it is worth telling. */
void announce(struct announced *announced, struct store *store, uint64_t capacity_bytes,
              struct membership *membership);

#endif
