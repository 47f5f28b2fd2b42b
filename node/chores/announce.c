/* Every announcement is a rumour that reaches every member, so small changes are not told. */
#include "node/chores/announce.h"

#include "node/base/log.h"

#define TOLD_BYTES_MIN ((uint64_t)1 << 20)

void announce_offer(struct store *store, uint64_t capacity_bytes, struct membership_offer *offer)
{
    uint64_t fragments, records;
    struct err err = ERR_INIT;
    *offer = (struct membership_offer){.capacity_bytes = capacity_bytes,
                                       .store_epoch = store_epoch(store)};
    store_usage(store, &offer->used_bytes, &fragments, &records);
    uint64_t lost = store_lost(store);
    offer->fragments_lost = lost < UINT32_MAX ? (uint32_t)lost : UINT32_MAX;
    if (store_check(store, &err) != 0) {
        offer->capacity_bytes = 0;
        offer->storage = STORAGE_AWAY;
    }
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
    announce_offer(store, capacity_bytes, &offer);
    bool out_of_service = offer.capacity_bytes == 0 && capacity_bytes > 0;
    if (out_of_service != announced->out_of_service)
        log_warn("storage is %s", out_of_service ? "out of service: its data directory is not ours"
                                                 : "in service again");
    announced->out_of_service = out_of_service;
    if (offer.capacity_bytes == announced->told.capacity_bytes &&
        offer.storage == announced->told.storage &&
        offer.fragments_lost == announced->told.fragments_lost &&
        !worth_telling(offer.used_bytes, announced->told.used_bytes, offer.capacity_bytes))
        return;
    membership_update(membership, &offer);
    announced->told = offer;
}
