/* One holder, asked directly what other nodes might ask: what it takes, what it refuses, and what
 * it answers. */
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
#include "node/trust/receipt.h"
#include "node/trust/record.h"
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
static struct answer ask_as(size_t asker, Ecbak__PeerRequest *request, const uint8_t *payload,
                            size_t payload_size)
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

static struct answer ask(Ecbak__PeerRequest *request, const uint8_t *payload, size_t payload_size)
{
    return ask_as(0, request, payload, payload_size);
}

static void answer_free(struct answer *answer)
{
    wire_free(answer->reply);
    payload_release(&answer->payload);
}

/* Asks and expects only a code. */
static void expect_as(size_t asker, enum err_code code, Ecbak__PeerRequest *request,
                      const uint8_t *payload, size_t payload_size)
{
    struct answer answer = ask_as(asker, request, payload, payload_size);
    if (answer.reply->error != code)
        fail_msg("%s instead of %s: %s", err_name(answer.reply->error), err_name(code),
                 answer.reply->error_text);
    answer_free(&answer);
}

static void expect(enum err_code code, Ecbak__PeerRequest *request, const uint8_t *payload,
                   size_t payload_size)
{
    expect_as(0, code, request, payload, payload_size);
}

struct put {
    Ecbak__PeerRequest request;
    Ecbak__PutFragment put;
    Ecbak__Pin pin;
    ProtobufCBinaryData holders[2];
    uint8_t *grant;
};

/* The object is granted; without the pin that a repair brings. */
static void put_init(struct put *p, const struct object *object)
{
    size_t size;
    ecbak__peer_request__init(&p->request);
    ecbak__put_fragment__init(&p->put);
    ecbak__pin__init(&p->pin);
    lab_grant(&lab, object, 0, &p->grant, &size);
    p->put.grant = wire_view(p->grant, size);
    p->pin.vault = wire_view(lab.vault.bytes, ID_SIZE);
    p->pin.writer = wire_view(lab.writer.bytes, WRITER_ID_SIZE);
    p->pin.number = lab.pin.number + 7;
    p->pin.attempt = wire_view(lab.pin.attempt.bytes, ATTEMPT_SIZE);
    p->holders[0] = wire_view(lab.nodes[0].keys->node.bytes, ID_SIZE);
    p->holders[1] = wire_view(NULL, 0);
    p->put.n_holders = 2;
    p->put.holders = p->holders;
    p->request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT;
    p->request.put_fragment = &p->put;
}

/* Pins of a lab's writer, countersigned by one of its nodes. */
struct pinning {
    Ecbak__PeerRequest request;
    Ecbak__PinPacks pin;
    uint8_t *bytes;
    size_t size;
};

static void pinning_init(struct pinning *p, struct pack_id *packs, size_t count, uint64_t number,
                         struct lab *by, size_t sponsor)
{
    struct err err = ERR_INIT;
    const struct signer signer = lab_signer(by);
    const struct credentials node = {by->nodes[sponsor].keys, &by->nodes[sponsor].cert,
                                     by->authority_public};
    struct pins pins = {.pin = by->pin, .packs = packs, .count = count};
    uint8_t *alone;
    size_t alone_size;
    pins.cluster = by->cluster;
    pins.pin.number = number;
    memset(pins.pin.attempt.bytes, (int)number, ATTEMPT_SIZE);
    lab_ok(pins_seal(&pins, &signer, &alone, &alone_size, &err));
    lab_ok(pins_countersign(alone, alone_size, &node, &p->bytes, &p->size, &err));
    free(alone);
    ecbak__peer_request__init(&p->request);
    ecbak__pin_packs__init(&p->pin);
    p->pin.pins = wire_view(p->bytes, p->size);
    p->request.body_case = ECBAK__PEER_REQUEST__BODY_PIN;
    p->request.pin = &p->pin;
}

static void the_fragment_is_given(void)
{
    Ecbak__GetFragment get = ECBAK__GET_FRAGMENT__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    get.object = wire_view(set.object_id.bytes, ID_SIZE);
    get.vault = wire_view(lab.vault.bytes, ID_SIZE);
    get.index = 2;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT;
    request.get_fragment = &get;
    struct answer answer = ask(&request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.payload.size, set.size);
    assert_memory_equal(answer.payload.bytes, set.bytes[2], set.size);
    answer_free(&answer);
    get.index = 3;
    expect(ERR_NOT_FOUND, &request, NULL, 0);
    struct vault_id other = {{1}}; /* of another vault it is not asked here */
    get.index = 2;
    get.vault = wire_view(other.bytes, ID_SIZE);
    expect(ERR_NOT_FOUND, &request, NULL, 0);
    get.vault = wire_view(NULL, 0);
    expect(ERR_FORMAT, &request, NULL, 0);
}

