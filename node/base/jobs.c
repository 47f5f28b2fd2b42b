/* One lock, one condition. Whoever has a job queued or running has an entry in a list, which is as long
 * as there are owners at work: a few. An owner that comes begins with the time of the one that has
 * taken least, so nobody saves up time by being idle. */
#include "node/base/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/clock.h"

/* Jobs need far less; the sanitizers' runs need this much. */
#define STACK_BYTES ((size_t)1 << 20)

#define THREAD_NAME_SIZE 16 /* Linux's; pthread_setname_np refuses what is longer */

struct owner {
    struct owner *next;
    struct node_id id;
    size_t waiting, running;
    int64_t spent_ms;
};

struct queued_job {
    void *job;
    struct owner *owner;
    size_t bytes;
};

struct jobs {
    struct jobs_options options;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queued_job *queue; /* in the order in which they came */
    struct owner *owners;
    size_t waiting, running, bytes;
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
    j->queue = alloc_zero(options->jobs_max, sizeof(*j->queue));
    j->threads = alloc_zero(options->threads_max, sizeof(*j->threads));
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->more, NULL);
    *jobs = j;
}

/* ---- owners. With the lock held ---- */

static struct owner *owner_of(struct jobs *j, const void *job)
{
    static const struct node_id everybody;
    const struct node_id *id =
        j->options.owner != NULL ? j->options.owner(j->options.ctx, job) : &everybody;
    int64_t least_ms = INT64_MAX;
    for (struct owner *owner = j->owners; owner != NULL; owner = owner->next) {
        if (id_equal(&owner->id, id))
            return owner;
        if (owner->spent_ms < least_ms)
            least_ms = owner->spent_ms;
    }
    struct owner *owner = alloc_zero(1, sizeof(*owner));
    *owner = (struct owner){
        .next = j->owners, .id = *id, .spent_ms = least_ms != INT64_MAX ? least_ms : 0};
    j->owners = owner;
    return owner;
}

static void forget_idle(struct jobs *j)
{
    for (struct owner **at = &j->owners; *at != NULL;) {
        struct owner *owner = *at;
        if (owner->waiting > 0 || owner->running > 0) {
            at = &owner->next;
            continue;
        }
        *at = owner->next;
        free(owner);
    }
}

/* Where the first job of an owner that has one is. */
static size_t first_of(const struct jobs *j, const struct owner *owner)
{
    size_t i = 0;
    while (j->queue[i].owner != owner) {
        i++;
        assert(i < j->waiting);
    }
    return i;
}

/* Whose turn it is; NULL: nobody's that waits. */
static struct owner *next_owner(const struct jobs *j)
{
    struct owner *best = NULL;
    for (struct owner *owner = j->owners; owner != NULL; owner = owner->next) {
        if (owner->waiting == 0 ||
            (j->options.may_run != NULL &&
             !j->options.may_run(j->options.ctx, j->queue[first_of(j, owner)].job, owner->running)))
            continue;
        if (best == NULL || owner->running < best->running ||
            (owner->running == best->running && owner->spent_ms < best->spent_ms))
            best = owner;
    }
    return best;
}

/* Takes an owner's first job out of the queue. */
static struct queued_job take(struct jobs *j, struct owner *owner)
{
    size_t i = first_of(j, owner);
    struct queued_job taken = j->queue[i];
    j->waiting--;
    memmove(&j->queue[i], &j->queue[i + 1], (j->waiting - i) * sizeof(j->queue[0]));
    owner->waiting--;
    return taken;
}

/* ---- threads ---- */

static void *work(void *arg)
{
    struct jobs *j = arg;
    pthread_mutex_lock(&j->lock);
    for (;;) {
        struct owner *owner = NULL;
        j->idle++;
        while (!j->stop && (owner = next_owner(j)) == NULL)
            pthread_cond_wait(&j->more, &j->lock);
        j->idle--;
        if (j->stop)
            break;
        struct queued_job slot = take(j, owner);
        j->running++;
        owner->running++;
        pthread_mutex_unlock(&j->lock);
        int64_t began_ms = monotonic_ms();
        j->options.run(j->options.ctx, slot.job);
        int64_t took_ms = monotonic_ms() - began_ms;
        pthread_mutex_lock(&j->lock);
        assert(j->running > 0 && owner->running > 0 && j->bytes >= slot.bytes);
        j->running--;
        j->bytes -= slot.bytes;
        owner->running--;
        owner->spent_ms += took_ms + 1; /* also what takes no time to speak of takes a turn */
        if (owner->waiting > 0)
            pthread_cond_signal(&j->more); /* what waited for this one to end */
        forget_idle(j);
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
    struct owner *owner = owner_of(j, job);
    size_t owned = owner->waiting + owner->running;
    bool shared = j->options.owner_jobs_max == 0 || owned < j->options.owner_jobs_max;
    if (!j->stop && held < j->options.jobs_max && room && shared) {
        if (j->idle <= j->waiting && j->thread_count < j->options.threads_max)
            add_thread(j);
        if (j->thread_count > 0) {
            j->queue[j->waiting++] = (struct queued_job){job, owner, bytes};
            owner->waiting++;
            j->bytes += bytes;
            assert(j->waiting + j->running <= j->options.jobs_max);
            pthread_cond_signal(&j->more);
            result = 0;
        }
    }
    forget_idle(j);
    pthread_mutex_unlock(&j->lock);
    return result;
}

void jobs_look_again(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    pthread_cond_broadcast(&jobs->more);
    pthread_mutex_unlock(&jobs->lock);
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
    while (j->waiting > 0)
        j->options.drop(j->options.ctx, take(j, j->queue[0].owner).job);
    forget_idle(j);
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
    free(j->queue);
    free(j->threads);
    free(j);
}
