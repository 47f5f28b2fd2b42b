/* A record's id is the hash of its signed body, so what is not signed (the envelope, and who brought
 * it) never makes another record of it. Every list in a body has one form and a limit, so a record is
 * taken with its lists or not at all. */
#include "node/trust/record.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/trust/writer_cert_internal.h"

#define CONTEXT         "ecbak record 2"
#define CONTEXT_CLOSED  "ecbak writer closed 1"
#define CONTEXT_SPONSOR "ecbak record sponsored 2"
#define VERSION         2
#define VERSION_CLOSED  1

_Static_assert(RECORD_SEALED_MAX + RECORD_INDEX_MAX * ID_SIZE +
                       RECORD_HEADS_MAX * (WRITER_ID_SIZE + ID_SIZE + 8) +
                       RECORD_VOIDS_MAX * ATTEMPT_SIZE + 4096 <=
                   RECORD_BYTES_MAX,
               "a record with everything fits");

static bool is_zero(const struct record_id *id)
{
    return sodium_is_zero(id->bytes, ID_SIZE) == 1;
}

/* ---- making one ---- */

static int check_limits(const struct record *r, struct err *err)
{
    if (r->sealed_size > RECORD_SEALED_MAX || r->index_pack_count > RECORD_INDEX_MAX ||
        r->head_count > RECORD_HEADS_MAX || r->void_count > RECORD_VOIDS_MAX)
        return err_set(err, ERR_INVALID,
                       "a record with %zu sealed bytes, %zu index packs, %zu heads, %zu void "
                       "attempts: at most %d, %d, %d, %d are allowed",
                       r->sealed_size, r->index_pack_count, r->head_count, r->void_count,
                       RECORD_SEALED_MAX, RECORD_INDEX_MAX, RECORD_HEADS_MAX, RECORD_VOIDS_MAX);
    return 0;
}

static void fill_body(Ecbak__Record *body, const struct record *r)
{
    body->version = VERSION;
    body->cluster = wire_view(r->cluster.bytes, sizeof(r->cluster));
    body->vault = wire_view(r->vault.bytes, sizeof(r->vault));
    body->writer = wire_view(r->writer.bytes, sizeof(r->writer));
    body->number = r->number;
    body->attempt = wire_view(r->attempt.bytes, sizeof(r->attempt));
    if (!is_zero(&r->previous))
        body->previous = wire_view(r->previous.bytes, sizeof(r->previous));
    body->previous_number = r->previous_number;
    body->kind = r->kind;
    body->index_packs = wire_view(r->index_packs, r->index_pack_count * ID_SIZE);
    body->voids = wire_view(r->voids, r->void_count * ATTEMPT_SIZE);
    body->sealed = wire_view(r->sealed, r->sealed_size);
}

int record_seal(const struct record *r, const struct signer *signer, uint8_t **bytes, size_t *size,
                struct record_id *hash, struct err *err)
{
    uint8_t signature[SIGN_SIZE];
    Ecbak__Signed envelope;
    Ecbak__SignedRecord whole = ECBAK__SIGNED_RECORD__INIT;
    Ecbak__Record body = ECBAK__RECORD__INIT;
    assert(r->number > r->previous_number);
    assert(is_zero(&r->previous) == (r->previous_number == 0));
    if (check_limits(r, err) != 0)
        return -1;
    whole.writer_certificate = signer_certificate(signer, err);
    if (whole.writer_certificate == NULL)
        return -1;
    Ecbak__Head *heads = alloc_zero(r->head_count, sizeof(*heads));
    Ecbak__Head **list = alloc_zero(r->head_count, sizeof(struct Ecbak__Head *));
    for (size_t i = 0; i < r->head_count; i++) {
        ecbak__head__init(&heads[i]);
        heads[i].writer = wire_view(r->heads[i].writer.bytes, WRITER_ID_SIZE);
        heads[i].hash = wire_view(r->heads[i].hash.bytes, ID_SIZE);
        list[i] = &heads[i];
    }
    fill_body(&body, r);
    body.n_heads = r->head_count;
    body.heads = list;
    envelope_seal(&envelope, signature, &body.base, CONTEXT, signer->secret);
    whole.record = &envelope;
    crypto_generichash(hash->bytes, ID_SIZE, envelope.body.data, envelope.body.len, NULL, 0);
    int result = envelope_pack(&whole.base, RECORD_BYTES_MAX, "record", bytes, size, err);
    free(envelope.body.data);
    free(heads);
    free(list);
    wire_free(whole.writer_certificate);
    return result;
}

/* ---- reading one ---- */

