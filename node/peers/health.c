/* A short list under a lock: only nodes that fail are on it. */
#include "node/peers/health.h"

#include <pthread.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

struct entry {
    struct node_id node;
    uint64_t incarnation;
    int64_t failed_ms, doubt_ms;
    bool lied;
};

struct health {
    pthread_mutex_t lock;
    size_t count;
    struct entry entries[HEALTH_NODES_MAX];
};

void health_new(struct health **health)
{
    *health = alloc_zero(1, sizeof(**health));
    pthread_mutex_init(&(*health)->lock, NULL);
}

void health_destroy(struct health **health)
{
    if (*health != NULL)
        pthread_mutex_destroy(&(*health)->lock);
    free(*health);
    *health = NULL;
}

static struct entry *find(struct health *health, const struct node_id *node)
{
    for (size_t i = 0; i < health->count; i++) {
        if (id_equal(&health->entries[i].node, node))
            return &health->entries[i];
    }
    return NULL;
}

static struct entry *make(struct health *health, const struct node_id *node)
{
    struct entry *entry = &health->entries[0];
    if (health->count < HEALTH_NODES_MAX) {
        entry = &health->entries[health->count++];
    } else {
        for (size_t i = 1; i < health->count; i++) {
            if (health->entries[i].failed_ms < entry->failed_ms)
                entry = &health->entries[i];
        }
    }
    *entry = (struct entry){.doubt_ms = 0};
    entry->node = *node;
    return entry;
}

void health_failed(struct health *health, const struct node_id *node, uint64_t incarnation,
                   int64_t now_ms)
{
    pthread_mutex_lock(&health->lock);
    struct entry *entry = find(health, node);
    if (entry == NULL)
        entry = make(health, node);
    /* Calls that were under way together fail together: that is one failure. */
    int64_t since_ms = now_ms - entry->failed_ms;
    bool again = entry->doubt_ms > 0 && since_ms < HEALTH_DOUBT_FIRST_MS / 2;
    bool first = entry->doubt_ms == 0 || since_ms > HEALTH_FORGET_MS;
    if (first || (entry->incarnation != incarnation && !entry->lied))
        entry->doubt_ms = HEALTH_DOUBT_FIRST_MS;
    else if (!again && entry->doubt_ms < HEALTH_DOUBT_MOST_MS)
        entry->doubt_ms *= 2;
    entry->lied = entry->lied && !first;
    entry->incarnation = incarnation;
    entry->failed_ms = now_ms;
    pthread_mutex_unlock(&health->lock);
}

void health_lied(struct health *health, const struct node_id *node, int64_t now_ms)
{
    pthread_mutex_lock(&health->lock);
    struct entry *entry = find(health, node);
    if (entry == NULL)
        entry = make(health, node);
    entry->lied = true;
    entry->failed_ms = now_ms;
    entry->doubt_ms = HEALTH_DOUBT_MOST_MS;
    pthread_mutex_unlock(&health->lock);
}

static void restore(struct health *health, const struct node_id *node, bool also_liars)
{
    pthread_mutex_lock(&health->lock);
    struct entry *entry = find(health, node);
    if (entry != NULL && (also_liars || !entry->lied))
        *entry = health->entries[--health->count];
    pthread_mutex_unlock(&health->lock);
}

void health_took(struct health *health, const struct node_id *node)
{
    restore(health, node, false);
}

void health_proved(struct health *health, const struct node_id *node)
{
    restore(health, node, true);
}

bool health_doubtful(struct health *health, const struct node_id *node, uint64_t incarnation,
                     int64_t now_ms)
{
    pthread_mutex_lock(&health->lock);
    const struct entry *entry = find(health, node);
    bool doubtful = entry != NULL && (entry->lied || entry->incarnation == incarnation) &&
                    now_ms - entry->failed_ms < entry->doubt_ms;
    pthread_mutex_unlock(&health->lock);
    return doubtful;
}
