#include "node/membership/meta.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "node/membership/node_meta.pb-c.h"

int meta_encode(const struct node_meta *meta, uint8_t bytes[META_BYTES_MAX], size_t *size,
                struct err *err)
{
    Ecbak__NodeMeta message = ECBAK__NODE_META__INIT;
    assert(meta->certificate_size <= sizeof(meta->certificate));
    message.certificate.data = (uint8_t *)meta->certificate;
    message.certificate.len = meta->certificate_size;
    message.bulk = (char *)meta->bulk;
    message.capacity_bytes = meta->offer.capacity_bytes;
    message.used_bytes = meta->offer.used_bytes;
    message.store_epoch = meta->offer.store_epoch;
    message.storage = meta->offer.storage;
    message.fragments_lost = meta->offer.fragments_lost;
    message.version = (char *)meta->version;
    message.revocations = meta->revocations.digest;
    message.revocation_count = meta->revocations.count;
    message.rival = (char *)meta->rival;
    *size = ecbak__node_meta__get_packed_size(&message);
    if (*size > META_BYTES_MAX)
        return err_set(err, ERR_INVALID,
                       "what this node says of itself is %zu bytes, allowed are %d: shorten its "
                       "address",
                       *size, META_BYTES_MAX);
    ecbak__node_meta__pack(&message, bytes);
    return 0;
}

/* Printable and not too long. */
static bool take_text(char *to, size_t room, const char *from)
{
    size_t size = strlen(from);
    if (size >= room)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)from[i] <= ' ' || (unsigned char)from[i] >= 0x7f)
            return false;
    memcpy(to, from, size + 1);
    return true;
}

int meta_decode(struct node_meta *meta, const uint8_t *bytes, size_t size, struct err *err)
{
    *meta = (struct node_meta){0};
    Ecbak__NodeMeta *message =
        size > META_BYTES_MAX ? NULL : ecbak__node_meta__unpack(NULL, size, bytes);
    if (message == NULL)
        return err_set(err, ERR_FORMAT, "a node's description is malformed");
    bool good = message->certificate.len <= sizeof(meta->certificate) &&
                take_text(meta->bulk, sizeof(meta->bulk), message->bulk) &&
                take_text(meta->version, sizeof(meta->version), message->version) &&
                take_text(meta->rival, sizeof(meta->rival), message->rival);
    if (good) {
        if (message->certificate.len > 0)
            memcpy(meta->certificate, message->certificate.data, message->certificate.len);
        meta->certificate_size = message->certificate.len;
        meta->offer.capacity_bytes = message->capacity_bytes;
        meta->offer.used_bytes = message->used_bytes;
        meta->offer.store_epoch = message->store_epoch;
        meta->offer.storage = message->storage;
        meta->offer.fragments_lost = message->fragments_lost;
        meta->revocations.digest = message->revocations;
        meta->revocations.count = message->revocation_count;
    }
    ecbak__node_meta__free_unpacked(message, NULL);
    return good ? 0 : err_set(err, ERR_FORMAT, "a node's description is out of limits");
}
