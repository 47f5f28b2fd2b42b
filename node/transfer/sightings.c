/* Rows come in order, so that no node is listened to twice about one, and a node that goes round in
 * circles is noticed. */
#include "node/transfer/sightings.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "coding/rs.h"
#include "node/base/log.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"

#define OWN_ROWS 64

void sightings_release(struct sightings *sightings)
{
    free(sightings->items);
    *sightings = (struct sightings){.count = 0};
}

static void add(struct sightings *sightings, const struct sighting *sighting)
{
    if (sightings->count == sightings->room) {
        sightings->room = 2 * sightings->room + 16;
        sightings->items = alloc_grow(sightings->items, sightings->room, sizeof(*sightings->items));
    }
    sightings->items[sightings->count++] = *sighting;
}

/* Does this row come after the last one taken? */
static bool is_next(const struct pages *pages, const struct sighting *s)
{
    if (!pages->any || s->pack != pages->pack)
        return !pages->any || s->pack > pages->pack;
    int order = id_compare(&s->object, &pages->object);
    return order > 0 || (order == 0 && s->index > pages->index);
}

bool sightings_add_page(struct sightings *sightings, const struct nodes *nodes, size_t node,
                        size_t pack_count, struct pages *pages, const struct page *page)
{
    size_t from = pages->pack, before = sightings->count;
    for (size_t i = 0; i < page->n_fragments && i < ASK_PIN_ROWS; i++) {
        const Ecbak__FragmentAt *at = page->fragments[i];
        struct sighting sighting = {.index = at->index, .node = node};
        sighting.pack = from + at->pack_index;
        if (sighting.pack >= pack_count || at->index >= RS_TOTAL_MAX ||
            !wire_take(sighting.object.bytes, ID_SIZE, at->object) || !is_next(pages, &sighting))
            continue;
        add(sightings, &sighting);
        pages->any = true;
        pages->pack = sighting.pack;
        pages->object = sighting.object;
        pages->index = sighting.index;
    }
    pages->count++;
    if (!page->more || sightings->count == before)
        return false;
    if (pages->count < ASK_PAGES_MAX)
        return true;
    log_warn(
        "node %s claims so many fragments of the packs that were asked for that only the first "
        "%d pages are looked at",
        nodes->table->members[node].cert.name, ASK_PAGES_MAX);
    return false;
}

Ecbak__RowPlace *pages_after(const struct pages *pages, Ecbak__RowPlace *place)
{
    if (!pages->any)
        return NULL;
    ecbak__row_place__init(place);
    place->object = wire_view(pages->object.bytes, ID_SIZE);
    place->index = pages->index;
    return place;
}

int sightings_add_own(struct sightings *sightings, const struct nodes *nodes, size_t node,
                      size_t pack, const struct pack_question *question, struct err *err)
{
    struct pack_question next = *question;
    struct fragment_info found[OWN_ROWS];
    struct fragment_key last;
    size_t count = OWN_ROWS;
    while (count == OWN_ROWS) {
        if (store_find_pack(nodes->peers->local.store, &next, found, OWN_ROWS, &count, err) != 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            add(sightings, &(struct sighting){.object = found[i].key.object,
                                              .index = found[i].key.index,
                                              .node = node,
                                              .pack = pack});
        if (count > 0)
            last = found[count - 1].key;
        next.after = &last;
    }
    return 0;
}

size_t sightings_rows(const struct sightings *sightings, const struct object_id *object,
                      size_t *nodes)
{
    bool seen[RS_TOTAL_MAX] = {false};
    size_t rows = 0;
    *nodes = 0;
    for (size_t i = 0; i < sightings->count; i++) {
        const struct sighting *s = &sightings->items[i];
        if (s->failed || !id_equal(&s->object, object))
            continue;
        rows += !seen[s->index];
        seen[s->index] = true;
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) {
            const struct sighting *other = &sightings->items[j];
            again = !other->failed && other->node == s->node && id_equal(&other->object, object);
        }
        *nodes += !again;
    }
    return rows;
}
