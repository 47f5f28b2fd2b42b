/* Candidates borrow their zone from the table, which the picture holds until it is released. */
#include "node/peers/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/date.h"
#include "node/common/clock.h"

static enum standing standing_of(const struct peers *peers, const struct member *member,
                                 int64_t now_ms)
{
    if (member->self)
        return STANDING_SELF;
    if (member->state == MEMBER_LEFT)
        return STANDING_LEFT;
    if (member->state == MEMBER_REVOKED)
        return STANDING_REVOKED;
    if (member->state == MEMBER_INCOMPATIBLE)
        return STANDING_INCOMPATIBLE;
    if (member->state == MEMBER_DEAD)
        return STANDING_DEAD;
    if (member->state == MEMBER_SUSPECT || member->away ||
        health_doubtful(peers->health, &member->cert.node, member->incarnation, now_ms))
        return STANDING_DOUBTFUL;
    return STANDING_GOOD;
}

void nodes_init(struct nodes *nodes, struct peers *peers)
{
    *nodes = (struct nodes){.peers = peers, .table = membership_table(peers->membership)};
    nodes->count = nodes->table->count;
    nodes->candidates = alloc_zero(nodes->count, sizeof(*nodes->candidates));
    nodes->standings = alloc_zero(nodes->count, sizeof(*nodes->standings));
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < nodes->count; i++) {
        const struct member *member = &nodes->table->members[i];
        struct candidate *candidate = &nodes->candidates[i];
        nodes->standings[i] = standing_of(peers, member, now_ms);
        candidate->node = member->cert.node;
        candidate->zone = member->cert.zone;
        candidate->capacity_bytes = member->capacity_bytes;
        candidate->free_bytes = member->capacity_bytes > member->used_bytes
                                    ? member->capacity_bytes - member->used_bytes
                                    : 0;
        candidate->self = member->self;
        candidate->usable = nodes->standings[i] <= STANDING_GOOD && member->capacity_bytes > 0 &&
                            cert_check_dates(&member->cert, date_s(), NULL) == 0;
        candidate->doubtful =
            nodes->standings[i] == STANDING_DOUBTFUL && !member->away && member->capacity_bytes > 0;
    }
}

void nodes_release(struct nodes *nodes)
{
    member_table_release(&nodes->table);
    free(nodes->candidates);
    free(nodes->standings);
    nodes->candidates = NULL;
    nodes->standings = NULL;
}

int nodes_find(const struct nodes *nodes, const struct node_id *node)
{
    for (size_t i = 0; i < nodes->count; i++) {
        if (id_equal(&nodes->candidates[i].node, node))
            return (int)i;
    }
    return -1;
}

void nodes_exclude(struct nodes *nodes, const struct node_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int node = nodes_find(nodes, &ids[i]);
        if (node < 0 || nodes->standings[node] == STANDING_SELF)
            continue;
        if (nodes->standings[node] < STANDING_REVOKED)
            nodes->standings[node] = STANDING_REVOKED;
        nodes->candidates[node].usable = nodes->candidates[node].doubtful = false;
    }
}

bool nodes_gone(const struct nodes *nodes, size_t index)
{
    struct member_table *now = membership_table(nodes->peers->membership);
    const struct member *member = member_find(now, &nodes->candidates[index].node);
    bool gone = member == NULL || member->state == MEMBER_DEAD || member->state == MEMBER_LEFT ||
                member->state == MEMBER_INCOMPATIBLE;
    member_table_release(&now);
    return gone;
}

void nodes_failed(struct nodes *nodes, size_t index)
{
    const struct member *member = &nodes->table->members[index];
    if (member->self)
        return;
    health_failed(nodes->peers->health, &member->cert.node, member->incarnation, monotonic_ms());
    if (nodes->standings[index] == STANDING_GOOD)
        nodes->standings[index] = STANDING_DOUBTFUL;
}

void nodes_succeeded(struct nodes *nodes, size_t index)
{
    health_succeeded(nodes->peers->health, &nodes->candidates[index].node);
}

size_t nodes_count(const struct nodes *nodes, enum standing worst)
{
    size_t count = 0;
    for (size_t i = 0; i < nodes->count; i++)
        count += nodes->standings[i] <= worst;
    return count;
}

int nodes_shape(const struct nodes *nodes, uint32_t *data, uint32_t *parity, struct err *err)
{
    size_t known = nodes_count(nodes, STANDING_DEAD);
    if (!placement_shape(known, data, parity))
        return err_set(err, ERR_TOO_FEW,
                       "%zu node%s in the cluster, this one included: at least 2 are needed to "
                       "store anything",
                       known, known == 1 ? "" : "s");
    return 0;
}
