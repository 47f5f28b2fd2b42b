/* What the command waits for, and for how long: nodes that are absent, busy, silent, gone or back. */
#include "test/client_bench.h"

#include "node/common/clock.h"

static void a_node_that_does_not_run_is_said_so_at_once(void **state)
{
    (void)state;
    struct client *client;
    struct err err = ERR_INIT;
    int64_t start = monotonic_ms();
    assert_int_equal(client_open(&client, endpoint, &err), -1);
    assert_null(client);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "no answer from ecbakd at ipc://"));
    assert_non_null(strstr(err.text, "start it with"));
    assert_in_range(monotonic_ms() - start, 0, 500);
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
    int64_t start = monotonic_ms();
    assert_int_equal(client_status(client, &status, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(monotonic_ms() - start, 190, 5000);
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
        assert_int_equal(
            client_get_pack_start(client, &calls[i], &(struct vault_id){{3}}, &pack, &err), 0);
    int64_t start = monotonic_ms();
    for (int i = 0; i < 3; i++) {
        struct client_answer answer;
        assert_int_equal(client_next(client, &answer, &err), 0);
        assert_int_equal(answer.err.code, ERR_IO);
        assert_non_null(strstr(answer.err.text, "went away"));
    }
    assert_in_range(monotonic_ms() - start, 0, 5000);
    struct node_status status;
    fake_stop(&fake);
    assert_int_equal(client_status(client, &status, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(monotonic_ms() - start, 0, 5000);
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
    assert_int_equal(client_get_pack_start(client, &call, &(struct vault_id){{3}}, &pack, &err), 0);
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
        assert_int_equal(client_get_pack_start(client, &call, &(struct vault_id){{3}}, &pack, &err),
                         0);
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
    assert_int_equal(client_get_pack_start(client, &call, &(struct vault_id){{3}}, &pack, &err), 0);
    struct client_answer answer;
    int64_t start = monotonic_ms();
    assert_int_equal(client_next(client, &answer, &err), 0);
    assert_int_equal(answer.err.code, ERR_IO);
    assert_non_null(strstr(answer.err.text, "went away"));
    assert_in_range(monotonic_ms() - start, 500, 10000);
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
    int64_t start = monotonic_ms();
    assert_int_equal(client_status(client, &status, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "start it with"));
    assert_in_range(monotonic_ms() - start, 500, 10000);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_does_not_run_is_said_so_at_once),
        cmocka_unit_test(a_busy_node_is_asked_again),
        cmocka_unit_test(silence_ends_with_the_time_limit),
        cmocka_unit_test(who_waits_is_told_for_what_once),
        cmocka_unit_test(a_node_that_goes_away_ends_every_call),
        cmocka_unit_test(what_is_answered_is_not_asked_again),
        cmocka_unit_test(a_patient_client_asks_again_when_its_node_is_back),
        cmocka_unit_test(patience_ends_with_a_node_that_stays_away),
        cmocka_unit_test(a_patient_client_waits_for_a_node_that_is_not_there_yet),
        cmocka_unit_test(a_node_that_never_came_is_said_how_to_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
