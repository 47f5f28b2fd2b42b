/* What commands ask about packs: put, pinned and counted, got. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/repair/pin_packs.h"
#include "node/serve/serve_client_internal.h"
#include "node/transfer/get_pack.h"
#include "node/transfer/put_pack.h"

static void free_payload(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

static void fill_held(Ecbak__Redundancy *message, struct redundancy *held)
{
    ecbak__redundancy__init(message);
    message->pack = wire_view(held->pack.bytes, ID_SIZE);
    message->object = wire_view(held->object.bytes, ID_SIZE);
    message->data = held->data;
    message->parity = held->parity;
    message->nodes = held->nodes;
    message->others = held->others;
    message->sent_bytes = held->sent_bytes;
    message->full = held->full;
}

int answer_put_pack(struct service *service, const struct question *question,
                    const Ecbak__ClientRequest *request, struct command_answer *answer,
                    struct err *err)
{
    const Ecbak__PutPackRequest *body = request->put_pack;
    if (service_check_member(service, err) != 0)
        return -1;
    answer->held = alloc_zero(1, sizeof(*answer->held));
    if (put_pack(&service->peers, question->payload, body->grant.data, body->grant.len,
                 answer->held, err) != 0)
        return -1;
    answer->held_messages = alloc_zero(1, sizeof(*answer->held_messages));
    fill_held(answer->held_messages, answer->held);
    ecbak__put_pack_reply__init(&answer->put_pack);
    answer->put_pack.held = answer->held_messages;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_PUT_PACK;
    answer->reply.put_pack = &answer->put_pack;
    return 0;
}

/* Ids that a command sent: malloc'd, also on failure. */
static int take_nodes(struct node_id **ids, size_t count, const ProtobufCBinaryData *from,
                      struct err *err)
{
    *ids = alloc_zero(count, sizeof(struct node_id));
    for (size_t i = 0; i < count; i++)
        if (!wire_take((*ids)[i].bytes, ID_SIZE, from[i]))
            return err_set(err, ERR_FORMAT, "a node to do without is no node id");
    return 0;
}

static void fill_pinned(struct command_answer *answer, const struct pin_result *pinned,
                        size_t count)
{
    Ecbak__PinPacksReply *reply = &answer->pin_packs;
    answer->held_messages = alloc_zero(count, sizeof(*answer->held_messages));
    answer->held_list = alloc_zero(count, sizeof(struct Ecbak__Redundancy *));
    for (size_t i = 0; i < count; i++) {
        fill_held(&answer->held_messages[i], &answer->held[i]);
        answer->held_list[i] = &answer->held_messages[i];
    }
    answer->unproven_messages = alloc_zero(pinned->unproven_count, sizeof(Ecbak__Unproven));
    answer->unproven_list = alloc_zero(pinned->unproven_count, sizeof(struct Ecbak__Unproven *));
    for (size_t i = 0; i < pinned->unproven_count; i++) {
        struct unproven *from = &pinned->unproven[i];
        Ecbak__Unproven *to = &answer->unproven_messages[i];
        ecbak__unproven__init(to);
        to->node = wire_view(from->node.bytes, ID_SIZE);
        to->name = from->name;
        to->excluded = from->excluded;
        to->read = from->read;
        to->damaged = from->damaged;
        to->text = from->text;
        answer->unproven_list[i] = to;
    }
    ecbak__pin_packs_reply__init(reply);
    reply->n_held = count;
    reply->held = answer->held_list;
    reply->n_unproven = pinned->unproven_count;
    reply->unproven = answer->unproven_list;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_PIN_PACKS;
    answer->reply.pin_packs = reply;
}

int answer_pin_packs(struct service *service, const struct question *question,
                     const Ecbak__ClientRequest *request, struct command_answer *answer,
                     struct err *err)
{
    (void)question;
    const Ecbak__PinPacksRequest *body = request->pin_packs;
    const struct local *local = &service->peers.local;
    struct credentials self = local_credentials(local);
    struct pins pins;
    struct node_id *without = NULL;
    struct pin_result pinned = {.unproven = NULL};
    uint8_t *bytes = NULL;
    size_t size;
    if (body->leaves > CLIENT_PROVE_LEAVES || body->n_without > CLIENT_UNPROVEN_MAX)
        return err_set(err, ERR_INVALID, "%u leaves to prove, %zu nodes to do without: too many",
                       body->leaves, body->n_without);
    if (service_check_member(service, err) != 0 ||
        pins_open(&pins, body->pins.data, body->pins.len, &local->cluster, err) != 0)
        return -1;
    size_t count = pins.count;
    answer->held = alloc_zero(count, sizeof(*answer->held));
    int result = take_nodes(&without, body->n_without, body->without, err);
    if (result == 0)
        result = pins_countersign(body->pins.data, body->pins.len, &self, &bytes, &size, err);
    if (result == 0) {
        pinned.held = answer->held;
        result =
            pin_packs(&service->peers,
                      &(struct pin_wanted){bytes, size, &pins.pin, pins.packs, count, body->repair,
                                           body->leaves, without, body->n_without},
                      &pinned, err);
    }
    answer->unproven = pinned.unproven; /* the reply borrows its texts */
    free(bytes);
    free(without);
    pins_release(&pins);
    if (result != 0)
        return -1;
    fill_pinned(answer, &pinned, count);
    return 0;
}

int answer_get_pack(struct service *service, const struct question *question,
                    const Ecbak__ClientRequest *request, struct command_answer *answer,
                    struct err *err)
{
    (void)question;
    const Ecbak__GetPackRequest *body = request->get_pack;
    struct vault_id vault;
    struct pack_id pack;
    uint8_t *bytes;
    size_t size;
    uint32_t corrupt = 0;
    if (!wire_take(pack.bytes, ID_SIZE, body->pack) ||
        !wire_take(vault.bytes, ID_SIZE, body->vault))
        return err_set(err, ERR_FORMAT, "no pack id, or no vault id");
    int result = get_pack(&service->peers, &(struct wanted_pack){&vault, &pack}, &bytes, &size,
                          &answer->object, &corrupt, err);
    ecbak__get_pack_reply__init(&answer->get_pack);
    answer->get_pack.corrupt = corrupt;
    answer->reply.body_case = ECBAK__CLIENT_REPLY__BODY_GET_PACK;
    answer->reply.get_pack = &answer->get_pack;
    if (result != 0)
        return -1;
    answer->payload = (struct payload){bytes, size, free_payload, NULL};
    answer->get_pack.object = wire_view(answer->object.bytes, ID_SIZE);
    return 0;
}
