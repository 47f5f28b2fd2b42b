/* Where the parts meet: the transport hands requests to queues, their threads answer them, and one
 * thread keeps house. */
#include "node/serve/service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/pack_id.h"
#include "node/api/client.pb-c.h"
#include "node/base/heartbeat.h"
#include "node/base/log.h"
#include "node/chores/announce.h"
#include "node/common/wire.h"
#include "node/peers/peer.pb-c.h"
#include "node/serve/serve_client.h"
#include "node/serve/service_internal.h"
#include "node/sync/revoke.h"
#include "node/trust/node_keys.h"

#define PEER_JOBS_OF_NODE 64 /* requests of one node, queued or worked on */

static int find_peer(void *ctx, const struct node_id *node, struct peer_address *address)
{
    struct service *service = ctx;
    struct member_table *table = membership_table(service->peers.membership);
    const struct member *member = member_find(table, node);
    int result = -1;
    if (member != NULL && !member->self && endpoint_known(&member->bulk)) {
        address->endpoint = member->bulk;
        memcpy(address->curve_public, member->cert.curve, sizeof(address->curve_public));
        result = 0;
    }
    member_table_release(&table);
    return result;
}

/* Runs on the transport's thread: finds the queue, and no more. */
static int arrived(void *ctx, struct incoming *incoming)
{
    struct service *service = ctx;
    struct incoming *job = alloc_copy(incoming, sizeof(*incoming));
    enum queue queue = incoming->from_client
                           ? serve_client_queue(incoming->header, incoming->header_size)
                           : serve_peer_queue(incoming->header, incoming->header_size);
    atomic_fetch_add(&service->peers.moved_bytes, incoming->payload.size);
    if (jobs_push(service->queues[queue], job, incoming->payload.size) == 0)
        return 0;
    count_one(&service->counters, COUNTED_BUSY);
    free(job);
    return -1;
}

static const struct node_id *owner(void *ctx, const void *job)
{
    (void)ctx;
    return &((const struct incoming *)job)->node;
}

static bool may_run(void *ctx, const void *job, size_t running)
{
    const struct service *service = ctx;
    const struct incoming *incoming = job;
    size_t coming = serve_peer_is_large(incoming->header, incoming->header_size)
                        ? running * (size_t)PACK_SIZE_MAX
                        : 0;
    return transport_may_answer(service->peers.transport, &incoming->node, coming);
}

static void sent(void *ctx)
{
    const struct service *service = ctx;
    jobs_look_again(service->queues[QUEUE_PEER]);
}

static void serve(struct service *service, struct incoming *incoming, enum queue queue)
{
    uint8_t *reply;
    size_t reply_size;
    struct payload payload = {.size = 0};
    const struct question question = {.node = incoming->from_client ? NULL : &incoming->node,
                                      .from = incoming->from,
                                      .by_owner = incoming->from_owner,
                                      .queue = queue,
                                      .header = incoming->header,
                                      .header_size = incoming->header_size,
                                      .payload = &incoming->payload};
    if (incoming->from_client)
        serve_client(service, &question, &reply, &reply_size, &payload);
    else
        serve_peer(&service->responder, &question, &reply, &reply_size, &payload);
    atomic_fetch_add(&service->peers.moved_bytes, payload.size);
    transport_reply(service->peers.transport, incoming, reply, reply_size, &payload);
    free(reply);
    free(incoming);
}

static void run_quick(void *ctx, void *job)
{
    serve(ctx, job, QUEUE_QUICK);
}

static void run_client(void *ctx, void *job)
{
    serve(ctx, job, QUEUE_CLIENT);
}

static void run_peer(void *ctx, void *job)
{
    serve(ctx, job, QUEUE_PEER);
}

static void run_dial(void *ctx, void *job)
{
    serve(ctx, job, QUEUE_DIAL);
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
    transport_reply(service->peers.transport, incoming, header, size, NULL);
    free(header);
    free(incoming);
}

/* Bytes are bounded by the transport, which charges requests until they are answered. */
static void make_queues(struct service *s)
{
    const struct jobs_options options[QUEUE_COUNT] = {
        [QUEUE_QUICK] = {.name = "ecbak-quick",
                         .threads_max = 1,
                         .jobs_max = 64,
                         .bytes_max = TRANSPORT_CLIENT_BYTES_MAX,
                         .run = run_quick},
        [QUEUE_CLIENT] = {.name = "ecbak-client",
                          .threads_max = s->config->client_jobs,
                          .jobs_max = 256,
                          .bytes_max = TRANSPORT_CLIENT_BYTES_MAX,
                          .run = run_client},
        [QUEUE_PEER] = {.name = "ecbak-peer",
                        .threads_max = s->config->peer_jobs,
                        .jobs_max = 1024,
                        .bytes_max = TRANSPORT_PEER_BYTES_MAX,
                        .owner = owner,
                        .owner_jobs_max = PEER_JOBS_OF_NODE,
                        .may_run = may_run,
                        .run = run_peer},
        [QUEUE_DIAL] = {.name = "ecbak-dial",
                        .threads_max = 1,
                        .jobs_max = REACH_QUEUE_MAX,
                        .bytes_max = REACH_QUEUE_MAX,
                        .owner = owner,
                        .owner_jobs_max = 1,
                        .run = run_dial},
    };
    for (int i = 0; i < QUEUE_COUNT; i++) {
        struct jobs_options queue = options[i];
        queue.drop = drop;
        queue.ctx = s;
        jobs_new(&s->queues[i], &queue);
    }
}

