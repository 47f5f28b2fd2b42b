#include "node/net/lateness.h"

/* A stamp is hostile: keep the arithmetic far from overflow. */
#define STAMP_MAX ((int64_t)1 << 50)

bool lateness_check(struct lateness *l, int64_t now_ms, int64_t sent_ms, uint32_t ttl_ms)
{
    if (ttl_ms == 0)
        return false;
    if (sent_ms < 0 || sent_ms > STAMP_MAX)
        return true;
    int64_t difference = now_ms - sent_ms;
    if (!l->known) {
        *l = (struct lateness){.known = true, .base_ms = difference, .base_at_ms = now_ms};
        return false;
    }
    int64_t drift = (now_ms - l->base_at_ms) * LATENESS_DRIFT_PPM / 1000000;
    if (drift > 0) {
        l->base_ms += drift;
        l->base_at_ms = now_ms;
    }
    if (difference < l->base_ms) {
        l->base_ms = difference;
        l->base_at_ms = now_ms;
    }
    if (difference - l->base_ms <= (int64_t)ttl_ms) {
        l->late_from_ms = 0;
        return false;
    }
    if (l->late_from_ms == 0) {
        l->late_from_ms = now_ms;
        l->late_base_ms = difference;
    }
    if (difference < l->late_base_ms)
        l->late_base_ms = difference;
    if (now_ms - l->late_from_ms < LATENESS_JUMP_MS)
        return true;
    l->base_ms = l->late_base_ms;
    l->base_at_ms = now_ms;
    l->late_from_ms = 0;
    return difference - l->base_ms > (int64_t)ttl_ms;
}
