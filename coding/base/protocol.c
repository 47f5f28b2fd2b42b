/* A range is two bytes: it is kept for every member, and compared on every message. */
#include "coding/base/protocol.h"

#include <stdio.h>

_Static_assert(PROTOCOL_LOWEST >= 1 && PROTOCOL_LOWEST <= PROTOCOL_HIGHEST &&
                   PROTOCOL_HIGHEST <= UINT8_MAX,
               "this program speaks a range of versions");

struct protocol protocol_of(uint32_t lowest, uint32_t highest)
{
    if (lowest == 0 || lowest > highest || highest > UINT8_MAX)
        return (struct protocol){0, 0};
    return (struct protocol){(uint8_t)lowest, (uint8_t)highest};
}

uint8_t protocol_common(struct protocol a, struct protocol b)
{
    uint8_t highest = a.highest < b.highest ? a.highest : b.highest;
    return highest >= a.lowest && highest >= b.lowest ? highest : 0;
}

bool protocol_meets(struct protocol a, struct protocol b)
{
    return protocol_common(a, b) != 0;
}

char *protocol_text(char to[PROTOCOL_TEXT_MAX], struct protocol protocol)
{
    if (protocol.lowest == protocol.highest)
        snprintf(to, PROTOCOL_TEXT_MAX, "%u", protocol.lowest);
    else
        snprintf(to, PROTOCOL_TEXT_MAX, "%u to %u", protocol.lowest, protocol.highest);
    return to;
}

char *protocol_advice(char to[PROTOCOL_ADVICE_MAX], struct protocol theirs, struct protocol ours)
{
    char other[PROTOCOL_TEXT_MAX], own[PROTOCOL_TEXT_MAX];
    snprintf(to, PROTOCOL_ADVICE_MAX, "speaks protocol %s, this node %s: upgrade %s",
             protocol_text(other, theirs), protocol_text(own, ours),
             theirs.highest < ours.lowest ? "it" : "this node");
    return to;
}
