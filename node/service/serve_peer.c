/* One function a kind of request, dispatched by a switch; those about records are in
 * serve_peer_records.c. */
#include "node/service/serve_peer.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"
#include "node/api/wire.h"
#include "node/service/ask.h"
#include "node/service/holders.h"
#include "node/service/serve_peer_parts.h"

/* An answer must stay under TRANSPORT_HEADER_MAX whatever is asked. */
#define REPLY_BYTES_MAX (900 * 1024)

static void parts_release(struct reply_parts *parts)
{
    if (parts->at != NULL && parts->reply.body_case == ECBAK__PEER_REPLY__BODY_LOCATE) {
        for (size_t i = 0; i < parts->locate.n_fragments; i++)
            free(parts->at[i].holders);
    }
    free(parts->found);
    free(parts->at);
    free(parts->at_list);
    free(parts->holders);
    free(parts->views);
    free(parts->revoked);
    free(parts->revoked_list);
    free(parts->revoked_bulk);
    free(parts->bytes);
}

int holder_put(const struct holder *holder, const uint8_t *fragment, size_t fragment_size,
               const uint8_t *grant, size_t grant_size, const struct holders *holders,
               const struct pin *pin, struct err *err)
{
    struct grant opened;
    struct writer_cert writer;
    if (grant_size > GRANT_BYTES_MAX ||
        grant_open(&opened, &writer, grant, grant_size, holder->cluster, err) != 0) {
        count_one(holder->counters, COUNTED_GRANTS_REFUSED);
        if (grant_size > GRANT_BYTES_MAX)
            return err_set(err, ERR_FORMAT, "a grant of %zu bytes", grant_size);
        return err_context(err, "grant");
    }
    if (memcmp(opened.vault, pin->vault, ID_SIZE) != 0) {
        count_one(holder->counters, COUNTED_GRANTS_REFUSED);
        return err_set(err, ERR_DENIED, "the grant is of another vault than the pin");
    }
    int result = store_put_fragment(holder->store, fragment, fragment_size, grant, grant_size,
                                    &opened, holders, pin, err);
    if (result != 0 && err->code == ERR_DENIED)
        count_one(holder->counters, COUNTED_GRANTS_REFUSED);
    return result;
}

static int take_pin(struct pin *pin, const Ecbak__PeerPin *from, struct err *err)
{
    *pin = (struct pin){.number = 0};
    if (from == NULL || !wire_take(pin->vault, ID_SIZE, from->vault) ||
        !wire_take(pin->writer, WRITER_SIZE, from->writer))
        return err_set(err, ERR_FORMAT, "a pin without vault and writer");
    pin->number = from->number;
    return 0;
}

static int put_fragment(const struct holder *holder, const Ecbak__PutFragment *request,
                        const uint8_t *bytes, size_t size, struct reply_parts *parts,
                        struct err *err)
{
    struct pin pin;
    parts->holders = alloc_zero(1, sizeof(*parts->holders));
    if (take_pin(&pin, request->pin, err) != 0 ||
        holders_from_wire(parts->holders, request->n_holders, request->holders, err) != 0 ||
        holder_put(holder, bytes, size, request->grant.data, request->grant.len, parts->holders,
                   &pin, err) != 0)
        return -1;
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    int result = fragment_parse(fragment, bytes, size, err);
    struct receipt receipt = {.index = fragment->index, .number = pin.number};
    memcpy(receipt.cluster, holder->cluster, ID_SIZE);
    memcpy(receipt.object, fragment->object_id, ID_SIZE);
    memcpy(receipt.holder, holder->keys->node, ID_SIZE);
    memcpy(receipt.writer, pin.writer, WRITER_SIZE);
    free(fragment);
    size_t receipt_size;
    if (result != 0 ||
        receipt_seal(&receipt, holder->keys->sign_secret, &parts->bytes, &receipt_size, err) != 0)
        return -1;
    ecbak__put_fragment_reply__init(&parts->put);
    parts->put.receipt = wire_view(parts->bytes, receipt_size);
    parts->reply.body_case = ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT;
    parts->reply.put_fragment = &parts->put;
    return 0;
}

static int get_fragment(const struct holder *holder, const Ecbak__GetFragment *request,
                        struct reply_parts *parts, struct err *err)
{
    uint8_t object[ID_SIZE];
    if (!wire_take(object, ID_SIZE, request->object))
        return err_set(err, ERR_FORMAT, "no object id");
    uint8_t *bytes;
    size_t size;
    if (store_get_fragment(holder->store, object, request->index, &bytes, &size, err) != 0) {
        if (err->code == ERR_DAMAGED)
            count_one(holder->counters, COUNTED_CORRUPT);
        return -1;
    }
    parts->payload = (struct payload){bytes, size, serve_free_payload, NULL};
    return 0;
}

