/* Files are planned first and written in the order of packs, not of the tree: chunks that were stored
 * together come back together, wherever they go, and no pack has to be fetched again for a file
 * that is met later. For this the whole tree is read before the first file is written, as
 * far as the plan has room: a tree whose plan is larger, or has more folders at work than may be open, is recovered in
 * several rounds, and a pack that two rounds need is fetched for each.
 *
 * In a round, packs that are in memory already (those of folders, often) come first, then the others
 * in the order in which the tree met them. The places of a pack are sorted by segment and given
 * out in batches, so that a segment is opened once.
 */
#include <assert.h>
#include <malloc.h>
#include <stdlib.h>

#include "cli/recover/recover_internal.h"
#include "coding/base/alloc.h"
#include "node/common/open_files.h"

#define PLAN_BYTES_MAX   (48u * 1024 * 1024) /* about 100,000 small files, or 500 GB of large ones */
#define FOLDER_BYTES     1024                /* an open folder with its names, roughly */
#define BATCHES_WAITING  24
#define BATCH_PLACES     1024
#define BATCH_BYTES      (1024u * 1024)
#define PACKS_AHEAD      32 /* planned at the fetcher before they are given out */
#define OPEN_FILES_OTHER 64 /* sockets, the cache, what libraries open */
#define FILES_OPEN_MAX   256

struct batch {
    struct order_pack *pack;
    const struct place *places;
    size_t count;
};

/* ---- planning -------------------------------------------------------------------------------- */

static struct order_pack *pack_of(struct order *order, const struct pack_id *id)
{
    uint32_t number;
    if (id_map_find(&order->numbers, id->bytes, &number))
        return &order->packs[number];
    if (order->pack_count == order->pack_room) {
        order->pack_room = 2 * order->pack_room + 16;
        order->packs = alloc_grow(order->packs, order->pack_room, sizeof(order->packs[0]));
    }
    struct order_pack *pack = &order->packs[order->pack_count];
    *pack = (struct order_pack){.id = *id};
    id_map_put(&order->numbers, id->bytes, (uint32_t)order->pack_count++);
    order->bytes += sizeof(*pack) + 2 * sizeof(*id);
    return pack;
}

static void add_place(struct order *order, struct order_pack *pack, const struct place *place)
{
    if (pack->count == pack->room) {
        size_t more = pack->room / 2 + 4;
        pack->room += more;
        pack->places = alloc_grow(pack->places, pack->room, sizeof(pack->places[0]));
        order->bytes += more * sizeof(pack->places[0]);
    }
    pack->places[pack->count++] = *place;
    order->places++;
    atomic_fetch_add(&place->output->places, 1);
}

static int plan_chunks(struct recover *recover, struct output_file *output, struct err *err)
{
    const struct tree_entry *entry = output->entry;
    struct order *order = &recover->order;
    uint64_t to = 0;
    for (size_t i = 0; i < entry->chunk_count; i++) {
        struct chunk_location at;
        if (chunk_locate(&at, recover->cache, &entry->chunks[i], err) != 0)
            return -1;
        add_place(order, pack_of(order, &at.pack),
                  &(struct place){output, to, (uint32_t)i, at.segment, at.offset, at.size});
        to += at.size;
        if (order_is_full(recover)) /* a file may be larger than a round */
            order_run(recover);
    }
    if (entry->chunk_count == 0)
        add_place(order, &order->none, &(struct place){.output = output});
    return 0;
}

void order_add(struct recover_worker *worker, struct dest *dest, const struct tree_entry *entry,
               struct hard_link *link, bool there)
{
    struct recover *recover = worker->recover;
    struct output_file *output = output_new(dest, entry, link, there);
    struct err err = ERR_INIT;
    recover->order.bytes += sizeof(*output) + malloc_usable_size(output->entry);
    if (plan_chunks(recover, output, &err) != 0)
        output_fail(recover, output, &err);
    output_done(worker, output, 1);
}

bool order_is_full(const struct recover *recover)
{
    const struct order *order = &recover->order;
    return order->places > 0 &&
           (order->bytes + recover->folders_open * FOLDER_BYTES >= PLAN_BYTES_MAX ||
            recover->folders_open >= recover->folders_open_max);
}

/* ---- giving out ------------------------------------------------------------------------------ */

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* What is stored in the order of the tree, once, is met in its own order. */
static void sort_places(struct order_pack *pack)
{
    for (size_t i = 1; i < pack->count; i++) {
        if (compare_places(&pack->places[i - 1], &pack->places[i]) > 0) {
            qsort(pack->places, pack->count, sizeof(pack->places[0]), compare_places);
            return;
        }
    }
}

