/* What becomes of calls between nodes: large ones, and those to nodes that are slow or busy. */
#include "test/transport_bench.h"

static _Atomic int released;

static void release_bulk(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
    released++;
}

static void sixteen_mebibytes_come_back_whole(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    size_t size = 16 << 20;
    uint8_t *bytes = malloc(size), digest[32], got[32];
    randombytes_buf(bytes, size);
    crypto_generichash(digest, 32, bytes, size, NULL, 0);
    released = 0;
    struct payload payload = {.bytes = bytes, .size = size, .release = release_bulk};
    struct call *call = ask(a, b, "bulk", &payload, 20000);
    assert_null(payload.bytes); /* taken */
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + 20000), 0);
    const uint8_t *header;
    size_t header_size;
    struct payload answer;
    struct err err = ERR_INIT;
    assert_int_equal(call_result(call, &header, &header_size, &answer, &err), 0);
    assert_int_equal(answer.size, size);
    crypto_generichash(got, 32, answer.bytes, answer.size, NULL, 0);
    assert_memory_equal(got, digest, 32);
    call_destroy(&call);
    node_free(a);
    node_free(b);
    assert_int_equal(released, 1);
}

static void a_slow_node_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct node *a = node_started(), *slow = node_started(), *quick = node_started();
    knows(a, slow);
    knows(a, quick);
    slow->behaviour = HOLD;
    struct call *calls[3] = {ask(a, slow, "one", NULL, CALL_MS), NULL,
                             ask(a, quick, "two", NULL, CALL_MS)};
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + CALL_MS), 2);
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + 50), -1);
    pthread_mutex_lock(&slow->lock);
    assert_int_equal(slow->held_count, 1);
    transport_reply(slow->transport, &slow->held[0], (const uint8_t *)"late", 4, NULL);
    slow->held_count = 0;
    pthread_mutex_unlock(&slow->lock);
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + CALL_MS), 0);
    assert_int_equal(calls_wait(calls, 3, monotonic_ms() + CALL_MS), -1); /* none is left */
    call_destroy(&calls[0]);
    call_destroy(&calls[2]);
    node_free(a);
    node_free(slow);
    node_free(quick);
}

static void a_call_ends_at_its_deadline_and_may_be_dropped_before(void **state)
{
    (void)state;
    struct node *a = node_started(), *slow = node_started();
    knows(a, slow);
    slow->behaviour = HOLD;
    struct err err;
    int64_t start_ms = monotonic_ms();
    assert_int_equal(outcome(a, slow, 200, &err), ERR_TIMEOUT);
    assert_in_range(monotonic_ms() - start_ms, 200, 1500);
    struct call *call = ask(a, slow, "x", NULL, CALL_MS);
    call_destroy(&call);
    node_free(a);
    node_free(slow);
}

static void a_node_without_room_says_busy_at_once(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    b->behaviour = FULL;
    struct err err;
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_BUSY);
    assert_int_equal(counters(b).busy, 1);
    b->behaviour = ECHO;
    assert_int_equal(outcome(a, b, CALL_MS, &err), ERR_NONE);
    node_free(a);
    node_free(b);
}

static void cancelling_ends_every_call(void **state)
{
    (void)state;
    struct node *a = node_started(), *b = node_started();
    knows(a, b);
    b->behaviour = HOLD;
    struct call *call = ask(a, b, "x", NULL, 60000);
    transport_cancel(a->transport);
    assert_int_equal(calls_wait(&call, 1, monotonic_ms() + CALL_MS), 0);
    const uint8_t *header;
    size_t size;
    struct err err = ERR_INIT;
    assert_int_equal(call_result(call, &header, &size, NULL, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    call_destroy(&call);
    assert_int_equal(transport_call(a->transport, &b->keys->node,
                                    &(struct outgoing){(const uint8_t *)"x", 1, NULL}, 100, &call,
                                    &err),
                     -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    node_free(a);
    node_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_mebibytes_come_back_whole),
        cmocka_unit_test(a_slow_node_does_not_hold_up_the_others),
        cmocka_unit_test(a_call_ends_at_its_deadline_and_may_be_dropped_before),
        cmocka_unit_test(a_node_without_room_says_busy_at_once),
        cmocka_unit_test(cancelling_ends_every_call),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
