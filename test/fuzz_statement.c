/* Statements from strangers. Signatures stop random bytes early, so each input is also taken as a
 * body and signed properly: then it must either be refused or read without harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/common/wire.h"
#include "node/trust/envelope.h"
#include "node/trust/grant.h"
#include "node/trust/receipt.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t authority_public[32];
static struct cert sponsor;
static uint8_t sponsor_secret[64];

static void open_all(const uint8_t *bytes, size_t size, const struct cluster_id *cluster)
{
    struct writer_cert c;
    struct grant g;
    struct record r;
    struct receipt receipt;
    struct err err;
    (void)!writer_cert_open(&c, bytes, size, &err);
    uint8_t *whole;
    size_t whole_size;
    (void)!grant_open(&g, &c, bytes, size, authority_public, &err);
    if (grant_open_writers(&g, &c, bytes, size, cluster, &err) == 0 &&
        grant_countersign(bytes, size, sponsor_secret, &sponsor, &whole, &whole_size, &err) == 0) {
        /* What its sponsor took is whole, unless it names another. */
        if ((grant_open(&g, &c, whole, whole_size, authority_public, &err) == 0) !=
            id_equal(&g.sponsor, &sponsor.node))
            abort();
        free(whole);
    }
    (void)!receipt_open(&receipt, bytes, size, &err);
    (void)!record_open(&r, &c, bytes, size, cluster, &err);
    record_release(&r);
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
    whole.grant = &envelope; /* SignedRecord has the same fields */
    whole.writer_certificate = certificate;
    const ProtobufCMessage *message = certificate != NULL ? &whole.base : &envelope.base;
    if (envelope_pack(message, RECORD_BYTES_MAX, "input", &bytes, &bytes_size, &err) != 0)
        return;
    open_all(bytes, bytes_size, cluster);
    free(bytes);
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
        crypto_sign_seed_keypair(public_key, secret, seed);
        uint8_t authority_secret[64];
        crypto_sign_keypair(authority_public, authority_secret);
        cluster_id(&cluster, authority_public);
        sponsor = (struct cert){.serial = 1, .name = "sponsor", .zone = "zone"};
        crypto_sign_keypair(sponsor.node.bytes, sponsor_secret);
        if (cert_sign(&sponsor, authority_secret, &err) != 0)
            abort();
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
    open_signed("ecbak record 1", data, size, secret, certificate, &cluster);
    return 0;
}
