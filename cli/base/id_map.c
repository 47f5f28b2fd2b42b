/* Open addressing with linear probing. Ids are hashes already, so their first bytes say where to
 * begin; removal closes the gap instead of leaving a mark, so that a map that is filled and emptied
 * for hours stays as fast as a new one.
 */
#include "cli/base/id_map.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

struct id_map_slot {
    uint8_t id[ID_SIZE];
    uint32_t value;
    bool used;
};

static size_t home_of(const struct id_map *map, const uint8_t *id)
{
    uint64_t hash;
    memcpy(&hash, id, sizeof(hash));
    return (size_t)hash & (map->room - 1);
}

/* Where the id is, or the free slot where it would go. */
static struct id_map_slot *slot_of(const struct id_map *map, const uint8_t *id)
{
    size_t at = home_of(map, id);
    while (map->slots[at].used && memcmp(map->slots[at].id, id, ID_SIZE) != 0)
        at = (at + 1) & (map->room - 1);
    return &map->slots[at];
}

void id_map_release(struct id_map *map)
{
    free(map->slots);
    *map = (struct id_map){0};
}

bool id_map_find(const struct id_map *map, const uint8_t id[ID_SIZE], uint32_t *value)
{
    if (map->count == 0)
        return false;
    const struct id_map_slot *slot = slot_of(map, id);
    if (slot->used)
        *value = slot->value;
    return slot->used;
}

static void enlarge(struct id_map *map)
{
    struct id_map old = *map;
    map->room = old.room > 0 ? 2 * old.room : 64;
    map->slots = alloc_zero(map->room, sizeof(map->slots[0]));
    for (size_t i = 0; i < old.room; i++) {
        if (old.slots[i].used)
            *slot_of(map, old.slots[i].id) = old.slots[i];
    }
    free(old.slots);
}

void id_map_put(struct id_map *map, const uint8_t id[ID_SIZE], uint32_t value)
{
    if (map->count + map->count / 3 + 1 >= map->room)
        enlarge(map);
    struct id_map_slot *slot = slot_of(map, id);
    if (!slot->used)
        map->count++;
    memcpy(slot->id, id, ID_SIZE);
    slot->value = value;
    slot->used = true;
}

void id_map_remove(struct id_map *map, const uint8_t id[ID_SIZE])
{
    if (map->count == 0)
        return;
    struct id_map_slot *slot = slot_of(map, id);
    if (!slot->used)
        return;
    map->count--;
    size_t gap = (size_t)(slot - map->slots), mask = map->room - 1;
    for (size_t at = (gap + 1) & mask; map->slots[at].used; at = (at + 1) & mask) {
        /* May this one move into the gap: is its home at or before the gap, going round? */
        size_t home = home_of(map, map->slots[at].id);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            map->slots[gap] = map->slots[at];
            gap = at;
        }
    }
    map->slots[gap].used = false;
}
