/* Entries lie in one array that grows to the bound; chains by a hash of the key find them. Nobody
 * makes a chain long: each entry needs a certificate of this cluster. */
#include "node/net/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"

#define BUCKETS 1024
#define NOBODY  UINT32_MAX

struct session_table {
    size_t max, count, room;
    struct session *sessions;
    uint32_t buckets[BUCKETS];
};

static uint32_t *bucket_of(struct session_table *table, const uint8_t curve[32])
{
    uint32_t hash;
    memcpy(&hash, curve, sizeof(hash)); /* a key's bytes are as good as random */
    return &table->buckets[hash % BUCKETS];
}

struct session_table *session_table_new(size_t max)
{
    struct session_table *table = alloc_zero(1, sizeof(*table));
    assert(max > 0 && max < NOBODY);
    table->max = max;
    memset(table->buckets, 0xff, sizeof(table->buckets));
    return table;
}

void session_table_destroy(struct session_table **table)
{
    if (*table == NULL)
        return;
    free((*table)->sessions);
    free(*table);
    *table = NULL;
}

struct session *session_find(struct session_table *table, const uint8_t curve[32])
{
    for (uint32_t i = *bucket_of(table, curve); i != NOBODY; i = table->sessions[i].next)
        if (memcmp(table->sessions[i].curve, curve, 32) == 0)
            return &table->sessions[i];
    return NULL;
}

struct session *session_of_node(struct session_table *table, const struct node_id *node)
{
    struct session *found = NULL;
    for (size_t i = 0; i < table->count; i++) {
        struct session *session = &table->sessions[i];
        if (id_equal(&session->node, node) &&
            (found == NULL || session->heard_ms > found->heard_ms))
            found = session;
    }
    return found;
}

static void unlink_session(struct session_table *table, uint32_t index)
{
    uint32_t *at = bucket_of(table, table->sessions[index].curve);
    while (*at != index) {
        assert(*at != NOBODY); /* it is in the chain of its key */
        at = &table->sessions[*at].next;
    }
    *at = table->sessions[index].next;
}

static uint32_t take_slot(struct session_table *table)
{
    if (table->count < table->max) {
        if (table->count == table->room) {
            size_t room = table->room == 0 ? 16 : 2 * table->room;
            table->room = room < table->max ? room : table->max;
            table->sessions = alloc_grow(table->sessions, table->room, sizeof(*table->sessions));
        }
        return (uint32_t)table->count++;
    }
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < table->count; i++)
        if (table->sessions[i].heard_ms < table->sessions[oldest].heard_ms)
            oldest = i;
    unlink_session(table, oldest);
    return oldest;
}

struct session *session_add(struct session_table *table, const struct cert *cert, int64_t now_ms)
{
    struct session *session = session_find(table, cert->curve);
    if (session == NULL) {
        uint32_t index = take_slot(table);
        assert(index < table->count && table->count <= table->room && table->room <= table->max);
        uint32_t *bucket = bucket_of(table, cert->curve);
        session = &table->sessions[index];
        *session = (struct session){.next = *bucket};
        *bucket = index;
        memcpy(session->curve, cert->curve, 32);
    }
    session->node = cert->node;
    session->serial = cert->serial;
    session->not_before_s = cert->not_before_s;
    session->not_after_s = cert->not_after_s;
    session->heard_ms = now_ms;
    session->lateness = (struct lateness){0}; /* perhaps another process, with another clock */
    return session;
}
