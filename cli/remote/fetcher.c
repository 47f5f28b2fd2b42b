/* All packs that anybody plans or that are in memory are in one short list, in the order in which
 * they were planned first.
 */
#include "cli/remote/fetcher.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "cli/base/threads.h"
#include "coding/base/alloc.h"
#include "node/api/client.h"

/* What a pack takes beside its bytes: its directory, its key in pages of its own. */
#define SMALL_ROOM (64u * 1024)

enum fetched_state { PACK_AWAY, PACK_COMING, PACK_HERE, PACK_FAILED };

struct fetched_pack {
    struct pack_id id;
    enum fetched_state state;
    struct pack_reader *reader;
    size_t room; /* that it takes: PACK_COMING, PACK_HERE */
    struct err err;
    unsigned plans, holds, waiters;
    uint64_t taken; /* when it was taken last, on the fetch's own clock */
    struct fetched_pack *next;
};

struct fetcher {
    const struct vault_keys *keys;
    const char *endpoint;
    struct failure *failure;
    pthread_mutex_t lock;
    pthread_cond_t planned, arrived;
    struct fetched_pack *first, **last;
    size_t room; /* of all */
    uint64_t clock;
    bool stop;
    _Atomic uint64_t bytes, corrupt;
    struct threads threads;
};

const struct pack_id *fetched_pack_id(const struct fetched_pack *pack)
{
    return &pack->id;
}

uint64_t fetcher_bytes(const struct fetcher *fetcher)
{
    return fetcher->bytes;
}

uint64_t fetcher_corrupt(const struct fetcher *fetcher)
{
    return fetcher->corrupt;
}

/* [lock] */
static void set_room(struct fetcher *fetcher, struct fetched_pack *pack, size_t room)
{
    fetcher->room += room;
    assert(fetcher->room >= pack->room);
    fetcher->room -= pack->room;
    pack->room = room;
    assert(fetcher->room <= FETCHER_BYTES);
}

static void forget(struct fetcher *fetcher, struct fetched_pack *pack)
{
    struct fetched_pack **at = &fetcher->first;
    while (*at != pack)
        at = &(*at)->next;
    *at = pack->next;
    if (fetcher->last == &pack->next)
        fetcher->last = at;
    assert((pack->reader != NULL) == (pack->state == PACK_HERE));
    if (pack->reader != NULL) {
        pack_reader_destroy(&pack->reader);
        set_room(fetcher, pack, 0);
    }
    free(pack);
}

/* Which of two packs that are here can be spared, when there is no other way? */
static bool is_rather(const struct fetched_pack *pack, const struct fetched_pack *victim)
{
    if (victim == NULL || (pack->plans == 0) != (victim->plans == 0))
        return victim == NULL || pack->plans == 0;
    return pack->plans > 0 || pack->taken < victim->taken; /* later in the list: planned later */
}

/* Makes room for one more, small ones going as long as it takes; false when everything is in use.
 * urgent: somebody waits for it. */
static bool make_room(struct fetcher *fetcher, bool urgent)
{
    while (fetcher->room > FETCHER_BYTES - PACK_BYTES_MAX) {
        struct fetched_pack *victim = NULL;
        for (struct fetched_pack *at = fetcher->first; at != NULL; at = at->next) {
            bool spare = at->state == PACK_HERE && at->holds == 0 && at->waiters == 0;
            if (spare && (at->plans == 0 || urgent) && is_rather(at, victim))
                victim = at;
        }
        if (victim == NULL)
            return false;
        if (victim->plans == 0) {
            forget(fetcher, victim);
        } else {
            pack_reader_destroy(&victim->reader);
            victim->state = PACK_AWAY;
            set_room(fetcher, victim, 0);
        }
    }
    return true;
}

/* The pack to fetch next, and room for it. */
static struct fetched_pack *choose(struct fetcher *fetcher)
{
    struct fetched_pack *chosen = NULL;
    for (struct fetched_pack *at = fetcher->first; at != NULL; at = at->next) {
        if (at->state == PACK_AWAY && (chosen == NULL || (at->waiters > 0 && chosen->waiters == 0)))
            chosen = at;
    }
    return chosen != NULL && make_room(fetcher, chosen->waiters > 0) ? chosen : NULL;
}

/* *room gets what the pack takes in memory. */
static int get_pack(struct fetcher *fetcher, struct client **client,
                    const struct fetched_pack *pack, struct pack_reader **reader, size_t *room,
                    struct err *err)
{
    uint64_t call;
    struct client_answer answer = {0};
    if (*client == NULL &&
        client_open_patient(client, fetcher->endpoint, CLIENT_PATIENCE_MS, err) != 0)
        return -1;
    if (client_get_pack_start(*client, &call, &fetcher->keys->vault, &pack->id, err) != 0 ||
        client_next(*client, &answer, err) != 0) {
        /* The node itself does not answer: no other pack will come either. */
        client_close(client);
        failure_set(fetcher->failure, err);
        return -1;
    }
    fetcher->corrupt += answer.corrupt;
    if (answer.err.code != ERR_NONE) {
        *err = answer.err;
        if (err->code == ERR_NOT_FOUND) /* on those that answered: more of them might have it */
            err->code = ERR_TOO_FEW;
        free(answer.pack);
        return -1;
    }
    fetcher->bytes += answer.pack_size;
    *room = answer.pack_size < PACK_BYTES_MAX - SMALL_ROOM ? answer.pack_size + SMALL_ROOM
                                                           : PACK_BYTES_MAX;
    return pack_open(reader, &answer.pack, answer.pack_size, fetcher->keys, err);
}

