/* ZeroMQ releases what it has sent on a thread of its own, so the count is atomic. */
#include "node/transfer/parcel.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "coding/base/alloc.h"

struct parcel {
    atomic_uint references;
    struct payload payload;
};

struct parcel *parcel_new(struct payload *payload)
{
    struct parcel *parcel = alloc_zero(1, sizeof(*parcel));
    atomic_init(&parcel->references, 1);
    parcel->payload = *payload;
    *payload = (struct payload){.size = 0};
    return parcel;
}

static void free_bytes(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

struct parcel *parcel_of(uint8_t *bytes, size_t size)
{
    return parcel_new(&(struct payload){bytes, size, free_bytes, NULL});
}

struct parcel *parcel_share(struct parcel *parcel)
{
    atomic_fetch_add(&parcel->references, 1);
    return parcel;
}

void parcel_release(struct parcel **parcel)
{
    struct parcel *old = *parcel;
    *parcel = NULL;
    if (old == NULL || atomic_fetch_sub(&old->references, 1) > 1)
        return;
    if (old->payload.release != NULL)
        old->payload.release(old->payload.bytes, old->payload.hint);
    free(old);
}

static void release_part(void *bytes, void *hint)
{
    (void)bytes;
    struct parcel *parcel = hint;
    parcel_release(&parcel);
}

struct payload parcel_part(struct parcel *parcel, uint8_t *bytes, size_t size)
{
    return (struct payload){bytes, size, release_part, parcel_share(parcel)};
}
