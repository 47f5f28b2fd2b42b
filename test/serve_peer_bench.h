/* serve_peer_bench.h - one holder, asked directly what other nodes might ask, for tests of what it takes,
 * what it refuses, and what it answers. Its lab has three nodes, of which only the first has a store; any
 * of them may ask. `set` has the fragments of `pack`, none of which is there yet.
 */
#ifndef ECBAK_TEST_SERVE_PEER_BENCH_H
#define ECBAK_TEST_SERVE_PEER_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/service_lab.h"

#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer.h"
#include "node/trust/pin.h"
#include "node/trust/writer_cert.h"
#include "test/fragment_set.h"

static struct lab lab;
static struct counters counters;
static struct local local;
static struct responder responder = {.local = &local};
static struct lab_pack pack;
static struct fragment_set set;

struct answer {
    Ecbak__PeerReply *reply;
    struct payload payload;
};

/* As the lab's node `asker` asks it, which has proven who it is and may say anything. */
static inline struct answer ask_as(size_t asker, Ecbak__PeerRequest *request,
                                   const uint8_t *payload, size_t payload_size)
{
    struct answer answer;
    size_t size, reply_size;
    uint8_t *reply, *header = wire_pack(request, &size);
    struct payload given = {(uint8_t *)payload, payload_size, NULL, NULL};
    const struct question question = {.node = &lab.nodes[asker].keys->node,
                                      .queue = serve_peer_queue(header, size),
                                      .header = header,
                                      .header_size = size,
                                      .payload = &given};
    serve_peer(&responder, &question, &reply, &reply_size, &answer.payload);
    answer.reply = wire_unpack(&ecbak__peer_reply__descriptor, reply, reply_size, 1 << 24, NULL);
    assert_non_null(answer.reply);
    free(header);
    free(reply);
    return answer;
}

static inline struct answer ask(Ecbak__PeerRequest *request, const uint8_t *payload,
                                size_t payload_size)
{
    return ask_as(0, request, payload, payload_size);
}

static inline void answer_free(struct answer *answer)
{
    wire_free(answer->reply);
    payload_release(&answer->payload);
}

/* Asks and expects only a code. */
static inline void expect_as(size_t asker, enum err_code code, Ecbak__PeerRequest *request,
                             const uint8_t *payload, size_t payload_size)
{
    struct answer answer = ask_as(asker, request, payload, payload_size);
    if (answer.reply->error != code)
        fail_msg("%s instead of %s: %s", err_name(answer.reply->error), err_name(code),
                 answer.reply->error_text);
    answer_free(&answer);
}

static inline void expect(enum err_code code, Ecbak__PeerRequest *request, const uint8_t *payload,
                          size_t payload_size)
{
    expect_as(0, code, request, payload, payload_size);
}

struct put {
    Ecbak__PeerRequest request;
    Ecbak__PutFragment put;
    ProtobufCBinaryData holders[2];
    uint8_t *grant;
};

/* The object is granted. */
static inline void put_init(struct put *p, const struct object *object)
{
    size_t size;
    ecbak__peer_request__init(&p->request);
    ecbak__put_fragment__init(&p->put);
    lab_grant(&lab, object, 0, &p->grant, &size);
    p->put.grant = wire_view(p->grant, size);
    p->holders[0] = wire_view(lab.nodes[0].keys->node.bytes, ID_SIZE);
    p->holders[1] = wire_view(NULL, 0);
    p->put.n_holders = 2;
    p->put.holders = p->holders;
    p->request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT;
    p->request.put_fragment = &p->put;
}

static inline uint64_t used(void)
{
    uint64_t bytes, fragments, records;
    store_usage(local.store, &bytes, &fragments, &records);
    return bytes;
}

static inline int bench_setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    lab_init(&lab);
    lab_add_node(&lab, (uint64_t)1 << 30);
    lab_ok(rs_setup(&err));
    lab_add_node(&lab, (uint64_t)1 << 30);
    lab_add_node(&lab, (uint64_t)1 << 30);
    lab_ok(lab_open_store(&local.store, &lab.nodes[0].config, lab.nodes[0].keys,
                          lab.authority_public, &err));
    local.keys = lab.nodes[0].keys;
    local.cert = &lab.nodes[0].cert;
    local.authority_public = lab.authority_public;
    allowance_new(&local.allowance, LOCAL_RECORDS_AT_ONCE, LOCAL_RECORDS_AN_HOUR);
    local.counters = &counters;
    local.cluster = lab.cluster;
    pack = lab_pack(500000);
    lab_ok(fragment_set_encode(&set, pack.bytes, pack.size, 4, 2, &err));
    return 0;
}

static inline int bench_teardown(void **state)
{
    (void)state;
    store_close(&local.store);
    allowance_destroy(&local.allowance);
    fragment_set_release(&set);
    free(pack.bytes);
    lab_release(&lab);
    return 0;
}

#endif
