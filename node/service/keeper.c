/* Once a second it looks whether the membership changed, which costs one comparison. */
#include "node/service/keeper.h"

#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coding/base/alloc.h"
#include "node/base/clock.h"
#include "node/base/clock_file.h"
#include "node/base/log.h"
#include "node/base/notify.h"
#include "node/service/nodes.h"
#include "node/service/records.h"
#include "node/service/revoke.h"

#define TRIM_AFTER_BYTES (256 * 1024)
#define TOLD_BYTES_MIN   ((uint64_t)1 << 20)
#define STATUS_MAX       160

struct keeper {
    struct service *service;
    struct membership_offer told; /* to the others, last */
    bool in_service;
    uint64_t generation; /* of the membership, last looked at */
    uint8_t (*met)[ID_SIZE];
    uint64_t *met_incarnation;
    size_t met_count;
    struct revoke_memory revoke;
    int64_t usage_ms, sync_ms, status_ms; /* when next */
    int64_t expiry_ms;                    /* when next to look at the certificate's dates */
    char status[STATUS_MAX];              /* told to systemd, last */
    struct clock_floor clock;
    uint64_t moved_bytes, trimmed_bytes; /* of service->moved_bytes: a tick ago, at the last trim */
};

void keeper_offer(struct service *service, struct membership_offer *offer)
{
    uint64_t fragments, records;
    *offer = (struct membership_offer){.capacity_bytes = service->config->capacity_bytes,
                                       .store_epoch = store_epoch(service->store)};
    store_usage(service->store, &offer->used_bytes, &fragments, &records);
    struct err err = ERR_INIT;
    if (store_check(service->store, &err) != 0)
        offer->capacity_bytes = 0;
}

/* What is used changes with each fragment; the others hear of it when it is worth a message: a two
 * hundredth of the capacity for placement, and on a node that is nearly empty also a quarter more, so
 * that people see their first backups arrive. */
static bool worth_telling(uint64_t used, uint64_t told, uint64_t capacity)
{
    uint64_t change = used > told ? used - told : told - used;
    uint64_t quarter = told / 4 > TOLD_BYTES_MIN ? told / 4 : TOLD_BYTES_MIN;
    return change > capacity / 200 || change > quarter;
}

static void announce(struct keeper *k)
{
    struct membership_offer offer;
    keeper_offer(k->service, &offer);
    bool in_service = offer.capacity_bytes > 0 || k->service->config->capacity_bytes == 0;
    if (in_service != k->in_service)
        log_warn("storage is %s", in_service ? "in service again"
                                             : "out of service: its data directory is not ours");
    k->in_service = in_service;
    if (offer.capacity_bytes == k->told.capacity_bytes &&
        !worth_telling(offer.used_bytes, k->told.used_bytes, offer.capacity_bytes))
        return;
    membership_update(k->service->membership, &offer);
    k->told = offer;
}

static void pull_from(struct keeper *k, struct nodes *nodes, size_t node)
{
    struct err err = ERR_INIT;
    size_t pulled = 0;
    const char *name = nodes->table->members[node].cert.name;
    if (records_pull(nodes, node, &pulled, &err) != 0) {
        if (err.code == ERR_TIMEOUT)
            nodes_failed(nodes, node);
        log_debug("records of node %s: %s", name, err.text);
    }
    if (pulled > 0)
        log_info("%zu records from node %s", pulled, name);
    (void)k;
}

/* Met under this incarnation? If not, it is from now on. */
static bool meet(struct keeper *k, const struct member *member)
{
    for (size_t i = 0; i < k->met_count; i++) {
        if (memcmp(k->met[i], member->cert.node, ID_SIZE) != 0)
            continue;
        bool known = k->met_incarnation[i] == member->incarnation;
        k->met_incarnation[i] = member->incarnation;
        return known;
    }
    k->met = alloc_grow(k->met, k->met_count + 1, sizeof(*k->met));
    k->met_incarnation =
        alloc_grow(k->met_incarnation, k->met_count + 1, sizeof(*k->met_incarnation));
    memcpy(k->met[k->met_count], member->cert.node, ID_SIZE);
    k->met_incarnation[k->met_count++] = member->incarnation;
    return false;
}

/* A few new faces a tick: after a start in a large cluster, these few have it all. */
static void greet(struct keeper *k, struct nodes *nodes)
{
    unsigned greeted = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->standings[i] != STANDING_GOOD || meet(k, &nodes->table->members[i]))
            continue;
        if (greeted++ < 3)
            pull_from(k, nodes, i);
    }
}

static void pull_from_any(struct keeper *k, struct nodes *nodes)
{
    size_t good = nodes_count(nodes, STANDING_GOOD);
    size_t self = nodes_count(nodes, STANDING_SELF);
    if (good <= self)
        return;
    uint32_t which = randombytes_uniform((uint32_t)(good - self));
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->standings[i] == STANDING_GOOD && which-- == 0) {
            pull_from(k, nodes, i);
            return;
        }
    }
}

