/* Where the parts meet: the transport hands requests to queues, their threads answer them, and one
 * thread keeps house. */
#include "node/service/service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <sodium.h>

#include "coding/base/alloc.h"
#include "node/api/client.pb-c.h"
#include "node/api/wire.h"
#include "node/base/clock.h"
#include "node/base/heartbeat.h"
#include "node/base/log.h"
#include "node/service/keeper.h"
#include "node/service/peer.pb-c.h"
#include "node/service/revoke.h"
#include "node/service/serve_client.h"

/* Bytes are bounded by the transport, which charges requests until they are answered. */
#define CLIENT_QUEUE_MAX 256
#define PEER_QUEUE_MAX   1024
#define QUICK_QUEUE_MAX  64
#define QUICK_HEADER_MAX 32 /* a status or members request is shorter than this, others are not */

static int find_peer(void *ctx, const uint8_t node[CERT_ID_SIZE], struct peer_address *address)
{
    struct service *service = ctx;
    struct member_table *table = membership_table(service->membership);
    const struct member *member = member_find(table, node);
    int result = -1;
    if (member != NULL && !member->self && member->bulk_endpoint[0] != '\0') {
        snprintf(address->endpoint, sizeof(address->endpoint), "%s", member->bulk_endpoint);
        memcpy(address->curve_public, member->cert.curve, sizeof(address->curve_public));
        result = 0;
    }
    member_table_release(&table);
    return result;
}

/* Short requests without a payload have a thread of their own: `ecbak members` answers also while
 * every other thread waits for a slow disk. */
static int arrived(void *ctx, struct incoming *incoming)
{
    struct service *service = ctx;
    struct incoming *job = alloc_copy(incoming, sizeof(*incoming));
    struct jobs *jobs = service->peer_jobs;
    atomic_fetch_add(&service->moved_bytes, incoming->payload.size);
    if (!incoming->from_client)
        health_succeeded(service->health, incoming->node); /* it is back, whatever it failed at */
    if (incoming->from_client) {
        bool quick = incoming->header_size < QUICK_HEADER_MAX && incoming->payload.size == 0;
        jobs = quick ? service->quick_jobs : service->client_jobs;
    }
    if (jobs_push(jobs, job, incoming->payload.size) == 0)
        return 0;
    count_one(&service->counters, COUNTED_BUSY);
    free(job);
    return -1;
}

static void run_client(void *ctx, void *job)
{
    serve_client(ctx, job);
    free(job);
}

static void run_peer(void *ctx, void *job)
{
    struct service *service = ctx;
    struct incoming *incoming = job;
    if (reach_take(service->reach, incoming)) {
        free(incoming);
        return;
    }
    uint8_t *reply;
    size_t reply_size;
    struct payload payload = {.size = 0};
    serve_peer(&service->holder, incoming->header, incoming->header_size, incoming->payload.bytes,
               incoming->payload.size, &reply, &reply_size, &payload);
    atomic_fetch_add(&service->moved_bytes, payload.size);
    transport_reply(service->transport, incoming, reply, reply_size, &payload);
    free(reply);
    free(incoming);
}

/* The node stops before it came to this request. A peer is told so; a command sees its connection
 * go (an answer to no call is none). */
static void drop(void *ctx, void *job)
{
    struct service *service = ctx;
    struct incoming *incoming = job;
    size_t size;
    uint8_t *header;
    if (incoming->from_client) {
        Ecbak__ClientReply reply = ECBAK__CLIENT_REPLY__INIT;
        reply.error = ERR_CANCELLED;
        header = wire_pack(&reply, &size);
    } else {
        Ecbak__PeerReply reply = ECBAK__PEER_REPLY__INIT;
        reply.error = ERR_CANCELLED;
        reply.error_text = (char *)"this node is stopping";
        header = wire_pack(&reply, &size);
    }
    transport_reply(service->transport, incoming, header, size, NULL);
    free(header);
    free(incoming);
}