static void *fetch_loop(void *argument)
{
    struct fetcher *fetcher = argument;
    struct client *client = NULL;
    pthread_mutex_lock(&fetcher->lock);
    while (!fetcher->stop) {
        struct fetched_pack *pack = choose(fetcher);
        if (pack == NULL) {
            pthread_cond_wait(&fetcher->planned, &fetcher->lock);
            continue;
        }
        pack->state = PACK_COMING;
        set_room(fetcher, pack, PACK_BYTES_MAX);
        pthread_mutex_unlock(&fetcher->lock);
        struct err err = ERR_INIT;
        struct pack_reader *reader = NULL;
        size_t room = 0;
        int result = get_pack(fetcher, &client, pack, &reader, &room, &err);
        pthread_mutex_lock(&fetcher->lock);
        pack->state = result == 0 ? PACK_HERE : PACK_FAILED;
        pack->reader = reader;
        pack->err = err;
        set_room(fetcher, pack, result == 0 ? room : 0);
        pthread_cond_signal(&fetcher->planned); /* there may be room for another one now */
        pthread_cond_broadcast(&fetcher->arrived);
    }
    pthread_mutex_unlock(&fetcher->lock);
    if (client != NULL)
        client_close(&client);
    return NULL;
}

int fetcher_new(struct fetcher **fetcher, const struct vault_keys *keys, const char *endpoint,
                struct failure *failure, struct err *err)
{
    struct fetcher *new = alloc_zero(1, sizeof(*new));
    new->keys = keys;
    new->endpoint = endpoint;
    new->failure = failure;
    new->last = &new->first;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->planned, NULL);
    pthread_cond_init(&new->arrived, NULL);
    if (threads_start(&new->threads, FETCHER_THREADS, fetch_loop, new, err) != 0) {
        fetcher_destroy(&new);
        return -1;
    }
    *fetcher = new;
    return 0;
}

void fetcher_destroy(struct fetcher **fetcher)
{
    struct fetcher *old = *fetcher;
    *fetcher = NULL;
    if (old == NULL)
        return;
    pthread_mutex_lock(&old->lock);
    old->stop = true;
    pthread_cond_broadcast(&old->planned);
    pthread_mutex_unlock(&old->lock);
    threads_join(&old->threads);
    while (old->first != NULL)
        forget(old, old->first);
    assert(old->room == 0);
    pthread_cond_destroy(&old->planned);
    pthread_cond_destroy(&old->arrived);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

struct fetched_pack *fetcher_plan(struct fetcher *fetcher, const struct pack_id *pack)
{
    pthread_mutex_lock(&fetcher->lock);
    struct fetched_pack *at = fetcher->first;
    while (at != NULL && !id_equal(&at->id, pack))
        at = at->next;
    if (at == NULL) {
        at = alloc_zero(1, sizeof(*at));
        at->id = *pack;
        *fetcher->last = at;
        fetcher->last = &at->next;
        pthread_cond_signal(&fetcher->planned);
    }
    at->plans++;
    pthread_mutex_unlock(&fetcher->lock);
    return at;
}

bool fetcher_has(struct fetcher *fetcher, const struct pack_id *pack)
{
    pthread_mutex_lock(&fetcher->lock);
    const struct fetched_pack *at = fetcher->first;
    while (at != NULL && !id_equal(&at->id, pack))
        at = at->next;
    bool here = at != NULL && at->state == PACK_HERE;
    pthread_mutex_unlock(&fetcher->lock);
    return here;
}

void fetcher_unplan(struct fetcher *fetcher, struct fetched_pack *pack)
{
    pthread_mutex_lock(&fetcher->lock);
    assert(pack->plans > 0);
    pack->plans--;
    /* One that failed is remembered: asking for a lost pack takes long, and fails again. */
    if (pack->plans == 0 && pack->holds == 0 && pack->waiters == 0 && pack->state == PACK_AWAY)
        forget(fetcher, pack);
    else if (pack->plans == 0)
        pthread_cond_signal(&fetcher->planned); /* its room is free now */
    pthread_mutex_unlock(&fetcher->lock);
}

int fetcher_take(struct fetcher *fetcher, struct fetched_pack *pack,
                 const struct pack_reader **reader, struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&fetcher->lock);
    assert(pack->plans > 0);
    pack->waiters++;
    if (pack->state == PACK_AWAY)
        pthread_cond_broadcast(&fetcher->planned);
    while ((pack->state == PACK_AWAY || pack->state == PACK_COMING) &&
           !failure_met(fetcher->failure))
        pthread_cond_wait(&fetcher->arrived, &fetcher->lock);
    pack->waiters--;
    if (pack->state == PACK_HERE) {
        assert(pack->reader != NULL);
        pack->holds++;
        pack->taken = ++fetcher->clock;
        *reader = pack->reader;
    } else if (pack->state == PACK_FAILED) {
        *err = pack->err;
        result = -1;
    } else {
        result = failure_check(fetcher->failure, err);
    }
    pthread_mutex_unlock(&fetcher->lock);
    return result;
}

void fetcher_release(struct fetcher *fetcher, struct fetched_pack *pack)
{
    pthread_mutex_lock(&fetcher->lock);
    assert(pack->holds > 0);
    pack->holds--;
    if (pack->holds == 0 && fetcher->room > FETCHER_BYTES - PACK_BYTES_MAX)
        pthread_cond_signal(&fetcher->planned);
    pthread_mutex_unlock(&fetcher->lock);
}