static void a_fragment_with_a_grant_is_kept_and_receipted(void **state)
{
    (void)state;
    struct put p;
    struct receipt receipt;
    struct err err = ERR_INIT;
    put_init(&p, &set.object);
    for (int twice = 0; twice < 2; twice++) {
        p.put.pin = twice == 0 ? NULL : &p.pin; /* an upload's, then a repair's */
        struct answer answer = ask(&p.request, set.bytes[2], set.size);
        assert_int_equal(answer.reply->error, ERR_NONE);
        assert_int_equal(answer.reply->body_case, ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT);
        ProtobufCBinaryData bytes = answer.reply->put_fragment->receipt;
        lab_ok(receipt_open(&receipt, bytes.data, bytes.len, &err));
        assert_memory_equal(receipt.object.bytes, set.object_id.bytes, ID_SIZE);
        assert_memory_equal(receipt.holder.bytes, lab.nodes[0].keys->node.bytes, ID_SIZE);
        assert_memory_equal(receipt.cluster.bytes, lab.cluster.bytes, ID_SIZE);
        assert_int_equal(receipt.index, 2);
        assert_int_equal(receipt.number, lab.pin.number + (twice == 0 ? 0 : 7));
        answer_free(&answer);
    }
    free(p.grant);

    the_fragment_is_given();

    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    struct pack_id nothing = {{1}};
    ProtobufCBinaryData packs[2] = {wire_view(nothing.bytes, ID_SIZE),
                                    wire_view(pack.id.bytes, ID_SIZE)};
    locate.n_packs = 2;
    locate.packs = packs;
    locate.vault = wire_view(lab.vault.bytes, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    struct answer answer = ask(&request, NULL, 0);
    assert_int_equal(answer.reply->locate->n_fragments, 1);
    assert_false(answer.reply->locate->more);
    const Ecbak__FragmentAt *at = answer.reply->locate->fragments[0];
    assert_int_equal(at->pack_index, 1);
    assert_int_equal(at->index, 2);
    struct grant grant;
    struct writer_cert writer;
    lab_ok(grant_open(&grant, &writer, at->grant.data, at->grant.len, lab.authority_public, &err));
    assert_memory_equal(&grant.object, &set.object_id, ID_SIZE);
    assert_int_equal(at->n_holders, 2);
    assert_memory_equal(at->holders[0].data, lab.nodes[0].keys->node.bytes, ID_SIZE);
    assert_int_equal(at->holders[1].len, 0);
    answer_free(&answer);
}

static void what_is_pinned_is_told_from_any_pack_and_row_on(void **state)
{
    (void)state;
    struct pack_id ids[2] = {{{1}}, pack.id};
    struct pinning pinning;
    pinning_init(&pinning, ids, 2, 8, &lab, 0);
    struct answer answer = ask(&pinning.request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.reply->pin->n_fragments, 1);
    assert_int_equal(answer.reply->pin->fragments[0]->pack_index, 1);
    answer_free(&answer);
    pinning.pin.first = 1; /* a later page */
    answer = ask(&pinning.request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.reply->pin->n_fragments, 1);
    assert_int_equal(answer.reply->pin->fragments[0]->pack_index, 0);
    answer_free(&answer);
    Ecbak__RowPlace place = ECBAK__ROW_PLACE__INIT;
    place.object = wire_view(set.object_id.bytes, ID_SIZE);
    place.index = 2;
    pinning.pin.after = &place;
    answer = ask(&pinning.request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.reply->pin->n_fragments, 0);
    answer_free(&answer);
    pinning.pin.first = 2;
    expect(ERR_FORMAT, &pinning.request, NULL, 0);
    free(pinning.bytes);
}

static size_t located(ProtobufCBinaryData vault, Ecbak__RowPlace *after, uint32_t *first)
{
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    ProtobufCBinaryData id = wire_view(pack.id.bytes, ID_SIZE);
    locate.n_packs = 1;
    locate.packs = &id;
    locate.vault = vault;
    locate.after = after;
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    struct answer answer = ask(&request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    size_t count = answer.reply->locate->n_fragments;
    *first = count > 0 ? answer.reply->locate->fragments[0]->index : UINT32_MAX;
    answer_free(&answer);
    return count;
}

static void rows_are_told_of_one_vault_and_from_any_row_on(void **state)
{
    (void)state;
    struct put p;
    uint32_t first;
    Ecbak__RowPlace place = ECBAK__ROW_PLACE__INIT;
    ProtobufCBinaryData vault = wire_view(lab.vault.bytes, ID_SIZE);
    put_init(&p, &set.object);
    for (unsigned i = 2; i < 5; i++) {
        expect_as(i > 2, ERR_NONE, &p.request, set.bytes[i], set.size);
    }
    free(p.grant);
    assert_int_equal(located(vault, NULL, &first), 3);
    assert_int_equal(first, 2);
    place.object = wire_view(set.object_id.bytes, ID_SIZE);
    place.index = 2;
    assert_int_equal(located(vault, &place, &first), 2);
    assert_int_equal(first, 3);
    place.index = 4;
    assert_int_equal(located(vault, &place, &first), 0);
    struct vault_id other = {{7}};
    assert_int_equal(located(wire_view(other.bytes, ID_SIZE), NULL, &first), 0);
}

static void grants_are_shown_of_the_objects_that_are_here(void **state)
{
    (void)state;
    struct object_id nothing = {{1}};
    ProtobufCBinaryData objects[2] = {wire_view(nothing.bytes, ID_SIZE),
                                      wire_view(set.object_id.bytes, ID_SIZE)};
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    Ecbak__GetGrants get = ECBAK__GET_GRANTS__INIT;
    get.vault = wire_view(lab.vault.bytes, ID_SIZE);
    get.n_objects = 2;
    get.objects = objects;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_GRANTS;
    request.get_grants = &get;
    struct answer answer = ask(&request, NULL, 0);
    struct err err = ERR_INIT;
    struct grant grant;
    struct writer_cert writer;
    assert_int_equal(answer.reply->get_grants->n_grants, 2);
    assert_int_equal(answer.reply->get_grants->grants[0].len, 0);
    ProtobufCBinaryData bytes = answer.reply->get_grants->grants[1];
    lab_ok(grant_open(&grant, &writer, bytes.data, bytes.len, lab.authority_public, &err));
    assert_memory_equal(&grant.object, &set.object_id, ID_SIZE);
    answer_free(&answer);
    get.n_objects = 0;
    expect(ERR_FORMAT, &request, NULL, 0);
    ProtobufCBinaryData *many = calloc(ASK_GRANTS_MAX + 1, sizeof(*many));
    get.objects = many;
    get.n_objects = ASK_GRANTS_MAX + 1;
    expect(ERR_FORMAT, &request, NULL, 0);
    free(many);
}

static void expect_foreign(const struct object *granted)
{
    struct put p;
    put_init(&p, granted);
    expect(ERR_FOREIGN, &p.request, set.bytes[0], set.size);
    free(p.grant);
}

static void a_grant_is_for_one_object_of_its_pack_and_no_other(void **state)
{
    (void)state;
    uint64_t refused = atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]);
    struct object other = set.object; /* of another pack */
    other.pack_id.bytes[0] ^= 1;
    expect_foreign(&other);
    other = set.object; /* of this pack, with another row */
    other.roots[3][0] ^= 1;
    expect_foreign(&other);
    other = set.object;
    other.shape.pack_size++;
    expect_foreign(&other);
    assert_int_equal(atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]), refused + 3);
}

