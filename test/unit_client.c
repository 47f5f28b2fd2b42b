/* The command's side of the client socket, against nodes that are absent, busy, hostile or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
    bool vanish; /* close the socket after the next answer */
};

static void reply(void *router, zmq_msg_t *route, const void *bytes, size_t size,
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

static void reply_message(void *router, zmq_msg_t *route, const Ecbak__ClientReply *message,
                          const char *payload)
{
    size_t size;
    uint8_t *bytes = wire_pack(message, &size);
    reply(router, route, bytes, size, payload);
    free(bytes);
}

static void *fake_run(void *arg)
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

static void fake_start(struct fake *fake)
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

static void fake_stop(struct fake *fake)
{
    int linger = 0;
    zmq_setsockopt(fake->stop, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_send(fake->stop, "", 0, ZMQ_DONTWAIT);
    pthread_join(fake->thread, NULL);
    zmq_close(fake->stop);
    zmq_ctx_term(fake->context);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct client *opened(void)
{
    struct client *client;
    struct err err = ERR_INIT;
    if (client_open(&client, endpoint, &err) != 0)
        fail_msg("%s", err.text);
    return client;
}

static void a_node_that_does_not_run_is_said_so_at_once(void **state)
{
    (void)state;
    struct client *client;
    struct err err = ERR_INIT;
    int64_t start = now_ms();
    assert_int_equal(client_open(&client, endpoint, &err), -1);
    assert_null(client);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "no answer from ecbakd at ipc://"));
    assert_non_null(strstr(err.text, "start it with"));
    assert_in_range(now_ms() - start, 0, 500);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct client *client;
    struct err err = ERR_INIT;
    char longest[300] = "ipc:///";
    memset(longest + 7, 'x', 200);
    assert_int_equal(client_open(&client, longest, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

static bool answer_status(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                          zmq_msg_t *route)
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

static void text_from_the_node_is_cut_and_cleaned(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_status};
    struct node_status status;
    struct err err = ERR_INIT;
    fake_start(&fake);
    struct client *client = opened();
    assert_int_equal(client_status(client, &status, &err), 0);
    assert_int_equal(status.members_alive, 3);
    assert_int_equal(strlen(status.name), sizeof(status.name) - 1);
    assert_int_equal(status.name[3], '?');
    client_close(&client);
    fake_stop(&fake);
}

/* Noise of every kind, then the answer. */
static bool answer_after_noise(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                               zmq_msg_t *route)
{
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    uint8_t bomb[100000];
    for (size_t i = 0; i < sizeof(bomb); i += 2) {
        bomb[i] = 0x42; /* field 8, length delimited */
        bomb[i + 1] = 0;
    }
    reply(router, route, "", 0, NULL);
    reply(router, route, "\xff\xff\xff\xff", 4, NULL);
    reply(router, route, bomb, sizeof(bomb), "payload");
    message.call = 0;
    reply_message(router, route, &message, NULL);
    message.call = request->call + 1000;
    reply_message(router, route, &message, "who asked?");
    return answer_status(fake, request, router, route);
}

static void noise_is_ignored(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_after_noise};
    struct node_status status;
    struct err err = ERR_INIT;
    fake_start(&fake);
    struct client *client = opened();
    if (client_status(client, &status, &err) != 0)
        fail_msg("%s", err.text);
    client_close(&client);
    fake_stop(&fake);
}

static bool answer_busy_twice(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                              zmq_msg_t *route)
{
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    message.call = request->call;
    if (fake->asked <= 2) {
        message.error = ERR_BUSY;
        reply_message(router, route, &message, NULL);
        return true;
    }
    return answer_status(fake, request, router, route);
}

static void a_busy_node_is_asked_again(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_busy_twice};
    struct node_status status;
    struct err err = ERR_INIT;
    fake_start(&fake);
    struct client *client = opened();
    assert_int_equal(client_status(client, &status, &err), 0);
    assert_int_equal(fake.asked, 3);
    client_close(&client);
    fake_stop(&fake);
}

static bool answer_never(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                         zmq_msg_t *route)
{
    (void)fake;
    (void)request;
    (void)router;
    (void)route;
    return true;
}

static void silence_ends_with_the_time_limit(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_never};
    struct node_status status;
    struct err err = ERR_INIT;
    fake_start(&fake);
    struct client *client = opened();
    client_set_timeout(client, 200);
    int64_t start = now_ms();
    assert_int_equal(client_status(client, &status, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(now_ms() - start, 190, 5000);
    client_close(&client);
    fake_stop(&fake);
}

static _Atomic int told;
static char told_what[256];
static void on_wait(const char *what)
{
    snprintf(told_what, sizeof(told_what), "%s", what);
    told++;
}

static void who_waits_is_told_for_what_once(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_never};
    struct node_status status;
    struct err err = ERR_INIT;
    fake_start(&fake);
    struct client *client = opened();
    client_tell_waits(on_wait);
    client_set_timeout(client, CLIENT_SILENCE_MS + 1500);
    assert_int_equal(client_status(client, &status, &err), -1);
    client_tell_waits(NULL);
    assert_int_equal(told, 1);
    assert_non_null(strstr(told_what, "waiting for ecbakd at ipc://"));
    assert_non_null(strstr(told_what, "for 2 s at most"));
    assert_non_null(strstr(err.text, "is there, but does not answer"));
    client_close(&client);
    fake_stop(&fake);
}

static void what_can_be_no_socket_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const bad[] = {"inproc://x", "pgm://x", "ipc://", "/run/ecbak/client.sock",
                                      "x"};
    struct err err = ERR_INIT;
    struct client *client;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(client_open(&client, bad[i], &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.text, "ipc://PATH"));
    }
}

