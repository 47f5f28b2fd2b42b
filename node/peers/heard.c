#include "node/peers/heard.h"

void heard_init(struct heard *heard)
{
    pthread_mutex_init(&heard->lock, NULL);
    heard->count = heard->next = 0;
}

void heard_release(struct heard *heard)
{
    pthread_mutex_destroy(&heard->lock);
}

/* With the lock held; NULL: nothing was heard of it. */
static struct heard_of *find(struct heard *heard, const struct node_id *node)
{
    for (size_t i = 0; i < heard->count; i++)
        if (id_equal(&heard->of[i].node, node))
            return &heard->of[i];
    return NULL;
}

void heard_used(struct heard *heard, const struct node_id *node, uint64_t used_bytes,
                uint64_t gossip_bytes)
{
    if (heard == NULL)
        return;
    pthread_mutex_lock(&heard->lock);
    struct heard_of *of = find(heard, node);
    if (of == NULL) {
        of = &heard->of[heard->next];
        heard->next = (heard->next + 1) % HEARD_MAX;
        heard->count += heard->count < HEARD_MAX;
    }
    of->node = *node;
    of->used_bytes = used_bytes;
    of->gossip_bytes = gossip_bytes;
    pthread_mutex_unlock(&heard->lock);
}

uint64_t heard_now(struct heard *heard, const struct node_id *node, uint64_t gossip_bytes)
{
    pthread_mutex_lock(&heard->lock);
    const struct heard_of *of = find(heard, node);
    uint64_t now = of != NULL && of->gossip_bytes == gossip_bytes ? of->used_bytes : gossip_bytes;
    pthread_mutex_unlock(&heard->lock);
    return now;
}
