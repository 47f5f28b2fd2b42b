/* store_sample.h - what the tests of a store put into it: packs, their fragments, grants, records,
 * all of one vault and writer, and sponsored by one node, with settled keys. */
#ifndef ECBAK_TEST_STORE_SAMPLE_H
#define ECBAK_TEST_STORE_SAMPLE_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/common/wire.h"
#include "node/store/store.h"
#include "node/trust/authority.h"
#include "node/trust/cert.h"
#include "node/trust/envelope.h"
#include "node/trust/grant.h"
#include "node/trust/node_keys.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"
#include "test/fragment_set.h"

static struct cluster_id sample_cluster;
static struct node_id sample_node;
static uint8_t sample_authority[32], sample_authority_secret[64];
/* Members that bring what is stored, records and pins. */
struct sample_member {
    struct node_keys keys;
    struct cert cert;
};
static struct sample_member sample_sponsor, sample_other_sponsor;
static struct vault_id sample_vault;
static uint8_t sample_vault_secret[64], sample_writer_secret[64];
static uint8_t *sample_certificate;
static size_t sample_certificate_size;

/* A member of the authority's cluster; its key follows from `fill`. */
static inline void sample_member(struct sample_member *member, int fill,
                                 const uint8_t authority_secret[64])
{
    uint8_t seed[32];
    memset(member, 0, sizeof(*member));
    memset(seed, fill, sizeof(seed));
    crypto_sign_seed_keypair(member->keys.node.bytes, member->keys.sign_secret, seed);
    member->cert.node = member->keys.node;
    memset(member->cert.curve, fill, sizeof(member->cert.curve));
    member->cert.serial = (uint64_t)fill;
    member->cert.not_after_s = 1000;
    memcpy(member->cert.name, "member", 7);
    memcpy(member->cert.zone, "zone", 5);
    if (cert_sign(&member->cert, authority_secret, NULL) != 0)
        abort();
}

static inline struct credentials sample_credentials(const struct sample_member *member)
{
    return (struct credentials){&member->keys, &member->cert, sample_authority};
}

/* From now on what is granted is of the vault and a writer whose keys follow from `seed_byte`; sample_vault
 * says which. 1: the usual ones. */
static inline void sample_use_vault(uint8_t seed_byte, uint32_t rights)
{
    struct writer_cert c = {.rights = rights};
    uint8_t seed[32], public_key[32];
    free(sample_certificate);
    memset(seed, seed_byte, sizeof(seed));
    crypto_sign_seed_keypair(public_key, sample_vault_secret, seed);
    vault_id(&sample_vault, public_key);
    memset(seed, 2, sizeof(seed));
    crypto_sign_seed_keypair(c.writer_key, sample_writer_secret, seed);
    memset(c.writer.bytes, 0x33, WRITER_ID_SIZE);
    if (writer_cert_seal(&c, sample_vault_secret, &sample_certificate, &sample_certificate_size,
                         NULL) != 0)
        abort();
}

static inline void sample_set_up(void)
{
    uint8_t seed[32];
    if (sodium_init() < 0 || rs_setup(NULL) != 0)
        abort();
    memset(seed, 3, sizeof(seed));
    crypto_sign_seed_keypair(sample_authority, sample_authority_secret, seed);
    cluster_id(&sample_cluster, sample_authority);
    sample_member(&sample_sponsor, 0x51, sample_authority_secret);
    sample_member(&sample_other_sponsor, 0x52, sample_authority_secret);
    memset(sample_node.bytes, 0x11, ID_SIZE);
    sample_use_vault(1, RIGHT_ADD);
}

static inline void sample_tear_down(void)
{
    free(sample_certificate);
}

/* A pack of `size` bytes that follow from `number`, coded, with a grant and the pin that it is. */
struct sample {
    struct fragment_set set;
    struct opened_grant opened;
    uint8_t *grant;
    size_t grant_size;
    struct holders holders;
    struct pin pin;
};

/* Attempts are told apart by a number. */
static inline struct attempt_id sample_attempt(unsigned number)
{
    struct attempt_id attempt = {{(uint8_t)number, (uint8_t)(number >> 8), 1}};
    return attempt;
}

