/* heartbeat.h - whether the threads that must always turn still do, for systemd's watchdog.
 *
 * Each thread counts its own turns. The watcher asks whether ALL of them have turned since the last
 * time that they had: one that hangs is not covered up by the others.
 *
 *   Threads  heartbeat_beat: the one that turns; heartbeats_all_moved: one watcher
 */
#ifndef ECBAK_NODE_BASE_HEARTBEAT_H
#define ECBAK_NODE_BASE_HEARTBEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heartbeat {
    _Atomic uint64_t turns;
    uint64_t seen; /* the watcher's */
};

static inline void heartbeat_beat(struct heartbeat *heart)
{
    atomic_fetch_add_explicit(&heart->turns, 1, memory_order_relaxed);
}

static inline bool heartbeats_all_moved(struct heartbeat *const *hearts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (atomic_load_explicit(&hearts[i]->turns, memory_order_relaxed) == hearts[i]->seen)
            return false;
    for (size_t i = 0; i < count; i++)
        hearts[i]->seen = atomic_load_explicit(&hearts[i]->turns, memory_order_relaxed);
    return true;
}

#endif