/* After work, memory that the allocator kept for more of it goes back to the system. */
static void rest(struct keeper *k)
{
    uint64_t moved = atomic_load(&k->service->moved_bytes);
    bool rests = moved == k->moved_bytes;
    k->moved_bytes = moved;
    if (!rests || moved - k->trimmed_bytes < TRIM_AFTER_BYTES)
        return;
    malloc_trim(0);
    k->trimmed_bytes = moved;
}

/* For `systemctl status`: how many members, how full. */
static void describe(struct keeper *k)
{
    const double gib = 1024.0 * 1024 * 1024;
    char text[STATUS_MAX];
    uint32_t known, alive;
    struct membership_offer offer;
    keeper_offer(k->service, &offer);
    struct member_table *table = membership_table(k->service->membership);
    member_table_count(table, &known, &alive);
    member_table_release(&table);
    snprintf(text, sizeof(text), "STATUS=%u of %u members alive, %.1f of %.1f GiB used%s", alive,
             known, (double)offer.used_bytes / gib,
             (double)k->service->config->capacity_bytes / gib,
             k->in_service ? "" : "; storage is out of service");
    if (strcmp(text, k->status) != 0)
        notify(text);
    memcpy(k->status, text, sizeof(text));
}

/* The date for the next start (clock.h). Not while the data directory is not ours. */
static void write_date_down(struct keeper *k, int64_t step_s)
{
    struct err err = ERR_INIT;
    if (store_check(k->service->store, &err) != 0 || !clock_floor_see(&k->clock, wall_s(), step_s))
        return;
    if (clock_file_save(&k->clock, k->service->config->data_dir, &err) != 0)
        log_warn("the date is not written down: %s", err.text);
}

/* Nobody looks at a certificate until it has ended, and then the node is out. */
static void warn_of_expiry(struct keeper *k)
{
    int64_t left_s = k->service->cert->not_after_s - date_s();
    if (monotonic_ms() < k->expiry_ms)
        return;
    k->expiry_ms = monotonic_ms() + KEEPER_EXPIRY_MS;
    if (left_s < 0)
        log_error("this node's certificate has ended, and the others refuse it: have the request "
                  "that `ecbakd --print-request` prints signed, put the answer in its place, and "
                  "start anew");
    else if (left_s < CERT_SOON_S)
        log_warn("this node's certificate ends in %lld days: have the request that `ecbakd "
                 "--print-request` prints signed, put the answer in its place, and start anew",
                 (long long)(left_s / 86400));
}

static void tick(struct keeper *k)
{
    warn_of_expiry(k);
    int64_t now = monotonic_ms();
    rest(k);
    if (now >= k->usage_ms) {
        announce(k);
        k->usage_ms = now + KEEPER_USAGE_MS;
    }
    if (now >= k->status_ms) {
        describe(k);
        k->status_ms = now + KEEPER_STATUS_MS;
    }
    write_date_down(k, KEEPER_DATE_S);
    revoke_tick(k->service, &k->revoke);
    reach_tick(k->service->reach);
    struct member_table *table = membership_table(k->service->membership);
    bool changed = table->generation != k->generation;
    k->generation = table->generation;
    member_table_release(&table);
    if (!changed && now < k->sync_ms)
        return;
    struct nodes nodes;
    nodes_init(&nodes, k->service);
    if (changed)
        greet(k, &nodes);
    if (now >= k->sync_ms) {
        pull_from_any(k, &nodes);
        k->sync_ms = monotonic_ms() + KEEPER_SYNC_MS + randombytes_uniform(KEEPER_SYNC_MS / 4);
    }
    nodes_release(&nodes);
}

static void *run(void *arg)
{
    struct service *service = arg;
    struct keeper k = {.service = service, .in_service = true, .generation = UINT64_MAX};
    struct err ignored = ERR_INIT; /* the daemon has said it */
    clock_file_load(&k.clock, service->config->data_dir, service->cert, &ignored);
    pthread_mutex_lock(&service->lock);
    while (!atomic_load(&service->stop)) {
        pthread_mutex_unlock(&service->lock);
        tick(&k);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += KEEPER_TICK_MS / 1000;
        pthread_mutex_lock(&service->lock);
        if (!atomic_load(&service->stop))
            pthread_cond_timedwait(&service->wake, &service->lock, &until);
    }
    pthread_mutex_unlock(&service->lock);
    write_date_down(&k, 1);
    free(k.met);
    free(k.met_incarnation);
    return NULL;
}

int keeper_start(struct service *service, struct err *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
    service->keeper_runs = pthread_create(&service->keeper, &attributes, run, service) == 0;
    pthread_attr_destroy(&attributes);
    if (!service->keeper_runs)
        return err_set(err, ERR_MEMORY, "no thread for housekeeping");
    pthread_setname_np(service->keeper, "ecbak-keeper");
    return 0;
}

void keeper_stop(struct service *service)
{
    if (!service->keeper_runs)
        return;
    pthread_mutex_lock(&service->lock);
    pthread_cond_broadcast(&service->wake);
    pthread_mutex_unlock(&service->lock);
    pthread_join(service->keeper, NULL);
    service->keeper_runs = false;
}