/* The grant of this vault's writer for the sample's object, countersigned. */
static inline void sample_grant(struct sample *s)
{
    struct grant *g = &s->opened.grant;
    const struct object *object = &s->set.object;
    uint8_t *writers;
    size_t size;
    *g = (struct grant){.number = 1,
                        .pack_bytes = object->shape.pack_size,
                        .code = object->code,
                        .layout = object->layout,
                        .data = object->shape.k,
                        .parity = object->shape.m};
    g->cluster = sample_cluster;
    g->vault = sample_vault;
    memset(g->writer.bytes, 0x33, WRITER_ID_SIZE);
    g->attempt = sample_attempt((unsigned)g->number);
    g->pack = object->pack_id;
    g->object = s->set.object_id;
    g->sponsor = sample_sponsor.keys.node;
    struct err err = ERR_INIT;
    if (grant_seal(
            g, &(struct signer){sample_writer_secret, sample_certificate, sample_certificate_size},
            &writers, &size, &err) != 0 ||
        grant_countersign(
            writers, size,
            &(struct credentials){&sample_sponsor.keys, &sample_sponsor.cert, sample_authority},
            &s->grant, &s->grant_size, &err) != 0 ||
        grant_open(g, &s->opened.writer, s->grant, s->grant_size, sample_authority, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    free(writers);
}

static inline void sample_init(struct sample *s, unsigned number, size_t size, unsigned k,
                               unsigned m)
{
    uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)number, (uint8_t)(number >> 8)};
    uint8_t *pack = malloc(size + 1);
    memset(s, 0, sizeof(*s));
    if (pack == NULL)
        abort();
    randombytes_buf_deterministic(pack, size, seed);
    if (fragment_set_encode(&s->set, pack, size, k, m, NULL) != 0)
        abort();
    free(pack);
    sample_grant(s);
    s->holders.count = s->set.count;
    for (unsigned i = 0; i < s->set.count; i++)
        memset(s->holders.node[i].bytes, (int)(0x40 + i), ID_SIZE);
    s->pin = grant_pin(&s->opened.grant);
}

static inline struct fragment_key sample_key(const struct sample *s, unsigned index)
{
    return (struct fragment_key){s->opened.grant.vault, s->set.object_id, index};
}

static inline void sample_release(struct sample *s)
{
    fragment_set_release(&s->set);
    free(s->grant);
}

/* As this member brings it. */
static inline int sample_put_by(struct store *store, const struct sample *s, unsigned index,
                                const struct node_id *bringer, struct err *err)
{
    return store_put_fragment(store,
                              &(struct fragment_to_put){s->set.bytes[index], s->set.size, s->grant,
                                                        s->grant_size, &s->holders, bringer},
                              &s->opened, err);
}

/* As some member does that brings no other. */
static inline int sample_put(struct store *store, const struct sample *s, unsigned index,
                             struct err *err)
{
    const struct node_id bringer = {{0x50, (uint8_t)index}};
    return sample_put_by(store, s, index, &bringer, err);
}

static inline struct signer sample_signer(void)
{
    return (struct signer){sample_writer_secret, sample_certificate, sample_certificate_size};
}

/* A record like this one as its holders have it, brought by `sponsor` (NULL: by nobody). Its bytes are
 * malloc'd, `opened` is to be released. */
static inline void sample_seal_record(const struct record *r, const struct sample_member *sponsor,
                                      uint8_t **bytes, size_t *size, struct record *opened)
{
    struct signer signer = sample_signer();
    struct record_id hash;
    uint8_t *alone;
    size_t alone_size;
    if (record_seal(r, &signer, &alone, &alone_size, &hash, NULL) != 0 ||
        record_open(opened, alone, alone_size, &sample_cluster, NULL) != 0)
        abort();
    *bytes = alone;
    *size = alone_size;
    if (sponsor == NULL)
        return;
    struct credentials node = sample_credentials(sponsor);
    if (record_countersign(alone, alone_size, &node, bytes, size, NULL) != 0)
        abort();
    free(alone);
}

