#include "node/net/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"

#define ADDRESS_MAX 272
#define FIRST_MS    100   /* that a new name is waited for: a name server near by needs less */
#define AGAIN_MS    1000  /* a name that does not resolve */
#define REFRESH_MS  60000 /* one that did */
#define NEEDED_MS   300000

struct name {
    char address[ADDRESS_MAX]; /* HOST:PORT */
    struct endpoint endpoint;  /* nowhere: not known */
    int64_t asked_ms, needed_ms;
    bool wanted, complained;
};

struct names {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct name names[NAMES_MAX];
    size_t count;
    int users; /* the owner and the thread; the last one frees it */
    bool over, news;
};

static void release(struct names *names)
{
    pthread_mutex_lock(&names->lock);
    bool last = --names->users == 0;
    pthread_mutex_unlock(&names->lock);
    if (!last)
        return;
    pthread_cond_destroy(&names->changed);
    pthread_mutex_destroy(&names->lock);
    free(names);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void say(struct names *names, struct name *name, bool known, const struct err *why)
{
    if (!known && !name->complained)
        log_warn("%s; it is asked for again until it does", why->text);
    else if (known && name->complained)
        log_info("%s resolves now, to %s", name->address, endpoint_address(&name->endpoint));
    names->news |= known && name->complained;
    name->complained = !known;
}

static struct name *find(struct names *names, const char *address)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i].address, address) == 0)
            return &names->names[i];
    return NULL;
}

static struct name *find_wanted(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->names[i].wanted)
            return &names->names[i];
    int64_t now_ms = monotonic_ms();
    struct name *longest =
        NULL; /* so that one name server that is away keeps no other name waiting */
    for (size_t i = 0; i < names->count; i++) {
        struct name *name = &names->names[i];
        if (!endpoint_known(&name->endpoint) && now_ms - name->needed_ms < NEEDED_MS &&
            now_ms - name->asked_ms >= AGAIN_MS &&
            (longest == NULL || name->asked_ms < longest->asked_ms))
            longest = name;
    }
    if (longest != NULL)
        longest->asked_ms = now_ms;
    return longest;
}

static bool any_unknown(const struct names *names)
{
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < names->count; i++)
        if (!endpoint_known(&names->names[i].endpoint) &&
            now_ms - names->names[i].needed_ms < NEEDED_MS)
            return true;
    return false;
}

static void *run(void *argument)
{
    struct names *names = argument;
    char address[ADDRESS_MAX];
    pthread_mutex_lock(&names->lock);
    while (!names->over) {
        struct name *name = find_wanted(names);
        if (name == NULL && any_unknown(names)) {
            wait_until(&names->changed, &names->lock, monotonic_ms() + AGAIN_MS);
            continue;
        }
        if (name == NULL) {
            pthread_cond_wait(&names->changed, &names->lock);
            continue;
        }
        memcpy(address, name->address, sizeof(address));
        struct endpoint found, before = name->endpoint;
        struct err why = ERR_INIT;
        pthread_mutex_unlock(&names->lock);
        bool known = endpoint_resolve(&found, address, &before, &why) == 0;
        pthread_mutex_lock(&names->lock);
        name = find(names, address); /* it may have given way */
        if (name == NULL)
            continue;
        name->wanted = false;
        if (known)
            name->endpoint = found;
        say(names, name, known, &why);
        pthread_cond_broadcast(&names->changed);
    }
    pthread_mutex_unlock(&names->lock);
    release(names);
    return NULL;
}

/* ---- for its owner ------------------------------------------------------------------------- */

struct names *names_new(void)
{
    struct names *names = alloc_zero(1, sizeof(*names));
    pthread_attr_t detached;
    pthread_t thread;
    pthread_mutex_init(&names->lock, NULL);
    wait_init(&names->changed);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    names->users = 2;
    if (pthread_create(&thread, &detached, run, names) != 0)
        abort(); /* as when there is no memory for something small */
    pthread_attr_destroy(&detached);
    pthread_setname_np(thread, "ecbak-names");
    return names;
}

void names_destroy(struct names **names)
{
    struct names *n = *names;
    *names = NULL;
    if (n == NULL)
        return;
    pthread_mutex_lock(&n->lock);
    n->over = true;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    release(n);
}

/* With the lock held. */
static struct name *take_name(struct names *names, const char *address)
{
    struct name *name = find(names, address);
    if (name != NULL)
        return name;
    if (names->count < NAMES_MAX) {
        name = &names->names[names->count++];
    } else {
        name = &names->names[0];
        for (size_t i = 1; i < NAMES_MAX; i++)
            if (names->names[i].asked_ms < name->asked_ms)
                name = &names->names[i];
    }
    *name = (struct name){.asked_ms = -REFRESH_MS};
    snprintf(name->address, sizeof(name->address), "%s", address);
    return name;
}

/* With the lock held. */
static void want(struct names *names, struct name *name)
{
    int64_t now_ms = monotonic_ms();
    bool first = name->asked_ms < 0;
    name->needed_ms = now_ms;
    if (!name->wanted &&
        (first || (endpoint_known(&name->endpoint) && now_ms - name->asked_ms >= REFRESH_MS))) {
        name->wanted = true;
        name->asked_ms = now_ms;
        pthread_cond_broadcast(&names->changed);
    }
    int64_t until_ms = monotonic_ms() + FIRST_MS;
    while (first && name->wanted && wait_until(&names->changed, &names->lock, until_ms))
        continue;
}

int names_resolve(struct names *names, const char *address, struct endpoint *to, struct err *err)
{
    if (endpoint_parse(to, address, err) == 0)
        return 0;
    if (strlen(address) >= ADDRESS_MAX)
        return -1;
    pthread_mutex_lock(&names->lock);
    struct name *name = take_name(names, address);
    want(names, name);
    *to = name->endpoint;
    pthread_mutex_unlock(&names->lock);
    if (!endpoint_known(to))
        return err_set(err, ERR_IO, "%s does not resolve", address);
    err->code = ERR_NONE;
    return 0;
}

bool names_news(struct names *names)
{
    pthread_mutex_lock(&names->lock);
    bool news = names->news;
    names->news = false;
    pthread_mutex_unlock(&names->lock);
    return news;
}
