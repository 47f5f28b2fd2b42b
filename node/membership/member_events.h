/* member_events.h - what happened to the members lately: a bounded ring, newest kept, for people and
 * scripts that watch the cluster.
 *
 * Each event has a number; whoever has seen number N asks for those after N. The numbers of a run
 * begin at the time of its start, so they are higher than those of the run before, and a watcher
 * needs not know that the node was restarted.
 *
 *   Limits   MEMBER_EVENTS_MAX are kept, the oldest is forgotten first
 *   Memory   plain values
 *   Threads  one at a time for one ring
 */
#ifndef ECBAK_NODE_MEMBERSHIP_MEMBER_EVENTS_H
#define ECBAK_NODE_MEMBERSHIP_MEMBER_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "node/trust/cert.h"

#define MEMBER_EVENTS_MAX 256

struct member_event {
    uint64_t number;
    int64_t time_ms;  /* since 1970 */
    const char *kind; /* "joined", "dead", ...: constant text */
    struct node_id id;
    char name[32];    /* "" when it is not known; the same for the address */
    char address[64]; /* host:port */
    char detail
        [80]; /* suspect: who accuses; conflict, copied: the other's address; updated: what is new */
};

struct member_events {
    struct member_event ring[MEMBER_EVENTS_MAX]; /* number n at n % MEMBER_EVENTS_MAX */
    uint64_t first, newest;                      /* numbers; newest < first: none yet */
};

void member_events_init(struct member_events *events, int64_t wall_ms);
/* Copies the event in and gives it its number. */
void member_events_add(struct member_events *events, const struct member_event *event);
/* The newest events after number `after`, at most max, the oldest of them first; a number that was
 * not reached yet is another run's: then all are new. Returns how many. */
size_t member_events_after(const struct member_events *events, uint64_t after, size_t max,
                           struct member_event *to);

#endif
