/* Those that do not answer in a moment keep the list that came with their fragment. */
#include "node/transfer/tell_holders.h"

#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/round.h"

void tell_holders(struct nodes *nodes, const struct vault_id *vault, const struct object_id *object,
                  const struct holders *holders)
{
    struct round round;
    ProtobufCBinaryData views[HOLDERS_MAX];
    holders_to_wire(views, holders);
    round_init(&round, nodes, SMALL_TIMEOUT_MS);
    int64_t until_ms = monotonic_ms() + DOUBTFUL_GRACE_MS;
    for (uint32_t i = 0; i < holders->count; i++) {
        int node = nodes_find(nodes, &holders->node[i]);
        if (node < 0)
            continue;
        if (nodes->candidates[node].self) {
            const struct fragment_key key = {*vault, *object, i};
            int ignored = store_set_holders(nodes->peers->local.store, &key, holders, NULL, NULL);
            (void)ignored; /* a hint: readers ask in the pack's order without it */
            continue;
        }
        Ecbak__SetHolders set = ECBAK__SET_HOLDERS__INIT;
        set.object = wire_view(object->bytes, ID_SIZE);
        set.index = i;
        set.vault = wire_view(vault->bytes, ID_SIZE);
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
