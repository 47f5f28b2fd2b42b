/* The fragments leave from the buffer that they came in: nothing is copied, but for objects with k = 1,
 * of which one row came and the others are made from it. */
#include "node/transfer/put_pack.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment_bundle.h"
#include "node/base/holders.h"
#include "node/base/log.h"
#include "node/transfer/send.h"
#include "node/transfer/tell_holders.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

_Static_assert(BUNDLE_SIZE_MAX <= TRANSPORT_CLIENT_PAYLOAD_MAX, "a command can send any bundle");

static int check_grant(const struct local *local, const struct fragment_bundle *bundle,
                       const struct grant *grant, struct err *err)
{
    const struct object *object = &bundle->object;
    if (!id_equal(&grant->sponsor, &local->keys->node))
        return err_set(err, ERR_FOREIGN, "the grant names another node as sponsor");
    if (!id_equal(&grant->object, &bundle->object_id) || grant->code != object->code ||
        grant->layout != object->layout || grant->data != object->shape.k ||
        grant->parity != object->shape.m || !id_equal(&grant->pack, &object->pack_id) ||
        grant->pack_bytes != object->shape.pack_size)
        return err_set(err, ERR_FOREIGN, "the grant is for another object than the fragments are");
    return 0;
}

/* Space would help, which nodes alone would not. */
static int no_space(const struct sending *sending, const struct redundancy *held, struct err *err)
{
    uint32_t missing = sending->data - held->nodes;
    return err_set(err, ERR_FULL, "no space for %u more fragment%s of %.1f MB, of %u+%u: %s",
                   missing, missing == 1 ? "" : "s", (double)sending->fragment_size / 1e6,
                   sending->data, sending->parity, sending->lacks);
}

static int too_few(const struct sending *sending, size_t could, const struct redundancy *held,
                   struct err *err)
{
    const struct nodes *nodes = sending->nodes;
    size_t alive = 0;
    for (size_t i = 0; i < nodes->count; i++)
        alive += nodes->table->members[i].state == MEMBER_ALIVE;
    err_set(err, ERR_TOO_FEW,
            "%u+%u needs at least %u nodes that can take a fragment: %zu of %zu members are alive, "
            "%zu could, %u did",
            sending->data, sending->parity, sending->data, alive, nodes_count(nodes, STANDING_DEAD),
            could, held->nodes);
    if (sending->last.code != ERR_NONE) {
        char text[ERR_TEXT_MAX];
        memcpy(text, err->text, sizeof(text));
        err_set(err, ERR_TOO_FEW, "%.300s (%.200s)", text, sending->last.text);
    }
    return -1;
}

/* Gives every fragment to `sending`, with a reference to what it lies in. */
static int hand_over(struct sending *sending, const struct fragment_bundle *bundle,
                     struct parcel *parcel, struct err *err)
{
    for (unsigned i = 0; i < sending->data + sending->parity; i++) {
        struct sendable *fragment = &sending->fragments[i];
        uint8_t *bytes = fragment_bundle_at(bundle, i);
        if (bytes != NULL)
            *fragment = (struct sendable){bytes, parcel_share(parcel)};
        else if (fragment_bundle_make(bundle, i, &bytes, err) == 0)
            *fragment = (struct sendable){bytes, parcel_of(bytes, bundle->fragment_size)};
        else
            return -1;
    }
    return 0;
}

static int send_set(struct sending *sending, struct redundancy *held, struct err *err)
{
    size_t could = send_room(sending);
    send_fragments(sending);
    held->pack = *sending->pack;
    held->object = *sending->object;
    held->data = sending->data;
    held->parity = sending->parity;
    held->sent_bytes = sending->sent_bytes;
    holders_count(&sending->holders, &sending->nodes->peers->local.keys->node, &held->nodes,
                  &held->others);
    if (held->nodes < sending->data)
        return held->nodes + sending->full >= sending->data ? no_space(sending, held, err)
                                                            : too_few(sending, could, held, err);
    if (held->nodes < sending->data + sending->parity) {
        char hex[17];
        log_info("pack %s: %u of %u fragments have a place: %s",
                 hex_encode(hex, sending->pack->bytes, 8), held->nodes,
                 sending->data + sending->parity,
                 sending->last.code != ERR_NONE ? sending->last.text : "no other node");
    }
    if (!sending->as_planned)
        tell_holders(sending->nodes, &sending->pin->vault, sending->object, &sending->holders);
    return 0;
}

/* The whole way of one bundle under its countersigned grant. */
static int place(struct nodes *nodes, const struct fragment_bundle *bundle, struct parcel *parcel,
                 const struct grant *grant, struct sending *sending, struct redundancy *held,
                 struct err *err)
{
    const struct pin pin = grant_pin(grant);
    sending->nodes = nodes;
    sending->pack = &grant->pack;
    sending->object = &grant->object;
    sending->pin = &pin;
    sending->data = grant->data;
    sending->parity = grant->parity;
    sending->fragment_size = bundle->fragment_size;
    sending->doubtful_too = true;
    int result = hand_over(sending, bundle, parcel, err);
    if (result == 0)
        result = send_set(sending, held, err);
    for (unsigned i = 0; i < RS_TOTAL_MAX; i++)
        parcel_release(&sending->fragments[i].parcel);
    char hex[9];
    return result == 0 ? 0 : err_context(err, "pack %s", hex_encode(hex, grant->pack.bytes, 4));
}

int put_pack(struct peers *peers, struct payload *fragments, const uint8_t *grant,
             size_t grant_size, struct redundancy *held, struct err *err)
{
    const struct local *local = &peers->local;
    const struct credentials node = local_credentials(local);
    struct opened_grant opened;
    struct fragment_bundle bundle;
    uint8_t *signed_grant = NULL;
    size_t signed_size = 0;
    *held = (struct redundancy){.nodes = 0};
    struct parcel *parcel = NULL;
    int result = -1;
    if (grant_open_writers(&opened.grant, &opened.writer, grant, grant_size, &local->cluster,
                           err) != 0) {
        err_context(err, "grant");
        goto done;
    }
    if (fragment_bundle_open(&bundle, fragments->bytes, fragments->size, err) != 0 ||
        check_grant(local, &bundle, &opened.grant, err) != 0 ||
        grant_countersign(grant, grant_size, &node, &signed_grant, &signed_size, err) != 0)
        goto done;
    parcel = parcel_new(fragments);
    struct nodes nodes;
    nodes_init(&nodes, peers);
    struct sending *sending = alloc_zero(1, sizeof(*sending));
    sending->grant = signed_grant;
    sending->grant_size = signed_size;
    result = place(&nodes, &bundle, parcel, &opened.grant, sending, held, err);
    free(sending);
    nodes_release(&nodes);
    /* What this node has placed it can count without asking anybody. */
    const struct belief belief = belief_of(&opened.grant, &opened.writer);
    struct err ignored = ERR_INIT; /* then holders are asked for the grant */
    if (result == 0 && store_believe(local->store, &belief, 1, &ignored) != 0)
        log_info("pack not noted as placed: %s", ignored.text);
done:
    free(signed_grant);
    parcel_release(&parcel);
    return result;
}
