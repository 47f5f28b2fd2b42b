/* client_bench.h - a client before a node that is made of one function, so that the node can be absent,
 * busy, hostile or gone as a test wants it.
 */
#ifndef ECBAK_TEST_CLIENT_BENCH_H
#define ECBAK_TEST_CLIENT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "node/api/client.h"
#include "node/api/client.pb-c.h"
#include "node/common/wire.h"

static char folder[] = "/tmp/ecbak-client-XXXXXX";
static char endpoint[128];

/* A node that is made of one function: `answer` fills the reply, or returns false for none. */
struct fake {
    bool (*answer)(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                   zmq_msg_t *route);
    pthread_t thread;
    void *context, *stop;
    _Atomic int asked;
};

static inline void reply(void *router, zmq_msg_t *route, const void *bytes, size_t size,
                         const char *payload)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    zmq_msg_copy(&copy, route);
    zmq_msg_send(&copy, router, ZMQ_SNDMORE);
    zmq_send(router, bytes, size, payload == NULL ? 0 : ZMQ_SNDMORE);
    if (payload != NULL)
        zmq_send(router, payload, strlen(payload), 0);
}

static inline void reply_message(void *router, zmq_msg_t *route, const Ecbak__ClientReply *message,
                                 const char *payload)
{
    size_t size;
    uint8_t *bytes = wire_pack(message, &size);
    reply(router, route, bytes, size, payload);
    free(bytes);
}

static inline void *fake_run(void *arg)
{
    struct fake *fake = arg;
    int linger = 100;
    void *router = zmq_socket(fake->context, ZMQ_ROUTER);
    void *stop = zmq_socket(fake->context, ZMQ_PAIR);
    zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof(linger));
    assert_int_equal(zmq_bind(router, endpoint), 0);
    zmq_connect(stop, "inproc://stop");
    zmq_send(stop, "", 0, 0); /* bound */
    for (;;) {
        zmq_pollitem_t items[] = {{router, 0, ZMQ_POLLIN, 0}, {stop, 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, 2, -1);
        if (items[1].revents != 0)
            break;
        zmq_msg_t route, header, rest;
        zmq_msg_init(&route);
        zmq_msg_init(&header);
        zmq_msg_recv(&route, router, 0);
        zmq_msg_recv(&header, router, 0);
        bool more = zmq_msg_more(&header);
        while (more) {
            zmq_msg_init(&rest);
            zmq_msg_recv(&rest, router, 0);
            more = zmq_msg_more(&rest);
            zmq_msg_close(&rest);
        }
        Ecbak__ClientRequest *request =
            wire_unpack(&ecbak__client_request__descriptor, zmq_msg_data(&header),
                        zmq_msg_size(&header), 1 << 20, NULL);
        fake->asked++;
        bool go_on = fake->answer(fake, request, router, &route);
        wire_free(request);
        zmq_msg_close(&route);
        zmq_msg_close(&header);
        if (!go_on)
            break;
    }
    zmq_close(router);
    zmq_close(stop);
    return NULL;
}

static inline void fake_start(struct fake *fake)
{
    fake->context = zmq_ctx_new();
    fake->stop = zmq_socket(fake->context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(fake->stop, "inproc://stop"), 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
    zmq_msg_t ready;
    zmq_msg_init(&ready);
    zmq_msg_recv(&ready, fake->stop, 0);
    zmq_msg_close(&ready);
}

static inline void fake_stop(struct fake *fake)
{
    int linger = 0;
    zmq_setsockopt(fake->stop, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_send(fake->stop, "", 0, ZMQ_DONTWAIT);
    pthread_join(fake->thread, NULL);
    zmq_close(fake->stop);
    zmq_ctx_term(fake->context);
}

static inline struct client *opened(void)
{
    struct client *client;
    struct err err = ERR_INIT;
    if (client_open(&client, endpoint, &err) != 0)
        fail_msg("%s", err.text);
    return client;
}

static inline bool answer_status(struct fake *fake, const Ecbak__ClientRequest *request,
                                 void *router, zmq_msg_t *route)
{
    (void)fake;
    Ecbak__StatusReply status = ECBAK__STATUS_REPLY__INIT;
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    struct node_id id = {{7}};
    char name[100];
    memset(name, 'n', sizeof(name) - 1);
    name[99] = '\0';
    name[3] = '\n';
    status.cluster = wire_view(id.bytes, sizeof(id));
    status.node = wire_view(id.bytes, sizeof(id));
    status.name = name;
    status.members_alive = 3;
    message.call = request->call;
    message.body_case = ECBAK__CLIENT_REPLY__BODY_STATUS;
    message.status = &status;
    reply_message(router, route, &message, NULL);
    return true;
}

static inline int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/socket", folder);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    unlink(endpoint + strlen("ipc://"));
    return rmdir(folder);
}

#endif
