/* The grant's body is checked field by field after its writer's certificate; nothing is believed of a
 * grant whose signatures, writer, sponsor and cluster do not hold together. */
#include "node/trust/grant.h"

#include <stdlib.h>
#include <string.h>

#include "coding/object.h"
#include "node/common/wire.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert_internal.h"

#define GRANT_VERSION   2
#define CONTEXT         "ecbak grant 2"
#define CONTEXT_SPONSOR "ecbak grant sponsored 2"

int grant_seal(const struct grant *g, const struct signer *signer, uint8_t **bytes, size_t *size,
               struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__SignedGrant whole = ECBAK__SIGNED_GRANT__INIT;
    Ecbak__Grant body = ECBAK__GRANT__INIT;
    whole.writer_certificate = signer_certificate(signer, err);
    if (whole.writer_certificate == NULL)
        return -1;
    body.version = GRANT_VERSION;
    body.cluster = wire_view(g->cluster.bytes, sizeof(g->cluster));
    body.vault = wire_view(g->vault.bytes, sizeof(g->vault));
    body.writer = wire_view(g->writer.bytes, sizeof(g->writer));
    body.number = g->number;
    body.attempt = wire_view(g->attempt.bytes, sizeof(g->attempt));
    body.pack = wire_view(g->pack.bytes, sizeof(g->pack));
    body.pack_bytes = g->pack_bytes;
    body.object = wire_view(g->object.bytes, sizeof(g->object));
    body.code = g->code;
    body.layout = g->layout;
    body.data = g->data;
    body.parity = g->parity;
    body.sponsor = wire_view(g->sponsor.bytes, sizeof(g->sponsor));
    envelope_seal(&envelope, signature, &body.base, CONTEXT, signer->secret);
    whole.grant = &envelope;
    int result = envelope_pack(&whole.base, GRANT_BYTES_MAX, "grant", bytes, size, err);
    free(envelope.body.data);
    wire_free(whole.writer_certificate);
    return result;
}

static int grant_take(struct grant *g, const Ecbak__Grant *body, struct err *err)
{
    struct object_shape shape;
    if (envelope_check_version(body->version, GRANT_VERSION, "grant", err) != 0)
        return -1;
    if (!wire_take(g->cluster.bytes, sizeof(g->cluster), body->cluster) ||
        !wire_take(g->vault.bytes, sizeof(g->vault), body->vault) ||
        !wire_take(g->writer.bytes, sizeof(g->writer), body->writer) ||
        !wire_take(g->attempt.bytes, sizeof(g->attempt), body->attempt) ||
        !wire_take(g->pack.bytes, sizeof(g->pack), body->pack) ||
        !wire_take(g->object.bytes, sizeof(g->object), body->object) ||
        !wire_take(g->sponsor.bytes, sizeof(g->sponsor), body->sponsor) ||
        body->number > RECORD_NUMBER_MAX || body->code > UINT16_MAX || body->layout > UINT16_MAX)
        return err_set(err, ERR_FORMAT, "the grant is malformed");
    if (object_shape_of(&shape, body->pack_bytes, body->data, body->parity, NULL) != 0)
        return err_set(err, ERR_FORMAT, "the grant names an impossible shape");
    g->number = body->number;
    g->pack_bytes = body->pack_bytes;
    g->code = (uint16_t)body->code;
    g->layout = (uint16_t)body->layout;
    g->data = body->data;
    g->parity = body->parity;
    return 0;
}

static int grant_check(struct grant *g, const struct writer_cert *c, const Ecbak__Signed *envelope,
                       const struct cluster_id *cluster, struct err *err)
{
    Ecbak__Grant *body = envelope_open_body(&ecbak__grant__descriptor, envelope, "grant", err);
    if (body == NULL)
        return -1;
    int result = -1;
    if (grant_take(g, body, err) == 0 &&
        statement_check_cluster(&g->cluster, cluster, "grant", err) == 0 &&
        envelope_check_signature(envelope, CONTEXT, c->writer_key, "grant", err) == 0)
        result = writer_cert_covers(c, &g->vault, &g->writer, "grant", err);
    wire_free(body);
    return result;
}

static int check_sponsor(const struct grant *g, const Ecbak__SignedGrant *whole,
                         const uint8_t authority_public[32], struct err *err)
{
    struct node_id sponsor;
    if (envelope_check_countersignature(whole->grant, CONTEXT_SPONSOR, whole->sponsor_certificate,
                                        whole->sponsor_signature, authority_public, &sponsor,
                                        "grant", err) != 0)
        return -1;
    if (!id_equal(&sponsor, &g->sponsor))
        return err_set(err, ERR_FOREIGN, "another node than its sponsor countersigned the grant");
    return 0;
}

/* NULL on error. */
static Ecbak__SignedGrant *open_envelope(const uint8_t *bytes, size_t size, struct err *err)
{
    Ecbak__SignedGrant *whole =
        envelope_open(&ecbak__signed_grant__descriptor, bytes, size, GRANT_BYTES_MAX, "grant", err);
    if (whole != NULL && whole->grant != NULL && whole->writer_certificate != NULL)
        return whole;
    if (whole != NULL)
        err_set(err, ERR_FORMAT, "the grant is malformed");
    wire_free(whole);
    return NULL;
}

int grant_open_writers(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
                       const struct cluster_id *cluster, struct err *err)
{
    memset(g, 0, sizeof(*g));
    Ecbak__SignedGrant *whole = open_envelope(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = -1;
    if (whole->sponsor_signature.len > 0 || whole->sponsor_certificate.len > 0)
        err_set(err, ERR_FORMAT, "the grant is countersigned already");
    else if (writer_cert_check(c, whole->writer_certificate, err) == 0)
        result = grant_check(g, c, whole->grant, cluster, err);
    wire_free(whole);
    return result;
}

int grant_countersign(const uint8_t *writers, size_t writers_size, const struct credentials *node,
                      uint8_t **bytes, size_t *size, struct err *err)
{
    uint8_t signature[SIGN_SIZE], certificate[CERT_BYTES_MAX];
    size_t certificate_size;
    Ecbak__SignedGrant *given = open_envelope(writers, writers_size, err);
    if (given == NULL)
        return -1;
    int result = cert_encode(node->cert, certificate, &certificate_size, err);
    if (result == 0) {
        envelope_countersign(signature, given->grant, CONTEXT_SPONSOR, node->keys);
        Ecbak__SignedGrant whole = ECBAK__SIGNED_GRANT__INIT;
        whole.grant = given->grant;
        whole.writer_certificate = given->writer_certificate;
        whole.sponsor_signature = wire_view(signature, sizeof(signature));
        whole.sponsor_certificate = wire_view(certificate, certificate_size);
        result = envelope_pack(&whole.base, GRANT_BYTES_MAX, "grant", bytes, size, err);
    }
    wire_free(given);
    return result;
}

int grant_open(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
               const uint8_t authority_public[32], struct err *err)
{
    struct cluster_id cluster;
    memset(g, 0, sizeof(*g));
    cluster_id(&cluster, authority_public);
    Ecbak__SignedGrant *whole = open_envelope(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = -1;
    if (writer_cert_check(c, whole->writer_certificate, err) == 0 &&
        grant_check(g, c, whole->grant, &cluster, err) == 0)
        result = check_sponsor(g, whole, authority_public, err);
    wire_free(whole);
    return result;
}

struct pin grant_pin(const struct grant *g)
{
    return (struct pin){
        .vault = g->vault, .writer = g->writer, .number = g->number, .attempt = g->attempt};
}
