/* Records, the closing of a writer and pins as they travel: what is signed is what is read, by whom it
 * was brought is proven, and other versions are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coding/base/bytes.h"
#include "node/trust/sign.h"
#include "test/store_sample.h"

static struct record_head heads[2];
static struct pack_id packs[3] = {{{1}}, {{2}}, {{3}}};
static struct attempt_id voids[2] = {{{8}}, {{9}}};

static int set_up(void **state)
{
    (void)state;
    sample_set_up();
    memset(heads[0].writer.bytes, 0x22, WRITER_ID_SIZE);
    memset(heads[0].hash.bytes, 0x44, ID_SIZE);
    memset(heads[1].writer.bytes, 0x33, WRITER_ID_SIZE);
    memset(heads[1].hash.bytes, 0x55, ID_SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_tear_down();
    return 0;
}

/* One that says everything that a record can say. */
static struct record full_record(void)
{
    struct record r = sample_record_of(9);
    r.previous_number = 5;
    r.heads = heads;
    r.head_count = 2;
    r.index_packs = packs;
    r.index_pack_count = 3;
    r.voids = voids;
    r.void_count = 2;
    return r;
}

static struct pin sample_pin(void)
{
    struct pin pin = {.number = 9, .attempt = sample_attempt(9)};
    pin.vault = sample_vault;
    memset(pin.writer.bytes, 0x33, WRITER_ID_SIZE);
    return pin;
}

static void check_digest(const uint8_t *bytes, size_t size, const char *hex)
{
    uint8_t digest[32];
    char text[65];
    crypto_generichash(digest, sizeof(digest), bytes, size, NULL, 0);
    assert_string_equal(hex_encode(text, digest, sizeof(digest)), hex);
}

enum kind {
    RECORD,
    CLOSED,
    PINS,
    KINDS,
};

static void seal_any(enum kind kind, uint8_t **bytes, size_t *size)
{
    struct record r = full_record(), opened;
    struct pin pin = sample_pin();
    if (kind == RECORD) {
        sample_seal_record(&r, &sample_sponsor, bytes, size, &opened);
        record_release(&opened);
    } else if (kind == CLOSED) {
        sample_closed(&r.writer, 9, &r.previous, bytes, size);
    } else {
        sample_pins(&pin, packs, 3, &sample_sponsor, bytes, size);
    }
}

static int open_any(enum kind kind, const uint8_t *bytes, size_t size, struct err *err)
{
    struct record r;
    struct pins pins;
    struct node_id sponsor;
    int result;
    if (kind == PINS) {
        result = pins_open_held(&pins, &sponsor, bytes, size, sample_authority, err);
        pins_release(&pins);
    } else {
        result = record_open_held(&r, &sponsor, bytes, size, sample_authority, err);
        if (result == 0 && (r.kind == RECORD_CLOSED) != (kind == CLOSED))
            result = -1;
        record_release(&r);
    }
    return result;
}

static void the_bytes_of_these_statements_are_settled(void **state)
{
    (void)state;
    static const char *const digests[KINDS] = {
        "8a8a082e607cba0ede64b2c7275e0555a08577eee9d7d95f4631307397eb2684",
        "7de77e9b5e4315a69054d3376601b6760867266825c98ec3735f40c7c20172de",
        "78a86b44952291af007653f2961762c66057a174c004581564c7e83dcb32cdc7"};
    for (enum kind kind = RECORD; kind < KINDS; kind++) {
        uint8_t *bytes;
        size_t size;
        seal_any(kind, &bytes, &size);
        check_digest(bytes, size, digests[kind]);
        free(bytes);
    }
}

static void a_record_says_all_that_was_sealed(void **state)
{
    (void)state;
    struct record r = full_record(), back;
    struct node_id sponsor;
    uint8_t *bytes;
    size_t size;
    seal_any(RECORD, &bytes, &size);
    assert_int_equal(record_open_held(&back, &sponsor, bytes, size, sample_authority, NULL), 0);
    assert_memory_equal(sponsor.bytes, sample_sponsor.keys.node.bytes, ID_SIZE);
    assert_true(back.number == 9 && back.previous_number == 5 && back.kind == RECORD_SNAPSHOT);
    assert_memory_equal(back.attempt.bytes, r.attempt.bytes, ATTEMPT_SIZE);
    assert_memory_equal(back.previous.bytes, r.previous.bytes, ID_SIZE);
    assert_int_equal(back.head_count, 2);
    assert_memory_equal(back.heads, heads, sizeof(heads));
    assert_int_equal(back.index_pack_count, 3);
    assert_memory_equal(back.index_packs, packs, sizeof(packs));
    assert_int_equal(back.void_count, 2);
    assert_memory_equal(back.voids, voids, sizeof(voids));
    assert_int_equal(back.sealed_size, r.sealed_size);
    record_release(&back);
    free(bytes);
}

