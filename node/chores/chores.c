/* Each thread looks at its rows of the table, runs those whose time has come, in their order, and
 * sleeps until the next. */
#include "node/chores/chores.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coding/base/alloc.h"
#include "node/base/date_file.h"
#include "node/base/log.h"
#include "node/base/notify.h"
#include "node/chores/announce.h"
#include "node/chores/dates.h"
#include "node/common/clock.h"
#include "node/common/wait.h"
#include "node/sync/follow.h"
#include "node/sync/revoke.h"

#define TRIM_AFTER_BYTES (256 * 1024)
#define STATUS_MAX       160

enum chore_thread {
    THREAD_WATCH,   /* what waits for nothing */
    THREAD_HOUSE,   /* the disk of this machine */
    THREAD_ASK,     /* short questions to other members */
    THREAD_RECORDS, /* a member that brings records slowly may hold it for PULL_IDLE_MS */
    THREAD_COUNT,
};

enum chore_waits {
    WAITS_NOTHING,
    WAITS_DISK,
    WAITS_PEERS,
};

/* What a chore keeps between two times belongs to its thread alone. */
struct chores {
    struct chores_options options;
    /* THREAD_HOUSE */
    struct err looked; /* what was wrong last */
    struct date_floor floor;
    /* THREAD_WATCH */
    struct announced announced;
    uint64_t moved_bytes, trimmed_bytes; /* of peers->moved_bytes: last time, at the last trim */
    char status[STATUS_MAX];             /* told to systemd, last */
    /* THREAD_ASK */
    struct revoke_memory revoke;
    /* THREAD_RECORDS */
    struct follow follow;

