/* What other nodes ask about records: the two steps of anti-entropy, and the records themselves.
 * And the revocations, all at once: REVOCATIONS_MAX of them fit into one answer. */
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer_internal.h"

int answer_put_record(const struct responder *responder, const struct question *question,
                      const Ecbak__PeerRequest *request, struct peer_answer *answer,
                      struct err *err)
{
    (void)request;
    (void)answer;
    return local_put_record(responder->local, question->payload->bytes, question->payload->size,
                            question->node, NULL, err);
}

int answer_record_digest(const struct responder *responder, const struct question *question,
                         const Ecbak__PeerRequest *request, struct peer_answer *answer,
                         struct err *err)
{
    (void)question;
    (void)request;
    uint8_t(*digest)[8] = alloc_zero(256, 8);
    answer->bytes = (uint8_t *)digest;
    if (store_record_digest(responder->local->store, digest, err) != 0)
        return -1;
    ecbak__record_digest_reply__init(&answer->digest);
    answer->digest.digest = wire_view(digest, sizeof(uint8_t[256][8]));
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_RECORD_DIGEST;
    answer->reply.record_digest = &answer->digest;
    return 0;
}

/* Hashes that start with one byte, in ascending order: from the hash after `after`, or else from
 * the very first, which is the one after prefix-1 ff ff ... ff. */
int answer_list_records(const struct responder *responder, const struct question *question,
                        const Ecbak__PeerRequest *request, struct peer_answer *answer,
                        struct err *err)
{
    (void)question;
    const Ecbak__ListRecords *body = request->list_records;
    uint8_t prefix;
    struct record_id after;
    if (!wire_take(&prefix, 1, body->prefix))
        return err_set(err, ERR_FORMAT, "a prefix is one byte");
    memset(after.bytes, 0xff, sizeof(after));
    after.bytes[0] = (uint8_t)(prefix - 1);
    bool from_first = prefix == 0 && body->after.len == 0;
    if (body->after.len != 0 && !wire_take(after.bytes, ID_SIZE, body->after))
        return err_set(err, ERR_FORMAT, "`after` is no hash");
    struct record_id *hashes = alloc_zero(ASK_HASHES_MAX, sizeof(struct record_id));
    answer->bytes = (uint8_t *)hashes;
    size_t count;
    if (store_list_records(responder->local->store, NULL, from_first ? NULL : &after, hashes,
                           ASK_HASHES_MAX, &count, err) != 0)
        return -1;
    bool more = count == ASK_HASHES_MAX;
    while (count > 0 && hashes[count - 1].bytes[0] != prefix) {
        count--;
        more = false;
    }
    answer->views = alloc_zero(count, sizeof(*answer->views));
    for (size_t i = 0; i < count; i++)
        answer->views[i] = wire_view(hashes[i].bytes, ID_SIZE);
    ecbak__list_records_reply__init(&answer->list);
    answer->list.n_hashes = count;
    answer->list.hashes = answer->views;
    answer->list.more = more;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_LIST_RECORDS;
    answer->reply.list_records = &answer->list;
    return 0;
}

int answer_list_revocations(const struct responder *responder, const struct question *question,
                            const Ecbak__PeerRequest *request, struct peer_answer *answer,
                            struct err *err)
{
    (void)question;
    (void)request;
    (void)err;
    struct revoked *list;
    size_t count = revocations_list(responder->revocations, &list), packed = 0;
    uint8_t(*bytes)[REVOCATION_BYTES] = alloc_zero(count, sizeof(*bytes));
    answer->bytes = (uint8_t *)bytes;
    answer->revoked = alloc_zero(count, sizeof(*answer->revoked));
    answer->revoked_list = alloc_zero(count, sizeof(struct Ecbak__Revoked *));
    answer->revoked_bulk = alloc_zero(count, REVOCATION_ADDRESS_SIZE);
    for (size_t i = 0; i < count; i++) {
        Ecbak__Revoked *to = &answer->revoked[packed];
        if (revocation_encode(&list[i].revocation, bytes[packed], NULL) != 0)
            continue;
        ecbak__revoked__init(to);
        to->revocation = wire_view(bytes[packed], REVOCATION_BYTES);
        memcpy(answer->revoked_bulk[packed], list[i].bulk, REVOCATION_ADDRESS_SIZE);
        to->bulk = answer->revoked_bulk[packed];
        answer->revoked_list[packed++] = to;
    }
    free(list);
    ecbak__list_revocations_reply__init(&answer->revocations);
    answer->revocations.n_revoked = packed;
    answer->revocations.revoked = answer->revoked_list;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_LIST_REVOCATIONS;
    answer->reply.list_revocations = &answer->revocations;
    return 0;
}

int answer_get_record(const struct responder *responder, const struct question *question,
                      const Ecbak__PeerRequest *request, struct peer_answer *answer,
                      struct err *err)
{
    (void)question;
    const Ecbak__GetRecord *get = request->get_record;
    struct record_id hash;
    if (!wire_take(hash.bytes, ID_SIZE, get->hash))
        return err_set(err, ERR_FORMAT, "no record hash");
    uint8_t *bytes;
    size_t size;
    if (store_get_record(responder->local->store, &hash, &bytes, &size, err) != 0)
        return -1;
    answer->payload = (struct payload){bytes, size, serve_free_payload, NULL};
    return 0;
}
