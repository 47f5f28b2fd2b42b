/* Each node's is a bucket that fills at a steady rate up to what it may bring at once. */
#include "node/base/allowance.h"

#include <pthread.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

#define HOUR_MS 3600000

struct bucket {
    struct node_id node;
    double left_bytes;
    int64_t at_ms;
};

struct allowance {
    pthread_mutex_t lock;
    double at_once_bytes, per_ms;
    struct bucket buckets[ALLOWANCE_NODES_MAX];
    size_t count;
};

void allowance_new(struct allowance **allowance, uint64_t at_once_bytes, uint64_t hour_bytes)
{
    struct allowance *a = alloc_zero(1, sizeof(*a));
    pthread_mutex_init(&a->lock, NULL);
    a->at_once_bytes = (double)at_once_bytes;
    a->per_ms = (double)hour_bytes / HOUR_MS;
    *allowance = a;
}

void allowance_destroy(struct allowance **allowance)
{
    struct allowance *a = *allowance;
    *allowance = NULL;
    if (a == NULL)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* The node's bucket, filled up to now. */
static struct bucket *bucket_of(struct allowance *a, const struct node_id *node, int64_t now_ms)
{
    struct bucket *fullest = &a->buckets[0];
    for (size_t i = 0; i < a->count; i++) {
        struct bucket *b = &a->buckets[i];
        if (now_ms > b->at_ms) {
            b->left_bytes += (double)(now_ms - b->at_ms) * a->per_ms;
            b->at_ms = now_ms;
        }
        if (b->left_bytes > a->at_once_bytes)
            b->left_bytes = a->at_once_bytes;
        if (id_equal(&b->node, node))
            return b;
        if (b->left_bytes > fullest->left_bytes)
            fullest = b;
    }
    if (a->count < ALLOWANCE_NODES_MAX)
        fullest = &a->buckets[a->count++];
    *fullest = (struct bucket){.left_bytes = a->at_once_bytes, .at_ms = now_ms};
    fullest->node = *node;
    return fullest;
}

bool allowance_take(struct allowance *allowance, const struct node_id *node, uint64_t bytes,
                    int64_t now_ms)
{
    pthread_mutex_lock(&allowance->lock);
    struct bucket *b = bucket_of(allowance, node, now_ms);
    bool enough = b->left_bytes >= (double)bytes;
    if (enough)
        b->left_bytes -= (double)bytes;
    pthread_mutex_unlock(&allowance->lock);
    return enough;
}
