/* Sending fragments to nodes that are slow and busy: the network is played by a script, and the
 * clock moves only while something is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/base/holders.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/transfer/send.h"
#include "node/trust/node_keys.h"
#include "node/trust/receipt.h"

#define NODES     3
#define CALLS_MAX 16

enum outcome { SILENT, BUSY, FULL, GOOD };

/* One put under way: which node was asked to take which row. */
struct call {
    size_t node;
    unsigned index;
    enum outcome outcome;
};

static struct node_keys keys[NODES];
static struct candidate candidates[NODES];
static enum standing standings[NODES];
static struct member members[NODES];
static struct member_table table = {.count = NODES, .members = members};
static struct counters counters;
static struct peers peers = {.local = {.counters = &counters}};
static struct nodes nodes = {&peers, &table, candidates, standings, NODES};
static struct object_id object = {{7}};
static struct pin pin = {.number = 1};

static struct call *asked[CALLS_MAX]; /* in the order of asking; NULL: over */
static size_t asked_count;
static int64_t now_ms;
/* What happens while the job waits for the nth time: see play. */
static void (*script)(int step);
static int step;

/* ---- the network, at link time ------------------------------------------------------------ */

int64_t monotonic_ms(void)
{
    return now_ms;
}

int nodes_find(const struct nodes *n, const struct node_id *node)
{
    for (size_t i = 0; i < n->count; i++)
        if (id_equal(&n->candidates[i].node, node))
            return (int)i;
    return -1;
}

bool nodes_gone(const struct nodes *n, size_t index)
{
    (void)n, (void)index;
    return false;
}

void nodes_failed(struct nodes *n, size_t index)
{
    n->standings[index] = STANDING_DOUBTFUL;
}

void nodes_took(struct nodes *n, size_t index)
{
    (void)n, (void)index;
}

int local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                       struct grant *grant, struct err *err)
{
    (void)local, (void)put, (void)grant;
    return err_set(err, ERR_FULL, "none of these nodes is this one");
}

int ask_start(struct transport *transport, const struct node_id *node,
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err)
{
    (void)transport, (void)request, (void)timeout_ms, (void)err;
    assert_true(asked_count < CALLS_MAX);
    *call = alloc_zero(1, sizeof(**call));
    (*call)->node = (size_t)nodes_find(&nodes, node);
    (*call)->index = payload->bytes[0];
    asked[asked_count++] = *call;
    payload->release(payload->bytes, payload->hint);
    return 0;
}

void call_destroy(struct call **call)
{
    for (size_t i = 0; *call != NULL && i < asked_count; i++)
        if (asked[i] == *call)
            asked[i] = NULL;
    free(*call);
    *call = NULL;
}

int ask_wait(struct call *const *calls, size_t count, int64_t deadline_ms)
{
    now_ms = deadline_ms;
    script(++step);
    for (size_t i = 0; i < count; i++)
        if (calls[i] != NULL && calls[i]->outcome != SILENT)
            return (int)i;
    return -1;
}

Ecbak__PeerReply *ask_reply(struct call *call, Ecbak__PeerReply__BodyCase expected,
                            struct payload *payload, struct err *err)
{
    (void)expected, (void)payload;
    if (call->outcome == BUSY) {
        err_set(err, ERR_BUSY, "too many requests wait");
        return NULL;
    }
    if (call->outcome == FULL) {
        err_set(err, ERR_FULL, "no inode is left on the disk");
        return NULL;
    }
    struct receipt receipt = {.index = call->index, .number = pin.number};
    receipt.object = object;
    receipt.holder = keys[call->node].node;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(receipt_seal(&receipt, keys[call->node].sign_secret, &bytes, &size, err), 0);
    Ecbak__PutFragmentReply put = ECBAK__PUT_FRAGMENT_REPLY__INIT;
    put.receipt = wire_view(bytes, size);
    Ecbak__PeerReply reply = ECBAK__PEER_REPLY__INIT;
    reply.body_case = ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT;
    reply.put_fragment = &put;
    uint8_t *packed = wire_pack(&reply, &size);
    Ecbak__PeerReply *unpacked =
        wire_unpack(&ecbak__peer_reply__descriptor, packed, size, ASK_REPLY_BUDGET, err);
    free(packed);
    free(bytes);
    return unpacked;
}

