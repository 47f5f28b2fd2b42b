#include "cli/packing/places.h"

#include <assert.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

void places_init(struct places *places)
{
    *places = (struct places){0};
    pthread_mutex_init(&places->lock, NULL);
}

void places_release(struct places *places)
{
    free(places->pack_of_place);
    free(places->packs);
    id_map_release(&places->pack_of_id);
    pthread_mutex_destroy(&places->lock);
}

static uint32_t add_place(struct places *places, uint32_t pack)
{
    if (places->place_count == places->place_room) {
        places->place_room = 2 * places->place_room + 64;
        places->pack_of_place =
            alloc_grow(places->pack_of_place, places->place_room, sizeof(uint32_t));
    }
    assert(places->place_count < NO_PACK);
    places->pack_of_place[places->place_count] = pack;
    return (uint32_t)places->place_count++;
}

static uint32_t add_pack(struct places *places)
{
    if (places->pack_count == places->pack_room) {
        places->pack_room = 2 * places->pack_room + 64;
        places->packs = alloc_grow(places->packs, places->pack_room, sizeof(places->packs[0]));
    }
    assert(places->pack_count < NO_PACK);
    places->packs[places->pack_count] = (struct pack_line){.place = NO_PACK};
    return (uint32_t)places->pack_count++;
}

uint32_t places_new(struct places *places)
{
    pthread_mutex_lock(&places->lock);
    uint32_t place = add_place(places, NO_PACK);
    pthread_mutex_unlock(&places->lock);
    return place;
}

uint32_t places_new_pack(struct places *places)
{
    pthread_mutex_lock(&places->lock);
    uint32_t pack = add_pack(places);
    places->packs[pack].used = true;
    pthread_mutex_unlock(&places->lock);
    return pack;
}

void places_set_pack(struct places *places, uint32_t place, uint32_t pack)
{
    pthread_mutex_lock(&places->lock);
    assert(place < places->place_count && pack < places->pack_count);
    places->pack_of_place[place] = pack;
    places->packs[pack].place = place;
    pthread_mutex_unlock(&places->lock);
}

void places_set_id(struct places *places, uint32_t pack, const struct pack_id *id)
{
    pthread_mutex_lock(&places->lock);
    assert(pack < places->pack_count && !places->packs[pack].known);
    places->packs[pack].id = *id;
    places->packs[pack].known = true;
    id_map_put(&places->pack_of_id, id->bytes, pack);
    pthread_mutex_unlock(&places->lock);
}

uint32_t places_of_pack(struct places *places, const struct pack_id *id)
{
    pthread_mutex_lock(&places->lock);
    uint32_t pack;
    if (!id_map_find(&places->pack_of_id, id->bytes, &pack)) {
        pack = add_pack(places);
        places->packs[pack].id = *id;
        places->packs[pack].known = true;
        places->packs[pack].place = add_place(places, pack);
        id_map_put(&places->pack_of_id, id->bytes, pack);
    }
    uint32_t place = places->packs[pack].place;
    pthread_mutex_unlock(&places->lock);
    return place;
}

static struct pack_line *line_of(struct places *places, uint32_t place)
{
    uint32_t pack = place < places->place_count ? places->pack_of_place[place] : NO_PACK;
    return pack != NO_PACK ? &places->packs[pack] : NULL;
}

void places_use(struct places *places, uint32_t place)
{
    pthread_mutex_lock(&places->lock);
    struct pack_line *line = line_of(places, place);
    if (line != NULL)
        line->used = true;
    pthread_mutex_unlock(&places->lock);
}

void places_lose(struct places *places, const struct pack_id *id)
{
    uint32_t pack;
    pthread_mutex_lock(&places->lock);
    if (id_map_find(&places->pack_of_id, id->bytes, &pack))
        places->packs[pack].lost = true;
    pthread_mutex_unlock(&places->lock);
}

bool places_is_lost(struct places *places, uint32_t place)
{
    pthread_mutex_lock(&places->lock);
    const struct pack_line *line = line_of(places, place);
    bool lost = line == NULL || line->lost;
    pthread_mutex_unlock(&places->lock);
    return lost;
}

void places_used(struct places *places, struct id_list *ids)
{
    pthread_mutex_lock(&places->lock);
    for (size_t i = 0; i < places->pack_count; i++) {
        if (places->packs[i].used && places->packs[i].known)
            id_list_add(ids, &places->packs[i].id);
    }
    pthread_mutex_unlock(&places->lock);
}

void places_compact(struct places *places, struct file_state_packs *packs)
{
    pthread_mutex_lock(&places->lock);
    uint32_t *numbers = alloc_zero(places->pack_count, sizeof(numbers[0]));
    *packs = (struct file_state_packs){.place_count = places->place_count};
    packs->ids = alloc_zero(places->pack_count, sizeof(struct pack_id));
    packs->pack_of_place = alloc_zero(places->place_count, sizeof(packs->pack_of_place[0]));
    for (size_t i = 0; i < places->pack_count; i++) {
        numbers[i] = NO_PACK;
        if (!places->packs[i].used || !places->packs[i].known || places->packs[i].lost)
            continue;
        packs->ids[packs->pack_count] = places->packs[i].id;
        numbers[i] = (uint32_t)packs->pack_count++;
    }
    for (size_t i = 0; i < places->place_count; i++) {
        uint32_t pack = places->pack_of_place[i];
        assert(pack == NO_PACK || pack < places->pack_count);
        packs->pack_of_place[i] = pack != NO_PACK ? numbers[pack] : NO_PACK;
    }
    pthread_mutex_unlock(&places->lock);
    free(numbers);
}
