/* The holder's node id is its public key, so a receipt needs no certificate beside it. */
#include "node/trust/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "node/common/wire.h"
#include "node/trust/envelope.h"
#include "node/trust/record.h"

#define CONTEXT "ecbak receipt 1"

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
    envelope_seal(&envelope, signature, &body.base, CONTEXT, node_secret);
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
        !wire_take(r->writer.bytes, sizeof(r->writer), body->writer) ||
        body->number > RECORD_NUMBER_MAX) {
        err_set(err, ERR_FORMAT, "the receipt is malformed");
        goto done;
    }
    r->index = body->index;
    r->number = body->number;
    result = envelope_check_signature(envelope, CONTEXT, r->holder.bytes, "receipt", err);
done:
    wire_free(body);
    wire_free(envelope);
    return result;
}
