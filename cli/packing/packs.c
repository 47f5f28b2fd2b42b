/* Locks: `lock` guards the segments that are free, queued or kept back, and the list of index
 * packs; a fill has its own for its pack, and what is known of chunks has one. Only the places'
 * lock is taken under another (a fill's), and nothing is compressed or sent under any; sealing,
 * which is fast, happens under the fill's. The chunks of an index are added while the cache is
 * locked: it is not asked for them.
 */
#include "cli/packing/packs.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "cli/packing/fill.h"
#include "cli/packing/index_merge.h"
#include "cli/packing/index_unpublished.h"
#include "cli/packing/known.h"
#include "coding/base/alloc.h"

struct queued {
    struct queued *next;
    struct segment *segment;
    enum chunk_kind kind;
    uint32_t place;
};

struct packs {
    struct packs_options options;
    struct sender *sender;

    struct known known;

    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct queued *queue, **queue_end;
    struct queued *kept; /* compressed, while the store is small */
    uint64_t kept_bytes;
    bool large;  /* nothing is kept back any more */
    bool ending; /* what is kept stays so: it becomes one mixed pack */
    struct segment **free;
    size_t free_count, segment_count, segment_max;
    _Atomic unsigned queue_count;

    struct fill data, tree, index, mixed;

    struct id_list index_ids; /* guarded by lock */
};

struct packing {
    struct packs *packs;
    struct segment *segments[CHUNK_INDEX + 1]; /* by kind */
    uint32_t places[CHUNK_INDEX + 1];
};

/* Of a pack that is stored. */
static void on_stored(void *ctx, const struct sealed_pack *sealed)
{
    struct packs *packs = ctx;
    if (sealed->kind == PACK_INDEX || sealed->kind == PACK_MIXED) {
        pthread_mutex_lock(&packs->lock);
        id_list_add(&packs->index_ids, &sealed->id);
        pthread_mutex_unlock(&packs->lock);
    }
    known_stored(&packs->known, sealed);
}

/* ---- segments -------------------------------------------------------------------------------- */

static void free_segment(struct packs *packs, struct segment *segment)
{
    segment_reset(segment);
    pthread_mutex_lock(&packs->lock);
    assert(packs->free_count < packs->segment_count);
    packs->free[packs->free_count++] = segment;
    pthread_cond_signal(&packs->freed);
    pthread_mutex_unlock(&packs->lock);
}

/* A segment to fill. When there is none, this thread does some of the work that holds them up. */
static struct segment *take_segment(struct packs *packs)
{
    struct segment *segment = NULL;
    pthread_mutex_lock(&packs->lock);
    while (segment == NULL) {
        if (packs->free_count > 0) {
            segment = packs->free[--packs->free_count];
        } else if (packs->segment_count < packs->segment_max) {
            packs->segment_count++;
            packs->free = alloc_grow(packs->free, packs->segment_count, sizeof(packs->free[0]));
            segment = segment_new(packs->options.zstd_level);
        } else if (packs->queue != NULL) {
            pthread_mutex_unlock(&packs->lock);
            packs_work(packs);
            pthread_mutex_lock(&packs->lock);
        } else {
            pthread_cond_wait(&packs->freed, &packs->lock);
        }
    }
    pthread_mutex_unlock(&packs->lock);
    return segment;
}

static void queue_segment(struct packs *packs, struct segment *segment, enum chunk_kind kind,
                          uint32_t place)
{
    if (packs->options.dry_run) {
        free_segment(packs, segment);
        return;
    }
    struct queued *queued = alloc_zero(1, sizeof(*queued));
    *queued = (struct queued){.segment = segment, .kind = kind, .place = place};
    pthread_mutex_lock(&packs->lock);
    *packs->queue_end = queued;
    packs->queue_end = &queued->next;
    packs->queue_count++;
    pthread_cond_signal(&packs->freed);
    pthread_mutex_unlock(&packs->lock);
    if (packs->options.queued != NULL)
        packs->options.queued(packs->options.queued_ctx);
}

static struct fill *fill_of(struct packs *packs, enum chunk_kind kind)
{
    return kind == CHUNK_DATA ? &packs->data : kind == CHUNK_TREE ? &packs->tree : &packs->index;
}

