/* Members are found by id in a hash table, and probed in the order of an array.
 *
 * The first of it are the neighbours, who are probed once a lap, in an order that is shuffled each
 * lap. In a cluster of up to config.neighbours others that is everybody, as in SWIM: two probes of
 * one member are at most 2n - 1 probes apart. Beyond that only so many connections are kept open, and a
 * probe of anybody else would cost a handshake some seven times as large as the probe and its answer.
 * So each lap an eighth of the neighbours changes places with members who have waited longest: everybody is the
 * neighbour of some `neighbours` others, who are different ones all the time, and is probed as
 * often as before; and everybody probes everybody, only not within n probes.
 *
 * A newcomer takes a random place among those not yet probed in this lap, or among the rest; who was
 * there moves to the end. */
#include "gossip/core/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/claim.h"

static const uint8_t rate_limits[RATE_COUNT] = {
    [RATE_SYNC] = SYNCS_PER_SECOND,
    [RATE_TALK] = TALKS_PER_SECOND,
    [RATE_NEWS] = NEWS_PER_SECOND,
};

/* Ids are public keys, already without pattern; a certificate is needed to choose one. */
static size_t slot_of(const struct roster *roster, const struct node_id *id)
{
    uint64_t word;
    memcpy(&word, id->bytes, sizeof(word));
    return (size_t)prng_mix(word) & (roster->slot_count - 1);
}

struct roster_member *roster_find(const struct roster *roster, const struct node_id *id)
{
    if (roster->slot_count == 0)
        return NULL;
    size_t mask = roster->slot_count - 1;
    for (size_t slot = slot_of(roster, id); roster->slots[slot] != NULL; slot = (slot + 1) & mask)
        if (id_equal(&roster->slots[slot]->id, id))
            return roster->slots[slot];
    return NULL;
}

static void slot_put(struct roster *roster, struct roster_member *member)
{
    size_t slot = slot_of(roster, &member->id);
    while (roster->slots[slot] != NULL)
        slot = (slot + 1) & (roster->slot_count - 1);
    roster->slots[slot] = member;
}

/* Close the gap as linear probing wants it: move back whoever would no longer be found. */
static void slot_drop(struct roster *roster, const struct roster_member *member)
{
    size_t mask = roster->slot_count - 1;
    size_t hole = slot_of(roster, &member->id);
    while (roster->slots[hole] != member) {
        assert(roster->slots[hole] != NULL);
        hole = (hole + 1) & mask;
    }
    for (size_t slot = (hole + 1) & mask; roster->slots[slot] != NULL; slot = (slot + 1) & mask) {
        size_t home = slot_of(roster, &roster->slots[slot]->id);
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            roster->slots[hole] = roster->slots[slot];
            hole = slot;
        }
    }
    roster->slots[hole] = NULL;
}

static void chain(struct roster *roster, struct roster_member *member)
{
    struct roster_member **head = &roster->named[member->name_hash & (roster->slot_count - 1)];
    member->next_named = *head;
    *head = member;
}

static void unchain(struct roster *roster, struct roster_member *member)
{
    struct roster_member **link = &roster->named[member->name_hash & (roster->slot_count - 1)];
    while (*link != member) {
        assert(*link != NULL);
        link = &(*link)->next_named;
    }
    *link = member->next_named;
}

static uint32_t hash_name(const char *name)
{
    uint64_t hash = 0;
    for (; *name != '\0'; name++)
        hash = prng_mix(hash * 257 + (uint8_t)*name);
    return (uint32_t)hash;
}

void roster_name(struct roster *roster, struct roster_member *member, const char *name)
{
    unchain(roster, member);
    member->name_hash = hash_name(name);
    chain(roster, member);
}

