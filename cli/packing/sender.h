/* sender.h - encodes sealed packs, grants what they became, and sends it to the node, a few at a time.
 *
 * The writer signs the id of an object that this machine computed from the pack, in one step with the
 * encoding, which proves its parity: what the node or anybody else does afterwards cannot put another
 * object in its place.
 *
 * A pack counts as stored when the node has answered; then the cache learns of its chunks. Each
 * sending thread has a connection of its own and waits for its answer. Where k + m follow the cluster,
 * the node is asked for them every SENDER_SHAPE_MS, and anew when it could place too few fragments.
 *
 *   Memory   as many packs, each with its fragments, as there are threads, and one that waits:
 *            SENDER_THREADS times PACK_BYTES and BUNDLE_SIZE_MAX at most; at 4 + 2, 40 MiB a thread
 *   Errors   those of the node and of the cache end the whole store (struct failure)
 *   Threads  sender_put and sender_wait: any
 */
#ifndef ECBAK_CLI_PACKING_SENDER_H
#define ECBAK_CLI_PACKING_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/failure.h"
#include "cli/base/job.h"
#include "cli/home/cache.h"
#include "cli/home/home.h"
#include "cli/packing/places.h"
#include "cli/vault/pack.h"
#include "node/api/client.h"

#define SENDER_THREADS  3
#define SENDER_SHAPE_MS 5000

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
    uint32_t data, parity; /* k + m to begin with */
    bool shape_is_fixed;   /* they stay, whatever the cluster has */
    /* Told of each pack that is stored, before its entries are released. */
    void (*stored)(void *ctx, const struct sealed_pack *sealed);
    void *ctx;
};

/* How large a pack may be so that all its fragments fit into one request: PACK_BYTES, or less where m
 * is several times k; 0: k + m with which some packs would not fit. */
size_t sender_pack_bytes(uint32_t data, uint32_t parity);

struct sender;
int sender_new(struct sender **sender, const struct sender_options *options,
               struct err *err) MUST_CHECK;
/* Waits for a free thread; takes what the pack points to. -1 when the store has failed. */
int sender_put(struct sender *sender, struct sealed_pack *sealed, struct err *err) MUST_CHECK;
/* Waits until every pack given has been answered. */
int sender_wait(struct sender *sender, struct err *err) MUST_CHECK;
void sender_destroy(struct sender **sender);

#endif
