/* All packs that anybody plans or that are in memory are in one short list, in the order in which
 * they were planned first.
 */
#include "cli/remote/fetch.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/api/client.h"

enum fetched_state { PACK_AWAY, PACK_COMING, PACK_HERE, PACK_FAILED };

struct fetched {
    uint8_t id[ID_SIZE];
    enum fetched_state state;
    struct pack_reader *reader;
    struct err err;
    unsigned plans, holds, waiters;
    uint64_t taken; /* when it was taken last, on the fetch's own clock */
    struct fetched *next;
};

struct fetch {
    const struct vault_keys *keys;
    const char *endpoint;
    struct failure *failure;
    pthread_mutex_t lock;
    pthread_cond_t planned, arrived;
    struct fetched *first, **last;
    size_t in_memory; /* coming or here */
    uint64_t clock;
    bool stop;
    _Atomic uint64_t bytes, corrupt;
    pthread_t threads[FETCH_THREADS];
    unsigned thread_count;
};

const uint8_t *fetched_id(const struct fetched *pack)
{
    return pack->id;
}

uint64_t fetch_bytes(const struct fetch *fetch)
{
    return fetch->bytes;
}

uint64_t fetch_corrupt(const struct fetch *fetch)
{
    return fetch->corrupt;
}

static void forget(struct fetch *fetch, struct fetched *pack)
{
    struct fetched **at = &fetch->first;
    while (*at != pack)
        at = &(*at)->next;
    *at = pack->next;
    if (fetch->last == &pack->next)
        fetch->last = at;
    if (pack->reader != NULL) {
        pack_reader_destroy(&pack->reader);
        fetch->in_memory--;
    }
    free(pack);
}

/* Makes room for one more; false when everything is in use. urgent: somebody waits for it. */
static bool make_room(struct fetch *fetch, bool urgent)
{
    if (fetch->in_memory < FETCH_PACKS)
        return true;
    struct fetched *victim = NULL;
    for (struct fetched *at = fetch->first; at != NULL; at = at->next) {
        if (at->state != PACK_HERE || at->holds > 0 || at->waiters > 0 ||
            (at->plans > 0 && !urgent))
            continue;
        bool better = victim == NULL || (at->plans == 0) > (victim->plans == 0) ||
                      ((at->plans == 0) == (victim->plans == 0) && at->taken < victim->taken);
        if (better)
            victim = at;
    }
    if (victim == NULL)
        return false;
    if (victim->plans > 0) {
        pack_reader_destroy(&victim->reader);
        victim->state = PACK_AWAY;
        fetch->in_memory--;
    } else {
        forget(fetch, victim);
    }
    return true;
}

/* The pack to fetch next, and room for it. */
static struct fetched *choose(struct fetch *fetch)
{
    struct fetched *chosen = NULL;
    for (struct fetched *at = fetch->first; at != NULL; at = at->next) {
        if (at->state == PACK_AWAY && (chosen == NULL || (at->waiters > 0 && chosen->waiters == 0)))
            chosen = at;
    }
    return chosen != NULL && make_room(fetch, chosen->waiters > 0) ? chosen : NULL;
}

static int get_pack(struct fetch *fetch, struct client **client, const struct fetched *pack,
                    struct pack_reader **reader, struct err *err)
{
    uint64_t call;
    struct client_answer answer = {0};
    if (*client == NULL &&
        client_open_patient(client, fetch->endpoint, CLIENT_PATIENCE_MS, err) != 0)
        return -1;
    if (client_get_pack_start(*client, &call, pack->id, err) != 0 ||
        client_next(*client, &answer, err) != 0) {
        /* The node itself does not answer: no other pack will come either. */
        client_close(client);
        failure_set(fetch->failure, err);
        return -1;
    }
    fetch->corrupt += answer.corrupt;
    if (answer.err.code != ERR_NONE) {
        *err = answer.err;
        free(answer.pack);
        return -1;
    }
    fetch->bytes += answer.pack_size;
    return pack_open(reader, &answer.pack, answer.pack_size, fetch->keys, err);
}

