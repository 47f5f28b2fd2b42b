/* id_map.h - from 32-byte ids (of chunks, of packs) to small numbers, in memory.
 *
 *   Memory   53 to 107 bytes an id
 *   Threads  one at a time for one map
 */
#ifndef ECBAK_CLI_BASE_ID_MAP_H
#define ECBAK_CLI_BASE_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/id.h"

struct id_map {
    struct id_map_slot *slots;
    size_t room, count; /* room: a power of two */
};

void id_map_release(struct id_map *map);
bool id_map_find(const struct id_map *map, const uint8_t id[ID_SIZE], uint32_t *value);
/* Replaces the value of an id that is there. */
void id_map_put(struct id_map *map, const uint8_t id[ID_SIZE], uint32_t value);
void id_map_remove(struct id_map *map, const uint8_t id[ID_SIZE]);

#endif