static int take_packs(uint8_t (**packs)[ID_SIZE], size_t count, const ProtobufCBinaryData *from,
                      struct err *err)
{
    *packs = NULL;
    if (count == 0 || count > ASK_PACKS_MAX)
        return err_set(err, ERR_FORMAT, "%zu packs; 1 to %d can be asked for", count,
                       ASK_PACKS_MAX);
    *packs = alloc_zero(count, ID_SIZE);
    for (size_t i = 0; i < count; i++) {
        if (!wire_take((*packs)[i], ID_SIZE, from[i])) {
            free(*packs);
            *packs = NULL;
            return err_set(err, ERR_FORMAT, "pack %zu is no pack id", i);
        }
    }
    return 0;
}

/* Fills parts->found with all fragments held of the packs, and which[i] with the pack's index. */
static int find_packs(const struct holder *holder, const uint8_t (*packs)[ID_SIZE], size_t count,
                      struct reply_parts *parts, uint32_t **which, size_t *found, struct err *err)
{
    size_t room = 0;
    *found = 0;
    *which = NULL;
    for (size_t i = 0; i < count; i++) {
        if (room - *found < ASK_FRAGMENTS_MAX) {
            room = 2 * room + ASK_FRAGMENTS_MAX;
            parts->found = alloc_grow(parts->found, room, sizeof(*parts->found));
            *which = alloc_grow(*which, room, sizeof(**which));
        }
        size_t here;
        if (store_find_pack(holder->store, packs[i], parts->found + *found, ASK_FRAGMENTS_MAX,
                            &here, err) != 0) {
            free(*which);
            *which = NULL;
            return -1;
        }
        for (size_t f = 0; f < here; f++)
            (*which)[*found + f] = (uint32_t)i;
        *found += here;
    }
    return 0;
}

static void fill_at(struct reply_parts *parts, const uint32_t *which, size_t found)
{
    parts->at = alloc_zero(found, sizeof(*parts->at));
    parts->at_list = alloc_zero(found, sizeof(struct Ecbak__FragmentAt *));
    for (size_t i = 0; i < found; i++) {
        struct fragment_info *info = &parts->found[i];
        Ecbak__FragmentAt *at = &parts->at[i];
        ecbak__fragment_at__init(at);
        at->object = wire_view(info->object, ID_SIZE);
        at->index = info->index;
        at->data = info->data;
        at->parity = info->parity;
        at->pack_bytes = info->pack_bytes;
        at->pack_index = which[i];
        parts->at_list[i] = at;
    }
}

/* Holder lists go along as far as the answer has room. */
static void add_holders(const struct holder *holder, struct reply_parts *parts, size_t found)
{
    parts->holders = alloc_zero(found, sizeof(*parts->holders));
    size_t bytes = found * 128;
    for (size_t i = 0; i < found; i++) {
        const struct fragment_info *info = &parts->found[i];
        struct holders *holders = &parts->holders[i];
        Ecbak__FragmentAt *at = &parts->at[i];
        if (store_get_holders(holder->store, info->object, info->index, holders, NULL) != 0)
            continue;
        bytes += (size_t)holders->count * (ID_SIZE + 2);
        if (bytes > REPLY_BYTES_MAX)
            break;
        at->holders = alloc_zero(holders->count, sizeof(*at->holders));
        at->n_holders = holders->count;
        holders_to_wire(at->holders, holders);
    }
}

static int locate(const struct holder *holder, const Ecbak__LocatePacks *request,
                  struct reply_parts *parts, struct err *err)
{
    uint8_t(*packs)[ID_SIZE];
    uint32_t *which;
    size_t found;
    if (take_packs(&packs, request->n_packs, request->packs, err) != 0)
        return -1;
    int result = find_packs(holder, (const uint8_t(*)[ID_SIZE])packs, request->n_packs, parts,
                            &which, &found, err);
    free(packs);
    if (result != 0)
        return -1;
    if (found * 128 > REPLY_BYTES_MAX)
        found = REPLY_BYTES_MAX / 128;
    ecbak__locate_reply__init(&parts->locate);
    fill_at(parts, which, found);
    free(which);
    add_holders(holder, parts, found);
    parts->locate.n_fragments = found;
    parts->locate.fragments = parts->at_list;
    parts->reply.body_case = ECBAK__PEER_REPLY__BODY_LOCATE;
    parts->reply.locate = &parts->locate;
    return 0;
}

static int pin_packs(const struct holder *holder, const Ecbak__PinPacks *request,
                     struct reply_parts *parts, struct err *err)
{
    uint8_t(*packs)[ID_SIZE];
    struct pin pin;
    if (take_pin(&pin, request->pin, err) != 0 ||
        take_packs(&packs, request->n_packs, request->packs, err) != 0)
        return -1;
    uint32_t *held = alloc_zero(request->n_packs, sizeof(*held));
    uint32_t *which = NULL;
    size_t found;
    int result = -1;
    if (store_pin_packs(holder->store, (const uint8_t(*)[ID_SIZE])packs, request->n_packs, &pin,
                        held, err) != 0 ||
        find_packs(holder, (const uint8_t(*)[ID_SIZE])packs, request->n_packs, parts, &which,
                   &found, err) != 0)
        goto done;
    /* Only what was pinned counts: a fragment whose file is gone is in the catalogue yet. */
    size_t kept = 0;
    for (size_t i = 0; i < found && kept * 96 < REPLY_BYTES_MAX; i++) {
        if (held[which[i]] == 0)
            continue;
        held[which[i]]--;
        parts->found[kept] = parts->found[i];
        which[kept++] = which[i];
    }
    fill_at(parts, which, kept);
    ecbak__pin_reply__init(&parts->pin);
    parts->pin.n_fragments = kept;
    parts->pin.fragments = parts->at_list;
    parts->reply.body_case = ECBAK__PEER_REPLY__BODY_PIN;
    parts->reply.pin = &parts->pin;
    result = 0;
done:
    free(which);
    free(held);
    free(packs);
    return result;
}