static void nothing_is_kept_without_a_good_grant(void **state)
{
    (void)state;
    struct put p;
    uint64_t refused = atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]);
    put_init(&p, &set.object);
    p.put.grant = wire_view(NULL, 0);
    expect(ERR_FORMAT, &p.request, set.bytes[0], set.size);
    free(p.grant);

    lab.cluster.bytes[5] ^= 1; /* of a foreign cluster */
    put_init(&p, &set.object);
    lab.cluster.bytes[5] ^= 1;
    expect(ERR_FOREIGN, &p.request, set.bytes[0], set.size);
    free(p.grant);

    size_t size; /* by the writer alone */
    put_init(&p, &set.object);
    free(p.grant);
    lab_grant_writers(&lab, &set.object, 0, &p.grant, &size);
    p.put.grant = wire_view(p.grant, size);
    expect(ERR_FORMAT, &p.request, set.bytes[0], set.size);
    free(p.grant);

    put_init(&p, &set.object); /* its signature touched */
    p.grant[p.put.grant.len / 2] ^= 1;
    struct answer answer = ask(&p.request, set.bytes[0], set.size);
    assert_int_not_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);
    free(p.grant);

    put_init(&p, &set.object); /* pinned for another's vault */
    p.put.pin = &p.pin;
    struct vault_id vault = {{4}};
    p.pin.vault = wire_view(vault.bytes, ID_SIZE);
    expect(ERR_DENIED, &p.request, set.bytes[0], set.size);
    free(p.grant);

    put_init(&p, &set.object); /* pinned for a record beyond those that there can be */
    p.put.pin = &p.pin;
    p.pin.number = RECORD_NUMBER_MAX + 1;
    expect(ERR_FORMAT, &p.request, set.bytes[0], set.size);
    free(p.grant);

    struct lab honest = lab; /* a writer that may only read */
    lab.writer_cert_bytes = NULL;
    lab_vault(&lab, RIGHT_READ);
    put_init(&p, &set.object);
    expect(ERR_DENIED, &p.request, set.bytes[0], set.size);
    free(p.grant);
    free(lab.writer_cert_bytes);
    lab = honest;

    assert_true(atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]) >= refused + 4);
    struct fragment_info found[4];
    size_t count;
    struct err err = ERR_INIT;
    const struct pack_question question = {&lab.vault, &pack.id, NULL};
    lab_ok(store_find_pack(local.store, &question, found, 4, &count, &err));
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(found[i].key.index, 0);
}