/* What all records of the sample's writer have; the record before is some other one. */
static inline struct record sample_record_of(uint64_t number)
{
    static uint8_t sealed[3] = {7, 8, 9};
    struct record r = {.number = number, .kind = RECORD_SNAPSHOT};
    r.cluster = sample_cluster;
    r.vault = sample_vault;
    memset(r.writer.bytes, 0x33, WRITER_ID_SIZE);
    r.attempt = sample_attempt((unsigned)number);
    if (number > 1) {
        memset(r.previous.bytes, 0x66, ID_SIZE);
        r.previous_number = number - 1;
    }
    r.sealed = sealed;
    r.sealed_size = sizeof(sealed);
    return r;
}

static inline void sample_record(uint64_t number, uint8_t **bytes, size_t *size,
                                 struct record *opened)
{
    struct record r = sample_record_of(number);
    sample_seal_record(&r, &sample_sponsor, bytes, size, opened);
}

static inline int sample_put_record(struct store *store, const uint8_t *bytes, size_t size,
                                    const struct record *opened, struct err *err)
{
    return store_put_record(store, bytes, size, opened, &sample_sponsor.keys.node, err);
}

/* Closes a writer of the sample's vault after its record {number, hash}, as a holder has it. */
static inline void sample_closed(const struct writer_id *writer, uint64_t number,
                                 const struct record_id *hash, uint8_t **bytes, size_t *size)
{
    uint8_t signature[SIGN_SIZE], *alone;
    size_t alone_size;
    Ecbak__Signed envelope;
    Ecbak__SignedRecord whole = ECBAK__SIGNED_RECORD__INIT;
    Ecbak__WriterClosed body = ECBAK__WRITER_CLOSED__INIT;
    struct credentials node = sample_credentials(&sample_sponsor);
    body.version = 1;
    body.cluster = wire_view(sample_cluster.bytes, ID_SIZE);
    body.vault_key = wire_view(sample_vault_secret + 32, 32);
    body.writer = wire_view(writer->bytes, WRITER_ID_SIZE);
    body.number = number;
    if (number > 0)
        body.hash = wire_view(hash->bytes, ID_SIZE);
    envelope_seal(&envelope, signature, &body.base, "ecbak writer closed 1", sample_vault_secret);
    whole.closed = &envelope;
    if (envelope_pack(&whole.base, RECORD_BYTES_MAX, "closing", &alone, &alone_size, NULL) != 0 ||
        record_countersign(alone, alone_size, &node, bytes, size, NULL) != 0)
        abort();
    free(envelope.body.data);
    free(alone);
}

/* Pins of the sample's writer as their holders have them. */
static inline void sample_pins(const struct pin *pin, const struct pack_id *packs, size_t count,
                               const struct sample_member *sponsor, uint8_t **bytes, size_t *size)
{
    struct pins pins = {.pin = *pin, .packs = (struct pack_id *)packs, .count = count};
    struct signer signer = sample_signer();
    struct credentials node = sample_credentials(sponsor);
    uint8_t *alone;
    size_t alone_size;
    pins.cluster = sample_cluster;
    if (pins_seal(&pins, &signer, &alone, &alone_size, NULL) != 0 ||
        pins_countersign(alone, alone_size, &node, bytes, size, NULL) != 0)
        abort();
    free(alone);
}

/* Pins for the pin's number, each an attempt of its own; the pin's vault may be another than the
 * writer's. */
static inline int sample_put_pins_by(struct store *store, const struct pack_id *packs, size_t count,
                                     const struct pin *pin, const struct sample_member *sponsor,
                                     uint32_t *held, struct err *err)
{
    struct pins opened = {.pin = *pin, .packs = (struct pack_id *)packs, .count = count};
    uint8_t *bytes;
    size_t size;
    opened.cluster = sample_cluster;
    opened.pin.attempt = sample_attempt((unsigned)pin->number);
    sample_pins(&opened.pin, packs, count, sponsor, &bytes, &size);
    int result = store_put_pins(store, bytes, size, &opened, &sponsor->keys.node, held, err);
    free(bytes);
    return result;
}

static inline int sample_put_pins(struct store *store, const struct pack_id *packs, size_t count,
                                  const struct pin *pin, uint32_t *held, struct err *err)
{
    return sample_put_pins_by(store, packs, count, pin, &sample_sponsor, held, err);
}

#endif
