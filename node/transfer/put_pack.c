/* The pack is read where the transport received it, and written once, into the fragments' buffers,
 * which the transport sends from. Its id is checked against the grant on the way: the encoder has
 * hashed it anyway. */
#include "node/transfer/put_pack.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment_set.h"
#include "node/base/holders.h"
#include "node/base/log.h"
#include "node/transfer/send.h"
#include "node/transfer/tell_holders.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

static int check_grant(const struct local *local, size_t pack_size, const struct put_terms *terms,
                       struct grant *opened, struct err *err)
{
    struct writer_cert writer;
    const struct pin *pin = terms->pin;
    if (terms->grant_size > GRANT_BYTES_MAX)
        return err_set(err, ERR_FORMAT, "a grant of %zu bytes", terms->grant_size);
    if (grant_open(opened, &writer, terms->grant, terms->grant_size, &local->cluster, err) != 0)
        return err_context(err, "grant");
    if (opened->pack_bytes != pack_size)
        return err_set(err, ERR_FOREIGN, "the grant is for %llu bytes, the pack has %zu",
                       (unsigned long long)opened->pack_bytes, pack_size);
    if (!id_equal(&opened->sponsor, &local->keys->node))
        return err_set(err, ERR_FOREIGN, "the grant names another node as sponsor");
    if (!id_equal(&opened->vault, &pin->vault) || !id_equal(&opened->writer, &pin->writer))
        return err_set(err, ERR_FOREIGN, "the grant is of another vault or writer than the pin");
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

static int send_set(struct sending *sending, struct fragment_set *set, struct redundancy *held,
                    struct err *err)
{
    sending->object = &set->object_id;
    sending->data = set->object.shape.k;
    sending->parity = set->object.shape.m;
    sending->fragment_size = set->size;
    sending->doubtful_too = true;
    size_t could = send_room(sending);
    for (unsigned i = 0; i < set->count; i++) {
        sending->fragments[i] = set->bytes[i];
        set->bytes[i] = NULL;
    }
    send_fragments(sending);
    held->object = set->object_id;
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
        tell_holders(sending->nodes, sending->object, &sending->holders);
    return 0;
}

int put_pack(struct peers *peers, const uint8_t *pack, size_t pack_size,
             const struct put_terms *terms, struct redundancy *held, struct err *err)
{
    struct grant opened;
    uint32_t data = terms->data, parity = terms->parity;
    *held = (struct redundancy){.nodes = 0};
    if (check_grant(&peers->local, pack_size, terms, &opened, err) != 0)
        return -1;
    struct nodes nodes;
    nodes_init(&nodes, peers);
    struct fragment_set *set = alloc_zero(1, sizeof(*set));
    struct sending *sending = alloc_zero(1, sizeof(*sending));
    int result = -1;
    if (data == 0 && parity == 0 && nodes_shape(&nodes, &data, &parity, err) != 0)
        goto done;
    if (fragment_set_encode(set, pack, pack_size, data, parity, err) != 0)
        goto done;
    if (!id_equal(&set->object.pack_id, &opened.pack)) {
        err_set(err, ERR_DAMAGED, "the pack is not the one that its grant names");
        goto done;
    }
    held->pack = opened.pack;
    sending->nodes = &nodes;
    sending->pack = &opened.pack;
    sending->grant = terms->grant;
    sending->grant_size = terms->grant_size;
    sending->pin = terms->pin;
    if (send_set(sending, set, held, err) != 0) {
        char hex[9];
        err_context(err, "pack %s", hex_encode(hex, opened.pack.bytes, 4));
        goto done;
    }
    result = 0;
done:
    free(sending);
    fragment_set_release(set);
    free(set);
    nodes_release(&nodes);
    return result;
}
