/* What other nodes pin here, and what they say of who holds what. */
#include "test/serve_peer_bench.h"

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

/* With one row of the pack. */
static int setup(void **state)
{
    struct put p;
    bench_setup(state);
    put_init(&p, &set.object);
    expect(ERR_NONE, &p.request, set.bytes[2], set.size);
    free(p.grant);
    return 0;
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
    assert_int_equal(answer.reply->pin->n_fragments, 1);
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

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_pinned_is_told_from_any_pack_and_row_on),
        cmocka_unit_test(only_what_its_writer_signed_is_pinned),
        cmocka_unit_test(a_flood_of_pins_ends_and_fragments_are_still_taken),
        cmocka_unit_test(who_holds_an_object_is_not_for_anybody_to_say),
    };
    return cmocka_run_group_tests(tests, setup, bench_teardown);
}
