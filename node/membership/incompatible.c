/* Dozens at most, so a list is searched from its start. */
#include "node/membership/incompatible.h"

#include <assert.h>
#include <string.h>

static size_t find(const struct incompatible *list, const struct node_id *node)
{
    size_t i = 0;
    while (i < list->count && !id_equal(&list->members[i].cert.node, node))
        i++;
    return i;
}

static void remove_at(struct incompatible *list, size_t i)
{
    assert(i < list->count);
    list->count--;
    list->members[i] = list->members[list->count];
    list->heard_ms[i] = list->heard_ms[list->count];
}

bool incompatible_note(struct incompatible *list, const struct member *member, int64_t now_ms)
{
    size_t i = find(list, &member->cert.node);
    if (i == INCOMPATIBLE_MAX)
        return false;
    struct member *to = &list->members[i];
    struct member before = *to;
    bool new = i == list->count;
    *to = *member;
    to->state = MEMBER_INCOMPATIBLE;
    list->heard_ms[i] = now_ms;
    if (new) {
        list->count++;
        return true;
    }
    to->since_s = before.since_s;
    if (to->address[0] == '\0')
        memcpy(to->address, before.address, sizeof(to->address));
    if (to->version[0] == '\0')
        memcpy(to->version, before.version, sizeof(to->version));
    return to->protocol.lowest != before.protocol.lowest ||
           to->protocol.highest != before.protocol.highest;
}

void incompatible_remove(struct incompatible *list, const struct node_id *node)
{
    size_t i = find(list, node);
    if (i < list->count)
        remove_at(list, i);
}

bool incompatible_expire(struct incompatible *list, int64_t now_ms)
{
    size_t before = list->count;
    for (size_t i = 0; i < list->count;)
        if (now_ms - list->heard_ms[i] >= INCOMPATIBLE_MS)
            remove_at(list, i);
        else
            i++;
    return list->count != before;
}
