#include "node/net/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"

#define HOST_MAX    256
#define FIRST_MS    100   /* that a new name is waited for: a name server near by needs less */
#define AGAIN_MS    1000  /* a name that does not resolve */
#define REFRESH_MS  60000 /* one that did */
#define NEEDED_MS   300000
#define SCHEME      "tcp://"
#define SCHEME_SIZE (sizeof(SCHEME) - 1)

struct name {
    char host[HOST_MAX];
    char address[INET6_ADDRSTRLEN + 2]; /* "": not known */
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

/* "" and *error when there is none. */
static void look_up(const char *host, char address[INET6_ADDRSTRLEN + 2], int *error)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[INET6_ADDRSTRLEN] = "";
    address[0] = '\0';
    *error = getaddrinfo(host, NULL, &hints, &found);
    if (*error != 0)
        return;
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0,
                    NI_NUMERICHOST) == 0)
        snprintf(address, INET6_ADDRSTRLEN + 2, found->ai_family == AF_INET6 ? "[%s]" : "%s", text);
    freeaddrinfo(found);
}

static void say(struct names *names, struct name *name, bool known, int error)
{
    if (!known && !name->complained)
        log_warn("the name %s does not resolve: %s; it is asked for again until it does",
                 name->host, error != 0 ? gai_strerror(error) : "no address");
    else if (known && name->complained)
        log_info("the name %s resolves now, to %s", name->host, name->address);
    names->news |= known && name->complained;
    name->complained = !known;
}

static struct name *find(struct names *names, const char *host)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i].host, host) == 0)
            return &names->names[i];
    return NULL;
}

static struct name *find_wanted(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->names[i].wanted)
            return &names->names[i];
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < names->count; i++) {
        struct name *name = &names->names[i];
        if (name->address[0] == '\0' && now_ms - name->needed_ms < NEEDED_MS &&
            now_ms - name->asked_ms >= AGAIN_MS) {
            name->asked_ms = now_ms;
            return name;
        }
    }
    return NULL;
}

static bool any_unknown(const struct names *names)
{
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < names->count; i++)
        if (names->names[i].address[0] == '\0' && now_ms - names->names[i].needed_ms < NEEDED_MS)
            return true;
    return false;
}

static void *run(void *argument)
{
    struct names *names = argument;
    char host[HOST_MAX], address[INET6_ADDRSTRLEN + 2];
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
        memcpy(host, name->host, sizeof(host));
        pthread_mutex_unlock(&names->lock);
        int error;
        look_up(host, address, &error);
        pthread_mutex_lock(&names->lock);
        name = find(names, host); /* it may have given way */
        if (name == NULL)
            continue;
        name->wanted = false;
        if (address[0] != '\0')
            memcpy(name->address, address, sizeof(address));
        say(names, name, address[0] != '\0', error);
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

static bool is_address(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[HOST_MAX];
    size_t size = strlen(host);
    if (host[0] == '[' && host[size - 1] == ']')
        snprintf(bare, sizeof(bare), "%.*s", (int)size - 2, host + 1);
    else
        snprintf(bare, sizeof(bare), "%s", host);
    return host[0] == '[' || inet_pton(AF_INET, bare, &v4) == 1 ||
           inet_pton(AF_INET6, bare, &v6) == 1;
}

/* With the lock held. */
static struct name *take_name(struct names *names, const char *host)
{
    struct name *name = find(names, host);
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
    snprintf(name->host, sizeof(name->host), "%s", host);
    return name;
}

/* With the lock held. */
static void want(struct names *names, struct name *name)
{
    int64_t now_ms = monotonic_ms();
    bool first = name->asked_ms < 0;
    name->needed_ms = now_ms;
    if (!name->wanted &&
        (first || (name->address[0] != '\0' && now_ms - name->asked_ms >= REFRESH_MS))) {
        name->wanted = true;
        name->asked_ms = now_ms;
        pthread_cond_broadcast(&names->changed);
    }
    int64_t until_ms = monotonic_ms() + FIRST_MS;
    while (first && name->wanted && wait_until(&names->changed, &names->lock, until_ms))
        continue;
}

int names_resolve(struct names *names, const char *endpoint, char *to, size_t room, struct err *err)
{
    char host[HOST_MAX];
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, SCHEME, SCHEME_SIZE) != 0 || colon < endpoint + SCHEME_SIZE ||
        (size_t)(colon - endpoint) - SCHEME_SIZE >= sizeof(host))
        return err_set(err, ERR_INVALID, "%s is no endpoint", endpoint);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - endpoint - (int)SCHEME_SIZE),
             endpoint + SCHEME_SIZE);
    if (host[0] == '\0' || is_address(host)) {
        snprintf(to, room, "%s", endpoint);
        return 0;
    }
    pthread_mutex_lock(&names->lock);
    struct name *name = take_name(names, host);
    want(names, name);
    bool known = name->address[0] != '\0';
    if (known)
        snprintf(to, room, SCHEME "%s%s", name->address, colon);
    pthread_mutex_unlock(&names->lock);
    return known ? 0 : err_set(err, ERR_IO, "the name %s does not resolve", host);
}

bool names_news(struct names *names)
{
    pthread_mutex_lock(&names->lock);
    bool news = names->news;
    names->news = false;
    pthread_mutex_unlock(&names->lock);
    return news;
}