static void a_closing_says_after_which_record(void **state)
{
    (void)state;
    struct record_id last = {{7}};
    struct record back;
    struct node_id sponsor;
    struct writer_id writer = {{4}};
    for (uint64_t number = 0; number <= 6; number += 6) {
        uint8_t *bytes;
        size_t size;
        sample_closed(&writer, number, &last, &bytes, &size);
        assert_int_equal(record_open_held(&back, &sponsor, bytes, size, sample_authority, NULL), 0);
        assert_int_equal(back.kind, RECORD_CLOSED);
        assert_memory_equal(back.vault.bytes, sample_vault.bytes, ID_SIZE);
        assert_memory_equal(back.writer.bytes, writer.bytes, WRITER_ID_SIZE);
        assert_true(back.previous_number == number);
        assert_int_equal(back.previous.bytes[0], number > 0 ? 7 : 0);
        record_release(&back);
        free(bytes);
    }
}

static void pins_say_what_was_sealed(void **state)
{
    (void)state;
    struct pin pin = sample_pin();
    struct pins back;
    struct node_id sponsor;
    uint8_t *bytes;
    size_t size;
    seal_any(PINS, &bytes, &size);
    assert_int_equal(pins_open_held(&back, &sponsor, bytes, size, sample_authority, NULL), 0);
    assert_memory_equal(sponsor.bytes, sample_sponsor.keys.node.bytes, ID_SIZE);
    assert_memory_equal(&back.pin, &pin, sizeof(pin));
    assert_int_equal(back.count, 3);
    assert_memory_equal(back.packs, packs, sizeof(packs));
    pins_release(&back);
    free(bytes);
}

static void every_flipped_byte_and_every_other_length_is_refused(void **state)
{
    (void)state;
    for (enum kind kind = RECORD; kind < KINDS; kind++) {
        uint8_t *bytes;
        size_t size;
        seal_any(kind, &bytes, &size);
        for (size_t i = 0; i < size; i++) {
            struct err err = ERR_INIT;
            bytes[i] ^= (uint8_t)(1u << i % 8);
            assert_int_equal(open_any(kind, bytes, size, &err), -1);
            assert_int_not_equal(err.code, ERR_NONE);
            bytes[i] ^= (uint8_t)(1u << i % 8);
            assert_int_equal(open_any(kind, bytes, i, NULL), -1);
        }
        for (enum kind other = RECORD; other < KINDS; other++)
            assert_int_equal(open_any(other, bytes, size, NULL), kind == other ? 0 : -1);
        free(bytes);
    }
}

/* A member of another operator's cluster whose cluster says it is this one. */
static void make_stranger(struct sample_member *stranger)
{
    uint8_t seed[32] = {9}, public_key[32], secret[64];
    crypto_sign_seed_keypair(public_key, secret, seed);
    sample_member(stranger, 0x61, secret);
    stranger->cert.cluster = sample_cluster;
}

