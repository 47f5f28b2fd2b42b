/* Durable signed statements: what is signed is what is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/bytes.h"
#include "coding/pack_id.h"
#include "node/common/wire.h"
#include "node/trust/envelope.h"
#include "node/trust/grant.h"
#include "node/trust/receipt.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

static uint8_t vault_public[32], vault_secret[64];
static uint8_t writer_public[32], writer_secret[64];
static uint8_t node_public[32], node_secret[64];
static struct cluster_id cluster;
static uint8_t authority_public[32], authority_secret[64];
static struct cert sponsor; /* node_secret is its key */
static uint8_t *certificate;
static size_t certificate_size;

static void key_pair(uint8_t public_key[32], uint8_t secret[64], int fill)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    memset(seed, fill, sizeof(seed));
    crypto_sign_seed_keypair(public_key, secret, seed);
}

static struct writer_cert writer_with(uint32_t rights)
{
    struct writer_cert c = {.rights = rights, .generation = 3};
    memset(c.writer.bytes, 0x33, sizeof(c.writer));
    memcpy(c.writer_key, writer_public, sizeof(c.writer_key));
    return c;
}

static int set_up(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return -1;
    key_pair(vault_public, vault_secret, 1);
    key_pair(writer_public, writer_secret, 2);
    key_pair(node_public, node_secret, 3);
    key_pair(authority_public, authority_secret, 4);
    cluster_id(&cluster, authority_public);
    sponsor = (struct cert){.serial = 6, .not_after_s = 1, .name = "sponsor", .zone = "zone"};
    memcpy(sponsor.node.bytes, node_public, ID_SIZE);
    memset(sponsor.curve, 0x99, sizeof(sponsor.curve));
    if (cert_sign(&sponsor, authority_secret, NULL) != 0)
        return -1;
    struct writer_cert c = writer_with(RIGHT_ADD | RIGHT_READ);
    return writer_cert_seal(&c, vault_secret, &certificate, &certificate_size, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    free(certificate);
    return 0;
}

static struct grant sample_grant(void)
{
    struct grant g = {
        .number = 9, .pack_bytes = 16000000, .code = 1, .layout = 1, .data = 4, .parity = 2};
    g.cluster = cluster;
    vault_id(&g.vault, vault_public);
    memset(g.writer.bytes, 0x33, sizeof(g.writer));
    memset(g.pack.bytes, 0x44, sizeof(g.pack));
    memset(g.attempt.bytes, 0x55, sizeof(g.attempt));
    memset(g.object.bytes, 0x88, sizeof(g.object));
    memcpy(g.sponsor.bytes, node_public, ID_SIZE);
    return g;
}

/* Countersigned with this secret, beside this certificate. */
static void countersign(const uint8_t *writers, size_t writers_size, const uint8_t secret[64],
                        const struct cert *cert, uint8_t **bytes, size_t *size)
{
    struct node_keys keys = {.sign_secret = {0}};
    memcpy(keys.sign_secret, secret, sizeof(keys.sign_secret));
    const struct credentials node = {&keys, cert, authority_public};
    assert_int_equal(grant_countersign(writers, writers_size, &node, bytes, size, NULL), 0);
}

/* As it travels: sealed by the writer whose secret and certificate these are, and countersigned. */
static void grant_by(const struct grant *g, const struct signer *signer, uint8_t **bytes,
                     size_t *size)
{
    uint8_t *writers;
    size_t writers_size;
    assert_int_equal(grant_seal(g, signer, &writers, &writers_size, NULL), 0);
    countersign(writers, writers_size, node_secret, &sponsor, bytes, size);
    free(writers);
}

static void grant_of(const struct grant *g, uint8_t **bytes, size_t *size)
{
    grant_by(g, &(struct signer){writer_secret, certificate, certificate_size}, bytes, size);
}

static uint8_t sealed_bytes[5] = {1, 2, 3, 4, 5};

static struct record sample_record(uint64_t number)
{
    struct record r = {.number = number, .kind = RECORD_SNAPSHOT};
    r.cluster = cluster;
    vault_id(&r.vault, vault_public);
    memset(r.writer.bytes, 0x33, sizeof(r.writer));
    if (number > 1) {
        memset(r.previous.bytes, 0x66, sizeof(r.previous));
        r.previous_number = number - 1;
    }
    memset(r.attempt.bytes, 0x77, sizeof(r.attempt));
    r.sealed = sealed_bytes;
    r.sealed_size = sizeof(sealed_bytes);
    return r;
}

static void check_digest(const uint8_t *bytes, size_t size, const char *hex)
{
    uint8_t digest[32];
    char text[65];
    crypto_generichash(digest, sizeof(digest), bytes, size, NULL, 0);
    assert_string_equal(hex_encode(text, digest, sizeof(digest)), hex);
}

static void the_bytes_of_statements_are_settled(void **state)
{
    (void)state;
    uint8_t *bytes;
    struct record_id hash;
    size_t size;
    struct grant g = sample_grant();
    struct record r = sample_record(2);
    struct receipt receipt = {.index = 5, .number = 9};
    check_digest(certificate, certificate_size,
                 "c93e11e6734712ef13f434ad6f2ef79b3645dbae2358690f136e503f4ec5c6da");
    grant_of(&g, &bytes, &size);
    check_digest(bytes, size, "5985155b4647ad566164535dc4e2b8a1421ef1eacf00dcb04a6f20c239b6ac0e");
    free(bytes);
    memset(r.cluster.bytes, 0xcc, ID_SIZE);
    assert_int_equal(record_seal(&r, &(struct signer){writer_secret, certificate, certificate_size},
                                 &bytes, &size, &hash, NULL),
                     0);
    check_digest(bytes, size, "098d4e7af5fb561ab2e1b0d1599de74eee98e4496e92109a4f153fb1750aaed5");
    free(bytes);
    assert_int_equal(receipt_seal(&receipt, node_secret, &bytes, &size, NULL), 0);
    check_digest(bytes, size, "3b250c91ecb52bd602406f722d6e4960d9a7bcd6268d3de9f3fbf2bb9418d176");
    free(bytes);
}

static void a_writer_certificate_says_what_was_sealed(void **state)
{
    (void)state;
    struct writer_cert c;
    struct vault_id vault;
    assert_int_equal(writer_cert_open(&c, certificate, certificate_size, NULL), 0);
    vault_id(&vault, vault_public);
    assert_memory_equal(c.vault.bytes, vault.bytes, ID_SIZE);
    assert_memory_equal(c.vault_key, vault_public, 32);
    assert_memory_equal(c.writer_key, writer_public, 32);
    assert_int_equal(c.rights, RIGHT_ADD | RIGHT_READ);
    assert_int_equal(c.generation, 3);
}

static void a_grant_says_what_was_sealed(void **state)
{
    (void)state;
    struct grant g = sample_grant(), back;
    struct writer_cert c;
    uint8_t *bytes;
    size_t size;
    grant_of(&g, &bytes, &size);
    assert_true(size <= GRANT_BYTES_MAX);
    assert_int_equal(grant_open(&back, &c, bytes, size, authority_public, NULL), 0);
    assert_memory_equal(&back, &g, sizeof(g));
    assert_memory_equal(c.writer_key, writer_public, 32);
    const struct pin pin = grant_pin(&back);
    assert_memory_equal(&pin.vault, &g.vault, ID_SIZE);
    assert_memory_equal(&pin.writer, &g.writer, WRITER_ID_SIZE);
    assert_int_equal(pin.number, 9);
    free(bytes);
}

static void expect_no_grant(enum err_code code, const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct grant g;
    struct writer_cert c;
    assert_int_equal(grant_open(&g, &c, bytes, size, authority_public, &err), -1);
    assert_int_equal(err.code, code);
}

static void a_grant_counts_only_with_its_sponsors_word(void **state)
{
    (void)state;
    struct grant g = sample_grant(), back;
    struct writer_cert c;
    uint8_t *writers, *bytes;
    size_t writers_size, size;
    assert_int_equal(grant_seal(&g, &(struct signer){writer_secret, certificate, certificate_size},
                                &writers, &writers_size, NULL),
                     0);
    /* The writer alone: it is taken by the sponsor's node, and by nobody else. */
    assert_int_equal(grant_open_writers(&back, &c, writers, writers_size, &cluster, NULL), 0);
    assert_memory_equal(&back, &g, sizeof(g));
    expect_no_grant(ERR_DENIED, writers, writers_size);
    /* By another member than the grant names, with its own certificate, and with the sponsor's. */
    uint8_t other_public[32], other_secret[64];
    key_pair(other_public, other_secret, 5);
    struct cert other = sponsor;
    memcpy(other.node.bytes, other_public, ID_SIZE);
    assert_int_equal(cert_sign(&other, authority_secret, NULL), 0);
    countersign(writers, writers_size, other_secret, &other, &bytes, &size);
    expect_no_grant(ERR_FOREIGN, bytes, size);
    free(bytes);
    countersign(writers, writers_size, other_secret, &sponsor, &bytes, &size);
    expect_no_grant(ERR_DAMAGED, bytes, size);
    free(bytes);
    /* By a node that no authority of this cluster made a member. */
    struct cert stranger = sponsor;
    assert_int_equal(cert_sign(&stranger, other_secret, NULL), 0);
    countersign(writers, writers_size, node_secret, &stranger, &bytes, &size);
    expect_no_grant(ERR_DENIED, bytes, size);
    free(bytes);
    /* Twice. */
    grant_of(&g, &bytes, &size);
    assert_int_equal(grant_open_writers(&back, &c, bytes, size, &cluster, NULL), -1);
    free(bytes);
    free(writers);
}

static void an_impossible_shape_is_not_granted(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    for (int i = 0; i < 4; i++) {
        struct grant g = sample_grant();
        g.data = i == 0 ? 0 : i == 1 ? 254 : 4;
        g.parity = i == 2 ? 0 : 2;
        g.pack_bytes = i == 3 ? PACK_SIZE_MAX + 1 : 5000;
        grant_of(&g, &bytes, &size);
        expect_no_grant(ERR_FORMAT, bytes, size);
        free(bytes);
    }
}

static void a_grant_of_the_first_version_is_refused_by_name(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct grant g;
    struct writer_cert c;
    /* A body that says version 1, in an envelope of today. */
    uint8_t body[2] = {0x08, 1}, signature[SIGN_SIZE] = {0}, *bytes;
    size_t size;
    Ecbak__Signed envelope = ECBAK__SIGNED__INIT;
    Ecbak__SignedGrant whole = ECBAK__SIGNED_GRANT__INIT;
    envelope.body = wire_view(body, sizeof(body));
    envelope.signature = wire_view(signature, sizeof(signature));
    whole.grant = &envelope;
    whole.writer_certificate = envelope_open(&ecbak__signed__descriptor, certificate,
                                             certificate_size, WRITER_CERT_BYTES_MAX, "", NULL);
    assert_non_null(whole.writer_certificate);
    bytes = wire_pack(&whole, &size);
    assert_int_equal(grant_open(&g, &c, bytes, size, authority_public, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_string_equal(err.text, "grant of version 1: this program knows 2");
    wire_free(whole.writer_certificate);
    free(bytes);
}

static void a_record_says_what_was_sealed(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 3; number++) {
        struct record r = sample_record(number), back;
        if (number == 3) { /* a writer's first record, after numbers that were given up */
            memset(r.previous.bytes, 0, sizeof(r.previous));
            r.previous_number = 0;
        }
        uint8_t *bytes;
        struct record_id hash;
        size_t size;
        assert_int_equal(record_seal(&r,
                                     &(struct signer){writer_secret, certificate, certificate_size},
                                     &bytes, &size, &hash, NULL),
                         0);
        assert_int_equal(record_open(&back, bytes, size, &cluster, NULL), 0);
        assert_memory_equal(back.hash.bytes, hash.bytes, ID_SIZE);
        assert_memory_equal(back.previous.bytes, r.previous.bytes, ID_SIZE);
        assert_memory_equal(back.vault.bytes, r.vault.bytes, ID_SIZE);
        assert_int_equal(back.number, number);
        assert_int_equal(back.sealed_size, sizeof(sealed_bytes));
        assert_memory_equal(back.sealed, sealed_bytes, sizeof(sealed_bytes));
        record_release(&back);
        free(bytes);
    }
}

static void a_receipt_says_what_was_sealed(void **state)
{
    (void)state;
    struct receipt r = {.index = 5, .number = 9}, back;
    uint8_t *bytes;
    size_t size;
    memset(r.object.bytes, 0x77, sizeof(r.object));
    assert_int_equal(receipt_seal(&r, node_secret, &bytes, &size, NULL), 0);
    assert_int_equal(receipt_open(&back, bytes, size, NULL), 0);
    assert_memory_equal(back.holder.bytes, node_public, ID_SIZE);
    assert_memory_equal(back.object.bytes, r.object.bytes, ID_SIZE);
    assert_int_equal(back.index, 5);
    assert_int_equal(back.number, 9);
    free(bytes);
}

static void a_number_that_no_writer_comes_to_is_refused(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {RECORD_NUMBER_MAX, RECORD_NUMBER_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct record r = sample_record(2), back;
        struct receipt receipt = {.index = 5, .number = numbers[i]}, receipt_back;
        struct record_id hash;
        struct err err = ERR_INIT;
        uint8_t *bytes;
        size_t size;
        int expected = i == 0 ? 0 : -1;
        r.number = numbers[i];
        assert_int_equal(record_seal(&r,
                                     &(struct signer){writer_secret, certificate, certificate_size},
                                     &bytes, &size, &hash, NULL),
                         0);
        assert_int_equal(record_open(&back, bytes, size, &cluster, &err), expected);
        assert_int_equal(err.code, i == 0 ? ERR_NONE : ERR_FORMAT);
        record_release(&back);
        free(bytes);
        assert_int_equal(receipt_seal(&receipt, node_secret, &bytes, &size, NULL), 0);
        assert_int_equal(receipt_open(&receipt_back, bytes, size, &err), expected);
        free(bytes);
    }
}

enum kind {
    WRITER,
    GRANT,
    RECORD,
    RECEIPT,
    KINDS,
};

static void seal_any(enum kind kind, uint8_t **bytes, size_t *size)
{
    struct writer_cert c = writer_with(RIGHT_ADD);
    struct grant g = sample_grant();
    struct record r = sample_record(2);
    struct receipt receipt = {.index = 5, .number = 9};
    struct record_id hash;
    int result = -1;
    if (kind == WRITER)
        result = writer_cert_seal(&c, vault_secret, bytes, size, NULL);
    else if (kind == GRANT)
        result = (grant_of(&g, bytes, size), 0);
    else if (kind == RECORD)
        result = record_seal(&r, &(struct signer){writer_secret, certificate, certificate_size},
                             bytes, size, &hash, NULL);
    else
        result = receipt_seal(&receipt, node_secret, bytes, size, NULL);
    assert_int_equal(result, 0);
}

static int open_any(enum kind kind, const uint8_t *bytes, size_t size, struct err *err)
{
    struct writer_cert c;
    struct grant g;
    struct record r;
    struct receipt receipt;
    if (kind == WRITER)
        return writer_cert_open(&c, bytes, size, err);
    if (kind == GRANT)
        return grant_open(&g, &c, bytes, size, authority_public, err);
    if (kind == RECEIPT)
        return receipt_open(&receipt, bytes, size, err);
    int result = record_open(&r, bytes, size, &cluster, err);
    record_release(&r);
    return result;
}

static void every_flipped_byte_is_refused(void **state)
{
    (void)state;
    for (enum kind kind = WRITER; kind < KINDS; kind++) {
        uint8_t *bytes;
        size_t size;
        seal_any(kind, &bytes, &size);
        for (size_t i = 0; i < size; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                struct err err = ERR_INIT;
                bytes[i] ^= (uint8_t)(1u << bit);
                assert_int_equal(open_any(kind, bytes, size, &err), -1);
                assert_int_not_equal(err.code, ERR_NONE);
                bytes[i] ^= (uint8_t)(1u << bit);
            }
        }
        assert_int_equal(open_any(kind, bytes, size, NULL), 0);
        free(bytes);
    }
}

static void every_truncation_and_extension_is_refused(void **state)
{
    (void)state;
    static const uint8_t unknown_field[2] = {0x78, 1}; /* number 15, varint 1 */
    for (enum kind kind = WRITER; kind < KINDS; kind++) {
        uint8_t *bytes;
        size_t size;
        seal_any(kind, &bytes, &size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(open_any(kind, bytes, i, NULL), -1);
        uint8_t *longer = malloc(size + sizeof(unknown_field));
        assert_non_null(longer);
        memcpy(longer, bytes, size);
        memcpy(longer + size, unknown_field, sizeof(unknown_field));
        assert_int_equal(open_any(kind, longer, size + sizeof(unknown_field), NULL), -1);
        free(longer);
        free(bytes);
    }
}

static void one_kind_never_passes_as_another(void **state)
{
    (void)state;
    for (enum kind sealed = WRITER; sealed < KINDS; sealed++) {
        uint8_t *bytes;
        size_t size;
        seal_any(sealed, &bytes, &size);
        for (enum kind opened = WRITER; opened < KINDS; opened++)
            assert_int_equal(open_any(opened, bytes, size, NULL), sealed == opened ? 0 : -1);
        free(bytes);
    }
}

static void another_clusters_statements_are_foreign(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    cluster.bytes[0] ^= 1;
    uint8_t *grant, *record;
    size_t grant_size, record_size;
    seal_any(GRANT, &grant, &grant_size);
    seal_any(RECORD, &record, &record_size);
    cluster.bytes[0] ^= 1;
    assert_int_equal(open_any(GRANT, grant, grant_size, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_int_equal(open_any(RECORD, record, record_size, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    free(grant);
    free(record);
}

static void a_writer_without_the_right_to_add_is_denied(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct writer_cert reader = writer_with(RIGHT_READ | RIGHT_FORGET | RIGHT_PRUNE);
    struct grant g = sample_grant();
    struct record r = sample_record(1);
    uint8_t *cert_bytes, *bytes;
    struct record_id hash;
    size_t cert_size, size;
    assert_int_equal(writer_cert_seal(&reader, vault_secret, &cert_bytes, &cert_size, NULL), 0);
    grant_by(&g, &(struct signer){writer_secret, cert_bytes, cert_size}, &bytes, &size);
    expect_no_grant(ERR_DENIED, bytes, size);
    free(bytes);
    assert_int_equal(record_seal(&r, &(struct signer){writer_secret, cert_bytes, cert_size}, &bytes,
                                 &size, &hash, NULL),
                     0);
    assert_int_equal(record_open(&r, bytes, size, &cluster, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    free(bytes);
    free(cert_bytes);
}

static void a_grant_by_another_key_vault_or_writer_is_refused(void **state)
{
    (void)state;
    struct grant g = sample_grant();
    uint8_t *bytes;
    size_t size;
    grant_by(&g, &(struct signer){node_secret, certificate, certificate_size}, &bytes, &size);
    expect_no_grant(ERR_DAMAGED, bytes, size);
    free(bytes);
    g = sample_grant();
    g.vault.bytes[0] ^= 1;
    grant_of(&g, &bytes, &size);
    expect_no_grant(ERR_FOREIGN, bytes, size);
    free(bytes);
    g = sample_grant();
    g.writer.bytes[0] ^= 1;
    grant_of(&g, &bytes, &size);
    expect_no_grant(ERR_FOREIGN, bytes, size);
    free(bytes);
}

static void a_record_that_is_too_large_is_not_made(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record r = sample_record(1);
    uint8_t *bytes;
    struct record_id hash;
    size_t size;
    r.sealed = calloc(1, RECORD_BYTES_MAX);
    r.sealed_size = RECORD_BYTES_MAX;
    assert_non_null(r.sealed);
    assert_int_equal(record_seal(&r, &(struct signer){writer_secret, certificate, certificate_size},
                                 &bytes, &size, &hash, &err),
                     -1);
    assert_int_equal(err.code, ERR_INVALID);
    record_release(&r);
}

static void a_record_of_an_unknown_kind_is_carried_and_one_of_none_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record r = sample_record(1);
    uint8_t *bytes;
    struct record_id hash;
    size_t size;
    r.kind = 77;
    assert_int_equal(record_seal(&r, &(struct signer){writer_secret, certificate, certificate_size},
                                 &bytes, &size, &hash, NULL),
                     0);
    assert_int_equal(record_open(&r, bytes, size, &cluster, NULL), 0);
    assert_int_equal(r.kind, 77);
    record_release(&r);
    free(bytes);
    r = sample_record(1);
    r.kind = 0;
    assert_int_equal(record_seal(&r, &(struct signer){writer_secret, certificate, certificate_size},
                                 &bytes, &size, &hash, NULL),
                     0);
    assert_int_equal(record_open(&r, bytes, size, &cluster, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_statements_are_settled),
        cmocka_unit_test(a_writer_certificate_says_what_was_sealed),
        cmocka_unit_test(a_grant_says_what_was_sealed),
        cmocka_unit_test(a_grant_counts_only_with_its_sponsors_word),
        cmocka_unit_test(an_impossible_shape_is_not_granted),
        cmocka_unit_test(a_grant_of_the_first_version_is_refused_by_name),
        cmocka_unit_test(a_record_says_what_was_sealed),
        cmocka_unit_test(a_receipt_says_what_was_sealed),
        cmocka_unit_test(a_number_that_no_writer_comes_to_is_refused),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(every_truncation_and_extension_is_refused),
        cmocka_unit_test(one_kind_never_passes_as_another),
        cmocka_unit_test(another_clusters_statements_are_foreign),
        cmocka_unit_test(a_writer_without_the_right_to_add_is_denied),
        cmocka_unit_test(a_grant_by_another_key_vault_or_writer_is_refused),
        cmocka_unit_test(a_record_that_is_too_large_is_not_made),
        cmocka_unit_test(a_record_of_an_unknown_kind_is_carried_and_one_of_none_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