int service_check_member(struct service *service, struct err *err)
{
    const struct cert *cert = service->cert;
    if (revocations_check(service->peers.revocations, &cert->node, cert->curve, cert->serial,
                          err) != 0)
        return err_context(err, "this machine is no member of the cluster any more");
    struct member_table *table = membership_table(service->peers.membership);
    const struct member *self = &table->members[0];
    bool stands_by = self->stands_by;
    if (stands_by) /* what is put here would count as what the other one has */
        err_set(err, ERR_DENIED,
                "the machine at %s has this one's key, and is the member as long as it runs: "
                "nothing is stored here; one of the two needs an identity of its own",
                self->rival);
    member_table_release(&table);
    return stands_by ? -1 : 0;
}

void service_leave(struct service *service)
{
    uint64_t one = 1;
    log_info("leaving the cluster for good, as a command asked");
    membership_leave(service->peers.membership);
    ssize_t ignored = write(service->left_fd, &one, sizeof(one));
    (void)ignored; /* it fails only when it is readable already */
}

bool service_turns(struct service *service)
{
    struct heartbeat *const hearts[] = {membership_heart(service->peers.membership),
                                        transport_heart(service->peers.transport)};
    return heartbeats_all_moved(hearts, sizeof(hearts) / sizeof(hearts[0]));
}

int service_left_fd(const struct service *service)
{
    return service->left_fd;
}

static int start(struct service *s, const struct credentials *credentials, struct err *err)
{
    struct membership_offer offer;
    struct peers *peers = &s->peers;
    s->left_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->left_fd < 0)
        return err_errno(err, "eventfd");
    if (revoke_open(peers, s->config->data_dir, credentials->authority_public, err) != 0)
        return -1;
    s->responder = (struct responder){&peers->local, peers->revocations, s->reach};
    announce_offer(peers->local.store, s->config->capacity_bytes, 0, &offer);
    if (membership_new(&peers->membership, s->config, credentials, peers->revocations, &offer,
                       err) != 0)
        return err_context(err, "membership");
    struct transport_ops ops = {.ctx = s,
                                .find = find_peer,
                                .arrived = arrived,
                                .sent = sent,
                                .revocations = peers->revocations};
    if (transport_new(&peers->transport, s->config, credentials, &ops, err) != 0)
        return err_context(err, "transport");
    const struct chores_options chores = {peers, s->config, s->cert, s->reach};
    return chores_new(&s->chores, &chores, err);
}

int service_new(struct service **service, const struct config *config,
                const struct credentials *credentials, struct store *store, struct err *err)
{
    struct service *s = alloc_zero(1, sizeof(*s));
    s->config = config;
    s->cert = credentials->cert;
    s->left_fd = -1;
    s->peers.local = (struct local){.store = store,
                                    .keys = credentials->keys,
                                    .cert = credentials->cert,
                                    .authority_public = credentials->authority_public,
                                    .counters = &s->counters};
    allowance_new(&s->peers.local.allowance, LOCAL_RECORDS_AT_ONCE, LOCAL_RECORDS_AN_HOUR);
    cluster_id(&s->peers.local.cluster, credentials->authority_public);
    health_new(&s->peers.health);
    heard_init(&s->heard);
    s->peers.heard = &s->heard;
    settled_init(&s->settled);
    s->peers.settled = &s->settled;
    unbelieved_init(&s->unbelieved);
    s->peers.unbelieved = &s->unbelieved;
    reach_new(&s->reach, &s->peers, config);
    make_queues(s);
    if (start(s, credentials, err) != 0) {
        service_destroy(&s);
        return -1;
    }
    *service = s;
    return 0;
}

/* Calls are cancelled first, so that jobs come to their end. The transport goes after the jobs, since
 * they answer through it, and before their queues, since its thread may just be handing one over. */
void service_destroy(struct service **service)
{
    struct service *s = *service;
    *service = NULL;
    if (s == NULL)
        return;
    struct peers *peers = &s->peers;
    atomic_store(&peers->stop, true);
    if (peers->transport != NULL)
        transport_cancel(peers->transport);
    chores_destroy(&s->chores);
    for (int i = 0; i < QUEUE_COUNT; i++)
        jobs_stop(s->queues[i]);
    reach_destroy(&s->reach);
    if (peers->transport != NULL)
        transport_destroy(&peers->transport);
    for (int i = 0; i < QUEUE_COUNT; i++)
        jobs_destroy(&s->queues[i]);
    if (peers->membership != NULL)
        membership_destroy(&peers->membership);
    struct err err =
        ERR_INIT; /* what was learnt a moment ago; a folder that is not ours has said so */
    if (peers->revocations != NULL && store_check(peers->local.store, &err) == 0 &&
        revocations_save(peers->revocations, &err) != 0)
        log_error("the revocations are not on disk: %s", err.text);
    revocations_close(&peers->revocations);
    health_destroy(&peers->health);
    allowance_destroy(&peers->local.allowance);
    heard_release(&s->heard);
    settled_release(&s->settled);
    unbelieved_release(&s->unbelieved);
    if (s->left_fd >= 0)
        close(s->left_fd);
    free(s);
}
