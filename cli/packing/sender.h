/* sender.h - sends sealed packs to the node, a few at a time.
 *
 * A pack counts as stored when the node has answered; then the cache learns of its chunks. Each
 * sending thread has a connection of its own and waits for its answer: as many packs are in memory
 * as there are threads, and one that waits.
 *
 *   Errors   those of the node and of the cache end the whole store (struct failure)
 *   Threads  sender_put and sender_wait: any
 */
#ifndef ECBAK_CLI_PACKING_SENDER_H
#define ECBAK_CLI_PACKING_SENDER_H

#include "cli/base/failure.h"
#include "cli/base/job.h"
#include "cli/home/cache.h"
#include "cli/home/home.h"
#include "cli/packing/places.h"
#include "cli/vault/pack.h"
#include "node/api/client.h"

#define SENDER_THREADS 3

struct sender_options {
    const struct vault *vault;
    struct cache *cache;
    struct places *places;
    struct job_progress *progress;
    struct failure *failure;
    const char *endpoint;
    struct cluster_id cluster;
    struct node_id node;
    struct pin pin;
    uint32_t data, parity;
    /* Told of each pack that is stored, before its entries are released. */
    void (*stored)(void *ctx, const struct sealed_pack *sealed);
    void *ctx;
};

struct sender;
int sender_new(struct sender **sender, const struct sender_options *options,
               struct err *err) MUST_CHECK;
/* Waits for a free thread; takes what the pack points to. -1 when the store has failed. */
int sender_put(struct sender *sender, struct sealed_pack *sealed, struct err *err) MUST_CHECK;
/* Waits until every pack given has been answered. */
int sender_wait(struct sender *sender, struct err *err) MUST_CHECK;
void sender_destroy(struct sender **sender);

#endif
