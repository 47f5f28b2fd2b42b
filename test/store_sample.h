/* store_sample.h - what the tests of a store put into it: packs, their fragments, grants, records,
 * all of one vault and writer, and sponsored by one node, with settled keys. */
#ifndef ECBAK_TEST_STORE_SAMPLE_H
#define ECBAK_TEST_STORE_SAMPLE_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/store/store.h"
#include "node/trust/grant.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"
#include "test/fragment_set.h"

static struct cluster_id sample_cluster;
static struct node_id sample_node;
static struct vault_id sample_vault;
static uint8_t sample_authority[32], sample_sponsor_secret[64];
static struct cert sample_sponsor; /* a member, that brings in what is stored */
static uint8_t sample_vault_secret[64], sample_writer_secret[64];
static uint8_t *sample_certificate;
static size_t sample_certificate_size;

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
    uint8_t authority_secret[64];
    memset(seed, 7, sizeof(seed));
    crypto_sign_seed_keypair(sample_authority, authority_secret, seed);
    cluster_id(&sample_cluster, sample_authority);
    memset(sample_node.bytes, 0x11, ID_SIZE);
    memset(seed, 8, sizeof(seed));
    sample_sponsor =
        (struct cert){.serial = 1, .not_after_s = 1, .name = "sponsor", .zone = "zone"};
    crypto_sign_seed_keypair(sample_sponsor.node.bytes, sample_sponsor_secret, seed);
    if (cert_sign(&sample_sponsor, authority_secret, NULL) != 0)
        abort();
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
    memset(g->attempt.bytes, 0x44, ATTEMPT_SIZE);
    g->pack = object->pack_id;
    g->object = s->set.object_id;
    g->sponsor = sample_sponsor.node;
    struct err err = ERR_INIT;
    if (grant_seal(
            g, &(struct signer){sample_writer_secret, sample_certificate, sample_certificate_size},
            &writers, &size, &err) != 0 ||
        grant_countersign(writers, size, sample_sponsor_secret, &sample_sponsor, &s->grant,
                          &s->grant_size, &err) != 0 ||
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
    const struct pin own = grant_pin(&s->opened.grant);
    bool apart = own.number != s->pin.number || !id_equal(&own.vault, &s->pin.vault);
    return store_put_fragment(store,
                              &(struct fragment_to_put){s->set.bytes[index], s->set.size, s->grant,
                                                        s->grant_size, &s->holders,
                                                        apart ? &s->pin : NULL, bringer},
                              &s->opened, err);
}

/* As some member does that brings no other. */
static inline int sample_put(struct store *store, const struct sample *s, unsigned index,
                             struct err *err)
{
    const struct node_id bringer = {{0x50, (uint8_t)index}};
    return sample_put_by(store, s, index, &bringer, err);
}

/* A signed record; its bytes are malloc'd. */
static inline void sample_record(uint64_t number, uint8_t **bytes, size_t *size,
                                 struct record *opened)
{
    static uint8_t sealed[3] = {7, 8, 9};
    struct record r = {.number = number, .kind = RECORD_SNAPSHOT};
    struct writer_cert c;
    struct record_id hash;
    r.cluster = sample_cluster;
    r.vault = sample_vault;
    memset(r.writer.bytes, 0x33, WRITER_ID_SIZE);
    if (number > 1)
        memset(r.previous.bytes, 0x66, ID_SIZE);
    r.sealed = sealed;
    r.sealed_size = sizeof(sealed);
    if (record_seal(
            &r, &(struct signer){sample_writer_secret, sample_certificate, sample_certificate_size},
            bytes, size, &hash, NULL) != 0 ||
        record_open(opened, &c, *bytes, *size, &sample_cluster, NULL) != 0)
        abort();
}

#endif
