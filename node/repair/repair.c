/* Cheap questions first: is there anybody to take a row, and a grant to send it with? Only then the
 * rows are fetched. Each row is rebuilt and sent; what was read is dropped at the end. */
#include "node/repair/repair.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment_bundle.h"
#include "node/base/holders.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/transfer/fetch.h"
#include "node/transfer/send.h"
#include "node/transfer/tell_holders.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

/* The grant from one holder; NULL when it has none. */
static uint8_t *grant_from(struct nodes *nodes, size_t node, const struct repair *repair,
                           size_t *size, struct err *err)
{
    uint8_t *bytes = NULL;
    const struct pin *pin = repair->pin;
    if (nodes->candidates[node].self)
        return store_get_grant(nodes->peers->local.store, &pin->vault, repair->object, &pin->writer,
                               &bytes, size, err) == 0
                   ? bytes
                   : NULL;
    ProtobufCBinaryData object = wire_view(repair->object->bytes, ID_SIZE);
    Ecbak__GetGrants get = ECBAK__GET_GRANTS__INIT;
    get.vault = wire_view(pin->vault.bytes, ID_SIZE);
    get.writer = wire_view(pin->writer.bytes, WRITER_ID_SIZE);
    get.n_objects = 1;
    get.objects = &object;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_GRANTS;
    request.get_grants = &get;
    Ecbak__PeerReply *reply =
        ask_one(nodes->peers->transport, &nodes->candidates[node].node, &request, SMALL_TIMEOUT_MS,
                ECBAK__PEER_REPLY__BODY_GET_GRANTS, err);
    if (reply == NULL)
        return NULL;
    if (reply->get_grants->n_grants == 1 && reply->get_grants->grants[0].len > 0) {
        *size = reply->get_grants->grants[0].len;
        bytes = alloc_copy(reply->get_grants->grants[0].data, *size);
    }
    wire_free(reply);
    return bytes;
}

/* A grant for the very object, from whichever holder has one: rows of no other are sent with it. */
static uint8_t *find_grant(struct nodes *nodes, const struct repair *repair,
                           const struct holders *holders, size_t *size, struct pin *pin,
                           struct err *err)
{
    err_set(err, ERR_NOT_FOUND, "no holder has its grant");
    for (uint32_t i = 0; i < holders->count; i++) {
        int node = holders_has(holders, i) ? nodes_find(nodes, &holders->node[i]) : -1;
        if (node < 0 || nodes->standings[node] > STANDING_GOOD)
            continue;
        struct opened_grant opened;
        uint8_t *grant = grant_from(nodes, (size_t)node, repair, size, err);
        if (grant == NULL)
            continue;
        if (grant_open(&opened.grant, &opened.writer, grant, *size,
                       nodes->peers->local.authority_public, err) == 0 &&
            id_equal(&opened.grant.object, repair->object) &&
            id_equal(&opened.grant.vault, &repair->pin->vault)) {
            *pin = grant_pin(&opened.grant);
            return grant;
        }
        free(grant);
        err_set(err, ERR_DAMAGED, "the grant beside fragment %u is none for its object", i);
    }
    return NULL;
}

/* A row that came although it does not count (its node counts for another row) is sent on as it is. */
static int copy_row(const struct fetch_target *t, uint32_t index, size_t size, uint8_t **bytes,
                    struct err *err)
{
    const struct object_shape *shape = &t->object->shape;
    *bytes = alloc_large(size, err);
    if (*bytes == NULL)
        return -1;
    fragment_write_head(*bytes, t->object, index, t->rows[index].leaves);
    memcpy(*bytes + fragment_head_size(shape), t->rows[index].bytes, shape->row_size);
    return 0;
}

/* Rebuilds the rows that nobody holds, as many as there is room for. */
static int rebuild(const struct fetch_target *t, struct sending *sending, size_t room,
                   struct err *err)
{
    uint32_t total = sending->data + sending->parity;
    const struct object_shape *shape = &t->object->shape;
    if (shape->k != sending->data || shape->m != sending->parity)
        return err_set(err, ERR_FOREIGN, "its holders disagree about its shape");
    sending->fragment_size = fragment_size(shape);
    for (uint32_t i = 0; i < total && room > 0; i++) {
        if (holders_has(&sending->holders, i))
            continue;
        uint8_t *bytes;
        if (t->rows[i].bytes != NULL ? copy_row(t, i, sending->fragment_size, &bytes, err) != 0
                                     : fragment_rebuild(t->object, t->rows, i, &bytes, err) != 0)
            return -1;
        sending->fragments[i] = (struct sendable){bytes, parcel_of(bytes, sending->fragment_size)};
        room--;
    }
    return 0;
}

int repair_object(struct peers *peers, const struct repair *repair, struct holders *holders,
                  uint64_t *sent_bytes, struct err *err)
{
    struct nodes nodes;
    struct fetching *f = NULL;
    uint8_t *grant = NULL;
    size_t grant_size = 0;
    struct pin granted;
    char hex[17];
    int result = -1;
    nodes_init(&nodes, peers);
    nodes_exclude(&nodes, repair->without, repair->without_count);
    struct sending *sending = alloc_zero(1, sizeof(*sending));
    sending->nodes = &nodes;
    sending->pack = repair->pack;
    sending->object = repair->object;
    sending->pin = &granted;
    sending->data = repair->data;
    sending->parity = repair->parity;
    sending->holders = *holders;
    sending->holders.count = repair->data + repair->parity;
    sending->doubtful_too = true; /* it may be the one that has just come back */
    size_t room = send_room(sending);
    if (room == 0) {
        err_set(err, ERR_TOO_FEW, "no other node can take a fragment");
        goto done;
    }
    grant = find_grant(&nodes, repair, holders, &grant_size, &granted, err);
    if (grant == NULL)
        goto done;
    f = alloc_zero(1, sizeof(*f));
    fetch_init(f, &nodes, &(struct wanted_pack){&repair->pin->vault, repair->pack}, repair->object);
    if (fetch_rows(f, err) != 0 || rebuild(f->whole, sending, room, err) != 0)
        goto done;
    if (send_room(sending) == 0) { /* now that it is known how much each needs */
        err_set(err, ERR_FULL, "no other node has space for a fragment: %s", sending->lacks);
        goto done;
    }
    sending->grant = grant;
    sending->grant_size = grant_size;
    send_fragments(sending);
    *sent_bytes += sending->placed * sending->fragment_size; /* not what nobody took */
    for (uint32_t i = 0; i < sending->placed; i++)
        count_one(peers->local.counters, COUNTED_REPAIRED);
    if (sending->placed == 0) {
        err_set(err, sending->full > 0 ? ERR_FULL : ERR_TOO_FEW,
                "no other node took a fragment: %s", sending->last.text);
        goto done;
    }
    *holders = sending->holders;
    tell_holders(sending->nodes, &repair->pin->vault, sending->object, &sending->holders);
    result = 0;
done:
    if (result != 0)
        err_context(err, "completing object %s", hex_encode(hex, repair->object->bytes, 8));
    for (uint32_t i = 0; i < RS_TOTAL_MAX; i++)
        parcel_release(&sending->fragments[i].parcel);
    free(sending);
    free(grant);
    if (f != NULL)
        fetch_release(f);
    free(f);
    nodes_release(&nodes);
    return result;
}