/* Only those whose name has the same hash are looked at; who was never named has no claim yet. */
const struct roster_member *roster_named(const struct roster *roster, const char *name,
                                         const struct roster_member *except)
{
    uint32_t hash = hash_name(name);
    const struct roster_member *member = roster->named[hash & (roster->slot_count - 1)];
    for (; member != NULL; member = member->next_named) {
        if (member != except && member->name_hash == hash && member->state != SWIM_DEAD &&
            member->state != SWIM_LEFT && strcmp(roster_claim(member).name, name) == 0)
            return member;
    }
    return NULL;
}

static void grow(struct roster *roster)
{
    if (roster->count == roster->capacity) {
        roster->capacity = roster->capacity < 16 ? 16 : roster->capacity + roster->capacity / 2;
        roster->members =
            alloc_grow(roster->members, roster->capacity, sizeof(struct roster_member *));
    }
    if ((roster->count + 1) * 2 <= roster->slot_count)
        return;
    free(roster->slots);
    free(roster->named);
    roster->slot_count = roster->slot_count == 0 ? 32 : roster->slot_count * 2;
    roster->slots = alloc_zero(roster->slot_count, sizeof(struct roster_member *));
    roster->named = alloc_zero(roster->slot_count, sizeof(struct roster_member *));
    for (size_t i = 0; i < roster->count; i++) {
        slot_put(roster, roster->members[i]);
        chain(roster, roster->members[i]);
    }
}

static void place(struct roster *roster, struct roster_member *member, size_t position)
{
    assert(position < roster->capacity);
    roster->members[position] = member;
    member->position = (uint32_t)position;
}

/* Where the neighbours end. */
static size_t neighbours_end(const struct roster *roster)
{
    return roster->count - 1 < roster->neighbours ? roster->count : 1 + roster->neighbours;
}

struct roster_member *roster_add(struct roster *roster, const struct node_id *id, size_t where)
{
    assert(where <= roster->count && (where > 0 || roster->count == 0));
    grow(roster);
    struct roster_member *member = alloc_zero(1, sizeof(*member));
    member->id = *id;
    member->rtt_ms = -1;
    member->state = SWIM_ALIVE;
    if (where < roster->count)
        place(roster, roster->members[where], roster->count);
    place(roster, member, where);
    roster->count++;
    if (roster->waiting < neighbours_end(roster))
        roster->waiting = neighbours_end(roster);
    roster->by_state[SWIM_ALIVE]++;
    slot_put(roster, member);
    chain(roster, member);
    return member;
}

struct roster_member *roster_init(struct roster *roster, const struct node_id *self,
                                  size_t neighbours)
{
    *roster = (struct roster){.neighbours = neighbours};
    struct roster_member *member = roster_add(roster, self, 0);
    roster->cursor = roster->waiting = 1;
    return member;
}

/* The last of those before *end moves into the hole, if that is before *end too. Its own place is the
 * hole then, behind those that are left. */
static size_t close_up(struct roster *roster, size_t hole, size_t *end)
{
    if (hole >= *end)
        return hole;
    --*end;
    if (hole < *end)
        place(roster, roster->members[*end], hole);
    return *end;
}

void roster_remove(struct roster *roster, struct roster_member *member)
{
    size_t hole = member->position;
    assert(hole > 0 && hole < roster->count && roster->members[hole] == member);
    assert(member->suspicion == NULL && member->rumours == NULL);
    slot_drop(roster, member);
    unchain(roster, member);
    roster->by_state[member->state]--;
    hole = close_up(roster, hole, &roster->cursor);
    hole = close_up(roster, hole, &roster->waiting);
    close_up(roster, hole, &roster->count);
    if (roster->waiting < neighbours_end(roster))
        roster->waiting = neighbours_end(roster);
    free(member);
}

void roster_release(struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++)
        free(roster->members[i]);
    free(roster->members);
    free(roster->slots);
    free(roster->named);
    *roster = (struct roster){0};
}

