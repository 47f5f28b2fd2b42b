/* places.h - which packs a running store relies on.
 *
 * A chunk is put into a segment, the segment into a pack, and only the finished pack has an id. So
 * each segment gets a `place` at once, a number that files can note down; later the place gets its
 * pack (a number again), and at last the pack its id.
 *
 *   Threads  any: locked inside
 */
#ifndef ECBAK_CLI_PACKING_PLACES_H
#define ECBAK_CLI_PACKING_PLACES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/base/id_list.h"
#include "cli/home/file_state.h"
#include "coding/base/id.h"

#define NO_PACK UINT32_MAX

struct pack_line {
    struct pack_id id;
    uint32_t place; /* one that stands for the whole pack */
    bool known;     /* it has its id */
    bool used;      /* something in this snapshot is in it */
    bool lost;
};

struct places {
    pthread_mutex_t lock;
    uint32_t *pack_of_place;
    size_t place_count, place_room;
    struct pack_line *packs;
    size_t pack_count, pack_room;
    struct id_map pack_of_id;
};

void places_init(struct places *places);
void places_release(struct places *places);
/* A place whose pack comes later. */
uint32_t places_new(struct places *places);
/* A pack whose id comes later; it counts as used. */
uint32_t places_new_pack(struct places *places);
void places_set_pack(struct places *places, uint32_t place, uint32_t pack);
void places_set_id(struct places *places, uint32_t pack, const struct pack_id *id);
/* The pack with this id (added when new), and the place that stands for it. */
uint32_t places_of_pack(struct places *places, const struct pack_id *id);
/* This snapshot relies on a pack that stands behind a place. */
void places_use(struct places *places, uint32_t place);
void places_lose(struct places *places, const struct pack_id *id);
bool places_is_lost(struct places *places, uint32_t place);
/* Adds the ids of the packs used. */
void places_used(struct places *places, struct id_list *ids);
/* Only the packs used that are not lost, numbered from 0, as the file state keeps them:
 * file_state_packs_release. */
void places_compact(struct places *places, struct file_state_packs *packs);

#endif