/* Ids without anything between them; NULL when they are none, or too many. */
static void *take_ids(ProtobufCBinaryData from, size_t id_size, size_t max, size_t *count,
                      bool *good)
{
    *good = from.len % id_size == 0 && from.len / id_size <= max;
    *count = *good ? from.len / id_size : 0;
    return alloc_copy(from.data, *count * id_size);
}

static bool take_heads(struct record *r, const Ecbak__Record *body)
{
    if (body->n_heads > RECORD_HEADS_MAX)
        return false;
    r->heads = alloc_zero(body->n_heads, sizeof(*r->heads));
    for (; r->head_count < body->n_heads; r->head_count++) {
        struct record_head *head = &r->heads[r->head_count];
        const Ecbak__Head *from = body->heads[r->head_count];
        if (!wire_take(head->writer.bytes, WRITER_ID_SIZE, from->writer) ||
            !wire_take(head->hash.bytes, ID_SIZE, from->hash) ||
            (r->head_count > 0 && id_compare(&head[-1].writer, &head->writer) >= 0))
            return false;
    }
    return true;
}

static bool take_lists(struct record *r, const Ecbak__Record *body)
{
    bool packs, voids;
    r->index_packs =
        take_ids(body->index_packs, ID_SIZE, RECORD_INDEX_MAX, &r->index_pack_count, &packs);
    r->voids = take_ids(body->voids, ATTEMPT_SIZE, RECORD_VOIDS_MAX, &r->void_count, &voids);
    if (!packs || !voids || !take_heads(r, body) || body->sealed.len > RECORD_SEALED_MAX)
        return false;
    for (size_t i = 0; i < r->void_count; i++)
        if (id_equal(&r->voids[i], &r->attempt))
            return false;
    r->sealed_size = body->sealed.len;
    r->sealed = alloc_copy(body->sealed.data, body->sealed.len);
    return r->kind != RECORD_CANCEL || (r->void_count > 0 && r->sealed_size == 0);
}

static int record_take(struct record *r, const Ecbak__Record *body, struct err *err)
{
    if (envelope_check_version(body->version, VERSION, "record", err) != 0)
        return -1;
    r->number = body->number;
    r->previous_number = body->previous_number;
    r->kind = body->kind;
    bool first = r->previous_number == 0;
    if (!wire_take(r->cluster.bytes, sizeof(r->cluster), body->cluster) ||
        !wire_take(r->vault.bytes, sizeof(r->vault), body->vault) ||
        !wire_take(r->writer.bytes, sizeof(r->writer), body->writer) ||
        !wire_take(r->attempt.bytes, sizeof(r->attempt), body->attempt) ||
        r->number > RECORD_NUMBER_MAX || r->number <= r->previous_number ||
        (first ? body->previous.len != 0
               : !wire_take(r->previous.bytes, sizeof(r->previous), body->previous) ||
                     is_zero(&r->previous)))
        return err_set(err, ERR_FORMAT, "the record is malformed");
    if (r->kind == 0 || r->kind == RECORD_CLOSED)
        return err_set(err, ERR_FORMAT, "the record says no kind that a writer's record can have");
    if (!take_lists(r, body))
        return err_set(err, ERR_FORMAT, "a list in the record is malformed, or too long");
    return 0;
}

static int open_record(struct record *r, const Ecbak__SignedRecord *whole,
                       const struct cluster_id *cluster, struct err *err)
{
    struct writer_cert c;
    if (whole->writer_certificate == NULL)
        return err_set(err, ERR_FORMAT, "the record is malformed");
    if (writer_cert_check(&c, whole->writer_certificate, err) != 0)
        return -1;
    Ecbak__Record *body =
        envelope_open_body(&ecbak__record__descriptor, whole->record, "record", err);
    if (body == NULL)
        return -1;
    int result = -1;
    /* The version first: what another one signs, it signs under another context. */
    if (envelope_check_version(body->version, VERSION, "record", err) == 0 &&
        envelope_check_signature(whole->record, CONTEXT, c.writer_key, "record", err) == 0 &&
        record_take(r, body, err) == 0 &&
        statement_check_cluster(&r->cluster, cluster, "record", err) == 0)
        result = writer_cert_covers(&c, &r->vault, &r->writer, "record", err);
    wire_free(body);
    return result;
}

static int closed_take(struct record *r, const Ecbak__WriterClosed *body, uint8_t vault_key[32],
                       struct err *err)
{
    r->kind = RECORD_CLOSED;
    r->previous_number = body->number;
    if (envelope_check_version(body->version, VERSION_CLOSED, "closing of a writer", err) != 0)
        return -1;
    if (!wire_take(r->cluster.bytes, sizeof(r->cluster), body->cluster) ||
        !wire_take(vault_key, 32, body->vault_key) ||
        !wire_take(r->writer.bytes, sizeof(r->writer), body->writer) ||
        body->number > RECORD_NUMBER_MAX ||
        (body->number == 0 ? body->hash.len != 0
                           : !wire_take(r->previous.bytes, sizeof(r->previous), body->hash) ||
                                 is_zero(&r->previous)))
        return err_set(err, ERR_FORMAT, "the closing of a writer is malformed");
    vault_id(&r->vault, vault_key);
    return 0;
}

