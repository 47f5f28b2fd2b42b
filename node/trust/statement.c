/* Grants and records carry the certificate of their writer, which carries the key of its vault,
 * whose hash is the vault's id: one statement proves itself from the vault id alone, to a holder
 * that has never heard of the vault. */
#include "node/trust/statement.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/trust/envelope.h"

#define CONTEXT_WRITER_CERT "ecbak writer certificate 1"
#define CONTEXT_GRANT       "ecbak grant 1"
#define CONTEXT_RECORD      "ecbak record 1"
#define CONTEXT_RECEIPT     "ecbak receipt 1"

void vault_id(struct vault_id *vault, const uint8_t vault_key[32])
{
    crypto_generichash(vault->bytes, ID_SIZE, vault_key, 32, NULL, 0);
}

/* ---- writer certificate ---- */

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
    envelope_seal(&envelope, signature, &body.base, CONTEXT_WRITER_CERT, vault_secret);
    int result = envelope_pack(&envelope.base, WRITER_CERT_BYTES_MAX, "writer certificate", bytes,
                               size, err);
    free(envelope.body.data);
    return result;
}

static int writer_cert_check(struct writer_cert *c, const Ecbak__Signed *envelope, struct err *err)
{
    int result = -1;
    memset(c, 0, sizeof(*c));
    Ecbak__WriterCertificate *body = envelope_open_body(&ecbak__writer_certificate__descriptor,
                                                        envelope, "writer certificate", err);
    if (body == NULL)
        return -1;
    if (envelope_check_version(body->version, "writer certificate", err) != 0)
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
    result = envelope_check_signature(envelope, CONTEXT_WRITER_CERT, c->vault_key,
                                      "writer certificate", err);
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

/* What grants and records share: the certificate is of this vault and this writer, and lets it add. */
static int check_writer(const struct writer_cert *c, const struct vault_id *vault,
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

static int check_cluster(const struct cluster_id *claimed, const struct cluster_id *cluster,
                         const char *what, struct err *err)
{
    if (!id_equal(claimed, cluster))
        return err_set(err, ERR_FOREIGN, "the %s is for another cluster", what);
    return 0;
}

/* What goes along with each of the signer's statements; NULL on error. */
static Ecbak__Signed *certificate_of(const struct signer *signer, struct err *err)
{
    return envelope_open(&ecbak__signed__descriptor, signer->cert, signer->cert_size,
                         WRITER_CERT_BYTES_MAX, "writer certificate", err);
}

/* ---- grant ---- */

int grant_seal(const struct grant *g, const struct signer *signer, uint8_t **bytes, size_t *size,
               struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__SignedGrant whole = ECBAK__SIGNED_GRANT__INIT;
    Ecbak__Grant body = ECBAK__GRANT__INIT;
    whole.writer_certificate = certificate_of(signer, err);
    if (whole.writer_certificate == NULL)
        return -1;
    body.version = STATEMENT_VERSION;
    body.cluster = wire_view(g->cluster.bytes, sizeof(g->cluster));
    body.vault = wire_view(g->vault.bytes, sizeof(g->vault));
    body.writer = wire_view(g->writer.bytes, sizeof(g->writer));
    body.pack = wire_view(g->pack.bytes, sizeof(g->pack));
    body.pack_bytes = g->pack_bytes;
    body.sponsor = wire_view(g->sponsor.bytes, sizeof(g->sponsor));
    envelope_seal(&envelope, signature, &body.base, CONTEXT_GRANT, signer->secret);
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
    if (envelope_check_version(body->version, "grant", err) != 0)
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
    if (check_cluster(&g->cluster, cluster, "grant", err) != 0 ||
        envelope_check_signature(envelope, CONTEXT_GRANT, c->writer_key, "grant", err) != 0)
        goto done;
    result = check_writer(c, &g->vault, &g->writer, "grant", err);
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

/* ---- record ---- */

static bool is_zero(const struct record_id *id)
{
    return sodium_is_zero(id->bytes, ID_SIZE) == 1;
}

int record_seal(const struct record *r, const struct signer *signer, uint8_t **bytes, size_t *size,
                struct record_id *hash, struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__SignedRecord whole = ECBAK__SIGNED_RECORD__INIT;
    Ecbak__Record body = ECBAK__RECORD__INIT;
    assert(r->number > 1 || (r->number == 1 && is_zero(&r->previous)));
    whole.writer_certificate = certificate_of(signer, err);
    if (whole.writer_certificate == NULL)
        return -1;
    body.version = STATEMENT_VERSION;
    body.cluster = wire_view(r->cluster.bytes, sizeof(r->cluster));
    body.vault = wire_view(r->vault.bytes, sizeof(r->vault));
    body.writer = wire_view(r->writer.bytes, sizeof(r->writer));
    body.number = r->number;
    if (!is_zero(&r->previous))
        body.previous = wire_view(r->previous.bytes, sizeof(r->previous));
    body.kind = r->kind;
    body.sealed = wire_view(r->sealed, r->sealed_size);
    envelope_seal(&envelope, signature, &body.base, CONTEXT_RECORD, signer->secret);
    whole.record = &envelope;
    crypto_generichash(hash->bytes, ID_SIZE, envelope.body.data, envelope.body.len, NULL, 0);
    int result = envelope_pack(&whole.base, RECORD_BYTES_MAX, "record", bytes, size, err);
    free(envelope.body.data);
    wire_free(whole.writer_certificate);
    return result;
}

static int record_take(struct record *r, const Ecbak__Record *body, struct err *err)
{
    if (envelope_check_version(body->version, "record", err) != 0)
        return -1;
    bool first = body->previous.len == 0;
    r->previous = (struct record_id){0};
    if (!wire_take(r->cluster.bytes, sizeof(r->cluster), body->cluster) ||
        !wire_take(r->vault.bytes, sizeof(r->vault), body->vault) ||
        !wire_take(r->writer.bytes, sizeof(r->writer), body->writer) || body->number == 0 ||
        (!first &&
         (body->number == 1 || !wire_take(r->previous.bytes, sizeof(r->previous), body->previous) ||
          is_zero(&r->previous))))
        return err_set(err, ERR_FORMAT, "the record is malformed");
    r->number = body->number;
    r->kind = body->kind;
    if (r->kind == 0)
        return err_set(err, ERR_FORMAT, "the record says no kind");
    return 0;
}

static int record_check(struct record *r, const struct writer_cert *c,
                        const Ecbak__Signed *envelope, const struct cluster_id *cluster,
                        struct err *err)
{
    Ecbak__Record *body = envelope_open_body(&ecbak__record__descriptor, envelope, "record", err);
    if (body == NULL)
        return -1;
    int result = -1;
    if (record_take(r, body, err) == 0 && check_cluster(&r->cluster, cluster, "record", err) == 0 &&
        envelope_check_signature(envelope, CONTEXT_RECORD, c->writer_key, "record", err) == 0 &&
        check_writer(c, &r->vault, &r->writer, "record", err) == 0) {
        r->sealed_size = body->sealed.len;
        r->sealed = alloc_copy(body->sealed.data, body->sealed.len);
        crypto_generichash(r->hash.bytes, ID_SIZE, envelope->body.data, envelope->body.len, NULL,
                           0);
        result = 0;
    }
    wire_free(body);
    return result;
}

int record_open(struct record *r, struct writer_cert *c, const uint8_t *bytes, size_t size,
                const struct cluster_id *cluster, struct err *err)
{
    int result = -1;
    memset(r, 0, sizeof(*r));
    Ecbak__SignedRecord *whole = envelope_open(&ecbak__signed_record__descriptor, bytes, size,
                                               RECORD_BYTES_MAX, "record", err);
    if (whole == NULL)
        return -1;
    if (whole->record == NULL || whole->writer_certificate == NULL)
        err_set(err, ERR_FORMAT, "the record is malformed");
    else if (writer_cert_check(c, whole->writer_certificate, err) == 0)
        result = record_check(r, c, whole->record, cluster, err);
    wire_free(whole);
    return result;
}

void record_release(struct record *r)
{
    free(r->sealed);
    r->sealed = NULL;
    r->sealed_size = 0;
}

/* ---- receipt ---- */

int receipt_seal(const struct receipt *r, const uint8_t node_secret[64], uint8_t **bytes,
                 size_t *size, struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__Receipt body = ECBAK__RECEIPT__INIT;
    body.version = STATEMENT_VERSION;
    body.cluster = wire_view(r->cluster.bytes, sizeof(r->cluster));
    body.object = wire_view(r->object.bytes, sizeof(r->object));
    body.index = r->index;
    body.holder = wire_view(node_secret + 32, ID_SIZE);
    body.writer = wire_view(r->writer.bytes, sizeof(r->writer));
    body.number = r->number;
    envelope_seal(&envelope, signature, &body.base, CONTEXT_RECEIPT, node_secret);
    int result = envelope_pack(&envelope.base, RECEIPT_BYTES_MAX, "receipt", bytes, size, err);
    free(envelope.body.data);
    return result;
}

int receipt_open(struct receipt *r, const uint8_t *bytes, size_t size, struct err *err)
{
    int result = -1;
    Ecbak__Receipt *body = NULL;
    memset(r, 0, sizeof(*r));
    Ecbak__Signed *envelope =
        envelope_open(&ecbak__signed__descriptor, bytes, size, RECEIPT_BYTES_MAX, "receipt", err);
    if (envelope == NULL)
        return -1;
    body = envelope_open_body(&ecbak__receipt__descriptor, envelope, "receipt", err);
    if (body == NULL || envelope_check_version(body->version, "receipt", err) != 0)
        goto done;
    if (!wire_take(r->cluster.bytes, sizeof(r->cluster), body->cluster) ||
        !wire_take(r->object.bytes, sizeof(r->object), body->object) ||
        !wire_take(r->holder.bytes, sizeof(r->holder), body->holder) ||
        !wire_take(r->writer.bytes, sizeof(r->writer), body->writer)) {
        err_set(err, ERR_FORMAT, "the receipt is malformed");
        goto done;
    }
    r->index = body->index;
    r->number = body->number;
    result = envelope_check_signature(envelope, CONTEXT_RECEIPT, r->holder.bytes, "receipt", err);
done:
    wire_free(body);
    wire_free(envelope);
    return result;
}
