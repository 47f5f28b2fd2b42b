/* A writer certificate carries the key of its vault, whose hash is the vault's id: so what a writer
 * signs, with its certificate beside it, proves itself from the vault id alone, to a holder that has
 * never heard of the vault. */
#include "node/trust/writer_cert.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "node/common/wire.h"
#include "node/trust/writer_cert_internal.h"

#define CONTEXT "ecbak writer certificate 1"

void vault_id(struct vault_id *vault, const uint8_t vault_key[32])
{
    crypto_generichash(vault->bytes, ID_SIZE, vault_key, 32, NULL, 0);
}

int writer_cert_seal(const struct writer_cert *c, const uint8_t vault_secret[64], uint8_t **bytes,
                     size_t *size, struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__WriterCertificate body = ECBAK__WRITER_CERTIFICATE__INIT;
    body.version = STATEMENT_VERSION;
    body.vault_key = wire_view(vault_secret + 32, 32);
    body.writer = wire_view(c->writer.bytes, sizeof(c->writer));
    body.writer_key = wire_view(c->writer_key, sizeof(c->writer_key));
    body.rights = c->rights;
    body.generation = c->generation;
    envelope_seal(&envelope, signature, &body.base, CONTEXT, vault_secret);
    int result = envelope_pack(&envelope.base, WRITER_CERT_BYTES_MAX, "writer certificate", bytes,
                               size, err);
    free(envelope.body.data);
    return result;
}

int writer_cert_check(struct writer_cert *c, const Ecbak__Signed *envelope, struct err *err)
{
    int result = -1;
    memset(c, 0, sizeof(*c));
    Ecbak__WriterCertificate *body = envelope_open_body(&ecbak__writer_certificate__descriptor,
                                                        envelope, "writer certificate", err);
    if (body == NULL)
        return -1;
    if (envelope_check_version(body->version, STATEMENT_VERSION, "writer certificate", err) != 0)
        goto done;
    if (!wire_take(c->vault_key, sizeof(c->vault_key), body->vault_key) ||
        !wire_take(c->writer.bytes, sizeof(c->writer), body->writer) ||
        !wire_take(c->writer_key, sizeof(c->writer_key), body->writer_key)) {
        err_set(err, ERR_FORMAT, "the writer certificate is malformed");
        goto done;
    }
    c->rights = body->rights;
    c->generation = body->generation;
    vault_id(&c->vault, c->vault_key);
    result = envelope_check_signature(envelope, CONTEXT, c->vault_key, "writer certificate", err);
done:
    wire_free(body);
    return result;
}

int writer_cert_open(struct writer_cert *c, const uint8_t *bytes, size_t size, struct err *err)
{
    Ecbak__Signed *envelope = envelope_open(&ecbak__signed__descriptor, bytes, size,
                                            WRITER_CERT_BYTES_MAX, "writer certificate", err);
    if (envelope == NULL)
        return -1;
    int result = writer_cert_check(c, envelope, err);
    wire_free(envelope);
    return result;
}

int writer_cert_covers(const struct writer_cert *c, const struct vault_id *vault,
                       const struct writer_id *writer, const char *what, struct err *err)
{
    if (!id_equal(&c->vault, vault))
        return err_set(err, ERR_FOREIGN, "the %s names another vault than its writer's", what);
    if (!id_equal(&c->writer, writer))
        return err_set(err, ERR_FOREIGN, "the %s names another writer than its certificate", what);
    if ((c->rights & RIGHT_ADD) == 0)
        return err_set(err, ERR_DENIED, "this writer may not add to its vault");
    return 0;
}

int statement_check_cluster(const struct cluster_id *claimed, const struct cluster_id *cluster,
                            const char *what, struct err *err)
{
    if (!id_equal(claimed, cluster))
        return err_set(err, ERR_FOREIGN, "the %s is for another cluster", what);
    return 0;
}

Ecbak__Signed *signer_certificate(const struct signer *signer, struct err *err)
{
    return envelope_open(&ecbak__signed__descriptor, signer->cert, signer->cert_size,
                         WRITER_CERT_BYTES_MAX, "writer certificate", err);
}