/* Puts a list of compressed segments into packs, and frees them. */
static int place_list(struct packs *packs, struct queued *list, struct fill *fill, struct err *err)
{
    int result = 0;
    while (list != NULL) {
        struct queued *queued = list;
        list = queued->next;
        if (result == 0)
            result = fill_add(fill != NULL ? fill : fill_of(packs, queued->kind), queued->segment,
                              queued->place, err);
        free_segment(packs, queued->segment);
        free(queued);
    }
    return result;
}

/* Keeps a compressed segment back while the store is small; else returns all that is to be
 * placed. */
static struct queued *keep_back(struct packs *packs, struct queued *queued)
{
    struct queued *list = NULL;
    pthread_mutex_lock(&packs->lock);
    packs->kept_bytes += segment_size(queued->segment);
    queued->next = packs->kept;
    packs->kept = queued;
    if (packs->large || (packs->kept_bytes >= MIXED_BYTES && !packs->ending)) {
        packs->large = true;
        list = packs->kept;
        packs->kept = NULL;
    } else {
        packs->segment_max++; /* this one is out of circulation */
    }
    pthread_mutex_unlock(&packs->lock);
    return list;
}

bool packs_work(struct packs *packs)
{
    pthread_mutex_lock(&packs->lock);
    struct queued *queued = packs->queue;
    assert((queued != NULL) == (packs->queue_count > 0));
    if (queued != NULL) {
        packs->queue = queued->next;
        if (packs->queue == NULL)
            packs->queue_end = &packs->queue;
        packs->queue_count--;
    }
    pthread_mutex_unlock(&packs->lock);
    if (queued == NULL)
        return false;
    queued->next = NULL;
    struct err err = ERR_INIT;
    if (segment_compress(queued->segment, &err) != 0) {
        failure_set(packs->options.send.failure, &err);
        free_segment(packs, queued->segment);
        free(queued);
        return true;
    }
    struct queued *list = keep_back(packs, queued);
    if (list != NULL && place_list(packs, list, NULL, &err) != 0)
        failure_set(packs->options.send.failure, &err);
    return true;
}

bool packs_has_work(const struct packs *packs)
{
    return packs->queue_count > 0;
}

/* ---- a producer ------------------------------------------------------------------------------ */

struct packing *packing_new(struct packs *packs)
{
    struct packing *packing = alloc_zero(1, sizeof(*packing));
    packing->packs = packs;
    pthread_mutex_lock(&packs->lock);
    packs->segment_max += 2;
    pthread_mutex_unlock(&packs->lock);
    return packing;
}

void packing_destroy(struct packing **packing)
{
    struct packing *old = *packing;
    *packing = NULL;
    if (old == NULL)
        return;
    for (int kind = CHUNK_DATA; kind <= CHUNK_INDEX; kind++) {
        if (old->segments[kind] != NULL)
            free_segment(old->packs, old->segments[kind]);
    }
    free(old);
}

static void give_segment(struct packing *packing, enum chunk_kind kind)
{
    struct segment *segment = packing->segments[kind];
    packing->segments[kind] = NULL;
    if (segment != NULL)
        queue_segment(packing->packs, segment, kind, packing->places[kind]);
}

void packing_id(const struct packing *packing, const void *bytes, size_t size, struct chunk_id *id)
{
    chunk_id(id, packing->packs->options.send.vault->keys->chunk_id_key, bytes, size);
}

int packing_add(struct packing *packing, enum chunk_kind kind, const void *bytes, size_t size,
                const struct chunk_id *id, uint32_t *place, struct err *err)
{
    struct packs *packs = packing->packs;
    if (failure_check(packs->options.send.failure, err) != 0)
        return -1;
    bool found;
    if (known_find(&packs->known, kind, id, &found, place, err) != 0)
        return -1;
    if (found)
        return 0;
    if (packing->segments[kind] != NULL && !segment_has_room(packing->segments[kind], size))
        give_segment(packing, kind);
    if (packing->segments[kind] == NULL) {
        packing->segments[kind] = take_segment(packs);
        packing->places[kind] = places_new(packs->options.send.places);
    }
    *place = packing->places[kind];
    if (known_claim(&packs->known, kind, id, size, place))
        segment_add(packing->segments[kind], id, kind, bytes, size);
    return 0;
}

