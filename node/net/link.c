/* Why each socket option is set stands beside it: most of libzmq's defaults suit a trusted local
 * network and would here mean unbounded memory, stale messages or strangers. */
#include "node/net/link_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coding/base/alloc.h"

#define MONITOR_ENDPOINT "inproc://outbox-monitor"

void count(struct link *link, enum link_count what)
{
    assert(what < COUNTS);
    atomic_fetch_add_explicit(&link->counts[what], 1, memory_order_relaxed);
}

void link_counters(struct link *link, struct link_counters *c)
{
    c->no_user_id = atomic_load(&link->counts[COUNT_NO_USER_ID]);
    c->no_hello = atomic_load(&link->counts[COUNT_NO_HELLO]);
    c->bad_certificate = atomic_load(&link->counts[COUNT_BAD_CERTIFICATE]);
    c->foreign = atomic_load(&link->counts[COUNT_FOREIGN]);
    c->incompatible = atomic_load(&link->counts[COUNT_INCOMPATIBLE]);
    c->expired = atomic_load(&link->counts[COUNT_EXPIRED]);
    c->revoked = atomic_load(&link->counts[COUNT_REVOKED]);
    c->denied_key = zap_denied_count(link->zap);
    c->malformed = atomic_load(&link->counts[COUNT_MALFORMED]);
    c->late = atomic_load(&link->counts[COUNT_LATE]);
    door_counters(link->door, &c->door);
    c->dropped = atomic_load(&link->counts[COUNT_DROPPED]);
}

struct socket_option {
    int name;
    int value;
};

static int set_options(void *socket, const struct socket_option *options, size_t option_count)
{
    for (size_t i = 0; i < option_count; i++)
        if (zmq_setsockopt(socket, options[i].name, &options[i].value, sizeof(int)) != 0)
            return -1;
    return 0;
}

static int set_common(void *socket, const struct link_options *options)
{
    const struct socket_option common[] = {
        {ZMQ_LINGER, 0},           /* a stop does not wait for those that take nothing */
        {ZMQ_ROUTER_MANDATORY, 1}, /* say so when nobody is there or the queue is full */
        {ZMQ_RCVHWM, options->receive_hwm},
        {ZMQ_SNDHWM, options->send_hwm},
        {ZMQ_HANDSHAKE_IVL, 5000}, /* who connects and says nothing is dropped */
        {ZMQ_TCP_MAXRT, 20000},    /* who no longer takes what we send is lost */
        /* Membership finds the lost; this clears away their connections to us. Each question costs
         * a packet each way, on a hundred connections that are hardly used. */
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 300},
        {ZMQ_TCP_KEEPALIVE_INTVL, 10},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
    };
    int64_t message_max = (int64_t)options->message_max;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) != 0)
        return -1;
    return set_options(socket, common, sizeof(common) / sizeof(common[0]));
}

static int open_inbox(struct link *link, const struct link_options *options, struct err *err)
{
    const struct socket_option own[] = {
        {ZMQ_CURVE_SERVER, 1},
        {ZMQ_BACKLOG, 256},
    };
    link->inbox = zmq_socket(link->context, ZMQ_ROUTER);
    if (link->inbox == NULL || set_common(link->inbox, options) != 0 ||
        set_options(link->inbox, own, sizeof(own) / sizeof(own[0])) != 0 ||
        zmq_setsockopt(link->inbox, ZMQ_CURVE_SECRETKEY, link->keys->curve_secret, 32) != 0)
        return err_set(err, ERR_IO, "opening the inbox: %s", zmq_strerror(zmq_errno()));
    if (door_new(&link->door, link->context, link->inbox, options->backlog_max, err) != 0)
        return -1;
    return endpoint_bind(link->inbox, options->listen, err);
}

