/* Packs are pinned a batch at a time. A batch is signed once, however often its node is asked about
 * it. */
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/api/client_call.h"
#include "node/common/wire.h"
#include "node/trust/pin.h"

/* Takes over what a batch's packs are held by; what was sent for them before is added to. */
static bool take_held(struct redundancy *held, const struct pins *pins,
                      const Ecbak__PinPacksReply *reply)
{
    if (reply->n_held != pins->count)
        return false;
    for (size_t i = 0; i < pins->count; i++) {
        uint64_t sent_before = held[i].sent_bytes;
        if (!client_read_redundancy(&held[i], reply->held[i]) ||
            !id_equal(&held[i].pack, &pins->packs[i]))
            return false;
        held[i].sent_bytes += sent_before;
    }
    return true;
}

static uint64_t sent_bytes(const struct redundancy *held, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += held[i].sent_bytes;
    return sum;
}

static bool is_curable(const struct redundancy *held, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (held[i].nodes >= held[i].data && held[i].nodes > 0 &&
            held[i].nodes < held[i].data + held[i].parity)
            return true;
    return false;
}

/* The node repairs for a bounded time a request: it is asked the same again, as long as that sends
 * anything. The same bytes, which holders keep once. */
static int pin_batch(struct client *client, const struct pin_as *as, const struct pins *pins,
                     bool repair, struct redundancy *held, struct err *err)
{
    uint8_t *bytes;
    size_t size;
    if (pins_seal(pins, as->signer, &bytes, &size, err) != 0)
        return -1;
    Ecbak__PinPacksRequest body = ECBAK__PIN_PACKS_REQUEST__INIT;
    body.pins = wire_view(bytes, size);
    body.repair = repair;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_PIN_PACKS;
    request.pin_packs = &body;
    int result = 0;
    bool again = true;
    while (result == 0 && again) {
        uint64_t before = sent_bytes(held, pins->count);
        struct client_call *call = client_ask(client, &request, NULL, 0, NULL, err);
        if (call == NULL)
            result = -1;
        else if (call->reply->body_case != ECBAK__CLIENT_REPLY__BODY_PIN_PACKS ||
                 !take_held(held, pins, call->reply->pin_packs))
            result = err_set(err, ERR_FORMAT, "the node's answer about packs makes no sense");
        if (call != NULL)
            client_call_end(call);
        again = repair && sent_bytes(held, pins->count) > before && is_curable(held, pins->count);
    }
    free(bytes);
    return result;
}

int client_pin_packs(struct client *client, const struct pin_as *as, const struct pack_id *packs,
                     size_t count, bool repair, struct redundancy *held, struct err *err)
{
    struct pins pins = {.pin = *as->pin};
    int result = 0;
    pins.cluster = *as->cluster;
    for (size_t at = 0; at < count && result == 0; at += pins.count) {
        pins.count = count - at < CLIENT_PIN_MAX ? count - at : CLIENT_PIN_MAX;
        pins.packs = alloc_copy(packs + at, pins.count * sizeof(packs[0]));
        for (size_t i = 0; i < pins.count; i++)
            held[at + i] = (struct redundancy){.nodes = 0};
        result = pin_batch(client, as, &pins, repair, held + at, err);
        free(pins.packs);
    }
    return result;
}
