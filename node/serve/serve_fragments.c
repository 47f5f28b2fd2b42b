/* What other nodes ask about fragments: a function for each kind of request. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/fragment.h"
#include "node/base/holders.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer_internal.h"
#include "node/trust/receipt.h"

/* An answer must stay under TRANSPORT_HEADER_MAX whatever is asked. */
#define REPLY_BYTES_MAX (900 * 1024)

int answer_put_fragment(const struct responder *responder, const struct question *question,
                        const Ecbak__PeerRequest *request, struct peer_answer *answer,
                        struct err *err)
{
    const Ecbak__PutFragment *put = request->put_fragment;
    uint64_t used, fragments, records;
    struct pin pin;
    answer->holders = alloc_zero(1, sizeof(*answer->holders));
    if (pin_from_wire(&pin, put->pin, err) != 0 ||
        holders_from_wire(answer->holders, put->n_holders, put->holders, err) != 0 ||
        local_put_fragment(responder->local,
                           &(struct fragment_to_put){question->payload, question->payload_size,
                                                     put->grant.data, put->grant.len,
                                                     answer->holders, &pin},
                           err) != 0)
        return -1;
    struct fragment *fragment = alloc_zero(1, sizeof(*fragment));
    int result = fragment_parse(fragment, question->payload, question->payload_size, err);
    struct receipt receipt = {.index = fragment->index, .number = pin.number};
    receipt.cluster = responder->local->cluster;
    receipt.object = fragment->object_id;
    receipt.holder = responder->local->keys->node;
    receipt.writer = pin.writer;
    free(fragment);
    size_t receipt_size;
    if (result != 0 || receipt_seal(&receipt, responder->local->keys->sign_secret, &answer->bytes,
                                    &receipt_size, err) != 0)
        return -1;
    ecbak__put_fragment_reply__init(&answer->put);
    answer->put.receipt = wire_view(answer->bytes, receipt_size);
    store_usage(responder->local->store, &used, &fragments, &records);
    answer->put.used_bytes = used;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT;
    answer->reply.put_fragment = &answer->put;
    return 0;
}

int answer_get_fragment(const struct responder *responder, const struct question *question,
                        const Ecbak__PeerRequest *request, struct peer_answer *answer,
                        struct err *err)
{
    (void)question;
    const Ecbak__GetFragment *get = request->get_fragment;
    struct object_id object;
    if (!wire_take(object.bytes, ID_SIZE, get->object))
        return err_set(err, ERR_FORMAT, "no object id");
    uint8_t *bytes;
    size_t size;
    if (store_get_fragment(responder->local->store, &object, get->index, &bytes, &size, err) != 0) {
        if (err->code == ERR_DAMAGED)
            count_one(responder->local->counters, COUNTED_CORRUPT);
        return -1;
    }
    answer->payload = (struct payload){bytes, size, serve_free_payload, NULL};
    return 0;
}

static int take_packs(struct pack_id **packs, size_t count, const ProtobufCBinaryData *from,
                      struct err *err)
{
    *packs = NULL;
    if (count == 0 || count > ASK_PACKS_MAX)
        return err_set(err, ERR_FORMAT, "%zu packs; 1 to %d can be asked for", count,
                       ASK_PACKS_MAX);
    *packs = alloc_zero(count, sizeof(struct pack_id));
    for (size_t i = 0; i < count; i++) {
        if (!wire_take((*packs)[i].bytes, ID_SIZE, from[i])) {
            free(*packs);
            *packs = NULL;
            return err_set(err, ERR_FORMAT, "pack %zu is no pack id", i);
        }
    }
    return 0;
}

