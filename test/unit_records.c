/* Pulling records from a member that answers each question slowly, lists hashes without end and has
 * no record behind any of them. The clock moves only while an answer is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/round.h"
#include "node/sync/records.h"
#include "node/trust/record.h"

#define ANSWER_MS 2000
#define HASHES    8

struct call {
    Ecbak__PeerRequest__BodyCase question;
    uint8_t prefix;
};

/* Answers the same each time, and lists what this node has refused. */
static bool steady;

static int64_t now_ms;
static unsigned questions;

int64_t monotonic_ms(void)
{
    return now_ms;
}

int ask_start(struct transport *transport, const struct node_id *node,
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err)
{
    (void)transport, (void)node, (void)payload, (void)timeout_ms, (void)err;
    questions++;
    *call = alloc_zero(1, sizeof(**call));
    (*call)->question = request->body_case;
    if (request->body_case == ECBAK__PEER_REQUEST__BODY_LIST_RECORDS)
        (*call)->prefix = request->list_records->prefix.data[0];
    return 0;
}

void call_destroy(struct call **call)
{
    free(*call);
    *call = NULL;
}

int ask_wait(struct call *const *calls, size_t count, int64_t deadline_ms)
{
    (void)deadline_ms;
    now_ms += ANSWER_MS;
    for (size_t i = 0; i < count; i++)
        if (calls[i] != NULL)
            return (int)i;
    return -1;
}

/* Packs and unpacks, so that it can be freed like one that came. */
static Ecbak__PeerReply *as_received(const Ecbak__PeerReply *reply)
{
    struct err err = ERR_INIT;
    size_t size;
    uint8_t *bytes = wire_pack(reply, &size);
    Ecbak__PeerReply *received =
        wire_unpack(&ecbak__peer_reply__descriptor, bytes, size, ASK_REPLY_BUDGET, &err);
    free(bytes);
    assert_non_null(received);
    return received;
}

Ecbak__PeerReply *ask_reply(struct call *call, Ecbak__PeerReply__BodyCase expected,
                            struct payload *payload, struct err *err)
{
    (void)expected, (void)payload;
    uint8_t digest[256][8];
    struct record_id hashes[HASHES];
    ProtobufCBinaryData views[HASHES];
    Ecbak__PeerReply reply = ECBAK__PEER_REPLY__INIT;
    Ecbak__RecordDigestReply digest_reply = ECBAK__RECORD_DIGEST_REPLY__INIT;
    Ecbak__ListRecordsReply list = ECBAK__LIST_RECORDS_REPLY__INIT;
    if (call->question == ECBAK__PEER_REQUEST__BODY_GET_RECORD) {
        err_set(err, ERR_NOT_FOUND, "this record is not here");
        return NULL;
    }
    if (call->question == ECBAK__PEER_REQUEST__BODY_RECORD_DIGEST) {
        randombytes_buf(digest, sizeof(digest));
        if (steady) {
            memset(digest, 0, sizeof(digest));
            digest[7][0] = 1;
        }
        digest_reply.digest = wire_view(digest, sizeof(digest));
        reply.body_case = ECBAK__PEER_REPLY__BODY_RECORD_DIGEST;
        reply.record_digest = &digest_reply;
        return as_received(&reply);
    }
    randombytes_buf(hashes, sizeof(hashes));
    if (steady)
        memset(hashes, 9, sizeof(hashes));
    for (size_t i = 0; i < HASHES; i++) {
        hashes[i].bytes[0] = call->prefix;
        views[i] = wire_view(hashes[i].bytes, ID_SIZE);
    }
    list.n_hashes = HASHES;
    list.hashes = views;
    list.more = !steady;
    reply.body_case = ECBAK__PEER_REPLY__BODY_LIST_RECORDS;
    reply.list_records = &list;
    return as_received(&reply);
}

/* ---- what else a pull uses: a store without records ---------------------------------------- */

int store_record_digest(struct store *store, uint8_t digest[256][8], struct err *err)
{
    (void)store, (void)err;
    memset(digest, 0, 256 * sizeof(digest[0]));
    return 0;
}

