/* Statements from strangers. Signatures stop random bytes early, so each input is also taken as a
 * body and signed properly: then it must either be refused or read without harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/common/wire.h"
#include "node/trust/cert.h"
#include "node/trust/envelope.h"
#include "node/trust/grant.h"
#include "node/trust/pin.h"
#include "node/trust/receipt.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t authority[32];
static struct node_keys sponsor_keys;
static struct cert sponsor_cert;

/* What nobody countersigned is refused; the same countersigned is taken, or what is in it is bad. */
static void open_held(const uint8_t *bytes, size_t size)
{
    struct record r;
    struct pins pins;
    struct node_id sponsor;
    struct err err;
    uint8_t *with;
    size_t with_size;
    struct credentials node = {&sponsor_keys, &sponsor_cert, authority};
    if (record_open_held(&r, &sponsor, bytes, size, authority, &err) == 0)
        record_release(&r);
    if (pins_open_held(&pins, &sponsor, bytes, size, authority, &err) == 0)
        pins_release(&pins);
    if (record_countersign(bytes, size, &node, &with, &with_size, &err) == 0) {
        if (record_open_held(&r, &sponsor, with, with_size, authority, &err) == 0 &&
            !id_equal(&sponsor, &sponsor_keys.node))
            abort();
        record_release(&r);
        free(with);
    }
    if (pins_countersign(bytes, size, &node, &with, &with_size, &err) == 0) {
        if (pins_open_held(&pins, &sponsor, with, with_size, authority, &err) == 0 &&
            (pins.count == 0 || pins.count > PIN_PACKS_MAX))
            abort();
        pins_release(&pins);
        free(with);
    }
}

static void open_all(const uint8_t *bytes, size_t size, const struct cluster_id *cluster)
{
    struct writer_cert c;
    struct grant g;
    struct record r;
    struct receipt receipt;
    struct pins pins;
    struct err err;
    (void)!writer_cert_open(&c, bytes, size, &err);
    uint8_t *whole;
    size_t whole_size;
    (void)!grant_open(&g, &c, bytes, size, authority, &err);
    if (grant_open_writers(&g, &c, bytes, size, cluster, &err) == 0 &&
        grant_countersign(bytes, size,
                          &(struct credentials){&sponsor_keys, &sponsor_cert, authority}, &whole,
                          &whole_size, &err) == 0) {
        /* What its sponsor took is whole, unless it names another. */
        if ((grant_open(&g, &c, whole, whole_size, authority, &err) == 0) !=
            id_equal(&g.sponsor, &sponsor_keys.node))
            abort();
        free(whole);
    }
    (void)!receipt_open(&receipt, bytes, size, &err);
    (void)!record_open(&r, bytes, size, cluster, &err);
    record_release(&r);
    (void)!pins_open(&pins, bytes, size, cluster, &err);
    pins_release(&pins);
    open_held(bytes, size);
}

/* The input as the body of a statement that is signed by the keys that it ought to have. */
static void open_signed(const char *context, const uint8_t *body, size_t size,
                        const uint8_t secret[64], Ecbak__Signed *certificate,
                        const struct cluster_id *cluster)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope = ECBAK__SIGNED__INIT;
    Ecbak__SignedGrant whole = ECBAK__SIGNED_GRANT__INIT;
    struct err err;
    uint8_t *bytes;
    size_t bytes_size;
    sign_body(signature, context, body, size, secret);
    envelope.body = wire_view(body, size);
    envelope.signature = wire_view(signature, sizeof(signature));
    whole.grant = &envelope; /* SignedRecord and SignedPin have the same fields */
    whole.writer_certificate = certificate;
    const ProtobufCMessage *message = certificate != NULL ? &whole.base : &envelope.base;
    if (envelope_pack(message, RECORD_BYTES_MAX, "input", &bytes, &bytes_size, &err) != 0)
        return;
    open_all(bytes, bytes_size, cluster);
    free(bytes);
}

/* The input as the closing of a writer, by the vault's key. */
static void open_closed(const uint8_t *body, size_t size, const uint8_t secret[64],
                        const struct cluster_id *cluster)
{
    uint8_t signature[SIGN_SIZE], *bytes;
    Ecbak__Signed envelope = ECBAK__SIGNED__INIT;
    Ecbak__SignedRecord whole = ECBAK__SIGNED_RECORD__INIT;
    struct err err;
    size_t bytes_size;
    sign_body(signature, "ecbak writer closed 1", body, size, secret);
    envelope.body = wire_view(body, size);
    envelope.signature = wire_view(signature, sizeof(signature));
    whole.closed = &envelope;
    if (envelope_pack(&whole.base, RECORD_BYTES_MAX, "input", &bytes, &bytes_size, &err) != 0)
        return;
    open_all(bytes, bytes_size, cluster);
    free(bytes);
}

/* A member, whose certificate is good, and a cluster that is all zeros but for what it is. */
static void make_sponsor(struct cluster_id *cluster)
{
    static const uint8_t seed[32] = {7}, node_seed[32] = {8};
    uint8_t secret[64];
    struct err err;
    crypto_sign_seed_keypair(authority, secret, seed);
    crypto_sign_seed_keypair(sponsor_keys.node.bytes, sponsor_keys.sign_secret, node_seed);
    sponsor_cert = (struct cert){.serial = 1, .name = "node", .zone = "zone"};
    sponsor_cert.node = sponsor_keys.node;
    if (cert_sign(&sponsor_cert, secret, &err) != 0)
        abort();
    cluster_id(cluster, authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t public_key[32], secret[64];
    static struct cluster_id cluster;
    static Ecbak__Signed *certificate;
    struct err err;
    if (certificate == NULL) {
        static const uint8_t seed[32] = {1};
        struct writer_cert c = {.rights = RIGHT_ADD};
        uint8_t *bytes;
        size_t bytes_size;
        if (sodium_init() < 0)
            abort();
        make_sponsor(&cluster);
        crypto_sign_seed_keypair(public_key, secret, seed);
        memcpy(c.writer_key, public_key, sizeof(c.writer_key));
        if (writer_cert_seal(&c, secret, &bytes, &bytes_size, &err) != 0)
            abort();
        certificate = envelope_open(&ecbak__signed__descriptor, bytes, bytes_size,
                                    WRITER_CERT_BYTES_MAX, "certificate", &err);
        free(bytes);
        if (certificate == NULL)
            abort();
    }
    open_all(data, size, &cluster);
    open_signed("ecbak writer certificate 1", data, size, secret, NULL, &cluster);
    open_signed("ecbak receipt 1", data, size, secret, NULL, &cluster);
    open_signed("ecbak grant 2", data, size, secret, certificate, &cluster);
    open_signed("ecbak record 2", data, size, secret, certificate, &cluster);
    open_signed("ecbak pin 2", data, size, secret, certificate, &cluster);
    open_closed(data, size, secret, &cluster);
    return 0;
}