void roster_state(struct roster *roster, struct roster_member *member, enum swim_state state)
{
    assert(roster->by_state[member->state] > 0);
    roster->by_state[member->state]--;
    roster->by_state[state]++;
    member->state = (uint8_t)state;
}

struct claim roster_claim(const struct roster_member *member)
{
    struct claim claim;
    int parsed = claim_parse(&claim, member->claim, member->claim_size);
    assert(parsed == 0);
    return claim;
}

size_t roster_active(const struct roster *roster)
{
    return roster->by_state[SWIM_ALIVE] + roster->by_state[SWIM_SUSPECT];
}

static void swap(struct roster *roster, size_t a, size_t b)
{
    struct roster_member *moved = roster->members[a];
    place(roster, roster->members[b], a);
    place(roster, moved, b);
}

static void shuffle(struct roster *roster, struct prng *prng, size_t from, size_t to)
{
    for (size_t i = to; i-- > from + 1;)
        swap(roster, i, from + prng_below(prng, (uint32_t)(i - from + 1)));
}

/* The neighbour at this place changes places with the one that has waited longest. The rest is a queue
 * that goes round: its head is at `waiting`, its end just before. */
static void change(struct roster *roster, size_t position)
{
    size_t end = neighbours_end(roster);
    if (end == roster->count)
        return;
    if (roster->waiting >= roster->count)
        roster->waiting = end;
    swap(roster, position, roster->waiting++);
}

struct roster_member *roster_next(struct roster *roster, struct prng *prng)
{
    assert(roster->count > 1);
    if (roster->cursor >= neighbours_end(roster)) {
        /* The first ones are as good as any: the last lap was shuffled. */
        for (size_t i = 0; i < roster->neighbours / 8 + 1; i++)
            change(roster, 1 + i);
        shuffle(roster, prng, 1, neighbours_end(roster));
        roster->cursor = 1;
        roster->passed = 0;
        roster->lap++;
    }
    return roster->members[roster->cursor++];
}

/* In one lap nobody of the rest is tried twice: when none of them can be probed either, the lap goes on
 * to the neighbours that can. */
void roster_pass_over(struct roster *roster)
{
    assert(roster->cursor > 1);
    if (roster->passed >= roster->count - neighbours_end(roster))
        return;
    roster->passed++;
    change(roster, --roster->cursor);
}

bool roster_within(struct roster_member *member, uint64_t now_ms, enum rate rate)
{
    uint32_t second = (uint32_t)(now_ms / 1000);
    if (member->rate_second != second) {
        member->rate_second = second;
        memset(member->rates, 0, sizeof(member->rates));
    }
    if (member->rates[rate] >= rate_limits[rate])
        return false;
    member->rates[rate]++;
    return true;
}

static bool among(struct roster_member *const *drawn, size_t count,
                  const struct roster_member *member)
{
    for (size_t i = 0; i < count; i++)
        if (drawn[i] == member)
            return true;
    return false;
}

/* Random tries are even and nearly always enough; when few members fit, one walk from a random
 * start finds the rest. */
size_t roster_draw(const struct roster *roster, struct prng *prng, struct roster_member **drawn,
                   size_t count,
                   bool (*fits)(const struct roster_member *member, const void *detail),
                   const void *detail)
{
    assert(roster->count > 0);
    uint32_t others = (uint32_t)roster->count - 1;
    size_t found = 0;
    for (size_t tries = 0; found < count && others > 0 && tries < 4 * count; tries++) {
        struct roster_member *member = roster->members[1 + prng_below(prng, others)];
        if (fits(member, detail) && !among(drawn, found, member))
            drawn[found++] = member;
    }
    if (found == count || others == 0)
        return found;
    uint32_t start = prng_below(prng, others);
    for (uint32_t i = 0; i < others && found < count; i++) {
        struct roster_member *member = roster->members[1 + (start + i) % others];
        if (fits(member, detail) && !among(drawn, found, member))
            drawn[found++] = member;
    }
    return found;
}
