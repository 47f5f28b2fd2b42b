/* Members are found by id in a hash table, and probed in the order of an array.
 *
 * The array is shuffled once a lap. A newcomer takes a random place among those not yet probed in
 * this lap, the one that was there moves to the end: so everybody is probed exactly once a lap, and
 * two probes of one member are at most 2n - 1 probes apart. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/core.h"

/* Ids are public keys, already without pattern; a certificate is needed to choose one. */
static size_t slot_of(const struct table *table, const struct swim_id *id)
{
    uint64_t word;
    memcpy(&word, id->bytes, sizeof(word));
    return (size_t)prng_mix(word) & (table->slot_count - 1);
}

struct member *table_find(const struct table *table, const struct swim_id *id)
{
    if (table->slot_count == 0)
        return NULL;
    size_t mask = table->slot_count - 1;
    for (size_t slot = slot_of(table, id); table->slots[slot] != NULL; slot = (slot + 1) & mask)
        if (swim_id_equal(&table->slots[slot]->id, id))
            return table->slots[slot];
    return NULL;
}

static void slot_put(struct table *table, struct member *member)
{
    size_t slot = slot_of(table, &member->id);
    while (table->slots[slot] != NULL)
        slot = (slot + 1) & (table->slot_count - 1);
    table->slots[slot] = member;
}

/* Close the gap as linear probing wants it: move back whoever would no longer be found. */
static void slot_drop(struct table *table, const struct member *member)
{
    size_t mask = table->slot_count - 1;
    size_t hole = slot_of(table, &member->id);
    while (table->slots[hole] != member)
        hole = (hole + 1) & mask;
    for (size_t slot = (hole + 1) & mask; table->slots[slot] != NULL; slot = (slot + 1) & mask) {
        size_t home = slot_of(table, &table->slots[slot]->id);
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            table->slots[hole] = table->slots[slot];
            hole = slot;
        }
    }
    table->slots[hole] = NULL;
}

static void chain(struct table *table, struct member *member)
{
    struct member **head = &table->named[member->name_hash & (table->slot_count - 1)];
    member->next_named = *head;
    *head = member;
}

static void unchain(struct table *table, struct member *member)
{
    struct member **link = &table->named[member->name_hash & (table->slot_count - 1)];
    while (*link != member)
        link = &(*link)->next_named;
    *link = member->next_named;
}

static uint32_t hash_name(const char *name)
{
    uint64_t hash = 0;
    for (; *name != '\0'; name++)
        hash = prng_mix(hash * 257 + (uint8_t)*name);
    return (uint32_t)hash;
}

void table_name(struct table *table, struct member *member, const char *name)
{
    unchain(table, member);
    member->name_hash = hash_name(name);
    chain(table, member);
}

/* The hash alone decides who is looked at; a member without a statement was never named. */
const struct member *table_named(const struct table *table, const char *name,
                                 const struct member *except)
{
    uint32_t hash = hash_name(name);
    const struct member *member = table->named[hash & (table->slot_count - 1)];
    for (; member != NULL; member = member->next_named) {
        struct statement statement;
        if (member != except && member->name_hash == hash && member->state != SWIM_DEAD &&
            member->state != SWIM_LEFT &&
            statement_parse(&statement, member->statement, member->statement_size) == 0 &&
            strcmp(statement.name, name) == 0)
            return member;
    }
    return NULL;
}

static void grow(struct table *table)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity < 16 ? 16 : table->capacity + table->capacity / 2;
        table->members = alloc_grow(table->members, table->capacity, sizeof(struct member *));
    }
    if ((table->count + 1) * 2 <= table->slot_count)
        return;
    free(table->slots);
    free(table->named);
    table->slot_count = table->slot_count == 0 ? 32 : table->slot_count * 2;
    table->slots = alloc_zero(table->slot_count, sizeof(struct member *));
    table->named = alloc_zero(table->slot_count, sizeof(struct member *));
    for (size_t i = 0; i < table->count; i++) {
        slot_put(table, table->members[i]);
        chain(table, table->members[i]);
    }
}

static void place(struct table *table, struct member *member, size_t position)
{
    table->members[position] = member;
    member->position = (uint32_t)position;
}

struct member *table_add(struct table *table, const struct swim_id *id, size_t where)
{
    assert(where <= table->count);
    grow(table);
    struct member *member = alloc_zero(1, sizeof(*member));
    member->id = *id;
    member->rtt_ms = -1;
    member->state = SWIM_ALIVE;
    if (where < table->count)
        place(table, table->members[where], table->count);
    place(table, member, where);
    table->count++;
    table->by_state[SWIM_ALIVE]++;
    slot_put(table, member);
    chain(table, member);
    return member;
}

void table_remove(struct table *table, struct member *member)
{
    size_t hole = member->position;
    slot_drop(table, member);
    unchain(table, member);
    table->by_state[member->state]--;
    if (hole < table->cursor) {
        table->cursor--;
        place(table, table->members[table->cursor], hole);
        hole = table->cursor;
    }
    table->count--;
    if (hole < table->count)
        place(table, table->members[table->count], hole);
    free(member);
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->members[i]);
    free(table->members);
    free(table->slots);
    free(table->named);
    *table = (struct table){0};
}

void table_state(struct table *table, struct member *member, enum swim_state state)
{
    table->by_state[member->state]--;
    table->by_state[state]++;
    member->state = (uint8_t)state;
}

size_t table_active(const struct table *table)
{
    return table->by_state[SWIM_ALIVE] + table->by_state[SWIM_SUSPECT];
}

void table_shuffle(struct table *table, struct prng *prng)
{
    for (size_t i = table->count; i-- > 2;) {
        size_t other = 1 + prng_below(prng, (uint32_t)i);
        struct member *moved = table->members[i];
        place(table, table->members[other], i);
        place(table, moved, other);
    }
    table->cursor = 1;
}

static bool among(struct member *const *drawn, size_t count, const struct member *member)
{
    for (size_t i = 0; i < count; i++)
        if (drawn[i] == member)
            return true;
    return false;
}

/* Random tries are even and nearly always enough; when few members fit, one walk from a random
 * start finds the rest. */
size_t table_draw(struct swim *swim, struct member **drawn, size_t count,
                  bool (*fits)(const struct swim *swim, const struct member *member,
                               const void *detail),
                  const void *detail)
{
    struct table *table = &swim->table;
    uint32_t others = (uint32_t)table->count - 1;
    size_t found = 0;
    for (size_t tries = 0; found < count && others > 0 && tries < 4 * count; tries++) {
        struct member *member = table->members[1 + prng_below(&swim->prng, others)];
        if (fits(swim, member, detail) && !among(drawn, found, member))
            drawn[found++] = member;
    }
    if (found == count || others == 0)
        return found;
    uint32_t start = prng_below(&swim->prng, others);
    for (uint32_t i = 0; i < others && found < count; i++) {
        struct member *member = table->members[1 + (start + i) % others];
        if (fits(swim, member, detail) && !among(drawn, found, member))
            drawn[found++] = member;
    }
    return found;
}
