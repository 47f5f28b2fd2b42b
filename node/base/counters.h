/* counters.h - what a node counts about its own work, shown by `ecbak status`.
 *
 *   Threads  any
 */
#ifndef ECBAK_NODE_BASE_COUNTERS_H
#define ECBAK_NODE_BASE_COUNTERS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

enum counted {
    COUNTED_CORRUPT,         /* damaged fragments met: ours on disk, or as another sent them */
    COUNTED_REPLACED,        /* holders that failed and were replaced while storing */
    COUNTED_REPAIRED,        /* fragments made again */
    COUNTED_BAD_RECEIPTS,    /* receipts that did not prove what they should */
    COUNTED_GRANTS_REFUSED,  /* fragments without a grant that allows them */
    COUNTED_UNGRANTED,       /* objects that others claim to hold and nobody has a grant for */
    COUNTED_RECORDS_REFUSED, /* records that do not prove themselves, or are too much */
    COUNTED_PINS_REFUSED,    /* the same of pins */
    COUNTED_MALFORMED,       /* requests that are none */
    COUNTED_BUSY,            /* requests that found a queue full */
    COUNTED_UNPROVEN,        /* members that could not prove what they said they hold */
    COUNTED_COUNT,
};

struct counters {
    _Atomic uint64_t value[COUNTED_COUNT];
};

static inline void count_one(struct counters *counters, enum counted which)
{
    assert(which < COUNTED_COUNT);
    atomic_fetch_add_explicit(&counters->value[which], 1, memory_order_relaxed);
}

#endif
