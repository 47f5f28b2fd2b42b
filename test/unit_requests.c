/* The tables of what may be asked of a node: their kinds are found before a request is unpacked, and
 * what waits in one queue cannot have come through another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "node/api/client.pb-c.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_client.h"
#include "node/serve/serve_peer.h"

static const struct request *(*const tables[])(size_t i) = {serve_peer_request,
                                                            serve_client_request};

static void a_kind_stands_once_in_its_table(void **state)
{
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; tables[t](i) != NULL; i++) {
            for (size_t j = 0; j < i; j++) {
                assert_int_not_equal(tables[t](i)->body, tables[t](j)->body);
                assert_true(strcmp(tables[t](i)->name, tables[t](j)->name) != 0);
            }
        }
    }
}

static size_t kinds_of(const ProtobufCMessageDescriptor *message)
{
    size_t kinds = 0;
    for (unsigned i = 0; i < message->n_fields; i++)
        kinds += (message->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    return kinds;
}

static void every_kind_of_the_messages_has_a_row(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *const messages[] = {&ecbak__peer_request__descriptor,
                                                          &ecbak__client_request__descriptor};
    for (size_t t = 0; t < 2; t++) {
        size_t rows = 0;
        for (; tables[t](rows) != NULL; rows++)
            assert_non_null(
                protobuf_c_message_descriptor_get_field(messages[t], tables[t](rows)->body));
        assert_int_equal(rows, kinds_of(messages[t]));
    }
}

static void no_queue_has_what_it_must_not_wait_for(void **state)
{
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; tables[t](i) != NULL; i++) {
            const struct request *kind = tables[t](i);
            assert_true(kind->queue != QUEUE_PEER || kind->cost < COST_NETWORK);
            assert_true(kind->queue != QUEUE_QUICK || kind->cost == COST_MEMORY);
            assert_true((kind->queue == QUEUE_QUICK || kind->queue == QUEUE_CLIENT) == (t == 1));
        }
    }
}

static void leaving_does_not_wait_where_status_does(void **state)
{
    (void)state;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    Ecbak__LeaveRequest leave = ECBAK__LEAVE_REQUEST__INIT;
    request.call = 1234567;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_LEAVE;
    request.leave = &leave;
    size_t size;
    uint8_t *bytes = wire_pack(&request, &size);
    assert_int_equal(request_body(bytes, size), ECBAK__CLIENT_REQUEST__BODY_LEAVE);
    assert_int_equal(serve_client_queue(bytes, size), QUEUE_CLIENT);
    free(bytes);
    static const uint8_t status[] = {0x12, 0x00}; /* field 2, empty */
    assert_int_equal(serve_client_queue(status, sizeof(status)), QUEUE_QUICK);
}

static void of_several_kinds_the_last_counts_as_when_unpacking(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x3a, 0x00, 0xfa, 0x01, 0x00}; /* fields 7 and 31 */
    assert_int_equal(request_body(bytes, sizeof(bytes)), ECBAK__PEER_REQUEST__BODY_DIAL_BACK);
    assert_int_equal(serve_peer_queue(bytes, sizeof(bytes)), QUEUE_DIAL);
    Ecbak__PeerRequest *request = wire_unpack(&ecbak__peer_request__descriptor, bytes,
                                              sizeof(bytes), ASK_REQUEST_BUDGET, NULL);
    assert_non_null(request);
    assert_int_equal(request->body_case, ECBAK__PEER_REQUEST__BODY_DIAL_BACK);
    wire_free(request);
}

static void bytes_that_are_no_message_have_no_kind(void **state)
{
    (void)state;
    static const uint8_t cut[] = {0x3a, 0x05, 0x00};
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t type[] = {0x3b}; /* type 3 is no more in use */
    assert_int_equal(request_body(cut, sizeof(cut)), 0);
    assert_int_equal(request_body(endless, sizeof(endless)), 0);
    assert_int_equal(request_body(type, sizeof(type)), 0);
    assert_int_equal(request_body(NULL, 0), 0);
}

static void a_request_that_waited_in_another_queue_is_refused(void **state)
{
    (void)state;
    struct counters counters = {{0}};
    struct local local = {.counters = &counters};
    const struct responder responder = {.local = &local};
    static const uint8_t dial_back[] = {0xfa, 0x01, 0x00};
    const struct question question = {
        .queue = QUEUE_PEER, .header = dial_back, .header_size = sizeof(dial_back)};
    uint8_t *bytes;
    size_t size;
    struct payload payload;
    serve_peer(&responder, &question, &bytes, &size, &payload);
    Ecbak__PeerReply *reply =
        wire_unpack(&ecbak__peer_reply__descriptor, bytes, size, ASK_REPLY_BUDGET, NULL);
    assert_non_null(reply);
    assert_int_equal(reply->error, ERR_FORMAT);
    wire_free(reply);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_stands_once_in_its_table),
        cmocka_unit_test(every_kind_of_the_messages_has_a_row),
        cmocka_unit_test(no_queue_has_what_it_must_not_wait_for),
        cmocka_unit_test(leaving_does_not_wait_where_status_does),
        cmocka_unit_test(of_several_kinds_the_last_counts_as_when_unpacking),
        cmocka_unit_test(bytes_that_are_no_message_have_no_kind),
        cmocka_unit_test(a_request_that_waited_in_another_queue_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
