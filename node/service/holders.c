/* An empty place is all zeros in memory and empty bytes on the wire. */
#include "node/service/holders.h"

#include <string.h>

#include "node/api/wire.h"
#include "node/base/clock.h"
#include "node/service/round.h"

bool holders_has(const struct holders *holders, uint32_t index)
{
    static const uint8_t nobody[ID_SIZE];
    return memcmp(holders->node[index], nobody, ID_SIZE) != 0;
}

void holders_count(const struct holders *holders, const uint8_t self[ID_SIZE], uint32_t *nodes,
                   uint32_t *others)
{
    *nodes = *others = 0;
    for (uint32_t i = 0; i < holders->count; i++) {
        if (!holders_has(holders, i))
            continue;
        (*nodes)++;
        *others += memcmp(holders->node[i], self, ID_SIZE) != 0;
    }
}

void holders_to_wire(ProtobufCBinaryData views[STORE_HOLDERS_MAX], const struct holders *holders)
{
    for (uint32_t i = 0; i < holders->count; i++)
        views[i] = wire_view(holders->node[i], holders_has(holders, i) ? ID_SIZE : 0);
}

int holders_from_wire(struct holders *holders, size_t count, const ProtobufCBinaryData *views,
                      struct err *err)
{
    *holders = (struct holders){.count = 0};
    if (count > STORE_HOLDERS_MAX)
        return err_set(err, ERR_FORMAT, "%zu holders; at most %d", count, STORE_HOLDERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (views[i].len != 0 && !wire_take(holders->node[i], ID_SIZE, views[i]))
            return err_set(err, ERR_FORMAT, "holder %zu is no node id", i);
    }
    holders->count = (uint32_t)count;
    return 0;
}

void holders_tell(struct nodes *nodes, const uint8_t object[ID_SIZE], const struct holders *holders)
{
    struct round round;
    ProtobufCBinaryData views[STORE_HOLDERS_MAX];
    holders_to_wire(views, holders);
    round_init(&round, nodes, SMALL_TIMEOUT_MS);
    int64_t until_ms = monotonic_ms() + DOUBTFUL_GRACE_MS;
    for (uint32_t i = 0; i < holders->count; i++) {
        int node = nodes_find(nodes, holders->node[i]);
        if (node < 0)
            continue;
        if (nodes->candidates[node].self) {
            int ignored = store_set_holders(nodes->service->store, object, i, holders, NULL);
            (void)ignored; /* a hint: readers ask in the pack's order without it */
            continue;
        }
        Ecbak__SetHolders set = ECBAK__SET_HOLDERS__INIT;
        set.object = wire_view(object, ID_SIZE);
        set.index = i;
        set.n_holders = holders->count;
        set.holders = views;
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        request.body_case = ECBAK__PEER_REQUEST__BODY_SET_HOLDERS;
        request.set_holders = &set;
        if (nodes->standings[node] == STANDING_GOOD)
            round_ask(&round, (size_t)node, &request, NULL);
    }
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    while (round_next(&round, until_ms, ECBAK__PEER_REPLY__BODY__NOT_SET, &node, &reply, &why))
        wire_free(reply);
    round_release(&round);
}