int store_list_records(struct store *store, const struct vault_id *vault,
                       const struct record_id *after, struct record_id *hashes, size_t max,
                       size_t *count, struct err *err)
{
    (void)store, (void)vault, (void)after, (void)hashes, (void)max, (void)err;
    *count = 0;
    return 0;
}

bool store_has_refused(struct store *store, const struct record_id *hash)
{
    (void)store, (void)hash;
    return steady;
}

int local_put_record(const struct local *local, const uint8_t *record, size_t size,
                     const struct node_id *from, const struct record_id *asked, struct err *err)
{
    (void)local, (void)record, (void)size, (void)from, (void)asked;
    return err_set(err, ERR_FULL, "no record came");
}

struct credentials local_credentials(const struct local *local)
{
    return (struct credentials){local->keys, NULL, NULL};
}

Ecbak__PeerReply *ask_one(struct transport *transport, const struct node_id *node,
                          const Ecbak__PeerRequest *request, int timeout_ms,
                          Ecbak__PeerReply__BodyCase expected, struct err *err)
{
    struct call *call;
    if (ask_start(transport, node, request, NULL, timeout_ms, &call, err) != 0)
        return NULL;
    int done = ask_wait(&call, 1, now_ms + timeout_ms);
    Ecbak__PeerReply *reply = done == 0 ? ask_reply(call, expected, NULL, err) : NULL;
    call_destroy(&call);
    return reply;
}

void nodes_init(struct nodes *nodes, struct peers *peers)
{
    (void)nodes, (void)peers;
}

void nodes_release(struct nodes *nodes)
{
    (void)nodes;
}

size_t nodes_count(const struct nodes *nodes, enum standing worst)
{
    (void)worst;
    return nodes->count;
}

void round_init(struct round *round, struct nodes *nodes, int timeout_ms)
{
    (void)round, (void)nodes, (void)timeout_ms;
}

void round_release(struct round *round)
{
    (void)round;
}

void round_ask(struct round *round, size_t node, const Ecbak__PeerRequest *request,
               struct payload *payload)
{
    (void)round, (void)node, (void)request, (void)payload;
}

bool round_next(struct round *round, int64_t until_ms, Ecbak__PeerReply__BodyCase expected,
                size_t *node, Ecbak__PeerReply **reply, struct err *why)
{
    (void)round, (void)until_ms, (void)expected, (void)node, (void)reply, (void)why;
    return false;
}

static void a_member_that_lists_records_without_end_is_left_after_a_while(void **state)
{
    (void)state;
    static struct settled settled;
    static struct peers peers = {.settled = &settled};
    static struct candidate candidate;
    static struct member member;
    static struct member_table table = {.count = 1, .members = &member};
    static enum standing standing = STANDING_GOOD;
    struct nodes nodes = {&peers, &table, &candidate, &standing, 1};
    struct err err = ERR_INIT;
    size_t pulled;
    settled_init(&settled);
    assert_int_equal(records_pull(&nodes, 0, &pulled, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(pulled, 0);
    assert_in_range(now_ms, 1, 60000);
    assert_in_range(questions, 2, 100);
}

static void two_who_keep_different_records_come_to_rest(void **state)
{
    (void)state;
    static struct settled settled;
    static struct peers peers = {.settled = &settled};
    static struct candidate candidate;
    static struct member member;
    static struct member_table table = {.count = 1, .members = &member};
    static enum standing standing = STANDING_GOOD;
    struct nodes nodes = {&peers, &table, &candidate, &standing, 1};
    struct err err = ERR_INIT;
    size_t pulled;
    settled_init(&settled);
    steady = true;
    for (int pull = 0; pull < 3; pull++) {
        questions = 0;
        assert_int_equal(records_pull(&nodes, 0, &pulled, &err), 0);
        assert_int_equal(pulled, 0);
        /* The digest, and once the list; what was refused is not fetched again. */
        assert_int_equal(questions, pull == 0 ? 2 : 1);
    }
    settled_release(&settled);
    steady = false;
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_who_keep_different_records_come_to_rest),
        cmocka_unit_test(a_member_that_lists_records_without_end_is_left_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