static int get_grant(const struct holder *holder, const Ecbak__GetGrant *request,
                     struct reply_parts *parts, struct err *err)
{
    uint8_t object[ID_SIZE];
    size_t size;
    if (!wire_take(object, ID_SIZE, request->object))
        return err_set(err, ERR_FORMAT, "no object id");
    if (store_get_grant(holder->store, object, request->index, &parts->bytes, &size, err) != 0)
        return -1;
    ecbak__get_grant_reply__init(&parts->grant);
    parts->grant.grant = wire_view(parts->bytes, size);
    parts->reply.body_case = ECBAK__PEER_REPLY__BODY_GET_GRANT;
    parts->reply.get_grant = &parts->grant;
    return 0;
}

static int set_holders(const struct holder *holder, const Ecbak__SetHolders *request,
                       struct reply_parts *parts, struct err *err)
{
    uint8_t object[ID_SIZE];
    parts->holders = alloc_zero(1, sizeof(*parts->holders));
    if (!wire_take(object, ID_SIZE, request->object))
        return err_set(err, ERR_FORMAT, "no object id");
    if (holders_from_wire(parts->holders, request->n_holders, request->holders, err) != 0)
        return -1;
    return store_set_holders(holder->store, object, request->index, parts->holders, err);
}

static int dispatch(const struct holder *holder, const Ecbak__PeerRequest *request,
                    const uint8_t *payload, size_t payload_size, struct reply_parts *parts,
                    struct err *err)
{
    switch (request->body_case) {
    case ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT:
        return put_fragment(holder, request->put_fragment, payload, payload_size, parts, err);
    case ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT:
        return get_fragment(holder, request->get_fragment, parts, err);
    case ECBAK__PEER_REQUEST__BODY_LOCATE:
        return locate(holder, request->locate, parts, err);
    case ECBAK__PEER_REQUEST__BODY_PIN:
        return pin_packs(holder, request->pin, parts, err);
    case ECBAK__PEER_REQUEST__BODY_LIST_REVOCATIONS:
        serve_list_revocations(holder, parts);
        return 0;
    case ECBAK__PEER_REQUEST__BODY_PUT_RECORD:
        return holder_put_record(holder, payload, payload_size, err);
    case ECBAK__PEER_REQUEST__BODY_RECORD_DIGEST:
        return serve_record_digest(holder, parts, err);
    case ECBAK__PEER_REQUEST__BODY_LIST_RECORDS:
        return serve_list_records(holder, request->list_records, parts, err);
    case ECBAK__PEER_REQUEST__BODY_GET_RECORD:
        return serve_get_record(holder, request->get_record, parts, err);
    case ECBAK__PEER_REQUEST__BODY_GET_GRANT:
        return get_grant(holder, request->get_grant, parts, err);
    case ECBAK__PEER_REQUEST__BODY_SET_HOLDERS:
        return set_holders(holder, request->set_holders, parts, err);
    default:
        return err_set(err, ERR_VERSION, "a request that this version does not know");
    }
}

void serve_peer(const struct holder *holder, const uint8_t *header, size_t header_size,
                const uint8_t *payload, size_t payload_size, uint8_t **reply, size_t *reply_size,
                struct payload *answer_payload)
{
    struct err err = ERR_INIT;
    struct reply_parts parts = {.found = NULL};
    ecbak__peer_reply__init(&parts.reply);
    Ecbak__PeerRequest *request = NULL;
    if (header_size > ASK_REQUEST_MAX)
        err_set(&err, ERR_FORMAT, "a request of %zu bytes", header_size);
    else
        request = wire_unpack(&ecbak__peer_request__descriptor, header, header_size,
                              ASK_REQUEST_BUDGET, &err);
    if (request == NULL)
        count_one(holder->counters, COUNTED_MALFORMED);
    if (request == NULL || dispatch(holder, request, payload, payload_size, &parts, &err) != 0) {
        parts.reply.body_case = ECBAK__PEER_REPLY__BODY__NOT_SET;
        parts.reply.error = err.code == ERR_NONE ? ERR_IO : err.code;
        parts.reply.error_text = err.text;
    }
    wire_free(request);
    *reply = wire_pack(&parts.reply, reply_size);
    *answer_payload = parts.payload;
    parts_release(&parts);
}
