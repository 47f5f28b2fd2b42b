/* heard.h - what other nodes said of themselves while they worked for us, ahead of gossip: how much
 * they hold now, told with each receipt. So `ecbak members` after a store shows what was stored.
 *
 * It counts until gossip says anything else than it did then.
 *
 *   Limits   HEARD_MAX nodes, the oldest is forgotten first
 *   Memory   plain values
 *   Threads  any
 */
#ifndef ECBAK_NODE_PEERS_HEARD_H
#define ECBAK_NODE_PEERS_HEARD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

#define HEARD_MAX 256

struct heard {
    pthread_mutex_t lock;
    struct heard_of {
        struct node_id node;
        uint64_t used_bytes, gossip_bytes; /* as it said; as gossip said at that time */
    } of[HEARD_MAX];
    size_t count, next;
};

void heard_init(struct heard *heard);
void heard_release(struct heard *heard);
/* NULL: nobody cares. */
void heard_used(struct heard *heard, const struct node_id *node, uint64_t used_bytes,
                uint64_t gossip_bytes);
/* What it holds now, as far as is known; gossip_bytes when nothing newer was heard. */
uint64_t heard_now(struct heard *heard, const struct node_id *node, uint64_t gossip_bytes);

#endif
