/* Every announcement is a rumour that reaches every member, so small changes are not told. */
#include "node/chores/announce.h"

#include "node/base/log.h"

#define TOLD_BYTES_MIN ((uint64_t)1 << 20)

void announce_offer(struct store *store, uint64_t capacity_bytes, int64_t waited_ms,
                    struct membership_offer *offer)
{
    uint64_t fragments, records;
    struct err err = ERR_INIT;
    *offer = (struct membership_offer){.capacity_bytes = capacity_bytes,
                                       .store_epoch = store_epoch(store)};
    store_usage(store, &offer->used_bytes, &fragments, &records);
    uint64_t lost = store_lost(store);
    offer->fragments_lost = lost < UINT32_MAX ? (uint32_t)lost : UINT32_MAX;
    if (waited_ms >= DISK_HANGS_MS)
        offer->storage = STORAGE_HANGS;
    else if (store_state(store, &err) != 0)
        offer->storage = STORAGE_AWAY;
    if (offer->storage != STORAGE_SERVES)
        offer->capacity_bytes = 0;
}

/* What is used changes with each fragment; the others hear of it when it is worth a message: a two
 * hundredth of the capacity for placement, and on a node that is nearly empty also a quarter more, so
 * that people see their first backups arrive. */
static bool worth_telling(uint64_t used, uint64_t told, uint64_t capacity)
{
    uint64_t change = used > told ? used - told : told - used;
    uint64_t quarter = told / 4 > TOLD_BYTES_MIN ? told / 4 : TOLD_BYTES_MIN;
    return change > capacity / 200 || change > quarter;
}

void announce(struct announced *announced, struct store *store, uint64_t capacity_bytes,
              struct membership *membership)
{
    struct membership_offer offer;
    int64_t store_ms = store_waits_ms(store), notes_ms = membership_disk_waits_ms(membership);
    announce_offer(store, capacity_bytes, store_ms > notes_ms ? store_ms : notes_ms, &offer);
    if (offer.storage != announced->storage)
        log_warn("storage is %s",
                 offer.storage == STORAGE_HANGS
                     ? "out of service: the disk hangs, something has waited for it for 10 s"
                 : offer.storage == STORAGE_AWAY ? "out of service: its data directory is not ours"
                                                 : "in service again");
    announced->storage = offer.storage;
    const struct membership_offer *told = &announced->told;
    bool changed = offer.capacity_bytes != told->capacity_bytes || offer.storage != told->storage ||
                   offer.fragments_lost != told->fragments_lost;
    /* While more comes, only what is worth it is told; at rest, whatever is not as it was told. */
    bool rests = offer.used_bytes == announced->used_bytes;
    announced->used_bytes = offer.used_bytes;
    if (!changed &&
        (rests ? offer.used_bytes == told->used_bytes
               : !worth_telling(offer.used_bytes, told->used_bytes, offer.capacity_bytes)))
        return;
    membership_update(membership, &offer);
    announced->told = offer;
}
