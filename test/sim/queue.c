/* What will happen, as a binary heap by time; at the same time, what was queued first goes first. */
#include <stddef.h>

#include "coding/base/alloc.h"
#include "test/sim/world.h"

static bool before(const struct sim_item *a, const struct sim_item *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->number < b->number;
}

void queue_push(struct world *world, struct sim_item item)
{
    if (world->heap_count == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity * 2 + 1024;
        world->heap = alloc_grow(world->heap, world->heap_capacity, sizeof(*world->heap));
    }
    item.number = world->number++;
    size_t at = world->heap_count++;
    while (at > 0 && before(&item, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = item;
}

struct sim_item queue_pop(struct world *world)
{
    struct sim_item top = world->heap[0];
    struct sim_item last = world->heap[--world->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->heap_count)
            break;
        if (child + 1 < world->heap_count && before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!before(&world->heap[child], &last))
            break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    if (world->heap_count > 0)
        world->heap[at] = last;
    return top;
}
