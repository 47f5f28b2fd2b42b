/* Tables are immutable once published; whoever looks at one holds a reference. */
#include "node/membership/membership_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/clock.h"

const char *member_state_name(enum member_state state)
{
    switch (state) {
    case MEMBER_ALIVE:
        return "alive";
    case MEMBER_SUSPECT:
        return "suspect";
    case MEMBER_DEAD:
        return "dead";
    case MEMBER_LEFT:
        return "left";
    case MEMBER_REVOKED:
        return "revoked";
    case MEMBER_INCOMPATIBLE:
        return "incompatible";
    }
    return "unknown";
}

char *member_copied(char *to, size_t room, const struct member *member, const char *whose)
{
    snprintf(to, room,
             "two machines have %s: %s and %s; stop one, or give it an identity of its own: "
             "there remove key, certificate and data, then ecbakd --init",
             whose, member->stands_by ? member->rival : member->address,
             member->stands_by ? member->address : member->rival);
    return to;
}

char *member_trouble(char to[MEMBER_TROUBLE_MAX], const struct member *member)
{
    to[0] = '\0';
    if (member->rival[0] != '\0')
        member_copied(to, MEMBER_TROUBLE_MAX, member, "its key");
    else if (member->storage == STORAGE_HANGS)
        snprintf(to, MEMBER_TROUBLE_MAX, "its disk hangs");
    else if (member->storage != STORAGE_SERVES)
        snprintf(to, MEMBER_TROUBLE_MAX, "its storage is out of service");
    else if (member->fragments_lost > 0)
        snprintf(to, MEMBER_TROUBLE_MAX, "%u fragment%s gone from its disk", member->fragments_lost,
                 member->fragments_lost == 1 ? " is" : "s are");
    return to;
}

static enum member_state state_of(enum swim_state state)
{
    switch (state) {
    case SWIM_ALIVE:
    case SWIM_AWAY:
        return MEMBER_ALIVE;
    case SWIM_SUSPECT:
        return MEMBER_SUSPECT;
    case SWIM_DEAD:
        return MEMBER_DEAD;
    case SWIM_LEFT:
        return MEMBER_LEFT;
    }
    return MEMBER_DEAD;
}

int member_describe(struct member *to, const struct swim_member *from, int64_t now_ms)
{
    struct node_meta meta;
    struct err ignored; /* it was admitted with this description; the core keeps no other */
    *to = (struct member){0};
    if (meta_decode(&meta, from->metadata, from->metadata_size, &ignored) != 0 ||
        cert_decode(&to->cert, meta.certificate, meta.certificate_size, &ignored) != 0 ||
        strlen(from->address) >= sizeof(to->address))
        return -1;
    to->state = state_of(from->state);
    to->self = from->self;
    to->away = from->state == SWIM_AWAY;
    to->incarnation = from->incarnation;
    memcpy(to->address, from->address, strlen(from->address) + 1);
    snprintf(to->bulk_endpoint, sizeof(to->bulk_endpoint), "tcp://%s", meta.bulk);
    to->capacity_bytes = meta.offer.capacity_bytes;
    to->used_bytes = meta.offer.used_bytes;
    to->store_epoch = meta.offer.store_epoch;
    to->storage = meta.offer.storage;
    to->fragments_lost = meta.offer.fragments_lost;
    to->revocations = meta.revocations;
    memcpy(to->version, meta.version, sizeof(to->version));
    snprintf(to->rival, sizeof(to->rival), "%.*s", (int)sizeof(to->rival) - 1, meta.rival);
    to->protocol = from->protocol;
    to->rtt_ms = from->rtt_ms;
    to->since_s = wall_s() - (now_ms - (int64_t)from->since_ms) / 1000;
    return 0;
}

/* By zone; in it those that are measured first, the nearest first. Ourselves are no measure. */
static int by_zone(const void *a, const void *b)
{
    const struct member *x = *(struct member *const *)a, *y = *(struct member *const *)b;
    int order = strcmp(x->cert.zone, y->cert.zone);
    if (order != 0)
        return order;
    if ((x->rtt_ms < 0) != (y->rtt_ms < 0))
        return x->rtt_ms < 0 ? 1 : -1;
    return (x->rtt_ms > y->rtt_ms) - (x->rtt_ms < y->rtt_ms);
}

/* Members of one zone, in the order of by_zone. */
static void estimate_zone(struct member **members, size_t count)
{
    size_t measured = 0;
    while (measured < count && members[measured]->rtt_ms >= 0)
        measured++;
    for (size_t i = measured; measured > 0 && i < count; i++) {
        if (members[i]->self)
            continue;
        members[i]->rtt_ms = members[measured / 2]->rtt_ms;
        members[i]->rtt_estimated = true;
    }
}

