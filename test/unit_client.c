/* What the command believes of its node, and what it refuses. */
#include "test/client_bench.h"

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
    assert_int_equal(client_pin_packs(client, &pin, asked, 1, true, NULL, held, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(client_pin_packs(client, &pin, asked, 2, true, NULL, held, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    client_close(&client);
    fake_stop(&fake);
}

/* Holds every pack at four nodes; from the third batch on (a pack whose first byte is 2) the node with
 * id 8 is excluded. Counts the batches that were asked for with it, and without. */
static struct {
    int with, without;
    uint32_t leaves;
} pins;

static bool answer_pins(struct fake *fake, const Ecbak__ClientRequest *request, void *router,
                        zmq_msg_t *route)
{
    (void)fake;
    const Ecbak__PinPacksRequest *body = request->pin_packs;
    static const struct node_id odd = {{8}};
    Ecbak__Redundancy *held = calloc(body->n_packs, sizeof(*held));
    Ecbak__Redundancy **list = calloc(body->n_packs, sizeof(Ecbak__Redundancy *));
    Ecbak__Unproven unproven = ECBAK__UNPROVEN__INIT, *unproven_list[] = {&unproven};
    Ecbak__PinPacksReply pinned_reply = ECBAK__PIN_PACKS_REPLY__INIT;
    Ecbak__ClientReply message = ECBAK__CLIENT_REPLY__INIT;
    for (size_t i = 0; i < body->n_packs; i++) {
        ecbak__redundancy__init(&held[i]);
        held[i].pack = body->packs[i];
        held[i].data = held[i].parity = 2;
        held[i].nodes = body->n_without == 0 ? 4 : 3;
        list[i] = &held[i];
    }
    pins.with += body->n_without == 0;
    pins.without += body->n_without == 1 && body->without[0].data[0] == odd.bytes[0];
    pins.leaves += body->leaves;
    unproven.node = wire_view(odd.bytes, ID_SIZE);
    unproven.name = (char *)"odd\n";
    unproven.text = (char *)"it lies";
    unproven.excluded = true;
    pinned_reply.n_held = body->n_packs;
    pinned_reply.held = list;
    pinned_reply.n_unproven = body->packs[0].data[0] == 2 && body->n_without == 0;
    pinned_reply.unproven = unproven_list;
    message.call = request->call;
    message.body_case = ECBAK__CLIENT_REPLY__BODY_PIN_PACKS;
    message.pin_packs = &pinned_reply;
    reply_message(router, route, &message, NULL);
    free(held);
    free(list);
    return true;
}

static void who_is_excluded_late_counts_nowhere(void **state)
{
    (void)state;
    enum { BATCHES = 4, COUNT = BATCHES * CLIENT_PIN_MAX };
    struct fake fake = {.answer = answer_pins};
    struct err err = ERR_INIT;
    struct pin pin = {.number = 1};
    struct proofs *proofs = calloc(1, sizeof(*proofs));
    struct pack_id *packs = calloc(COUNT, sizeof(*packs));
    struct redundancy *held = calloc(COUNT, sizeof(*held));
    for (size_t i = 0; i < COUNT; i++) {
        packs[i].bytes[0] = (uint8_t)(i / CLIENT_PIN_MAX);
        memcpy(packs[i].bytes + 8, &i, sizeof(i));
    }
    proofs->leaves = CLIENT_PROVE_LEAVES;
    fake_start(&fake);
    struct client *client = opened();
    if (client_pin_packs(client, &pin, packs, COUNT, false, proofs, held, &err) != 0)
        fail_msg("%s", err.text);
    /* Three with it, the fourth without, and then all without. */
    assert_int_equal(pins.with, 3);
    assert_int_equal(pins.without, 1 + BATCHES);
    assert_int_equal(pins.leaves, CLIENT_PROVE_LEAVES / BATCHES * (BATCHES + BATCHES));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(held[i].nodes, 3);
    assert_int_equal(proofs->count, 1);
    assert_true(proofs->members[0].excluded);
    assert_string_equal(proofs->members[0].name, "odd?");
    client_close(&client);
    fake_stop(&fake);
    free(proofs);
    free(packs);
    free(held);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_from_the_node_is_cut_and_cleaned),
        cmocka_unit_test(noise_is_ignored),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        cmocka_unit_test(what_can_be_no_socket_is_refused_at_once),
        cmocka_unit_test(an_answer_about_another_pack_is_not_believed),
        cmocka_unit_test(who_is_excluded_late_counts_nowhere),
        cmocka_unit_test(records_without_end_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