static bool answer_by_going(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                            zmq_msg_t *route)
{
    (void)fake;
    (void)request;
    (void)router;
    (void)route;
    return false;
}

static void a_node_that_goes_away_ends_every_call(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_by_going};
    struct err err = ERR_INIT;
    struct pack_id pack = {{1}};
    uint64_t calls[3];
    fake_start(&fake);
    struct client *client = opened();
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_get_pack_start(client, &calls[i], &pack, &err), 0);
    int64_t start = now_ms();
    for (int i = 0; i < 3; i++) {
        struct client_answer answer;
        assert_int_equal(client_next(client, &answer, &err), 0);
        assert_int_equal(answer.err.code, ERR_IO);
        assert_non_null(strstr(answer.err.text, "went away"));
    }
    assert_in_range(now_ms() - start, 0, 5000);
    struct node_status status;
    fake_stop(&fake);
    assert_int_equal(client_status(client, &status, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(now_ms() - start, 0, 5000);
    client_close(&client);
}

static bool answer_failed(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                          zmq_msg_t *route)
{
    (void)fake;
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    message.call = request->call;
    message.error = ERR_NOT_FOUND;
    reply_message(router, route, &message, NULL);
    return true;
}

/* Says that it is busy, and answers nevertheless; other questions find it busy for a while. */
static bool answer_busy_and_done(struct fake *fake, const Ecbak__ClientRequest *request,
                                 void *router, zmq_msg_t *route)
{
    if (request->body_case != ECBAK__CLIENT_REQUEST__BODY_GET_PACK)
        return answer_busy_twice(fake, request, router, route);
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    message.call = request->call;
    message.error = ERR_BUSY;
    reply_message(router, route, &message, NULL);
    return answer_failed(fake, request, router, route);
}

static void what_is_answered_is_not_asked_again(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_busy_and_done};
    struct err err = ERR_INIT;
    struct node_status status;
    struct client_answer answer;
    const struct pack_id pack = {{1}};
    uint64_t call;
    fake_start(&fake);
    struct client *client = opened();
    assert_int_equal(client_get_pack_start(client, &call, &pack, &err), 0);
    assert_int_equal(client_status(client, &status, &err), 0);
    assert_int_equal(client_next(client, &answer, &err), 0);
    assert_int_equal(answer.err.code, ERR_NOT_FOUND);
    client_close(&client);
    fake_stop(&fake);
    assert_int_equal(fake.asked, 3);
}

/* The first fake ends for good, then the second takes its place. */
static void *come_back(void *arg)
{
    struct fake **lives = arg;
    fake_stop(lives[0]);
    fake_start(lives[1]);
    return NULL;
}

static void a_patient_client_asks_again_when_its_node_is_back(void **state)
{
    (void)state;
    struct fake before = {.answer = answer_by_going}, after = {.answer = answer_failed};
    struct err err = ERR_INIT;
    struct pack_id pack = {{1}};
    uint64_t call;
    fake_start(&before);
    struct client *client = opened();
    client_set_patience(client, 20000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(client_get_pack_start(client, &call, &pack, &err), 0);
    struct fake *lives[] = {&before, &after};
    pthread_t operator;
    assert_int_equal(pthread_create(&operator, NULL, come_back, lives), 0);
    for (int i = 0; i < 2; i++) {
        struct client_answer answer;
        assert_int_equal(client_next(client, &answer, &err), 0);
        assert_int_equal(answer.err.code, ERR_NOT_FOUND); /* the second life's answer */
    }
    pthread_join(operator, NULL);
    client_close(&client);
    fake_stop(&after);
}

static void patience_ends_with_a_node_that_stays_away(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_by_going};
    struct err err = ERR_INIT;
    struct pack_id pack = {{1}};
    uint64_t call;
    fake_start(&fake);
    struct client *client = opened();
    client_set_patience(client, 600);
    assert_int_equal(client_get_pack_start(client, &call, &pack, &err), 0);
    struct client_answer answer;
    int64_t start = now_ms();
    assert_int_equal(client_next(client, &answer, &err), 0);
    assert_int_equal(answer.err.code, ERR_IO);
    assert_non_null(strstr(answer.err.text, "went away"));
    assert_in_range(now_ms() - start, 500, 10000);
    client_close(&client);
    fake_stop(&fake);
}