static void a_fragment_that_does_not_prove_itself_is_refused(void **state)
{
    (void)state;
    struct put p;
    uint8_t *bytes = malloc(set.size);
    put_init(&p, &set.object);
    memcpy(bytes, set.bytes[1], set.size);
    bytes[set.size - 5] ^= 1;
    expect(ERR_DAMAGED, &p.request, bytes, set.size);
    memcpy(bytes, set.bytes[1], set.size);
    expect(ERR_FORMAT, &p.request, bytes, set.size - 1);
    expect(ERR_FORMAT, &p.request, bytes, 0);
    free(bytes);
    free(p.grant);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    struct pack_id id = {{1}};
    ProtobufCBinaryData *packs = calloc(ASK_PACKS_MAX + 1, sizeof(*packs));
    for (size_t i = 0; i <= ASK_PACKS_MAX; i++)
        packs[i] = wire_view(id.bytes, ID_SIZE);
    locate.packs = packs;
    locate.vault = wire_view(lab.vault.bytes, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    expect(ERR_FORMAT, &request, NULL, 0);
    locate.n_packs = ASK_PACKS_MAX;
    expect(ERR_NONE, &request, NULL, 0);
    locate.n_packs = ASK_PACKS_MAX + 1;
    expect(ERR_FORMAT, &request, NULL, 0);
    packs[3].len = ID_SIZE - 1;
    locate.n_packs = 10;
    expect(ERR_FORMAT, &request, NULL, 0);
    free(packs);

    struct put p;
    put_init(&p, &set.object);
    ProtobufCBinaryData *holders = calloc(HOLDERS_MAX + 1, sizeof(*holders));
    p.put.n_holders = HOLDERS_MAX + 1;
    p.put.holders = holders;
    expect(ERR_FORMAT, &p.request, set.bytes[0], set.size);
    free(holders);
    free(p.grant);
    Ecbak__PeerRequest empty = ECBAK__PEER_REQUEST__INIT;
    expect(ERR_VERSION, &empty, NULL, 0);
}

static void noise_is_counted_and_refused(void **state)
{
    (void)state;
    uint64_t before = atomic_load(&counters.value[COUNTED_MALFORMED]);
    struct payload payload, none = {.size = 0};
    uint8_t *reply, *big = calloc(1, ASK_REQUEST_MAX + 1);
    size_t size;
    serve_peer(&responder,
               &(struct question){.queue = QUEUE_PEER,
                                  .payload = &none,
                                  .header = (const uint8_t *)"\xff\xff\xff",
                                  .header_size = 3},
               &reply, &size, &payload);
    free(reply);
    serve_peer(&responder,
               &(struct question){.queue = QUEUE_PEER,
                                  .payload = &none,
                                  .header = big,
                                  .header_size = ASK_REQUEST_MAX + 1},
               &reply, &size, &payload);
    free(reply);
    /* Two bytes on the wire that would take a hundred in memory, many times. */
    for (size_t i = 0; i + 1 < ASK_REQUEST_MAX; i += 2)
        big[i] = 0x1a; /* an empty LocatePacks, over and over */
    serve_peer(
        &responder,
        &(struct question){
            .queue = QUEUE_PEER, .payload = &none, .header = big, .header_size = ASK_REQUEST_MAX},
        &reply, &size, &payload);
    free(reply);
    free(big);
    assert_true(atomic_load(&counters.value[COUNTED_MALFORMED]) >= before + 2);
}

/* As the lab's node `sponsor` brings it. */
static void record_of(uint64_t number, size_t sponsor, uint8_t **bytes, size_t *size,
                      struct record_id *hash)
{
    struct err err = ERR_INIT;
    const struct credentials node = {lab.nodes[sponsor].keys, &lab.nodes[sponsor].cert,
                                     lab.authority_public};
    uint8_t *alone;
    size_t alone_size;
    lab_record(&lab, number, RECORD_SNAPSHOT, &alone, &alone_size, hash);
    lab_ok(record_countersign(alone, alone_size, &node, bytes, size, &err));
    free(alone);
}

static void records_are_listed_by_their_first_byte(void **state)
{
    (void)state;
    struct record_id hashes[40];
    uint8_t *bytes;
    size_t size, listed = 0;
    for (size_t i = 0; i < 40; i++) {
        Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
        request.put_record = &put;
        record_of(i + 1, 0, &bytes, &size, &hashes[i]);
        expect(ERR_NONE, &request, bytes, size);
        expect(ERR_NONE, &request, bytes, size);
        bytes[size - 1] ^= 1;
        struct answer answer = ask(&request, bytes, size);
        assert_int_not_equal(answer.reply->error, ERR_NONE);
        answer_free(&answer);
        free(bytes);
    }
    for (int prefix = 0; prefix < 256; prefix++) {
        uint8_t byte = (uint8_t)prefix;
        Ecbak__ListRecords list = ECBAK__LIST_RECORDS__INIT;
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        list.prefix = wire_view(&byte, 1);
        request.body_case = ECBAK__PEER_REQUEST__BODY_LIST_RECORDS;
        request.list_records = &list;
        struct answer answer = ask(&request, NULL, 0);
        assert_int_equal(answer.reply->error, ERR_NONE);
        for (size_t i = 0; i < answer.reply->list_records->n_hashes; i++) {
            assert_int_equal(answer.reply->list_records->hashes[i].data[0], byte);
            listed++;
        }
        assert_false(answer.reply->list_records->more);
        answer_free(&answer);
    }
    assert_int_equal(listed, 40);
    Ecbak__GetRecord get = ECBAK__GET_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    get.hash = wire_view(hashes[7].bytes, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_RECORD;
    request.get_record = &get;
    struct answer answer = ask(&request, NULL, 0);
    record_of(8, 0, &bytes, &size, &hashes[0]);
    assert_int_equal(answer.payload.size, size);
    assert_memory_equal(answer.payload.bytes, bytes, size);
    free(bytes);
    answer_free(&answer);
}

/* ---- members that break every rule ---- */

static uint64_t used(void)
{
    uint64_t bytes, fragments, records;
    store_usage(local.store, &bytes, &fragments, &records);
    return bytes;
}

static void a_record_is_taken_from_its_sponsor_alone(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record_id hash;
    uint8_t *bytes, *alone;
    size_t size, alone_size;
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    uint64_t before = used();
    lab_record(&lab, 50, RECORD_SNAPSHOT, &alone, &alone_size, &hash);
    expect(ERR_DENIED, &request, alone, alone_size);
    /* Countersigned by one that another authority certified. */
    struct cert stranger = lab.nodes[1].cert;
    uint8_t other_secret[64], other_public[32];
    crypto_sign_keypair(other_public, other_secret);
    lab_ok(cert_sign(&stranger, other_secret, &err));
    stranger.cluster = lab.cluster;
    const struct credentials node = {lab.nodes[1].keys, &stranger, lab.authority_public};
    lab_ok(record_countersign(alone, alone_size, &node, &bytes, &size, &err));
    expect_as(1, ERR_DENIED, &request, bytes, size);
    free(bytes);
    free(alone);
    record_of(50, 0, &bytes, &size, &hash); /* what was countersigned by one, brought by another */
    expect_as(1, ERR_DENIED, &request, bytes, size);
    assert_true(used() == before);
    expect_as(0, ERR_NONE, &request, bytes, size);
    free(bytes);
}

/* A record of a vault that nobody has heard of, as large as they come. */
static void foreign_record(size_t sponsor, uint8_t **bytes, size_t *size)
{
    static uint8_t sealed[RECORD_SEALED_MAX];
    struct err err = ERR_INIT;
    struct lab other = {.count = 0};
    struct record record = {.number = 1, .kind = RECORD_SNAPSHOT, .sealed = sealed};
    struct record_id hash;
    uint8_t *alone;
    size_t alone_size;
    other.cluster = lab.cluster;
    lab_vault(&other, RIGHT_ADD);
    const struct signer signer = lab_signer(&other);
    const struct credentials node = {lab.nodes[sponsor].keys, &lab.nodes[sponsor].cert,
                                     lab.authority_public};
    record.cluster = lab.cluster;
    record.vault = other.vault;
    record.writer = other.writer;
    record.sealed_size = sizeof(sealed);
    lab_ok(record_seal(&record, &signer, &alone, &alone_size, &hash, &err));
    lab_ok(record_countersign(alone, alone_size, &node, bytes, size, &err));
    free(other.writer_cert_bytes);
    free(alone);
}

static void a_flood_of_records_ends_and_the_snapshots_of_others_are_taken(void **state)
{
    (void)state;
    struct record_id hash;
    uint8_t *bytes;
    size_t size, sent = 0;
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    uint64_t before = used();
    uint32_t error = ERR_NONE;
    for (; sent < 200 && error == ERR_NONE; sent++) {
        foreign_record(1, &bytes, &size);
        struct answer answer = ask_as(1, &request, bytes, size);
        error = answer.reply->error;
        answer_free(&answer);
        free(bytes);
    }
    assert_int_equal(error, ERR_FULL);
    assert_true(used() - before <= LOCAL_RECORDS_AT_ONCE);
    record_of(51, 0, &bytes, &size, &hash);
    expect_as(0, ERR_NONE, &request, bytes, size);
    free(bytes);
}

static void what_is_pulled_is_what_was_asked_for_whoever_brought_it_first(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record_id hash, other = {{1}};
    uint8_t *bytes;
    size_t size;
    record_of(52, 1, &bytes, &size, &hash); /* its sponsor has had all that it may bring itself */
    const struct node_id *from = &lab.nodes[0].keys->node;
    assert_int_equal(local_put_record(&local, bytes, size, from, &other, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    lab_ok(local_put_record(&local, bytes, size, from, &hash, &err));
    free(bytes);
}

static void only_what_its_writer_signed_is_pinned(void **state)
{
    (void)state;
    struct pinning p;
    uint64_t before = used();
    pinning_init(&p, &pack.id, 1, 60, &lab, 0);
    p.pin.pins.len = 0; /* as once: a vault, a writer, a number, signed by nobody */
    expect(ERR_FORMAT, &p.request, NULL, 0);
    p.pin.pins.len = p.size;
    p.bytes[p.size / 2] ^= 1;
    struct answer answer = ask(&p.request, NULL, 0);
    assert_int_not_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);
    free(p.bytes);
    /* A vault of its own pins nothing of another's. */
    struct lab other = lab;
    other.writer_cert_bytes = NULL;
    lab_vault(&other, RIGHT_ADD);
    pinning_init(&p, &pack.id, 1, 60, &other, 0);
    answer = ask(&p.request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.reply->pin->n_fragments, 0);
    answer_free(&answer);
    free(p.bytes);
    /* Nor does its key for the other's writer, with that one's certificate or its own. */
    struct lab thief = lab;
    memcpy(thief.writer_secret, other.writer_secret, sizeof(thief.writer_secret));
    pinning_init(&p, &pack.id, 1, 60, &thief, 0);
    expect(ERR_DAMAGED, &p.request, NULL, 0);
    free(p.bytes);
    other.pin = lab.pin;
    pinning_init(&p, &pack.id, 1, 60, &other, 0);
    expect(ERR_FOREIGN, &p.request, NULL, 0);
    free(p.bytes);
    free(other.writer_cert_bytes);
    assert_true(used() == before);
    pinning_init(&p, &pack.id, 1, 60, &lab, 0);
    answer = ask(&p.request, NULL, 0);
    assert_int_equal(answer.reply->pin->n_fragments, 3);
    assert_true(used() > before);
    answer_free(&answer);
    free(p.bytes);
}

static void a_flood_of_pins_ends_and_fragments_are_still_taken(void **state)
{
    (void)state;
    struct pinning p;
    struct pack_id *packs = calloc(PIN_PACKS_MAX, sizeof(*packs));
    packs[PIN_PACKS_MAX - 1] = pack.id;
    uint64_t before = used(), number = 100;
    uint32_t error = ERR_NONE;
    for (; error == ERR_NONE && number < 300; number++) {
        pinning_init(&p, packs, PIN_PACKS_MAX, number, &lab, 1);
        struct answer answer = ask_as(1, &p.request, NULL, 0);
        error = answer.reply->error;
        answer_free(&answer);
        free(p.bytes);
    }
    assert_int_equal(error, ERR_FULL);
    assert_true(used() - before < 2 * (uint64_t)1024 * 1024);
    free(packs);
    struct put put;
    put_init(&put, &set.object);
    expect_as(2, ERR_NONE, &put.request, set.bytes[5], set.size);
    free(put.grant);
}

static void say_holders(size_t asker, enum err_code code, const struct holders *holders)
{
    ProtobufCBinaryData views[HOLDERS_MAX];
    Ecbak__SetHolders say = ECBAK__SET_HOLDERS__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    holders_to_wire(views, holders);
    say.object = wire_view(set.object_id.bytes, ID_SIZE);
    say.vault = wire_view(lab.vault.bytes, ID_SIZE);
    say.index = 2;
    say.n_holders = holders->count;
    say.holders = views;
    request.body_case = ECBAK__PEER_REQUEST__BODY_SET_HOLDERS;
    request.set_holders = &say;
    expect_as(asker, code, &request, NULL, 0);
}

static void who_holds_an_object_is_not_for_anybody_to_say(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    const struct fragment_key key = {lab.vault, set.object_id, 2};
    struct holders lie = {.count = 6}, truth = {.count = 6}, known;
    memset(lie.node, 0x99, 6 * sizeof(lie.node[0]));
    lab_ok(store_get_holders(local.store, &key, &known, &err));
    struct node_id first = known.node[0];
    assert_memory_equal(first.bytes, lab.nodes[0].keys->node.bytes, ID_SIZE);
    say_holders(1, ERR_DENIED, &lie); /* neither its sponsor nor in the list */
    truth.node[0] = first;
    truth.node[5] = lab.nodes[2].keys->node;
    say_holders(0, ERR_NONE, &truth); /* the sponsor */
    lie.count = 200;
    say_holders(2, ERR_INVALID, &lie); /* of six rows */
    lie.count = 6;
    say_holders(2, ERR_NONE, &lie); /* is in the list: places that were empty are filled */
    lab_ok(store_get_holders(local.store, &key, &known, &err));
    assert_memory_equal(known.node[0].bytes, first.bytes, ID_SIZE);
    assert_int_equal(known.node[1].bytes[0], 0x99);
    assert_memory_equal(known.node[5].bytes, lab.nodes[2].keys->node.bytes, ID_SIZE);
    assert_int_equal(known.count, 6);
}

static struct answer ask_leaves(uint32_t index, size_t count, uint32_t *leaves)
{
    Ecbak__RowLeaves row = ECBAK__ROW_LEAVES__INIT, *rows[] = {&row};
    Ecbak__ReadLeaves read = ECBAK__READ_LEAVES__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    row.object = wire_view(set.object_id.bytes, ID_SIZE);
    row.index = index;
    row.leaves = leaves;
    row.n_leaves = count;
    read.vault = wire_view(lab.vault.bytes, ID_SIZE);
    read.rows = rows;
    read.n_rows = 1;
    request.body_case = ECBAK__PEER_REQUEST__BODY_READ_LEAVES;
    request.read_leaves = &read;
    return ask(&request, NULL, 0);
}

static void a_row_is_proven_and_a_damaged_one_is_said_to_be_so_once(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment fragment;
    struct answer answer;
    uint32_t leaves[ASK_LEAVES_MAX + 1] = {1, 0};
    char path[2048], hex[2 * ID_SIZE + 1], vault[2 * ID_SIZE + 1];
    struct put p;
    put_init(&p, &set.object);
    answer = ask(&p.request, set.bytes[1], set.size);
    assert_int_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);

    answer = ask_leaves(1, 2, leaves);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.reply->read_leaves->n_rows, 1);
    assert_int_equal(answer.reply->read_leaves->rows[0]->error, ERR_NONE);
    assert_int_equal(answer.reply->read_leaves->rows[0]->size, answer.payload.size);
    lab_ok(fragment_parse_head(&fragment, answer.payload.bytes, answer.payload.size, &err));
    lab_ok(fragment_expect(&fragment, &set.object_id, 1, &err));
    const struct object_shape *shape = &fragment.object.shape;
    assert_true(shape->leaf_count == 2 && shape->row_size < answer.payload.size);
    const uint8_t *at = answer.payload.bytes + fragment_head_size(shape);
    lab_ok(fragment_prove_leaf(&fragment, 1, at, &err));
    lab_ok(fragment_prove_leaf(&fragment, 0, at + hash_tree_leaf_size(shape->row_size, 1), &err));
    answer_free(&answer);

    /* More than may be asked for, none, and such as there are not. */
    for (size_t i = 0; i < 2; i++) {
        answer = ask_leaves(1, i * (ASK_LEAVES_MAX + 1), leaves);
        assert_int_equal(answer.reply->error, ERR_FORMAT);
        answer_free(&answer);
    }
    leaves[1] = 2;
    answer = ask_leaves(1, 2, leaves);
    assert_int_equal(answer.reply->read_leaves->rows[0]->error, ERR_INVALID);
    assert_int_equal(answer.payload.size, 0);
    answer_free(&answer);

    /* Another leaf than the one that is asked for is damaged. */
    hex_encode(vault, lab.vault.bytes, ID_SIZE);
    snprintf(path, sizeof(path), "%s/fragments/%.2s/%s.1.%s", lab.nodes[0].config.data_dir,
             hex_encode(hex, set.object_id.bytes, ID_SIZE), hex, vault);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, (long)fragment_head_size(&set.object.shape) + 10, SEEK_SET);
    fputc(set.bytes[1][fragment_head_size(&set.object.shape) + 10] ^ 1, file);
    fclose(file);
    static const enum err_code expected[] = {ERR_DAMAGED, ERR_NOT_FOUND};
    uint64_t corrupt = atomic_load(&counters.value[COUNTED_CORRUPT]);
    for (size_t i = 0; i < 2; i++) {
        answer = ask_leaves(1, 1, leaves);
        assert_int_equal(answer.reply->read_leaves->rows[0]->error, expected[i]);
        assert_int_equal(answer.payload.size, 0);
        answer_free(&answer);
    }
    assert_int_equal(atomic_load(&counters.value[COUNTED_CORRUPT]), corrupt + 1);
    /* It is taken again, and is then what it should be. */
    answer = ask(&p.request, set.bytes[1], set.size);
    assert_int_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);
    answer = ask_leaves(1, 1, leaves);
    assert_int_equal(answer.reply->read_leaves->rows[0]->error, ERR_NONE);
    answer_free(&answer);
    free(p.grant);
}