    struct worker {
        struct chores *chores;
        pthread_t thread;
        bool runs;
    } workers[THREAD_COUNT];
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* After work, memory that the allocator kept for more of it goes back to the system. */
static void rest(struct chores *c)
{
    uint64_t moved = atomic_load(&c->options.peers->moved_bytes);
    bool rests = moved == c->moved_bytes;
    c->moved_bytes = moved;
    if (!rests || moved - c->trimmed_bytes < TRIM_AFTER_BYTES)
        return;
    malloc_trim(0);
    c->trimmed_bytes = moved;
}

static void tell_offer(struct chores *c)
{
    struct peers *peers = c->options.peers;
    announce(&c->announced, peers->local.store, c->options.config->capacity_bytes,
             peers->membership);
}

/* For `systemctl status`: how many members, how full. */
static void describe(struct chores *c)
{
    const double gib = 1024.0 * 1024 * 1024;
    char text[STATUS_MAX];
    uint32_t known, alive;
    uint64_t used, fragments, records;
    store_usage(c->options.peers->local.store, &used, &fragments, &records);
    struct member_table *table = membership_table(c->options.peers->membership);
    member_table_count(table, &known, &alive);
    member_table_release(&table);
    snprintf(text, sizeof(text), "STATUS=%u of %u members alive, %.1f of %.1f GiB used%s", alive,
             known, (double)used / gib, (double)c->options.config->capacity_bytes / gib,
             c->announced.storage != STORAGE_SERVES ? "; storage is out of service" : "");
    if (strcmp(text, c->status) != 0)
        notify(text);
    memcpy(c->status, text, sizeof(text));
}

/* The same trouble is said once. */
static void look(struct chores *c)
{
    struct err err = ERR_INIT;
    if (store_look(c->options.peers->local.store, &err) != 0 &&
        strcmp(err.text, c->looked.text) != 0)
        log_error("what lies on disk: %s", err.text);
    c->looked = err;
}

static void write_date_down(struct chores *c)
{
    dates_write_down(&c->floor, c->options.peers->local.store, c->options.config->data_dir,
                     DATES_STEP_S);
}

static void warn_of_expiry(struct chores *c)
{
    dates_warn_of_expiry(c->options.cert);
}

static void pull_revocations(struct chores *c)
{
    revoke_tick(c->options.peers, &c->revoke);
}

static void ask_reach(struct chores *c)
{
    reach_tick(c->options.reach);
}

static void pull_new_records(struct chores *c)
{
    follow_pull_new(&c->follow, c->options.peers);
}

static void pull_records(struct chores *c)
{
    follow_pull(c->options.peers);
}

static const struct chore {
    const char *name;
    enum chore_thread thread;
    enum chore_waits waits;
    int32_t period_ms;
    int32_t jitter_ms; /* up to so much more, at random, so that members do not keep step */
    void (*run)(struct chores *chores);
} table[] = {
    {"give memory back", THREAD_WATCH, WAITS_NOTHING, 1000, 0, rest},
    {"look at the disk", THREAD_HOUSE, WAITS_DISK, 1000, 0, look},
    {"tell what is offered", THREAD_WATCH, WAITS_NOTHING, 1000, 0, tell_offer},
    {"tell systemd", THREAD_WATCH, WAITS_NOTHING, 30000, 0, describe},
    {"write the date down", THREAD_HOUSE, WAITS_DISK, 10000, 0, write_date_down},
    {"warn of expiry", THREAD_WATCH, WAITS_NOTHING, 86400000, 0, warn_of_expiry},
    {"pull revocations", THREAD_ASK, WAITS_PEERS, 1000, 0, pull_revocations},
    {"ask whether we are reached", THREAD_ASK, WAITS_PEERS, 1000, 0, ask_reach},
    {"pull records of new members", THREAD_RECORDS, WAITS_PEERS, 1000, 0, pull_new_records},
    {"pull records", THREAD_RECORDS, WAITS_PEERS, 10000, 2500, pull_records},
};

#define CHORES (sizeof(table) / sizeof(table[0]))

static const char *const thread_names[THREAD_COUNT] = {"ecbak-watch", "ecbak-house", "ecbak-ask",
                                                       "ecbak-records"};

static bool stopped(struct chores *c)
{
    return atomic_load(&c->options.peers->stop);
}

/* Runs what is due on this thread; returns when the next one is. */
static int64_t run_due(struct chores *c, enum chore_thread thread, int64_t next_ms[CHORES])
{
    int64_t first_ms = INT64_MAX;
    for (size_t i = 0; i < CHORES && !stopped(c); i++) {
        const struct chore *chore = &table[i];
        if (chore->thread != thread)
            continue;
        if (monotonic_ms() >= next_ms[i]) {
            chore->run(c);
            next_ms[i] = monotonic_ms() + chore->period_ms;
            if (chore->jitter_ms > 0)
                next_ms[i] += randombytes_uniform((uint32_t)chore->jitter_ms);
        }
        if (next_ms[i] < first_ms)
            first_ms = next_ms[i];
    }
    return first_ms;
}

static void *run(void *arg)
{
    const struct worker *worker = arg;
    struct chores *c = worker->chores;
    enum chore_thread thread = (enum chore_thread)(worker - c->workers);
    int64_t next_ms[CHORES] = {0};
    while (!stopped(c)) {
        int64_t first_ms = run_due(c, thread, next_ms);
        pthread_mutex_lock(&c->lock);
        if (!stopped(c))
            wait_until(&c->wake, &c->lock, first_ms);
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

/* What waits for other nodes must not hold up what does not. */
static void check_table(void)
{
    for (size_t i = 0; i < CHORES; i++)
        assert(table[i].thread == (table[i].waits == WAITS_NOTHING ? THREAD_WATCH
                                   : table[i].waits == WAITS_DISK  ? THREAD_HOUSE
                                                                   : table[i].thread) &&
               (table[i].thread >= THREAD_ASK) == (table[i].waits == WAITS_PEERS));
}

int chores_new(struct chores **chores, const struct chores_options *options, struct err *err)
{
    struct chores *c = alloc_zero(1, sizeof(*c));
    struct err ignored = ERR_INIT; /* the daemon has said it */
    check_table();
    c->options = *options;
    date_file_load(&c->floor, options->config->data_dir, options->cert, &ignored);
    follow_init(&c->follow);
    pthread_mutex_init(&c->lock, NULL);
    wait_init(&c->wake);
    *chores = c;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
    int result = 0;
    for (int i = 0; i < THREAD_COUNT && result == 0; i++) {
        struct worker *worker = &c->workers[i];
        worker->chores = c;
        worker->runs = pthread_create(&worker->thread, &attributes, run, worker) == 0;
        if (worker->runs)
            pthread_setname_np(worker->thread, thread_names[i]);
        else
            result = err_set(err, ERR_MEMORY, "no thread for chores");
    }
    pthread_attr_destroy(&attributes);
    return result;
}

void chores_destroy(struct chores **chores)
{
    struct chores *c = *chores;
    *chores = NULL;
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < THREAD_COUNT; i++)
        if (c->workers[i].runs)
            pthread_join(c->workers[i].thread, NULL);
    if (c->workers[THREAD_HOUSE].runs)
        dates_write_down(&c->floor, c->options.peers->local.store, c->options.config->data_dir, 1);
    follow_release(&c->follow);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