static void make_queues(struct service *s)
{
    struct jobs_options options = {.name = "ecbak-client",
                                   .threads_max = s->config->client_jobs,
                                   .jobs_max = CLIENT_QUEUE_MAX,
                                   .bytes_max = TRANSPORT_CLIENT_BYTES_MAX,
                                   .run = run_client,
                                   .drop = drop,
                                   .ctx = s};
    jobs_new(&s->client_jobs, &options);
    options.name = "ecbak-quick";
    options.threads_max = 1;
    options.jobs_max = QUICK_QUEUE_MAX;
    jobs_new(&s->quick_jobs, &options);
    options.name = "ecbak-peer";
    options.threads_max = s->config->peer_jobs;
    options.jobs_max = PEER_QUEUE_MAX;
    options.bytes_max = TRANSPORT_PEER_BYTES_MAX;
    options.run = run_peer;
    jobs_new(&s->peer_jobs, &options);
}

void service_leave(struct service *service)
{
    uint64_t one = 1;
    log_info("leaving the cluster for good, as a command asked");
    membership_leave(service->membership);
    ssize_t ignored = write(service->left_fd, &one, sizeof(one));
    (void)ignored; /* it fails only when it is readable already */
}

bool service_turns(struct service *service)
{
    struct heartbeat *const hearts[] = {membership_heart(service->membership),
                                        transport_heart(service->transport)};
    return heartbeats_all_moved(hearts, sizeof(hearts) / sizeof(hearts[0]));
}

int service_left_fd(const struct service *service)
{
    return service->left_fd;
}

static int start(struct service *s, const uint8_t authority_public[32], struct err *err)
{
    struct membership_offer offer;
    s->left_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->left_fd < 0)
        return err_errno(err, "eventfd");
    if (revoke_open(s, authority_public, err) != 0)
        return -1;
    keeper_offer(s, &offer);
    if (membership_new(&s->membership, s->config, s->keys, s->cert, authority_public,
                       s->revocations, &offer, err) != 0)
        return err_context(err, "membership");
    struct transport_ops ops = {
        .ctx = s, .find = find_peer, .arrived = arrived, .revocations = s->revocations};
    if (transport_new(&s->transport, s->config, s->keys, s->cert, authority_public, &ops, err) != 0)
        return err_context(err, "transport");
    return keeper_start(s, err);
}

int service_new(struct service **service, const struct config *config, const struct node_keys *keys,
                const struct cert *cert, const uint8_t authority_public[32], struct store *store,
                struct err *err)
{
    struct service *s = alloc_zero(1, sizeof(*s));
    s->config = config;
    s->keys = keys;
    s->cert = cert;
    s->store = store;
    s->left_fd = -1;
    s->holder.store = store;
    s->holder.keys = keys;
    s->holder.counters = &s->counters;
    cluster_id(s->holder.cluster, authority_public);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    health_new(&s->health);
    reach_new(&s->reach, s);
    make_queues(s);
    if (start(s, authority_public, err) != 0) {
        service_destroy(&s);
        return -1;
    }
    *service = s;
    return 0;
}

/* Calls are cancelled first, so that jobs come to their end; the transport goes last of those that
 * jobs use, since they answer through it. */
void service_destroy(struct service **service)
{
    struct service *s = *service;
    *service = NULL;
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    if (s->transport != NULL)
        transport_cancel(s->transport);
    keeper_stop(s);
    jobs_destroy(&s->client_jobs);
    jobs_destroy(&s->quick_jobs);
    jobs_destroy(&s->peer_jobs);
    reach_destroy(&s->reach);
    if (s->transport != NULL)
        transport_destroy(&s->transport);
    if (s->membership != NULL)
        membership_destroy(&s->membership);
    revocations_close(&s->revocations);
    health_destroy(&s->health);
    if (s->left_fd >= 0)
        close(s->left_fd);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
