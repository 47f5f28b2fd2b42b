/* lateness.h - tells a message that is late from one that is fresh, without a common clock.
 *
 * A connection that was cut for some seconds delivers what was queued all at once when it heals,
 * and a ping of ten seconds ago must not count as a sign of life. Each message carries the sender's
 * own clock; the smallest difference (our clock - the sender's) so far stands for an undelayed message,
 * and what is above it is delay.
 *
 *   Limits   clocks may drift apart by LATENESS_DRIFT_PPM; a clock that jumped for good (a machine
 *            that was stopped and resumed) is believed after LATENESS_JUMP_MS of nothing but late
 *            messages
 *   Memory   a plain value; all zero is a fresh one
 *   Threads  one at a time for one struct lateness
 */
#ifndef ECBAK_NODE_NET_LATENESS_H
#define ECBAK_NODE_NET_LATENESS_H

#include <stdbool.h>
#include <stdint.h>

#define LATENESS_DRIFT_PPM 1000
#define LATENESS_JUMP_MS   2000

struct lateness {
    bool known;
    int64_t base_ms;      /* difference of an undelayed message */
    int64_t base_at_ms;   /* when it was last adjusted for drift */
    int64_t late_from_ms; /* since when all have been late; 0: the last one was not */
    int64_t late_base_ms; /* the smallest difference among those */
};

/* Whether a message stamped sent_ms that may be under way for ttl_ms (0: for ever) came too late.
 */
bool lateness_check(struct lateness *lateness, int64_t now_ms, int64_t sent_ms, uint32_t ttl_ms);

#endif