static void *come_up(void *arg)
{
    fake_start(arg);
    return NULL;
}

static void a_patient_client_waits_for_a_node_that_is_not_there_yet(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_status};
    struct err err = ERR_INIT;
    struct node_status status;
    struct client *client;
    assert_int_equal(client_open_patient(&client, endpoint, 20000, &err), 0);
    pthread_t operator;
    assert_int_equal(pthread_create(&operator, NULL, come_up, &fake), 0);
    assert_int_equal(client_status(client, &status, &err), 0);
    assert_int_equal(status.members_alive, 3);
    pthread_join(operator, NULL);
    client_close(&client);
    fake_stop(&fake);
}

static void a_node_that_never_came_is_said_how_to_start(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct node_status status;
    struct client *client;
    assert_int_equal(client_open_patient(&client, endpoint, 600, &err), 0);
    int64_t start = now_ms();
    assert_int_equal(client_status(client, &status, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "start it with"));
    assert_in_range(now_ms() - start, 500, 10000);
    client_close(&client);
}

static bool answer_wrong_held(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                              zmq_msg_t *route)
{
    (void)fake;
    struct pack_id pack = {{9}};
    Ecbak__Redundancy held = ECBAK__REDUNDANCY__INIT;
    Ecbak__Redundancy *list[1] = {&held};
    Ecbak__PinPacksReply pinned_reply = ECBAK__PIN_PACKS_REPLY__INIT;
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    held.pack = wire_view(pack.bytes, sizeof(pack));
    held.nodes = 4;
    pinned_reply.n_held = 1;
    pinned_reply.held = list;
    message.call = request->call;
    message.body_case = ECBAK__CLIENT_REPLY__BODY_PIN_PACKS;
    message.pin_packs = &pinned_reply;
    reply_message(router, route, &message, NULL);
    return true;
}

static void an_answer_about_another_pack_is_not_believed(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_wrong_held};
    struct err err = ERR_INIT;
    struct pin pin = {.number = 1};
    struct pack_id packs[2] = {{{1}}, {{2}}};
    struct redundancy held[2];
    fake_start(&fake);
    struct client *client = opened();
    const struct pack_id *asked = packs;
    assert_int_equal(client_pin_packs(client, &pin, asked, 1, true, held, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(client_pin_packs(client, &pin, asked, 2, true, held, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    client_close(&client);
    fake_stop(&fake);
}

/* A page that always promises another, with the same cursor. */
static bool answer_for_ever(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                            zmq_msg_t *route)
{
    (void)fake;
    struct record_id last = {{5}};
    Ecbak__GetRecordsReply page = ECBAK__GET_RECORDS_REPLY__INIT;
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    ProtobufCBinaryData record = wire_view("record", 6);
    page.n_records = 1;
    page.records = &record;
    page.more = true;
    page.last = wire_view(last.bytes, sizeof(last));
    message.call = request->call;
    message.body_case = ECBAK__CLIENT_REPLY__BODY_GET_RECORDS;
    message.get_records = &page;
    reply_message(router, route, &message, NULL);
    return true;
}

static void records_without_end_are_refused(void **state)
{
    (void)state;
    struct fake fake = {.answer = answer_for_ever};
    struct err err = ERR_INIT;
    struct record_list list;
    struct vault_id vault = {{1}};
    fake_start(&fake);
    struct client *client = opened();
    assert_int_equal(client_get_records(client, &vault, &list, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(list.count, 0);
    client_close(&client);
    fake_stop(&fake);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/socket", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(endpoint + strlen("ipc://"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_does_not_run_is_said_so_at_once),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        cmocka_unit_test(text_from_the_node_is_cut_and_cleaned),
        cmocka_unit_test(noise_is_ignored),
        cmocka_unit_test(a_busy_node_is_asked_again),
        cmocka_unit_test(silence_ends_with_the_time_limit),
        cmocka_unit_test(who_waits_is_told_for_what_once),
        cmocka_unit_test(what_can_be_no_socket_is_refused_at_once),
        cmocka_unit_test(a_node_that_goes_away_ends_every_call),
        cmocka_unit_test(what_is_answered_is_not_asked_again),
        cmocka_unit_test(a_patient_client_asks_again_when_its_node_is_back),
        cmocka_unit_test(patience_ends_with_a_node_that_stays_away),
        cmocka_unit_test(a_patient_client_waits_for_a_node_that_is_not_there_yet),
        cmocka_unit_test(a_node_that_never_came_is_said_how_to_start),
        cmocka_unit_test(an_answer_about_another_pack_is_not_believed),
        cmocka_unit_test(records_without_end_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
