/* roster.h - the members that we know, ourselves first, and whose turn it is to be probed.
 *
 *   Limits   as many members as are added: news.c keeps to swim_config.members_max
 *   Order    positions change with each call that takes a roster that is not const, but for ourselves
 *   Memory   owns the members; claim, suspicion and rumours of one are put away before it is removed
 */
#ifndef ECBAK_GOSSIP_CORE_ROSTER_H
#define ECBAK_GOSSIP_CORE_ROSTER_H

#include "gossip/prng.h"
#include "gossip/swim.h"

struct rumour;
struct claim;
struct suspicion;

#define SYNCS_PER_SECOND 16 /* anti-entropy messages of one member that are answered */
#define TALKS_PER_SECOND 16 /* its pings that are answered with rumours, and its wants */
#define NEWS_PER_SECOND  16 /* claims of it that are taken */

/* What one member may ask of us in a second. */
enum rate {
    RATE_SYNC,
    RATE_TALK,
    RATE_NEWS,
    RATE_COUNT,
};

struct roster_member {
    struct node_id id;
    const uint8_t *claim;             /* ops.keep's; well-formed and verified */
    struct roster_member *next_named; /* with a name of the same hash */
    struct suspicion *suspicion;
    struct rumour *rumours;
    uint64_t incarnation; /* the claim's */
    uint64_t since_ms;    /* in this state */
    uint64_t heard_ms;    /* its last direct answer to a ping of ours */
    uint64_t mute_until_ms;
    uint32_t position; /* in roster.members */
    uint32_t name_hash;
    uint32_t rate_second;
    float rtt_ms;
    uint16_t claim_size;
    uint8_t state;             /* enum swim_state */
    struct protocol protocol;  /* the claim's */
    uint8_t rates[RATE_COUNT]; /* how often in rate_second */
};

_Static_assert(SWIM_CLAIM_MAX <= UINT16_MAX, "claim_size holds the size of any claim");

/* All members: ourselves, the neighbours, the rest. Neighbours before `cursor` have been probed in this
 * lap; of the rest, those before `waiting` have been neighbours lately. */
struct roster {
    struct roster_member **members;
    struct roster_member **slots; /* open addressing by id */
    struct roster_member **named; /* chains by hash of the name, slot_count of them */
    size_t count, capacity, slot_count;
    size_t neighbours; /* how many there are at most */
    size_t cursor, waiting;
    size_t passed; /* how many of the rest were tried in place of neighbours in this lap */
    uint32_t lap;  /* counts them; the simulator holds each member to one probe a lap */
    size_t by_state[SWIM_AWAY + 1];
};

/* Begin with ourselves. */
struct roster_member *roster_init(struct roster *roster, const struct node_id *self,
                                  size_t neighbours);
void roster_release(struct roster *roster);

struct roster_member *roster_find(const struct roster *roster, const struct node_id *id);
/* Add a member that is not there yet; `where` is its position, at most roster->count. */
struct roster_member *roster_add(struct roster *roster, const struct node_id *id, size_t where);
void roster_remove(struct roster *roster, struct roster_member *member);
void roster_state(struct roster *roster, struct roster_member *member, enum swim_state state);
/* Members that take part: alive or suspect, ourselves counted. */
size_t roster_active(const struct roster *roster);
/* What the member says of itself, as views into the claim that is kept. */
struct claim roster_claim(const struct roster_member *member);

/* Whose turn it is to be probed; there must be one beside ourselves. */
struct roster_member *roster_next(struct roster *roster, struct prng *prng);
/* The one that roster_next gave cannot be probed: one of the rest takes its place and its turn, if
 * there is one that was not tried in this lap. */
void roster_pass_over(struct roster *roster);

/* Names are found too, so that two members with one name are noticed; roster_named finds one that is
 * neither dead nor left, nor `except`. */
void roster_name(struct roster *roster, struct roster_member *member, const char *name);
const struct roster_member *roster_named(const struct roster *roster, const char *name,
                                         const struct roster_member *except);

/* Whether the member may have this once more in this second; counts it. */
bool roster_within(struct roster_member *member, uint64_t now_ms, enum rate rate);

/* Up to count different members, drawn evenly from those for which fits() holds; never ourselves.
 */
size_t roster_draw(const struct roster *roster, struct prng *prng, struct roster_member **drawn,
                   size_t count,
                   bool (*fits)(const struct roster_member *member, const void *detail),
                   const void *detail);

#endif
