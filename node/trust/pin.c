/* What a number and an attempt mean is the records' to say; a number must only fit into a column of the
 * catalogue. */
#include "node/trust/pin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert_internal.h"

#define CONTEXT         "ecbak pin 2"
#define CONTEXT_SPONSOR "ecbak pin sponsored 2"
#define VERSION         2

int pins_seal(const struct pins *pins, const struct signer *signer, uint8_t **bytes, size_t *size,
              struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__SignedPin whole = ECBAK__SIGNED_PIN__INIT;
    Ecbak__PinnedPacks body = ECBAK__PINNED_PACKS__INIT;
    assert(pins->count >= 1 && pins->count <= PIN_PACKS_MAX &&
           pins->pin.number <= RECORD_NUMBER_MAX);
    whole.writer_certificate = signer_certificate(signer, err);
    if (whole.writer_certificate == NULL)
        return -1;
    body.version = VERSION;
    body.cluster = wire_view(pins->cluster.bytes, ID_SIZE);
    body.vault = wire_view(pins->pin.vault.bytes, ID_SIZE);
    body.writer = wire_view(pins->pin.writer.bytes, WRITER_ID_SIZE);
    body.number = pins->pin.number;
    body.attempt = wire_view(pins->pin.attempt.bytes, ATTEMPT_SIZE);
    body.packs = wire_view(pins->packs, pins->count * ID_SIZE);
    envelope_seal(&envelope, signature, &body.base, CONTEXT, signer->secret);
    whole.pin = &envelope;
    int result = envelope_pack(&whole.base, PIN_BYTES_MAX, "pin", bytes, size, err);
    free(envelope.body.data);
    wire_free(whole.writer_certificate);
    return result;
}

static int take(struct pins *pins, const Ecbak__PinnedPacks *body, struct err *err)
{
    struct pin *pin = &pins->pin;
    pin->number = body->number;
    pins->count = body->packs.len / ID_SIZE;
    if (!wire_take(pins->cluster.bytes, ID_SIZE, body->cluster) ||
        !wire_take(pin->vault.bytes, ID_SIZE, body->vault) ||
        !wire_take(pin->writer.bytes, WRITER_ID_SIZE, body->writer) ||
        !wire_take(pin->attempt.bytes, ATTEMPT_SIZE, body->attempt) || pin->number == 0 ||
        pin->number > RECORD_NUMBER_MAX || body->packs.len % ID_SIZE != 0 || pins->count == 0 ||
        pins->count > PIN_PACKS_MAX)
        return err_set(err, ERR_FORMAT, "the pin is malformed");
    pins->packs = alloc_copy(body->packs.data, body->packs.len);
    return 0;
}

static Ecbak__SignedPin *unpack(const uint8_t *bytes, size_t size, struct err *err)
{
    Ecbak__SignedPin *whole =
        envelope_open(&ecbak__signed_pin__descriptor, bytes, size, PIN_BYTES_MAX, "pin", err);
    if (whole == NULL || (whole->pin != NULL && whole->writer_certificate != NULL))
        return whole;
    wire_free(whole);
    err_set(err, ERR_FORMAT, "the pin is malformed");
    return NULL;
}

static int open_whole(struct pins *pins, const Ecbak__SignedPin *whole,
                      const struct cluster_id *cluster, struct err *err)
{
    struct writer_cert c;
    if (writer_cert_check(&c, whole->writer_certificate, err) != 0)
        return -1;
    Ecbak__PinnedPacks *body =
        envelope_open_body(&ecbak__pinned_packs__descriptor, whole->pin, "pin", err);
    if (body == NULL)
        return -1;
    int result = -1;
    if (envelope_check_version(body->version, VERSION, "pin", err) == 0 &&
        envelope_check_signature(whole->pin, CONTEXT, c.writer_key, "pin", err) == 0 &&
        take(pins, body, err) == 0 &&
        statement_check_cluster(&pins->cluster, cluster, "pin", err) == 0)
        result = writer_cert_covers(&c, &pins->pin.vault, &pins->pin.writer, "pin", err);
    wire_free(body);
    if (result != 0)
        pins_release(pins);
    return result;
}

int pins_open(struct pins *pins, const uint8_t *bytes, size_t size,
              const struct cluster_id *cluster, struct err *err)
{
    memset(pins, 0, sizeof(*pins));
    Ecbak__SignedPin *whole = unpack(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = open_whole(pins, whole, cluster, err);
    wire_free(whole);
    return result;
}

int pins_open_held(struct pins *pins, struct node_id *sponsor, const uint8_t *bytes, size_t size,
                   const uint8_t authority_public[32], struct err *err)
{
    struct cluster_id cluster;
    memset(pins, 0, sizeof(*pins));
    cluster_id(&cluster, authority_public);
    Ecbak__SignedPin *whole = unpack(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = open_whole(pins, whole, &cluster, err);
    if (result == 0 && envelope_check_countersignature(
                           whole->pin, CONTEXT_SPONSOR, whole->sponsor_certificate,
                           whole->sponsor_signature, authority_public, sponsor, "pin", err) != 0) {
        pins_release(pins);
        result = -1;
    }
    wire_free(whole);
    return result;
}

int pins_countersign(const uint8_t *bytes, size_t size, const struct credentials *node,
                     uint8_t **with, size_t *with_size, struct err *err)
{
    uint8_t signature[SIGN_SIZE], certificate[CERT_BYTES_MAX];
    size_t certificate_size;
    Ecbak__SignedPin *whole = unpack(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = cert_encode(node->cert, certificate, &certificate_size, err);
    if (result == 0) {
        Ecbak__SignedPin signed_twice = *whole;
        envelope_countersign(signature, whole->pin, CONTEXT_SPONSOR, node->keys);
        signed_twice.sponsor_signature = wire_view(signature, sizeof(signature));
        signed_twice.sponsor_certificate = wire_view(certificate, certificate_size);
        result = envelope_pack(&signed_twice.base, PIN_BYTES_MAX, "pin", with, with_size, err);
    }
    wire_free(whole);
    return result;
}

void pins_release(struct pins *pins)
{
    free(pins->packs);
    pins->packs = NULL;
    pins->count = 0;
}