static int open_outbox(struct link *link, const struct link_options *options, struct err *err)
{
    const struct socket_option own[] = {
        {ZMQ_RECONNECT_IVL, -1}, /* see link_out.c */
        {ZMQ_CONNECT_TIMEOUT, 5000},
        {ZMQ_IPV6, 1}, /* members may be at either */
    };
    link->outbox = zmq_socket(link->context, ZMQ_ROUTER);
    if (link->outbox == NULL || set_common(link->outbox, options) != 0 ||
        set_options(link->outbox, own, sizeof(own) / sizeof(own[0])) != 0 ||
        zmq_setsockopt(link->outbox, ZMQ_CURVE_PUBLICKEY, link->keys->curve_public, 32) != 0 ||
        zmq_setsockopt(link->outbox, ZMQ_CURVE_SECRETKEY, link->keys->curve_secret, 32) != 0 ||
        zmq_socket_monitor(link->outbox, MONITOR_ENDPOINT,
                           ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED) != 0)
        return err_set(err, ERR_IO, "opening the outbox: %s", zmq_strerror(zmq_errno()));
    link->monitor = zmq_socket(link->context, ZMQ_PAIR);
    int none = 0;
    if (link->monitor == NULL ||
        zmq_setsockopt(link->monitor, ZMQ_LINGER, &none, sizeof(none)) != 0 ||
        endpoint_connect_here(link->monitor, MONITOR_ENDPOINT) != 0)
        return err_set(err, ERR_IO, "watching the outbox: %s", zmq_strerror(zmq_errno()));
    return 0;
}

int link_new(struct link **link, const struct link_options *options, const struct link_ops *ops,
             struct err *err)
{
    struct link *l = alloc_zero(1, sizeof(*l));
    l->ops = *ops;
    l->keys = options->keys;
    memcpy(l->authority_public, options->authority_public, sizeof(l->authority_public));
    cluster_id(&l->cluster, l->authority_public);
    l->revocations = options->revocations;
    l->asks_revoked = options->asks_revoked;
    l->protocol = options->protocol;
    l->sessions = session_table_new(options->sessions_max);
    l->pool_max = options->peers_max;
    l->idle_ms = options->idle_ms;
    l->held_max = (size_t)options->send_hwm;
    l->pool = alloc_zero(l->pool_max, sizeof(*l->pool));
    randombytes_buf(&l->route_next, sizeof(l->route_next));
    if (cert_encode(options->cert, l->certificate, &l->certificate_size, err) != 0)
        goto fail;
    l->context = zmq_ctx_new();
    if (l->context == NULL) {
        err_set(err, ERR_IO, "starting ZeroMQ: %s", zmq_strerror(zmq_errno()));
        goto fail;
    }
    /* Before the first bind: without it everybody would be let in. */
    if (!options->without_zap && zap_start(&l->zap, l->context, err) != 0)
        goto fail;
    if (open_inbox(l, options, err) != 0 || open_outbox(l, options, err) != 0)
        goto fail;
    *link = l;
    return 0;

fail:
    link_destroy(&l);
    return -1;
}

void link_destroy(struct link **link)
{
    struct link *l = *link;
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->pool_count; i++)
        held_release(&l->pool[i]);
    if (l->monitor != NULL)
        zmq_close(l->monitor);
    if (l->outbox != NULL)
        zmq_close(l->outbox);
    door_destroy(&l->door);
    if (l->inbox != NULL)
        zmq_close(l->inbox);
    if (l->context != NULL) {
        zmq_ctx_shutdown(l->context);
        zap_stop(&l->zap);
        zmq_ctx_term(l->context);
    }
    session_table_destroy(&l->sessions);
    free(l->pool);
    free(l);
    *link = NULL;
}

void *link_context(struct link *link)
{
    return link->context;
}

void link_poll_items(struct link *link, zmq_pollitem_t items[LINK_POLL_ITEMS])
{
    items[0] = (zmq_pollitem_t){.socket = link->inbox, .events = ZMQ_POLLIN};
    items[1] = (zmq_pollitem_t){.socket = link->outbox, .events = ZMQ_POLLIN};
    items[2] = (zmq_pollitem_t){.socket = link->monitor, .events = ZMQ_POLLIN};
}

void link_process(struct link *link)
{
    /* Answers first: what came before the connection was lost still counts. */
    link_process_outbox(link);
    link_process_monitor(link);
    link_process_inbox(link);
    link_give_up_unwelcomed(link);
    link_close_idle(link);
}
