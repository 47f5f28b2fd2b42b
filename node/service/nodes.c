/* Candidates borrow their zone from the table, which the picture holds until it is released. */
#include "node/service/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/clock.h"

static enum standing standing_of(const struct service *service, const struct member *member,
                                 int64_t now_ms)
{
    if (member->self)
        return STANDING_SELF;
    if (member->state == MEMBER_LEFT)
        return STANDING_LEFT;
    if (member->state == MEMBER_REVOKED)
        return STANDING_REVOKED;
    if (member->state == MEMBER_DEAD || member->state == MEMBER_INCOMPATIBLE)
        return STANDING_DEAD;
    if (member->state == MEMBER_SUSPECT || member->away ||
        health_doubtful(service->health, member->cert.node, member->incarnation, now_ms))
        return STANDING_DOUBTFUL;
    return STANDING_GOOD;
}

void nodes_init(struct nodes *nodes, struct service *service)
{
    *nodes = (struct nodes){.service = service, .table = membership_table(service->membership)};
    nodes->count = nodes->table->count;
    nodes->candidates = alloc_zero(nodes->count, sizeof(*nodes->candidates));
    nodes->standings = alloc_zero(nodes->count, sizeof(*nodes->standings));
    int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < nodes->count; i++) {
        const struct member *member = &nodes->table->members[i];
        struct candidate *candidate = &nodes->candidates[i];
        nodes->standings[i] = standing_of(service, member, now_ms);
        memcpy(candidate->node, member->cert.node, ID_SIZE);
        candidate->zone = member->cert.zone;
        candidate->capacity_bytes = member->capacity_bytes;
        candidate->free_bytes = member->capacity_bytes > member->used_bytes
                                    ? member->capacity_bytes - member->used_bytes
                                    : 0;
        candidate->self = member->self;
        candidate->usable = nodes->standings[i] <= STANDING_GOOD && member->capacity_bytes > 0 &&
                            cert_check_dates(&member->cert, date_s(), NULL) == 0;
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

int nodes_find(const struct nodes *nodes, const uint8_t node[ID_SIZE])
{
    for (size_t i = 0; i < nodes->count; i++) {
        if (memcmp(nodes->candidates[i].node, node, ID_SIZE) == 0)
            return (int)i;
    }
    return -1;
}

bool nodes_gone(const struct nodes *nodes, size_t index)
{
    struct member_table *now = membership_table(nodes->service->membership);
    const struct member *member = member_find(now, nodes->candidates[index].node);
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
    health_failed(nodes->service->health, member->cert.node, member->incarnation, monotonic_ms());
    if (nodes->standings[index] == STANDING_GOOD)
        nodes->standings[index] = STANDING_DOUBTFUL;
}

void nodes_succeeded(struct nodes *nodes, size_t index)
{
    health_succeeded(nodes->service->health, nodes->candidates[index].node);
}

size_t nodes_count(const struct nodes *nodes, enum standing worst)
{
    size_t count = 0;
    for (size_t i = 0; i < nodes->count; i++)
        count += nodes->standings[i] <= worst;
    return count;
}
