/* settled.h - with which members a comparison of records has come to its end.
 *
 * Two members may differ for good: one has room for records that the other refused. So a comparison in
 * which nothing new was found is noted with both digests, and need not be made again before one of
 * them changes.
 *
 *   Limits   SETTLED_MAX members, the oldest is forgotten first
 *   Memory   plain values
 *   Threads  any
 */
#ifndef ECBAK_NODE_PEERS_SETTLED_H
#define ECBAK_NODE_PEERS_SETTLED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/hash.h"
#include "coding/base/id.h"

#define SETTLED_MAX 1024

struct settled {
    pthread_mutex_t lock;
    struct settled_with {
        struct node_id node;
        uint8_t both[HASH_SIZE]; /* hash of our digest and theirs */
    } with[SETTLED_MAX];
    size_t count, next;
};

void settled_init(struct settled *settled);
void settled_release(struct settled *settled);
/* Notes that there is nothing to be had from the node while the digests are these. */
void settled_note(struct settled *settled, const struct node_id *node, const uint8_t own[256][8],
                  const uint8_t theirs[256][8]);
/* Are they the same, or was that noted? */
bool settled_is(struct settled *settled, const struct node_id *node, const uint8_t own[256][8],
                const uint8_t theirs[256][8]);

#endif