static void what_is_wrong_with_our_disk_is_no_business_of_the_askers(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    struct record_id hash;
    char away[sizeof(lab.nodes[0].config.data_dir) + 8];
    Ecbak__PutRecord put = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &put;
    record_of(60, 0, &bytes, &size, &hash);
    snprintf(away, sizeof(away), "%s.away", lab.nodes[0].config.data_dir);
    assert_int_equal(rename(lab.nodes[0].config.data_dir, away), 0);
    struct answer answer = ask(&request, bytes, size);
    assert_int_equal(rename(away, lab.nodes[0].config.data_dir), 0);
    assert_int_not_equal(answer.reply->error, ERR_NONE);
    assert_null(strchr(answer.reply->error_text, '/'));
    assert_non_null(strstr(answer.reply->error_text, "logged"));
    answer_free(&answer);
    free(bytes);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    store_close(&local.store);
    allowance_destroy(&local.allowance);
    fragment_set_release(&set);
    free(pack.bytes);
    lab_release(&lab);
    return 0;
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fragment_with_a_grant_is_kept_and_receipted),
        cmocka_unit_test(what_is_pinned_is_told_from_any_pack_and_row_on),
        cmocka_unit_test(rows_are_told_of_one_vault_and_from_any_row_on),
        cmocka_unit_test(grants_are_shown_of_the_objects_that_are_here),
        cmocka_unit_test(a_grant_is_for_one_object_of_its_pack_and_no_other),
        cmocka_unit_test(nothing_is_kept_without_a_good_grant),
        cmocka_unit_test(a_fragment_that_does_not_prove_itself_is_refused),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(noise_is_counted_and_refused),
        cmocka_unit_test(records_are_listed_by_their_first_byte),
        cmocka_unit_test(a_record_is_taken_from_its_sponsor_alone),
        cmocka_unit_test(a_flood_of_records_ends_and_the_snapshots_of_others_are_taken),
        cmocka_unit_test(what_is_pulled_is_what_was_asked_for_whoever_brought_it_first),
        cmocka_unit_test(only_what_its_writer_signed_is_pinned),
        cmocka_unit_test(a_flood_of_pins_ends_and_fragments_are_still_taken),
        cmocka_unit_test(who_holds_an_object_is_not_for_anybody_to_say),
        cmocka_unit_test(a_row_is_proven_and_a_damaged_one_is_said_to_be_so_once),
        cmocka_unit_test(what_is_wrong_with_our_disk_is_no_business_of_the_askers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
