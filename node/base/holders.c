/* An empty place is all zeros in memory and empty bytes on the wire. */
#include "node/base/holders.h"

#include <assert.h>

#include "node/common/wire.h"

bool holders_has(const struct holders *holders, uint32_t index)
{
    static const struct node_id nobody;
    assert(index < HOLDERS_MAX);
    return !id_equal(&holders->node[index], &nobody);
}

void holders_count(const struct holders *holders, const struct node_id *self, uint32_t *nodes,
                   uint32_t *others)
{
    *nodes = *others = 0;
    for (uint32_t i = 0; i < holders->count; i++) {
        if (!holders_has(holders, i))
            continue;
        (*nodes)++;
        *others += !id_equal(&holders->node[i], self);
    }
}

void holders_to_wire(ProtobufCBinaryData views[HOLDERS_MAX], const struct holders *holders)
{
    for (uint32_t i = 0; i < holders->count; i++)
        views[i] = wire_view(holders->node[i].bytes, holders_has(holders, i) ? ID_SIZE : 0);
}

int holders_from_wire(struct holders *holders, size_t count, const ProtobufCBinaryData *views,
                      struct err *err)
{
    *holders = (struct holders){.count = 0};
    if (count > HOLDERS_MAX)
        return err_set(err, ERR_FORMAT, "%zu holders; at most %d", count, HOLDERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (views[i].len != 0 && !wire_take(holders->node[i].bytes, ID_SIZE, views[i]))
            return err_set(err, ERR_FORMAT, "holder %zu is no node id", i);
    }
    holders->count = (uint32_t)count;
    return 0;
}