static void *fetch_loop(void *argument)
{
    struct fetch *fetch = argument;
    struct client *client = NULL;
    pthread_mutex_lock(&fetch->lock);
    while (!fetch->stop) {
        struct fetched *pack = choose(fetch);
        if (pack == NULL) {
            pthread_cond_wait(&fetch->planned, &fetch->lock);
            continue;
        }
        pack->state = PACK_COMING;
        fetch->in_memory++;
        pthread_mutex_unlock(&fetch->lock);
        struct err err = ERR_INIT;
        struct pack_reader *reader = NULL;
        int result = get_pack(fetch, &client, pack, &reader, &err);
        pthread_mutex_lock(&fetch->lock);
        pack->state = result == 0 ? PACK_HERE : PACK_FAILED;
        pack->reader = reader;
        pack->err = err;
        if (result != 0)
            fetch->in_memory--;
        pthread_cond_broadcast(&fetch->arrived);
    }
    pthread_mutex_unlock(&fetch->lock);
    if (client != NULL)
        client_close(&client);
    return NULL;
}

int fetch_new(struct fetch **fetch, const struct vault_keys *keys, const char *endpoint,
              struct failure *failure, struct err *err)
{
    struct fetch *new = alloc_zero(1, sizeof(*new));
    new->keys = keys;
    new->endpoint = endpoint;
    new->failure = failure;
    new->last = &new->first;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->planned, NULL);
    pthread_cond_init(&new->arrived, NULL);
    while (new->thread_count < FETCH_THREADS) {
        int number = pthread_create(&new->threads[new->thread_count], NULL, fetch_loop, new);
        if (number != 0) {
            fetch_destroy(&new);
            errno = number;
            return err_errno(err, "starting a thread");
        }
        new->thread_count++;
    }
    *fetch = new;
    return 0;
}

void fetch_destroy(struct fetch **fetch)
{
    struct fetch *old = *fetch;
    *fetch = NULL;
    if (old == NULL)
        return;
    pthread_mutex_lock(&old->lock);
    old->stop = true;
    pthread_cond_broadcast(&old->planned);
    pthread_mutex_unlock(&old->lock);
    for (unsigned i = 0; i < old->thread_count; i++)
        pthread_join(old->threads[i], NULL);
    while (old->first != NULL)
        forget(old, old->first);
    pthread_cond_destroy(&old->planned);
    pthread_cond_destroy(&old->arrived);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

struct fetched *fetch_plan(struct fetch *fetch, const uint8_t pack[ID_SIZE])
{
    pthread_mutex_lock(&fetch->lock);
    struct fetched *at = fetch->first;
    while (at != NULL && memcmp(at->id, pack, ID_SIZE) != 0)
        at = at->next;
    if (at == NULL) {
        at = alloc_zero(1, sizeof(*at));
        memcpy(at->id, pack, ID_SIZE);
        *fetch->last = at;
        fetch->last = &at->next;
        pthread_cond_signal(&fetch->planned);
    }
    at->plans++;
    pthread_mutex_unlock(&fetch->lock);
    return at;
}

void fetch_unplan(struct fetch *fetch, struct fetched *pack)
{
    pthread_mutex_lock(&fetch->lock);
    assert(pack->plans > 0);
    pack->plans--;
    /* One that failed is remembered: asking for a lost pack takes long, and fails again. */
    if (pack->plans == 0 && pack->holds == 0 && pack->waiters == 0 && pack->state == PACK_AWAY)
        forget(fetch, pack);
    else if (pack->plans == 0)
        pthread_cond_signal(&fetch->planned); /* its room can be had now */
    pthread_mutex_unlock(&fetch->lock);
}

int fetch_take(struct fetch *fetch, struct fetched *pack, const struct pack_reader **reader,
               struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&fetch->lock);
    pack->waiters++;
    if (pack->state == PACK_AWAY)
        pthread_cond_broadcast(&fetch->planned);
    while ((pack->state == PACK_AWAY || pack->state == PACK_COMING) && !failure_met(fetch->failure))
        pthread_cond_wait(&fetch->arrived, &fetch->lock);
    pack->waiters--;
    if (pack->state == PACK_HERE) {
        pack->holds++;
        pack->taken = ++fetch->clock;
        *reader = pack->reader;
    } else if (pack->state == PACK_FAILED) {
        *err = pack->err;
        result = -1;
    } else {
        result = failure_check(fetch->failure, err);
    }
    pthread_mutex_unlock(&fetch->lock);
    return result;
}

void fetch_release(struct fetch *fetch, struct fetched *pack)
{
    pthread_mutex_lock(&fetch->lock);
    assert(pack->holds > 0);
    pack->holds--;
    if (pack->holds == 0 && fetch->in_memory == FETCH_PACKS)
        pthread_cond_signal(&fetch->planned);
    pthread_mutex_unlock(&fetch->lock);
}
