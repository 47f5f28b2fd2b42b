/* store_sample.h - what the tests of a store put into it: packs, their fragments, grants, records,
 * all of one vault and writer with settled keys. */
#ifndef ECBAK_TEST_STORE_SAMPLE_H
#define ECBAK_TEST_STORE_SAMPLE_H

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/fragment_set.h"
#include "node/store/store.h"
#include "node/trust/grant.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

static struct cluster_id sample_cluster;
static struct node_id sample_node;
static struct vault_id sample_vault;
static uint8_t sample_vault_secret[64], sample_writer_secret[64];
static uint8_t *sample_certificate;
static size_t sample_certificate_size;

static inline void sample_set_up(void)
{
    struct writer_cert c = {.rights = RIGHT_ADD};
    uint8_t seed[32], public_key[32];
    if (sodium_init() < 0 || rs_setup(NULL) != 0)
        abort();
    memset(sample_cluster.bytes, 0xcc, ID_SIZE);
    memset(sample_node.bytes, 0x11, ID_SIZE);
    memset(seed, 1, sizeof(seed));
    crypto_sign_seed_keypair(public_key, sample_vault_secret, seed);
    vault_id(&sample_vault, public_key);
    memset(seed, 2, sizeof(seed));
    crypto_sign_seed_keypair(c.writer_key, sample_writer_secret, seed);
    memset(c.writer.bytes, 0x33, WRITER_ID_SIZE);
    if (writer_cert_seal(&c, sample_vault_secret, &sample_certificate, &sample_certificate_size,
                         NULL) != 0)
        abort();
}

static inline void sample_tear_down(void)
{
    free(sample_certificate);
}

/* A pack of `size` bytes that follow from `number`, coded, with a grant and a pin for it. */
struct sample {
    struct fragment_set set;
    struct grant opened;
    uint8_t *grant;
    size_t grant_size;
    struct holders holders;
    struct pin pin;
};

static inline void sample_init(struct sample *s, unsigned number, size_t size, unsigned k,
                               unsigned m)
{
    uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)number, (uint8_t)(number >> 8)};
    uint8_t *pack = malloc(size + 1);
    struct writer_cert c;
    memset(s, 0, sizeof(*s));
    if (pack == NULL)
        abort();
    randombytes_buf_deterministic(pack, size, seed);
    if (fragment_set_encode(&s->set, pack, size, k, m, NULL) != 0)
        abort();
    free(pack);
    s->opened.cluster = sample_cluster;
    s->opened.vault = sample_vault;
    memset(s->opened.writer.bytes, 0x33, WRITER_ID_SIZE);
    s->opened.pack = s->set.object.pack_id;
    s->opened.pack_bytes = size;
    if (grant_seal(
            &s->opened,
            &(struct signer){sample_writer_secret, sample_certificate, sample_certificate_size},
            &s->grant, &s->grant_size, NULL) != 0 ||
        grant_open(&s->opened, &c, s->grant, s->grant_size, &sample_cluster, NULL) != 0)
        abort();
    s->holders.count = s->set.count;
    for (unsigned i = 0; i < s->set.count; i++)
        memset(s->holders.node[i].bytes, (int)(0x40 + i), ID_SIZE);
    s->pin.vault = sample_vault;
    memset(s->pin.writer.bytes, 0x33, WRITER_ID_SIZE);
    s->pin.number = 1;
}

static inline void sample_release(struct sample *s)
{
    fragment_set_release(&s->set);
    free(s->grant);
}

static inline int sample_put(struct store *store, const struct sample *s, unsigned index,
                             struct err *err)
{
    return store_put_fragment(store,
                              &(struct fragment_to_put){s->set.bytes[index], s->set.size, s->grant,
                                                        s->grant_size, &s->holders, &s->pin},
                              &s->opened, err);
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
