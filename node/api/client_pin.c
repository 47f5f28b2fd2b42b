/* Packs are pinned in batches. A member that is excluded in one of them counted in those before, so
 * they are asked for again without it: what is told in the end is told of the same members. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/api/client_call.h"
#include "node/common/wire.h"

/* Packs pinned for a record, and who must prove what. Borrows all. */
struct pinning {
    struct client *client;
    const struct pin *pin;
    const struct pack_id *packs;
    size_t count;
    bool repair;
    struct proofs *proofs; /* NULL: nothing is proven */
    struct redundancy *held;
};

static size_t excluded(const struct proofs *proofs)
{
    size_t count = 0;
    for (size_t i = 0; proofs != NULL && i < proofs->count; i++)
        count += proofs->members[i].excluded;
    return count;
}

static bool take_unproven(struct proofs *proofs, const Ecbak__Unproven *from)
{
    struct unproven *to = NULL;
    struct node_id node;
    if (!wire_take(node.bytes, ID_SIZE, from->node))
        return false;
    for (size_t i = 0; i < proofs->count && to == NULL; i++)
        to = id_equal(&proofs->members[i].node, &node) ? &proofs->members[i] : NULL;
    if (to == NULL && proofs->count == CLIENT_UNPROVEN_MAX)
        return true;
    if (to == NULL) {
        to = &proofs->members[proofs->count++];
        *to = (struct unproven){.excluded = false};
        to->node = node;
    }
    to->read += from->read;
    to->damaged += from->damaged;
    wire_text(to->name, sizeof(to->name), from->name);
    if (from->excluded || !to->excluded)
        wire_text(to->text, sizeof(to->text), from->text);
    to->excluded = to->excluded || from->excluded;
    return true;
}

/* A part of what is to be proven in all, for a batch; at least something of each. */
static uint32_t leaves_for(const struct pinning *p, size_t batch)
{
    if (p->proofs == NULL || p->proofs->leaves == 0)
        return 0;
    return (uint32_t)((p->proofs->leaves * (uint64_t)batch + p->count - 1) / p->count);
}

static Ecbak__PinPacksRequest *request_of(const struct pinning *p, const size_t *which,
                                          size_t count, uint32_t leaves, Ecbak__Pin *message_pin,
                                          Ecbak__PinPacksRequest *body)
{
    ecbak__pin_packs_request__init(body);
    pin_to_wire(message_pin, p->pin);
    body->pin = message_pin;
    body->repair = p->repair;
    body->leaves = leaves;
    body->packs = alloc_zero(count, sizeof(*body->packs));
    body->n_packs = count;
    for (size_t i = 0; i < count; i++)
        body->packs[i] = wire_view(p->packs[which[i]].bytes, ID_SIZE);
    body->without = alloc_zero(CLIENT_UNPROVEN_MAX, sizeof(*body->without));
    for (size_t i = 0; p->proofs != NULL && i < p->proofs->count; i++)
        if (p->proofs->members[i].excluded)
            body->without[body->n_without++] = wire_view(p->proofs->members[i].node.bytes, ID_SIZE);
    return body;
}

/* One batch: packs[which[i]] for count of them, answers to held[which[i]]. */
static int pin_batch(const struct pinning *p, const size_t *which, size_t count, uint32_t leaves,
                     struct err *err)
{
    Ecbak__Pin message_pin;
    Ecbak__PinPacksRequest body;
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_PIN_PACKS;
    request.pin_packs = request_of(p, which, count, leaves, &message_pin, &body);
    struct client_call *call =
        client_ask_for(p->client, &request, ECBAK__CLIENT_REPLY__BODY_PIN_PACKS, err);
    free(body.packs);
    free(body.without);
    if (call == NULL)
        return -1;
    const Ecbak__PinPacksReply *v = call->reply->pin_packs;
    bool good = v->n_held == count;
    for (size_t i = 0; good && i < count; i++) {
        struct redundancy *to = &p->held[which[i]];
        uint64_t sent_before = to->sent_bytes;
        good = client_read_redundancy(to, v->held[i]) && id_equal(&to->pack, &p->packs[which[i]]);
        to->sent_bytes += sent_before;
    }
    for (size_t i = 0; good && p->proofs != NULL && i < v->n_unproven; i++)
        good = take_unproven(p->proofs, v->unproven[i]);
    if (!good)
        return client_makes_no_sense(call, "packs that it counts", err);
    client_call_end(call);
    return 0;
}

static uint64_t sent_bytes(const struct pinning *p, const size_t *which, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += p->held[which[i]].sent_bytes;
    return sum;
}

/* The node repairs for a bounded time a request: what it did not get to is asked for again, as long
 * as that sends anything. */
static int pin_until_whole(const struct pinning *p, size_t *which, size_t batch, struct err *err)
{
    uint32_t leaves = leaves_for(p, batch);
    bool again = true;
    while (again && batch > 0) {
        uint64_t before = sent_bytes(p, which, batch);
        if (pin_batch(p, which, batch, leaves, err) != 0)
            return -1;
        again = p->repair && sent_bytes(p, which, batch) > before;
        size_t left = 0;
        for (size_t i = 0; i < batch; i++) {
            const struct redundancy *h = &p->held[which[i]];
            if (h->nodes >= h->data && h->nodes > 0 && h->nodes < h->data + h->parity)
                which[left++] = which[i];
        }
        batch = left;
    }
    return 0;
}

int client_pin_packs(struct client *client, const struct pin *pin, const struct pack_id *packs,
                     size_t count, bool repair, struct proofs *proofs, struct redundancy *held,
                     struct err *err)
{
    const struct pinning p = {client, pin, packs, count, repair, proofs, held};
    size_t *which = alloc_zero(CLIENT_PIN_MAX, sizeof(*which));
    int result = 0;
    bool again = count > 0;
    for (size_t i = 0; i < count; i++)
        held[i] = (struct redundancy){.nodes = 0};
    while (again && result == 0) {
        size_t before = excluded(proofs);
        for (size_t at = 0; at < count && result == 0; at += CLIENT_PIN_MAX) {
            size_t batch = count - at < CLIENT_PIN_MAX ? count - at : CLIENT_PIN_MAX;
            for (size_t i = 0; i < batch; i++)
                which[i] = at + i;
            result = pin_until_whole(&p, which, batch, err);
        }
        again = count > CLIENT_PIN_MAX && excluded(proofs) > before;
    }
    free(which);
    return result;
}