static void what_no_member_has_countersigned_is_not_taken(void **state)
{
    (void)state;
    struct record r = full_record(), opened;
    struct pin pin = sample_pin();
    struct pins pins;
    struct node_id sponsor;
    struct sample_member stranger;
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    sample_seal_record(&r, NULL, &bytes, &size, &opened);
    record_release(&opened);
    assert_int_equal(record_open_held(&opened, &sponsor, bytes, size, sample_authority, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    free(bytes);
    make_stranger(&stranger);
    sample_seal_record(&r, &stranger, &bytes, &size, &opened);
    record_release(&opened);
    assert_int_equal(record_open_held(&opened, &sponsor, bytes, size, sample_authority, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, "no member"));
    free(bytes);
    sample_pins(&pin, packs, 3, &stranger, &bytes, &size);
    assert_int_equal(pins_open_held(&pins, &sponsor, bytes, size, sample_authority, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(pins_open(&pins, bytes, size, &sample_cluster, &err), 0); /* its writer did */
    pins_release(&pins);
    free(bytes);
}

static void a_record_is_the_same_whoever_brings_it(void **state)
{
    (void)state;
    struct record r = full_record(), first, second;
    struct credentials node = sample_credentials(&sample_other_sponsor);
    struct node_id sponsor;
    uint8_t *bytes, *again;
    size_t size, again_size;
    sample_seal_record(&r, &sample_sponsor, &bytes, &size, &first);
    assert_int_equal(record_countersign(bytes, size, &node, &again, &again_size, NULL), 0);
    assert_int_equal(record_open_held(&second, &sponsor, again, again_size, sample_authority, NULL),
                     0);
    assert_memory_equal(sponsor.bytes, sample_other_sponsor.keys.node.bytes, ID_SIZE);
    assert_memory_equal(first.hash.bytes, second.hash.bytes, ID_SIZE);
    record_release(&first);
    record_release(&second);
    free(bytes);
    free(again);
}

/* Signs a body as the sample's writer would under this context. */
static void sign_as_writer(const ProtobufCMessage *body, const char *context, uint8_t **bytes,
                           size_t *size)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__SignedRecord whole = ECBAK__SIGNED_RECORD__INIT; /* a SignedPin has the same fields */
    envelope_seal(&envelope, signature, body, context, sample_writer_secret);
    whole.record = &envelope;
    whole.writer_certificate =
        envelope_open(&ecbak__signed__descriptor, sample_certificate, sample_certificate_size,
                      WRITER_CERT_BYTES_MAX, "certificate", NULL);
    assert_int_equal(envelope_pack(&whole.base, RECORD_BYTES_MAX, "record", bytes, size, NULL), 0);
    free(envelope.body.data);
    wire_free(whole.writer_certificate);
}

static Ecbak__Record body_of(const struct record *r)
{
    Ecbak__Record body = ECBAK__RECORD__INIT;
    body.version = 2;
    body.cluster = wire_view(sample_cluster.bytes, ID_SIZE);
    body.vault = wire_view(sample_vault.bytes, ID_SIZE);
    body.writer = wire_view(r->writer.bytes, WRITER_ID_SIZE);
    body.attempt = wire_view(r->attempt.bytes, ATTEMPT_SIZE);
    body.number = r->number;
    body.kind = r->kind;
    return body;
}

static void expect_record(const Ecbak__Record *body, enum err_code code, const char *text)
{
    struct record opened;
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    sign_as_writer(&body->base, "ecbak record 2", &bytes, &size);
    int result = record_open(&opened, bytes, size, &sample_cluster, &err);
    record_release(&opened);
    free(bytes);
    assert_int_equal(result, code == ERR_NONE ? 0 : -1);
    assert_int_equal(err.code, code);
    if (text != NULL)
        assert_non_null(strstr(err.text, text));
}

static void other_versions_are_refused_by_name(void **state)
{
    (void)state;
    struct record r = sample_record_of(1);
    struct err err = ERR_INIT;
    Ecbak__Record body = body_of(&r);
    Ecbak__PinnedPacks pins = ECBAK__PINNED_PACKS__INIT;
    struct pins opened;
    uint8_t *bytes;
    size_t size;
    expect_record(&body, ERR_NONE, NULL);
    body.version = 1;
    expect_record(&body, ERR_VERSION, "version 1");
    body.version = 3;
    expect_record(&body, ERR_VERSION, "version 3");
    pins.version = 1;
    sign_as_writer(&pins.base, "ecbak pin 1", &bytes, &size);
    assert_int_equal(pins_open(&opened, bytes, size, &sample_cluster, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "pin of version 1"));
    free(bytes);
}

static void a_record_whose_lists_or_numbers_cannot_be_is_refused(void **state)
{
    (void)state;
    struct record r = sample_record_of(4);
    uint8_t *many = calloc(RECORD_INDEX_MAX + 1, ID_SIZE);
    Ecbak__Record body = body_of(&r), good;
    body.previous_number = 3;
    body.previous = wire_view(r.previous.bytes, ID_SIZE);
    expect_record(&body, ERR_NONE, NULL);
    good = body;
    body.previous_number = 4; /* not below its own */
    expect_record(&body, ERR_FORMAT, NULL);
    body.previous_number = 0; /* but there is a hash */
    expect_record(&body, ERR_FORMAT, NULL);
    body = good;
    body.attempt.len = ATTEMPT_SIZE - 1;
    expect_record(&body, ERR_FORMAT, NULL);
    body = good;
    body.number = (uint64_t)INT64_MAX + 1;
    expect_record(&body, ERR_FORMAT, NULL);
    body = good;
    body.index_packs = wire_view(many, RECORD_INDEX_MAX * ID_SIZE);
    expect_record(&body, ERR_NONE, NULL);
    body.index_packs = wire_view(many, (RECORD_INDEX_MAX + 1) * ID_SIZE);
    expect_record(&body, ERR_FORMAT, NULL);
    body.index_packs = wire_view(many, ID_SIZE + 1);
    expect_record(&body, ERR_FORMAT, NULL);
    body = good;
    body.voids = wire_view(many, (RECORD_VOIDS_MAX + 1) * ATTEMPT_SIZE);
    expect_record(&body, ERR_FORMAT, NULL);
    body.voids = wire_view(r.attempt.bytes, ATTEMPT_SIZE); /* itself */
    expect_record(&body, ERR_FORMAT, NULL);
    body = good;
    body.kind = RECORD_CANCEL; /* of nothing */
    expect_record(&body, ERR_FORMAT, NULL);
    body.voids = wire_view(many, ATTEMPT_SIZE);
    expect_record(&body, ERR_NONE, NULL);
    body.kind = RECORD_CLOSED; /* only the vault's key says that */
    expect_record(&body, ERR_FORMAT, NULL);
    free(many);
}

static void the_heads_of_a_record_are_in_order_and_each_writers_once(void **state)
{
    (void)state;
    struct record r = sample_record_of(1);
    Ecbak__Record body = body_of(&r);
    Ecbak__Head messages[2];
    Ecbak__Head *list[2] = {&messages[0], &messages[1]};
    for (size_t i = 0; i < 2; i++) {
        ecbak__head__init(&messages[i]);
        messages[i].writer = wire_view(heads[i].writer.bytes, WRITER_ID_SIZE);
        messages[i].hash = wire_view(heads[i].hash.bytes, ID_SIZE);
    }
    body.n_heads = 2;
    body.heads = list;
    expect_record(&body, ERR_NONE, NULL);
    messages[1].writer = messages[0].writer;
    expect_record(&body, ERR_FORMAT, NULL);
    list[0] = &messages[1];
    list[1] = &messages[0];
    messages[1].writer = wire_view(heads[1].writer.bytes, WRITER_ID_SIZE);
    expect_record(&body, ERR_FORMAT, NULL);
    messages[0].hash.len = 3;
    body.n_heads = 1;
    expect_record(&body, ERR_NONE, NULL);
    list[0] = &messages[0];
    expect_record(&body, ERR_FORMAT, NULL);
}

static void a_pin_by_another_writer_than_it_says_is_refused(void **state)
{
    (void)state;
    struct pin pin = sample_pin();
    struct pins opened;
    struct node_id sponsor;
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    pin.writer.bytes[0] ^= 1;
    sample_pins(&pin, packs, 1, &sample_sponsor, &bytes, &size);
    assert_int_equal(pins_open_held(&opened, &sponsor, bytes, size, sample_authority, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    free(bytes);
    pin = sample_pin();
    pin.vault.bytes[0] ^= 1;
    sample_pins(&pin, packs, 1, &sample_sponsor, &bytes, &size);
    assert_int_equal(pins_open_held(&opened, &sponsor, bytes, size, sample_authority, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_these_statements_are_settled),
        cmocka_unit_test(a_record_says_all_that_was_sealed),
        cmocka_unit_test(a_closing_says_after_which_record),
        cmocka_unit_test(pins_say_what_was_sealed),
        cmocka_unit_test(every_flipped_byte_and_every_other_length_is_refused),
        cmocka_unit_test(what_no_member_has_countersigned_is_not_taken),
        cmocka_unit_test(a_record_is_the_same_whoever_brings_it),
        cmocka_unit_test(other_versions_are_refused_by_name),
        cmocka_unit_test(a_record_whose_lists_or_numbers_cannot_be_is_refused),
        cmocka_unit_test(the_heads_of_a_record_are_in_order_and_each_writers_once),
        cmocka_unit_test(a_pin_by_another_writer_than_it_says_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