/* ---- the tests ---------------------------------------------------------------------------- */

static int set_up(void **state)
{
    static const char *const zones[NODES] = {"a", "b", "c"};
    (void)state;
    for (size_t i = 0; i < NODES; i++) {
        crypto_sign_keypair(keys[i].node.bytes, keys[i].sign_secret);
        candidates[i] = (struct candidate){
            .zone = zones[i], .capacity_bytes = 1000, .free_bytes = 1000, .usable = true};
        candidates[i].node = keys[i].node;
        standings[i] = STANDING_GOOD;
    }
    asked_count = 0;
    step = 0;
    return 0;
}

/* Row 0 is late, so a third node gets it as well; then its first node says that it is busy, and
 * before it is asked again the third one has the row. */
static void busy_then_overtaken(int at)
{
    if (at == 1)
        now_ms += 4000;
    else if (at == 2)
        asked[0]->outcome = BUSY;
    else if (at == 3)
        asked[2]->outcome = GOOD;
    for (size_t i = 0; at > 3 && i < asked_count; i++)
        if (asked[i] != NULL)
            asked[i]->outcome = GOOD;
}

static struct sending sending_of(const struct pack_id *pack)
{
    struct sending sending = {.nodes = &nodes,
                              .pack = pack,
                              .object = &object,
                              .grant = pack->bytes,
                              .grant_size = 1,
                              .pin = &pin,
                              .data = 1,
                              .parity = 1,
                              .fragment_size = 1};
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *bytes = alloc_zero(1, 1);
        bytes[0] = (uint8_t)i;
        sending.fragments[i] = (struct sendable){bytes, parcel_of(bytes, 1)};
    }
    return sending;
}

static void a_busy_node_is_not_asked_again_when_another_has_the_row(void **state)
{
    (void)state;
    struct pack_id pack = {{1}};
    struct sending sending = sending_of(&pack);
    script = busy_then_overtaken;
    send_fragments(&sending);
    assert_int_equal(asked_count, 3);
    assert_int_equal(sending.placed, 2);
    assert_memory_not_equal(sending.holders.node[0].bytes, sending.holders.node[1].bytes, ID_SIZE);
}

static void all_say_that_they_are_full(int at)
{
    (void)at;
    for (size_t i = 0; i < asked_count; i++)
        if (asked[i] != NULL)
            asked[i]->outcome = FULL;
}

static void who_has_no_space_is_named_with_what_is_missing(void **state)
{
    (void)state;
    struct pack_id pack = {{1}};
    struct sending sending = sending_of(&pack);
    sending.fragment_size = 2500 * 1000;
    for (size_t i = 0; i < NODES; i++) {
        snprintf(members[i].cert.name, sizeof(members[i].cert.name), "n%zu", i);
        candidates[i].free_bytes = i == 0 ? 1000 * 1000 : 10 * 1000 * 1000;
    }
    assert_int_equal(send_room(&sending), NODES - 1);
    assert_int_equal(sending.full, 1);
    assert_string_equal(sending.lacks, "node n0: 1.5 MB too little");
    script = all_say_that_they_are_full;
    send_fragments(&sending);
    assert_int_equal(sending.placed, 0);
    assert_int_equal(sending.full, NODES);
    assert_non_null(strstr(sending.lacks, "node n2: no inode is left on the disk"));
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_has_no_space_is_named_with_what_is_missing, set_up),
        cmocka_unit_test_setup(a_busy_node_is_not_asked_again_when_another_has_the_row, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