static void done_with(struct recover *recover, struct order_pack *pack)
{
    if (atomic_fetch_sub(&pack->batches, 1) == 1 && pack->fetched != NULL) {
        fetcher_unplan(recover->fetcher, pack->fetched);
        pack->fetched = NULL;
    }
}

/* How many of these places one thread takes: whole segments, unless one is wanted very often. */
static size_t batch_size(const struct place *places, size_t left)
{
    uint64_t bytes = 0;
    size_t count = 0;
    while (count < left) {
        bool enough = bytes >= BATCH_BYTES || count >= BATCH_PLACES / 8;
        bool next = count > 0 && places[count].segment != places[count - 1].segment;
        if ((enough && next) || bytes >= 4 * BATCH_BYTES || count == BATCH_PLACES)
            break;
        bytes += places[count++].size;
    }
    return count;
}

static void give_pack(struct recover *recover, struct order_pack *pack)
{
    sort_places(pack);
    pack->batches = 1;
    for (size_t at = 0, count; at < pack->count; at += count) {
        count = batch_size(&pack->places[at], pack->count - at);
        struct batch *batch = alloc_zero(1, sizeof(*batch));
        *batch = (struct batch){pack, &pack->places[at], count};
        atomic_fetch_add(&pack->batches, 1);
        work_queue_give(&recover->queue, batch);
    }
    done_with(recover, pack);
}

/* Packs in memory are planned at once, so that they stay there. */
static void give_packs(struct recover *recover)
{
    struct order *order = &recover->order;
    struct order_pack **packs = alloc_zero(order->pack_count, sizeof(*packs));
    size_t planned = 0, at = 0;
    for (size_t i = 0; i < order->pack_count; i++) {
        struct order_pack *pack = &order->packs[i];
        if (!fetcher_has(recover->fetcher, &pack->id))
            continue;
        pack->fetched = fetcher_plan(recover->fetcher, &pack->id);
        packs[planned++] = pack;
    }
    at = planned;
    for (size_t i = 0; i < order->pack_count; i++) {
        if (order->packs[i].fetched == NULL)
            packs[at++] = &order->packs[i];
    }
    for (size_t i = 0; i < order->pack_count; i++) {
        for (; planned < order->pack_count && planned < i + PACKS_AHEAD; planned++)
            packs[planned]->fetched = fetcher_plan(recover->fetcher, &packs[planned]->id);
        give_pack(recover, packs[i]);
    }
    free(packs);
}

static void forget_plan(struct order *order)
{
    for (size_t i = 0; i < order->pack_count; i++)
        free(order->packs[i].places);
    free(order->packs);
    free(order->none.places);
    id_map_release(&order->numbers);
    *order = (struct order){0};
}

void order_run(struct recover *recover)
{
    if (recover->order.places == 0)
        return;
    give_pack(recover, &recover->order.none);
    give_packs(recover);
    work_queue_drain(&recover->queue);
    forget_plan(&recover->order);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void do_batch(struct recover_worker *worker, const struct batch *batch)
{
    for (size_t at = 0, count; at < batch->count; at += count) {
        const struct place *places = &batch->places[at];
        for (count = 1; at + count < batch->count; count++) {
            if (places[count].output != places[0].output)
                break;
        }
        output_write(worker, batch->pack->fetched, places, count);
    }
    done_with(worker->recover, batch->pack);
}

static void *run_writer(void *ctx)
{
    struct recover *recover = ctx;
    struct recover_worker worker;
    void *item;
    recover_worker_init(&worker, recover);
    while (work_queue_take(&recover->queue, &item) != WORK_ENDED) {
        do_batch(&worker, item);
        free(item);
    }
    recover_worker_release(&worker);
    return NULL;
}

void order_init(struct recover *recover, unsigned threads)
{
    size_t limit = open_files_limit();
    size_t spare = limit > OPEN_FILES_OTHER ? (limit - OPEN_FILES_OTHER) / 2 : 0;
    recover->folders_open_max = spare;
    recover->files_open_max = spare < FILES_OPEN_MAX ? spare : FILES_OPEN_MAX;
    work_queue_init(&recover->queue, &(struct work_queue_options){.waiting_max = BATCHES_WAITING,
                                                                  .threads = threads,
                                                                  .run = run_writer,
                                                                  .ctx = recover});
}

void order_release(struct recover *recover)
{
    assert(recover->order.places == 0);
    forget_plan(&recover->order);
    work_queue_release(&recover->queue);
}
