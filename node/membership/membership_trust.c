/* A claim in gossip is its member's own signed words; the certificate inside them says that the
 * authority knows that member, its CURVE key and its name. */
#include "node/membership/membership_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "coding/base/alloc.h"
#include "coding/base/hash.h"
#include "node/base/date.h"
#include "node/trust/node_keys.h"

void trust_init(struct trust *trust, const struct node_keys *keys,
                const uint8_t authority_public[32], struct revocations *revocations)
{
    trust->revocations = revocations;
    trust->keys = keys;
    memcpy(trust->authority_public, authority_public, sizeof(trust->authority_public));
    trust->admitted = alloc_zero(ADMITTED_SLOTS, sizeof(*trust->admitted));
}

void trust_release(struct trust *trust)
{
    free(trust->admitted);
    trust->admitted = NULL;
}

static void sign(void *context, const void *body, size_t size,
                 uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    const struct trust *trust = context;
    crypto_sign_detached(signature, NULL, body, size, trust->keys->sign_secret);
}

static bool verify(void *context, const struct node_id *signer, const void *body, size_t size,
                   const uint8_t signature[SWIM_SIGNATURE_SIZE])
{
    (void)context;
    return crypto_sign_verify_detached(signature, body, size, signer->bytes) == 0;
}

/* Signed by our authority; asked once for each certificate. */
static bool is_ours(struct trust *trust, const struct node_meta *meta, const struct cert *cert,
                    struct err *err)
{
    uint8_t digest[HASH_SIZE];
    hash_bytes(digest, "ecbak admitted", meta->certificate, meta->certificate_size);
    size_t slot = (digest[0] | (size_t)digest[1] << 8) % ADMITTED_SLOTS;
    if (memcmp(trust->admitted[slot], digest, sizeof(digest)) == 0)
        return true;
    if (cert_check(cert, trust->authority_public, err) != 0)
        return false;
    memcpy(trust->admitted[slot], digest, sizeof(digest));
    return true;
}

static bool admit(void *context, const struct node_id *id, const char *name, const char *address,
                  const uint8_t *metadata, size_t metadata_size)
{
    struct trust *trust = context;
    struct node_meta meta;
    struct cert cert;
    struct endpoint place;
    struct err err = ERR_INIT;
    if (endpoint_parse(&place, address, &err) != 0) {
        atomic_fetch_add(&trust->named_count, 1);
        return false;
    }
    if (meta_decode(&meta, metadata, metadata_size, &err) != 0 ||
        cert_decode(&cert, meta.certificate, meta.certificate_size, &err) != 0 ||
        !id_equal(&cert.node, id) || strcmp(cert.name, name) != 0) {
        atomic_fetch_add(err.code == ERR_INVALID ? &trust->named_count : &trust->refused_count, 1);
        return false;
    }
    if (!is_ours(trust, &meta, &cert, &err)) {
        atomic_fetch_add(err.code == ERR_FOREIGN ? &trust->foreign_count : &trust->refused_count,
                         1);
        return false;
    }
    if (cert_check_dates(&cert, date_s(), &err) != 0) {
        atomic_fetch_add(&trust->expired_count, 1);
        return false;
    }
    if (revocations_cover(trust->revocations, &cert.node, cert.curve, cert.serial, NULL)) {
        atomic_fetch_add(&trust->revoked_count, 1);
        return false;
    }
    return true;
}

void trust_fill_ops(struct trust *trust, struct swim_ops *ops)
{
    *ops = (struct swim_ops){.context = trust, .sign = sign, .verify = verify, .admit = admit};
}
