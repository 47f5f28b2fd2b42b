/* rival.h - two processes with one key: a machine was copied with all that is on it.
 *
 * To the others one key is one member, so one of the two is it: the one that started first, as long as
 * it answers. The other one stands by: it asks others how it stands, is answered, and says nothing of
 * itself. What it holds of its own id is the first one's claim.
 *
 * A machine that moved, or was restarted, differs in that nobody speaks for its past: its claim is the
 * highest, and nobody overrules it.
 *
 *   Limits   one rival is known at a time; it is forgotten when not heard of for RIVAL_ROUNDS probe
 *            intervals
 *   Memory   a claim, while one is known
 */
#ifndef ECBAK_GOSSIP_CORE_RIVAL_H
#define ECBAK_GOSSIP_CORE_RIVAL_H

#include "gossip/swim.h"

struct claim;
struct accusation;
struct roster_member;

#define RIVAL_ROUNDS 30

struct rival {
    bool known;
    bool first;          /* it started before us */
    bool doubts;         /* whether the session `doubted` is one */
    uint64_t session;    /* when known */
    uint64_t doubted;    /* a session that spoke for us once, perhaps before its end */
    uint64_t heard_ms;   /* last */
    uint64_t ask_ms;     /* when we ask how it stands */
    uint64_t in_vain_ms; /* when we last took its place on others' word alone; 0: never */
    uint8_t *claim;      /* what it says; of one that goes first: what we said last */
    size_t claim_size;
};

/* Whether we stand by. */
bool rival_goes_first(const struct swim *swim);
/* A claim with our id came from elsewhere. */
void rival_heard(struct swim *swim, const struct node_id *from, const struct claim *claim,
                 const uint8_t *bytes, size_t size);
/* The one that goes first is accused; the signature holds. */
void rival_accused(struct swim *swim, const struct accusation *accusation);
/* A member itself says something older than what we hold of it: it is told what that is, and if two
 * speak for it the one we hold is told of the other. */
void rival_met(struct swim *swim, struct roster_member *member, const struct claim *claim,
               const uint8_t *bytes, size_t size);
void rival_tick(struct swim *swim);
/* When rival_tick has something to do. */
uint64_t rival_next_ms(const struct swim *swim);
void rival_release(struct rival *rival);

#endif
