#include "cli/base/work_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

void work_queue_init(struct work_queue *queue, const struct work_queue_options *options)
{
    assert(options->waiting_max > 0 && options->threads > 0);
    *queue = (struct work_queue){.options = *options, .ended = true};
    queue->items = alloc_zero(options->waiting_max, sizeof(queue->items[0]));
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->more, NULL);
    pthread_cond_init(&queue->fewer, NULL);
    pthread_cond_init(&queue->idle, NULL);
}

void work_queue_release(struct work_queue *queue)
{
    assert(queue->count == 0 && queue->threads.count == 0);
    free(queue->items);
    pthread_cond_destroy(&queue->idle);
    pthread_cond_destroy(&queue->fewer);
    pthread_cond_destroy(&queue->more);
    pthread_mutex_destroy(&queue->lock);
}

int work_queue_start(struct work_queue *queue, struct err *err)
{
    queue->ended = false;
    queue->busy = queue->options.threads; /* until they ask for work */
    int result = threads_start(&queue->threads, queue->options.threads, queue->options.run,
                               queue->options.ctx, err);
    if (result != 0)
        work_queue_end(queue);
    return result;
}

void work_queue_end(struct work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->ended = true;
    pthread_cond_broadcast(&queue->more);
    pthread_mutex_unlock(&queue->lock);
    threads_join(&queue->threads);
    assert(queue->count == 0);
}

void work_queue_give(struct work_queue *queue, void *item)
{
    assert(item != NULL);
    pthread_mutex_lock(&queue->lock);
    while (queue->count == queue->options.waiting_max)
        pthread_cond_wait(&queue->fewer, &queue->lock);
    assert(!queue->ended && queue->count < queue->options.waiting_max);
    queue->items[(queue->first + queue->count++) % queue->options.waiting_max] = item;
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

void work_queue_drain(struct work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count > 0 || queue->busy > 0)
        pthread_cond_wait(&queue->idle, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
}

void work_queue_wake(struct work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

/* [lock] The next item. */
static void *take_first(struct work_queue *queue)
{
    void *item = queue->items[queue->first];
    assert(queue->count > 0 && queue->count <= queue->options.waiting_max && item != NULL);
    queue->items[queue->first] = NULL;
    queue->first = (queue->first + 1) % queue->options.waiting_max;
    queue->count--;
    pthread_cond_signal(&queue->fewer);
    return item;
}

enum work work_queue_take(struct work_queue *queue, void **item)
{
    const struct work_queue_options *options = &queue->options;
    enum work work;
    pthread_mutex_lock(&queue->lock);
    assert(queue->busy > 0);
    if (--queue->busy == 0 && queue->count == 0)
        pthread_cond_signal(&queue->idle);
    for (;;) {
        if (options->has_other != NULL && options->has_other(options->ctx)) {
            work = WORK_OTHER;
            break;
        }
        if (queue->count > 0) {
            *item = take_first(queue);
            work = WORK_ITEM;
            break;
        }
        if (queue->ended) {
            work = WORK_ENDED;
            break;
        }
        pthread_cond_wait(&queue->more, &queue->lock);
    }
    queue->busy++;
    pthread_mutex_unlock(&queue->lock);
    return work;
}