int packing_flush(struct packing *packing, struct err *err)
{
    for (int kind = CHUNK_DATA; kind <= CHUNK_INDEX; kind++)
        give_segment(packing, kind);
    return failure_check(packing->packs->options.send.failure, err);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Queues index chunks of every pack that no record names. */
static int add_index(struct packs *packs, struct id_list *replaced, struct err *err)
{
    struct packing *packing = packing_new(packs);
    struct cache *cache = packs->options.send.cache;
    int result = 0;
    /* Where nothing is new, no index is written. */
    if (packs->kept != NULL || packs->large)
        result = index_merge_choose(cache, packs->options.relied, replaced, err);
    if (result == 0)
        result = index_unpublished(cache, replaced, packing, err);
    if (result == 0)
        result = packing_flush(packing, err);
    packing_destroy(&packing);
    while (packs_work(packs))
        ;
    return result;
}

static int send_all(struct packs *packs, struct id_list *replaced, struct err *err)
{
    while (packs_work(packs))
        ;
    if (packs->large && (fill_end(&packs->data, err) != 0 || fill_end(&packs->tree, err) != 0 ||
                         sender_wait(packs->sender, err) != 0))
        return -1;
    packs->ending = true;
    if (add_index(packs, replaced, err) != 0)
        return -1;
    /* A small store: data, tree and index lie in one pack, which is its own index. */
    struct queued *kept = packs->kept;
    packs->kept = NULL;
    bool only_index = true;
    for (const struct queued *at = kept; at != NULL; at = at->next)
        only_index = only_index && at->kind == CHUNK_INDEX;
    if (place_list(packs, kept, only_index ? NULL : &packs->mixed, err) != 0 ||
        fill_end(&packs->mixed, err) != 0 || fill_end(&packs->data, err) != 0 ||
        fill_end(&packs->tree, err) != 0 || fill_end(&packs->index, err) != 0)
        return -1;
    return sender_wait(packs->sender, err);
}

int packs_finish(struct packs *packs, struct id_list *index_packs, struct id_list *replaced,
                 struct err *err)
{
    if (failure_check(packs->options.send.failure, err) != 0)
        return -1;
    if (!packs->options.dry_run && send_all(packs, replaced, err) != 0)
        return -1;
    assert(packs->queue == NULL && packs->queue_count == 0 && packs->kept == NULL);
    for (size_t i = 0; i < packs->index_ids.count; i++)
        id_list_add(index_packs, &packs->index_ids.ids[i]);
    return 0;
}

uint64_t packs_bytes_new(struct packs *packs)
{
    return known_bytes_new(&packs->known);
}

int packs_new(struct packs **packs, const struct packs_options *options, struct err *err)
{
    struct packs *new = alloc_zero(1, sizeof(*new));
    new->options = *options;
    new->options.send.stored = on_stored;
    new->options.send.ctx = new;
    known_init(&new->known, options->send.cache, options->send.places, options->cache_is_new);
    new->queue_end = &new->queue;
    new->segment_max = PACKS_QUEUE;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->freed, NULL);
    fill_init(&new->data, PACK_DATA, &new->options.send, &new->sender);
    fill_init(&new->tree, PACK_TREE, &new->options.send, &new->sender);
    fill_init(&new->index, PACK_INDEX, &new->options.send, &new->sender);
    fill_init(&new->mixed, PACK_MIXED, &new->options.send, &new->sender);
    if (!options->dry_run && sender_new(&new->sender, &new->options.send, err) != 0) {
        packs_destroy(&new);
        return -1;
    }
    *packs = new;
    return 0;
}

static void drop_list(struct queued *list)
{
    while (list != NULL) {
        struct queued *next = list->next;
        segment_destroy(&list->segment);
        free(list);
        list = next;
    }
}

void packs_destroy(struct packs **packs)
{
    struct packs *old = *packs;
    *packs = NULL;
    if (old == NULL)
        return;
    sender_destroy(&old->sender);
    drop_list(old->queue);
    drop_list(old->kept);
    for (size_t i = 0; i < old->free_count; i++)
        segment_destroy(&old->free[i]);
    free(old->free);
    id_list_release(&old->index_ids);
    known_release(&old->known);
    fill_release(&old->data);
    fill_release(&old->tree);
    fill_release(&old->index);
    fill_release(&old->mixed);
    pthread_cond_destroy(&old->freed);
    pthread_mutex_destroy(&old->lock);
    free(old);
}
