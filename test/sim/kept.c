/* The cores' claims, each kept once and counted. The invariants see every one that is adopted. */
#include <stddef.h>
#include <stdlib.h>

#include "coding/base/alloc.h"
#include "test/sim/invariants.h"

#define SLOTS (1u << 16)

struct kept {
    struct kept *next;
    uint64_t hash;
    uint32_t size, references;
    uint8_t bytes[];
};

const uint8_t *kept_keep(void *context, const uint8_t *bytes, size_t size)
{
    const struct sim_context *sim = context;
    struct world *world = sim->world;
    invariants_kept(world, sim->index, bytes);
    uint64_t hash = sim_hash(bytes, size, 11);
    struct kept **head = &world->kept[hash % SLOTS];
    for (struct kept *kept = *head; kept != NULL; kept = kept->next)
        if (kept->hash == hash && kept->size == size && memcmp(kept->bytes, bytes, size) == 0) {
            kept->references++;
            return kept->bytes;
        }
    struct kept *kept = alloc_zero(1, sizeof(*kept) + size);
    kept->hash = hash;
    kept->size = (uint32_t)size;
    kept->references = 1;
    memcpy(kept->bytes, bytes, size);
    kept->next = *head;
    *head = kept;
    return kept->bytes;
}

void kept_drop(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = ((struct sim_context *)context)->world;
    (void)size;
    struct kept *kept = (struct kept *)(uintptr_t)(bytes - offsetof(struct kept, bytes));
    if (--kept->references > 0)
        return;
    struct kept **link = &world->kept[kept->hash % SLOTS];
    while (*link != kept)
        link = &(*link)->next;
    *link = kept->next;
    free(kept);
}

void kept_init(struct world *world)
{
    world->kept = alloc_zero(SLOTS, sizeof(struct kept *));
}

void kept_release(struct world *world)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (world->kept[i] != NULL)
            world_fail(world, "a claim is still kept", 0);
    free(world->kept);
}