static int open_closed(struct record *r, const Ecbak__SignedRecord *whole,
                       const struct cluster_id *cluster, struct err *err)
{
    uint8_t vault_key[32];
    Ecbak__WriterClosed *body = envelope_open_body(&ecbak__writer_closed__descriptor, whole->closed,
                                                   "closing of a writer", err);
    if (body == NULL)
        return -1;
    int result = -1;
    if (closed_take(r, body, vault_key, err) == 0 &&
        statement_check_cluster(&r->cluster, cluster, "closing of a writer", err) == 0)
        result = envelope_check_signature(whole->closed, CONTEXT_CLOSED, vault_key,
                                          "closing of a writer", err);
    wire_free(body);
    return result;
}

static Ecbak__SignedRecord *unpack(const uint8_t *bytes, size_t size, struct err *err)
{
    Ecbak__SignedRecord *whole = envelope_open(&ecbak__signed_record__descriptor, bytes, size,
                                               RECORD_BYTES_MAX, "record", err);
    if (whole == NULL)
        return NULL;
    if ((whole->record == NULL) == (whole->closed == NULL) ||
        (whole->closed != NULL && whole->writer_certificate != NULL)) {
        wire_free(whole);
        err_set(err, ERR_FORMAT, "the record is malformed");
        return NULL;
    }
    return whole;
}

static const Ecbak__Signed *signed_part(const Ecbak__SignedRecord *whole)
{
    return whole->record != NULL ? whole->record : whole->closed;
}

static int open_whole(struct record *r, const Ecbak__SignedRecord *whole,
                      const struct cluster_id *cluster, struct err *err)
{
    const Ecbak__Signed *signed_by = signed_part(whole);
    memset(r, 0, sizeof(*r));
    int result = whole->record != NULL ? open_record(r, whole, cluster, err)
                                       : open_closed(r, whole, cluster, err);
    crypto_generichash(r->hash.bytes, ID_SIZE, signed_by->body.data, signed_by->body.len, NULL, 0);
    if (result != 0)
        record_release(r);
    return result;
}

int record_open(struct record *r, const uint8_t *bytes, size_t size,
                const struct cluster_id *cluster, struct err *err)
{
    memset(r, 0, sizeof(*r));
    Ecbak__SignedRecord *whole = unpack(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = open_whole(r, whole, cluster, err);
    wire_free(whole);
    return result;
}

int record_open_held(struct record *r, struct node_id *sponsor, const uint8_t *bytes, size_t size,
                     const uint8_t authority_public[32], struct err *err)
{
    struct cluster_id cluster;
    memset(r, 0, sizeof(*r));
    cluster_id(&cluster, authority_public);
    Ecbak__SignedRecord *whole = unpack(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = open_whole(r, whole, &cluster, err);
    if (result == 0 &&
        envelope_check_countersignature(signed_part(whole), CONTEXT_SPONSOR,
                                        whole->sponsor_certificate, whole->sponsor_signature,
                                        authority_public, sponsor, "record", err) != 0) {
        record_release(r);
        result = -1;
    }
    wire_free(whole);
    return result;
}

int record_countersign(const uint8_t *bytes, size_t size, const struct credentials *node,
                       uint8_t **with, size_t *with_size, struct err *err)
{
    uint8_t signature[SIGN_SIZE], certificate[CERT_BYTES_MAX];
    size_t certificate_size;
    Ecbak__SignedRecord *whole = unpack(bytes, size, err);
    if (whole == NULL)
        return -1;
    int result = cert_encode(node->cert, certificate, &certificate_size, err);
    if (result == 0) {
        Ecbak__SignedRecord signed_twice = *whole;
        envelope_countersign(signature, signed_part(whole), CONTEXT_SPONSOR, node->keys);
        signed_twice.sponsor_signature = wire_view(signature, sizeof(signature));
        signed_twice.sponsor_certificate = wire_view(certificate, certificate_size);
        result =
            envelope_pack(&signed_twice.base, RECORD_BYTES_MAX, "record", with, with_size, err);
    }
    wire_free(whole);
    return result;
}

void record_release(struct record *r)
{
    free(r->heads);
    free(r->index_packs);
    free(r->voids);
    free(r->sealed);
    r->heads = NULL;
    r->index_packs = NULL;
    r->voids = NULL;
    r->sealed = NULL;
    r->head_count = r->index_pack_count = r->void_count = r->sealed_size = 0;
}
