/* A record's id is the hash of its signed body, so what is not signed (the envelope) never makes
 * another record of it. */
#include "node/trust/record.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/trust/writer_cert_internal.h"

#define CONTEXT "ecbak record 1"

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
    whole.writer_certificate = signer_certificate(signer, err);
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
    envelope_seal(&envelope, signature, &body.base, CONTEXT, signer->secret);
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
        body->number > RECORD_NUMBER_MAX ||
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
    if (record_take(r, body, err) == 0 &&
        statement_check_cluster(&r->cluster, cluster, "record", err) == 0 &&
        envelope_check_signature(envelope, CONTEXT, c->writer_key, "record", err) == 0 &&
        writer_cert_covers(c, &r->vault, &r->writer, "record", err) == 0) {
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