/* Fills answer->found with all fragments held of the packs, and which[i] with the pack's index. */
static int find_packs(const struct local *local, const struct pack_id *packs, size_t count,
                      struct peer_answer *answer, uint32_t **which, size_t *found, struct err *err)
{
    size_t room = 0;
    *found = 0;
    *which = NULL;
    for (size_t i = 0; i < count; i++) {
        if (room - *found < ASK_FRAGMENTS_MAX) {
            room = 2 * room + ASK_FRAGMENTS_MAX;
            answer->found = alloc_grow(answer->found, room, sizeof(*answer->found));
            *which = alloc_grow(*which, room, sizeof(**which));
        }
        size_t here;
        if (store_find_pack(local->store, &packs[i], answer->found + *found, ASK_FRAGMENTS_MAX,
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

static void fill_at(struct peer_answer *answer, const uint32_t *which, size_t found)
{
    answer->at = alloc_zero(found, sizeof(*answer->at));
    answer->at_list = alloc_zero(found, sizeof(struct Ecbak__FragmentAt *));
    for (size_t i = 0; i < found; i++) {
        struct fragment_info *info = &answer->found[i];
        Ecbak__FragmentAt *at = &answer->at[i];
        ecbak__fragment_at__init(at);
        at->object = wire_view(info->object.bytes, ID_SIZE);
        at->index = info->index;
        at->data = info->data;
        at->parity = info->parity;
        at->pack_bytes = info->pack_bytes;
        at->pack_index = which[i];
        answer->at_list[i] = at;
    }
}

/* Holder lists go along as far as the answer has room. */
static void add_holders(const struct local *local, struct peer_answer *answer, size_t found)
{
    answer->holders = alloc_zero(found, sizeof(*answer->holders));
    size_t bytes = found * 128;
    for (size_t i = 0; i < found; i++) {
        const struct fragment_info *info = &answer->found[i];
        struct holders *holders = &answer->holders[i];
        Ecbak__FragmentAt *at = &answer->at[i];
        if (store_get_holders(local->store, &info->object, info->index, holders, NULL) != 0)
            continue;
        bytes += (size_t)holders->count * (ID_SIZE + 2);
        if (bytes > REPLY_BYTES_MAX)
            break;
        at->holders = alloc_zero(holders->count, sizeof(*at->holders));
        at->n_holders = holders->count;
        holders_to_wire(at->holders, holders);
    }
}

int answer_locate(const struct responder *responder, const struct question *question,
                  const Ecbak__PeerRequest *request, struct peer_answer *answer, struct err *err)
{
    (void)question;
    const struct local *local = responder->local;
    const Ecbak__LocatePacks *body = request->locate;
    struct pack_id *packs;
    uint32_t *which;
    size_t found;
    if (take_packs(&packs, body->n_packs, body->packs, err) != 0)
        return -1;
    int result = find_packs(local, packs, body->n_packs, answer, &which, &found, err);
    free(packs);
    if (result != 0)
        return -1;
    if (found * 128 > REPLY_BYTES_MAX)
        found = REPLY_BYTES_MAX / 128;
    ecbak__locate_reply__init(&answer->locate);
    fill_at(answer, which, found);
    free(which);
    add_holders(local, answer, found);
    answer->locate.n_fragments = found;
    answer->locate.fragments = answer->at_list;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_LOCATE;
    answer->reply.locate = &answer->locate;
    return 0;
}

int answer_pin(const struct responder *responder, const struct question *question,
               const Ecbak__PeerRequest *request, struct peer_answer *answer, struct err *err)
{
    (void)question;
    const Ecbak__PinPacks *body = request->pin;
    struct pins pins = {.count = 0};
    uint32_t *held = NULL, *which = NULL;
    size_t found;
    int result = -1;
    if (local_put_pins(responder->local, body->pins.data, body->pins.len, &pins, &held, err) != 0 ||
        find_packs(responder->local, pins.packs, pins.count, answer, &which, &found, err) != 0)
        goto done;
    /* Only what was pinned counts: a fragment whose file is gone is in the catalogue yet. */
    size_t kept = 0;
    for (size_t i = 0; i < found && kept * 96 < REPLY_BYTES_MAX; i++) {
        if (held[which[i]] == 0)
            continue;
        held[which[i]]--;
        answer->found[kept] = answer->found[i];
        which[kept++] = which[i];
    }
    fill_at(answer, which, kept);
    ecbak__pin_reply__init(&answer->pin);
    answer->pin.n_fragments = kept;
    answer->pin.fragments = answer->at_list;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_PIN;
    answer->reply.pin = &answer->pin;
    result = 0;
done:
    free(which);
    free(held);
    pins_release(&pins);
    return result;
}

int answer_get_grant(const struct responder *responder, const struct question *question,
                     const Ecbak__PeerRequest *request, struct peer_answer *answer, struct err *err)
{
    (void)question;
    const Ecbak__GetGrant *get = request->get_grant;
    struct object_id object;
    size_t size;
    if (!wire_take(object.bytes, ID_SIZE, get->object))
        return err_set(err, ERR_FORMAT, "no object id");
    if (store_get_grant(responder->local->store, &object, get->index, &answer->bytes, &size, err) !=
        0)
        return -1;
    ecbak__get_grant_reply__init(&answer->grant);
    answer->grant.grant = wire_view(answer->bytes, size);
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_GET_GRANT;
    answer->reply.get_grant = &answer->grant;
    return 0;
}

int answer_set_holders(const struct responder *responder, const struct question *question,
                       const Ecbak__PeerRequest *request, struct peer_answer *answer,
                       struct err *err)
{
    const Ecbak__SetHolders *set = request->set_holders;
    struct object_id object;
    answer->holders = alloc_zero(1, sizeof(*answer->holders));
    if (!wire_take(object.bytes, ID_SIZE, set->object))
        return err_set(err, ERR_FORMAT, "no object id");
    if (holders_from_wire(answer->holders, set->n_holders, set->holders, err) != 0)
        return -1;
    return store_set_holders(responder->local->store, &object, set->index, answer->holders,
                             question->node, err);
}
