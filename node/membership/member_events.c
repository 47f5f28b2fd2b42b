/* The place of an event follows from its number, so the ring needs no pointers. */
#include "node/membership/member_events.h"

#include <assert.h>

#define NUMBERS_PER_MS 1000 /* more than happens in any millisecond of a run */

void member_events_init(struct member_events *events, int64_t wall_ms)
{
    uint64_t base = wall_ms > 0 ? (uint64_t)wall_ms * NUMBERS_PER_MS : 0;
    *events = (struct member_events){.first = base + 1, .newest = base};
}

void member_events_add(struct member_events *events, const struct member_event *event)
{
    struct member_event *slot = &events->ring[++events->newest % MEMBER_EVENTS_MAX];
    *slot = *event;
    slot->number = events->newest;
}

size_t member_events_after(const struct member_events *events, uint64_t after, size_t max,
                           struct member_event *to)
{
    uint64_t from = events->first;
    if (events->newest - from + 1 > MEMBER_EVENTS_MAX)
        from = events->newest - MEMBER_EVENTS_MAX + 1;
    if (after <= events->newest && after >= from)
        from = after + 1;
    if (events->newest - from + 1 > max)
        from = events->newest - max + 1;
    size_t count = 0;
    for (uint64_t number = from; number <= events->newest; number++)
        to[count++] = events->ring[number % MEMBER_EVENTS_MAX];
    assert(count <= max && count <= MEMBER_EVENTS_MAX);
    return count;
}
