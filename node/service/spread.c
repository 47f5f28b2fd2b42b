/* The pack is read where the transport received it, and written once, into the fragments' buffers,
 * which the transport sends from. Its id is checked against the grant on the way: the encoder has
 * hashed it anyway. */
#include "node/service/spread.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/fragment_set.h"
#include "node/base/log.h"
#include "node/service/holders.h"
#include "node/service/send.h"

int spread_shape(const struct nodes *nodes, uint32_t *data, uint32_t *parity, struct err *err)
{
    size_t known = nodes_count(nodes, STANDING_DEAD);
    if (!placement_shape(known, data, parity))
        return err_set(err, ERR_TOO_FEW,
                       "%zu node%s in the cluster, this one included: at least 2 are needed to "
                       "store anything",
                       known, known == 1 ? "" : "s");
    return 0;
}

static int check_grant(const struct service *service, const uint8_t *grant, size_t grant_size,
                       size_t pack_size, const struct pin *pin, struct grant *opened,
                       struct err *err)
{
    struct writer_cert writer;
    if (grant_size > GRANT_BYTES_MAX)
        return err_set(err, ERR_FORMAT, "a grant of %zu bytes", grant_size);
    if (grant_open(opened, &writer, grant, grant_size, service->holder.cluster, err) != 0)
        return err_context(err, "grant");
    if (opened->pack_bytes != pack_size)
        return err_set(err, ERR_FOREIGN, "the grant is for %llu bytes, the pack has %zu",
                       (unsigned long long)opened->pack_bytes, pack_size);
    if (memcmp(opened->sponsor, service->keys->node, ID_SIZE) != 0)
        return err_set(err, ERR_FOREIGN, "the grant names another node as sponsor");
    if (memcmp(opened->vault, pin->vault, ID_SIZE) != 0 ||
        memcmp(opened->writer, pin->writer, WRITER_SIZE) != 0)
        return err_set(err, ERR_FOREIGN, "the grant is of another vault or writer than the pin");
    return 0;
}

static int too_few(const struct sending *sending, size_t could, const struct held *held,
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

static int send_set(struct service *service, struct sending *sending, struct fragment_set *set,
                    struct held *held, struct err *err)
{
    sending->object = set->object_id;
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
    memcpy(held->object, set->object_id, ID_SIZE);
    held->data = sending->data;
    held->parity = sending->parity;
    held->sent_bytes = sending->sent_bytes;
    holders_count(&sending->holders, service->keys->node, &held->nodes, &held->others);
    if (held->nodes < sending->data)
        return too_few(sending, could, held, err);
    if (held->nodes < sending->data + sending->parity) {
        char hex[17];
        log_info("pack %s: %u of %u fragments have a place: %s", hex_encode(hex, sending->pack, 8),
                 held->nodes, sending->data + sending->parity,
                 sending->last.code != ERR_NONE ? sending->last.text : "no other node");
    }
    if (!sending->as_planned)
        holders_tell(sending->nodes, sending->object, &sending->holders);
    return 0;
}

int spread_pack(struct service *service, const uint8_t *pack, size_t pack_size,
                const uint8_t *grant, size_t grant_size, const struct pin *pin, uint32_t data,
                uint32_t parity, struct held *held, struct err *err)
{
    struct grant opened;
    *held = (struct held){.nodes = 0};
    if (check_grant(service, grant, grant_size, pack_size, pin, &opened, err) != 0)
        return -1;
    struct nodes nodes;
    nodes_init(&nodes, service);
    struct fragment_set *set = alloc_zero(1, sizeof(*set));
    struct sending *sending = alloc_zero(1, sizeof(*sending));
    int result = -1;
    if (data == 0 && parity == 0 && spread_shape(&nodes, &data, &parity, err) != 0)
        goto done;
    if (fragment_set_encode(set, pack, pack_size, data, parity, err) != 0)
        goto done;
    if (memcmp(set->object.pack_id, opened.pack, ID_SIZE) != 0) {
        err_set(err, ERR_DAMAGED, "the pack is not the one that its grant names");
        goto done;
    }
    memcpy(held->pack, opened.pack, ID_SIZE);
    sending->nodes = &nodes;
    sending->pack = opened.pack;
    sending->grant = grant;
    sending->grant_size = grant_size;
    sending->pin = pin;
    if (send_set(service, sending, set, held, err) != 0) {
        char hex[9];
        err_context(err, "pack %s", hex_encode(hex, opened.pack, 4));
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
