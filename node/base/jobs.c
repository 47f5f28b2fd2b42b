/* One lock, one condition; the queue is a ring of jobs_max places, so pushing allocates nothing but,
 * at times, a thread. */
#include "node/base/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

/* Jobs need far less; the sanitizers' runs need this much. */
#define STACK_BYTES ((size_t)1 << 20)

#define THREAD_NAME_SIZE 16 /* Linux's; pthread_setname_np refuses what is longer */

struct queued_job {
    void *job;
    size_t bytes;
};

struct jobs {
    struct jobs_options options;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queued_job *ring;
    size_t first, waiting, running, bytes;
    pthread_t *threads;
    unsigned thread_count, idle;
    bool stop;
};

void jobs_new(struct jobs **jobs, const struct jobs_options *options)
{
    struct jobs *j = alloc_zero(1, sizeof(*j));
    assert(options->threads_max > 0 && options->jobs_max > 0);
    assert(options->run != NULL && options->drop != NULL);
    assert(strlen(options->name) < THREAD_NAME_SIZE);
    j->options = *options;
    j->ring = alloc_zero(options->jobs_max, sizeof(*j->ring));
    j->threads = alloc_zero(options->threads_max, sizeof(*j->threads));
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->more, NULL);
    *jobs = j;
}

static void *work(void *arg)
{
    struct jobs *j = arg;
    pthread_mutex_lock(&j->lock);
    for (;;) {
        j->idle++;
        while (j->waiting == 0 && !j->stop)
            pthread_cond_wait(&j->more, &j->lock);
        j->idle--;
        if (j->stop)
            break;
        struct queued_job slot = j->ring[j->first];
        j->first = (j->first + 1) % j->options.jobs_max;
        j->waiting--;
        j->running++;
        pthread_mutex_unlock(&j->lock);
        j->options.run(j->options.ctx, slot.job);
        pthread_mutex_lock(&j->lock);
        assert(j->running > 0 && j->bytes >= slot.bytes);
        j->running--;
        j->bytes -= slot.bytes;
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static void add_thread(struct jobs *j)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_t *thread = &j->threads[j->thread_count];
    if (pthread_create(thread, &attributes, work, j) == 0) {
        pthread_setname_np(*thread, j->options.name);
        j->thread_count++;
    }
    pthread_attr_destroy(&attributes);
}

int jobs_push(struct jobs *jobs, void *job, size_t bytes)
{
    struct jobs *j = jobs;
    int result = -1;
    pthread_mutex_lock(&j->lock);
    size_t held = j->waiting + j->running;
    bool room = bytes == 0 || j->bytes == 0 || j->bytes + bytes <= j->options.bytes_max;
    if (!j->stop && held < j->options.jobs_max && room) {
        if (j->idle <= j->waiting && j->thread_count < j->options.threads_max)
            add_thread(j);
        if (j->thread_count > 0) {
            j->ring[(j->first + j->waiting) % j->options.jobs_max] =
                (struct queued_job){job, bytes};
            j->waiting++;
            j->bytes += bytes;
            assert(j->waiting + j->running <= j->options.jobs_max);
            pthread_cond_signal(&j->more);
            result = 0;
        }
    }
    pthread_mutex_unlock(&j->lock);
    return result;
}

void jobs_stop(struct jobs *jobs)
{
    struct jobs *j = jobs;
    if (j == NULL)
        return;
    pthread_mutex_lock(&j->lock);
    j->stop = true;
    pthread_cond_broadcast(&j->more);
    unsigned threads = j->thread_count;
    j->thread_count = 0;
    pthread_mutex_unlock(&j->lock);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(j->threads[i], NULL);
    assert(j->running == 0 && j->idle == 0); /* every job is run or waits, none is between */
    for (; j->waiting > 0; j->waiting--) {
        j->options.drop(j->options.ctx, j->ring[j->first].job);
        j->first = (j->first + 1) % j->options.jobs_max;
    }
}

void jobs_destroy(struct jobs **jobs)
{
    struct jobs *j = *jobs;
    *jobs = NULL;
    if (j == NULL)
        return;
    jobs_stop(j);
    pthread_cond_destroy(&j->more);
    pthread_mutex_destroy(&j->lock);
    free(j->ring);
    free(j->threads);
    free(j);
}