void member_table_estimate(struct member *members, size_t count)
{
    struct member **sorted = alloc_zero(count, sizeof(struct member *));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &members[i];
    qsort(sorted, count, sizeof(struct member *), by_zone);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count; to++)
            if (strcmp(sorted[to]->cert.zone, sorted[from]->cert.zone) != 0)
                break;
        estimate_zone(&sorted[from], to - from);
    }
    free(sorted);
}

/* Revoked nodes that gossip does not know any more, so that what they hold can be fetched. */
static void add_revoked(struct member_table *table, const struct revoked *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct revocation *r = &list[i].revocation;
        if (r->serial != 0 || member_find(table, &r->node) != NULL)
            continue;
        struct member *to = &table->members[table->count++];
        *to = (struct member){.state = MEMBER_REVOKED, .rtt_ms = -1};
        to->cert.node = r->node;
        memcpy(to->cert.curve, r->curve, sizeof(to->cert.curve));
        memcpy(to->cert.name, r->name, sizeof(to->cert.name));
        to->cert.not_after_s = r->until_s;
        if (list[i].bulk[0] != '\0')
            snprintf(to->bulk_endpoint, sizeof(to->bulk_endpoint), "tcp://%s", list[i].bulk);
    }
}

/* The core counts them as left; in the table they are shown as long as they are heard of. */
static void add_incompatible(struct member_table *table, const struct incompatible *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct member *left = member_find(table, &list->members[i].cert.node);
        if (left != NULL && left->self)
            continue; /* a copy of our own key: the row of this node stays its own */
        size_t at = left == NULL ? table->count++ : (size_t)(left - table->members);
        table->members[at] = list->members[i];
    }
}

static void mark_revoked(struct member_table *table, struct revocations *revocations)
{
    for (size_t i = 0; i < table->count; i++) {
        struct member *member = &table->members[i];
        struct revocation which;
        if (!revocations_cover(revocations, &member->cert.node, member->cert.curve,
                               member->cert.serial, &which))
            continue;
        member->state = MEMBER_REVOKED;
        member->since_s = which.at_s;
    }
}

/* While we stand by, the core has the other's claim where ours was. */
void member_describe_ourselves(const struct membership *m, struct member *self)
{
    struct swim_rival rival;
    self->rival[0] = '\0';
    if (!swim_rival(m->swim, &rival))
        return;
    snprintf(self->rival, sizeof(self->rival), "%.*s", (int)sizeof(self->rival) - 1, rival.address);
    self->stands_by = rival.first;
    if (!rival.first)
        return;
    snprintf(self->address, sizeof(self->address), "%.*s", (int)sizeof(self->address) - 1,
             m->address);
    snprintf(self->bulk_endpoint, sizeof(self->bulk_endpoint), "tcp://%s", m->meta.bulk);
}

struct member_table *member_table_build(const struct membership *m, int64_t now_ms)
{
    size_t count = swim_member_count(m->swim);
    struct revoked *revoked;
    size_t revoked_count = revocations_list(m->trust.revocations, &revoked);
    struct member_table *table = alloc_zero(1, sizeof(*table));
    table->generation = m->generation;
    table->references = 1;
    table->members =
        alloc_zero(count + revoked_count + m->incompatible.count, sizeof(*table->members));
    for (size_t i = 0; i < count; i++) {
        struct swim_member member;
        swim_member(m->swim, i, &member);
        if (protocol_meets(member.protocol, m->protocol) &&
            member_describe(&table->members[table->count], &member, now_ms) == 0)
            table->count++;
    }
    member_describe_ourselves(m, &table->members[0]);
    add_revoked(table, revoked, revoked_count);
    add_incompatible(table, &m->incompatible);
    if (revoked_count > 0)
        mark_revoked(table, m->trust.revocations);
    free(revoked);
    assert(table->count <= count + revoked_count + m->incompatible.count);
    member_table_estimate(table->members, table->count);
    return table;
}

void member_table_release(struct member_table **table)
{
    if (*table == NULL)
        return;
    int left = __atomic_sub_fetch(&(*table)->references, 1, __ATOMIC_ACQ_REL);
    assert(left >= 0);
    if (left == 0) {
        free((*table)->members);
        free(*table);
    }
    *table = NULL;
}

const struct member *member_find(const struct member_table *table, const struct node_id *node)
{
    for (size_t i = 0; i < table->count; i++)
        if (id_equal(&table->members[i].cert.node, node))
            return &table->members[i];
    return NULL;
}

void member_table_count(const struct member_table *table, uint32_t *known, uint32_t *alive)
{
    *known = *alive = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct member *member = &table->members[i];
        *known += member->state != MEMBER_LEFT && member->state != MEMBER_REVOKED;
        *alive += member->state == MEMBER_ALIVE && !member->away;
    }
}
