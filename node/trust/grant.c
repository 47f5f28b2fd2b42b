/* The grant's body is checked field by field after its writer's certificate; nothing is believed of a
 * grant whose signature, writer and cluster do not hold together. */
#include "node/trust/grant.h"

#include <stdlib.h>
#include <string.h>

#include "node/common/wire.h"
#include "node/trust/writer_cert_internal.h"

#define CONTEXT "ecbak grant 1"

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
    body.version = STATEMENT_VERSION;
    body.cluster = wire_view(g->cluster.bytes, sizeof(g->cluster));
    body.vault = wire_view(g->vault.bytes, sizeof(g->vault));
    body.writer = wire_view(g->writer.bytes, sizeof(g->writer));
    body.pack = wire_view(g->pack.bytes, sizeof(g->pack));
    body.pack_bytes = g->pack_bytes;
    body.sponsor = wire_view(g->sponsor.bytes, sizeof(g->sponsor));
    envelope_seal(&envelope, signature, &body.base, CONTEXT, signer->secret);
    whole.grant = &envelope;
    int result = envelope_pack(&whole.base, GRANT_BYTES_MAX, "grant", bytes, size, err);
    free(envelope.body.data);
    wire_free(whole.writer_certificate);
    return result;
}

static int grant_check(struct grant *g, const struct writer_cert *c, const Ecbak__Signed *envelope,
                       const struct cluster_id *cluster, struct err *err)
{
    int result = -1;
    Ecbak__Grant *body = envelope_open_body(&ecbak__grant__descriptor, envelope, "grant", err);
    if (body == NULL)
        return -1;
    if (envelope_check_version(body->version, STATEMENT_VERSION, "grant", err) != 0)
        goto done;
    if (!wire_take(g->cluster.bytes, sizeof(g->cluster), body->cluster) ||
        !wire_take(g->vault.bytes, sizeof(g->vault), body->vault) ||
        !wire_take(g->writer.bytes, sizeof(g->writer), body->writer) ||
        !wire_take(g->pack.bytes, sizeof(g->pack), body->pack) ||
        !wire_take(g->sponsor.bytes, sizeof(g->sponsor), body->sponsor)) {
        err_set(err, ERR_FORMAT, "the grant is malformed");
        goto done;
    }
    g->pack_bytes = body->pack_bytes;
    if (statement_check_cluster(&g->cluster, cluster, "grant", err) != 0 ||
        envelope_check_signature(envelope, CONTEXT, c->writer_key, "grant", err) != 0)
        goto done;
    result = writer_cert_covers(c, &g->vault, &g->writer, "grant", err);
done:
    wire_free(body);
    return result;
}

int grant_open(struct grant *g, struct writer_cert *c, const uint8_t *bytes, size_t size,
               const struct cluster_id *cluster, struct err *err)
{
    int result = -1;
    memset(g, 0, sizeof(*g));
    Ecbak__SignedGrant *whole =
        envelope_open(&ecbak__signed_grant__descriptor, bytes, size, GRANT_BYTES_MAX, "grant", err);
    if (whole == NULL)
        return -1;
    if (whole->grant == NULL || whole->writer_certificate == NULL)
        err_set(err, ERR_FORMAT, "the grant is malformed");
    else if (writer_cert_check(c, whole->writer_certificate, err) == 0)
        result = grant_check(g, c, whole->grant, cluster, err);
    wire_free(whole);
    return result;
}
