/* Packing again and comparing costs more than a set of rules about unknown and repeated fields, and
 * leaves none out; statements are small. */
#include "node/trust/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "node/common/wire.h"

int envelope_pack(const ProtobufCMessage *message, size_t size_max, const char *what,
                  uint8_t **bytes, size_t *size, struct err *err)
{
    *bytes = wire_pack(message, size);
    if (*size <= size_max)
        return 0;
    free(*bytes);
    *bytes = NULL;
    return err_set(err, ERR_INVALID, "a %s of %zu bytes: at most %zu are allowed", what, *size,
                   size_max);
}

/* Fields that the schema does not have, also in the messages inside. protobuf-c keeps them and
 * packs them again, so comparing alone would not see them. */
static bool has_unknown(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields > 0)
        return true;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        const ProtobufCMessage *inner =
            *(const ProtobufCMessage *const *)((const char *)message + field->offset);
        if (inner != NULL && has_unknown(inner))
            return true;
    }
    return false;
}

/* NULL unless the bytes are exactly what packing their fields gives. */
static void *unpack_exact(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size, bytes);
    if (message == NULL)
        return NULL;
    size_t again_size;
    uint8_t *again = wire_pack(message, &again_size);
    bool same = again_size == size && (size == 0 || memcmp(again, bytes, size) == 0) &&
                !has_unknown(message);
    free(again);
    if (same)
        return message;
    protobuf_c_message_free_unpacked(message, NULL);
    return NULL;
}

void *envelope_open(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                    size_t size_max, const char *what, struct err *err)
{
    void *message = NULL;
    if (size <= size_max)
        message = unpack_exact(type, bytes, size);
    if (message == NULL)
        err_set(err, ERR_FORMAT, "these %zu bytes are no %s", size, what);
    return message;
}

int envelope_check_signature(const Ecbak__Signed *envelope, const char *context,
                             const uint8_t key[32], const char *what, struct err *err)
{
    if (envelope->signature.len != SIGN_SIZE ||
        !sign_check(envelope->signature.data, context, envelope->body.data, envelope->body.len,
                    key))
        return err_set(err, ERR_DAMAGED, "the signature on the %s is wrong", what);
    return 0;
}

int envelope_check_version(uint32_t version, uint32_t known, const char *what, struct err *err)
{
    if (version != known)
        return err_set(err, ERR_VERSION, "%s of version %u: this program knows %u", what, version,
                       known);
    return 0;
}

void *envelope_open_body(const ProtobufCMessageDescriptor *type, const Ecbak__Signed *envelope,
                         const char *what, struct err *err)
{
    void *message = protobuf_c_message_unpack(type, NULL, envelope->body.len, envelope->body.data);
    if (message == NULL)
        err_set(err, ERR_FORMAT, "the %s is malformed", what);
    return message;
}

void envelope_seal(Ecbak__Signed *envelope, uint8_t signature[SIGN_SIZE],
                   const ProtobufCMessage *body, const char *context, const uint8_t secret[64])
{
    ecbak__signed__init(envelope);
    envelope->body.data = wire_pack(body, &envelope->body.len);
    sign_body(signature, context, envelope->body.data, envelope->body.len, secret);
    envelope->signature = wire_view(signature, SIGN_SIZE);
}

void envelope_countersign(uint8_t signature[SIGN_SIZE], const Ecbak__Signed *envelope,
                          const char *context, const struct node_keys *keys)
{
    sign_body(signature, context, envelope->body.data, envelope->body.len, keys->sign_secret);
}

int envelope_check_countersignature(const Ecbak__Signed *envelope, const char *context,
                                    ProtobufCBinaryData certificate, ProtobufCBinaryData signature,
                                    const uint8_t authority_public[32], struct node_id *sponsor,
                                    const char *what, struct err *err)
{
    struct cert cert;
    struct err why = ERR_INIT;
    if (certificate.len == 0 || signature.len == 0)
        return err_set(err, ERR_DENIED, "no node has countersigned the %s", what);
    if (cert_decode(&cert, certificate.data, certificate.len, &why) != 0 ||
        cert_check(&cert, authority_public, &why) != 0)
        return err_set(err, ERR_DENIED, "the node that countersigned the %s is no member: %s", what,
                       why.text);
    if (signature.len != SIGN_SIZE || !sign_check(signature.data, context, envelope->body.data,
                                                  envelope->body.len, cert.node.bytes))
        return err_set(err, ERR_DAMAGED, "the countersignature on the %s is wrong", what);
    *sponsor = cert.node;
    return 0;
}
