/* fake_node.h - stands in for a node and its cluster at link time, behind node/api/client.h: packs
 * and records in memory, and faults on request. For test programs of one file: the engines then run
 * whole, with threads and all, without a process beside them.
 */
#ifndef ECBAK_TEST_FAKE_NODE_H
#define ECBAK_TEST_FAKE_NODE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "coding/fragment_bundle.h"
#include "node/api/client.h"
#include "node/trust/grant.h"
#include "node/trust/writer_cert.h"

#define FAKE_DATA    4
#define FAKE_PARITY  2
#define FAKE_MEMBERS 6

struct fake_pack {
    struct pack_id id;
    uint8_t *bytes;
    size_t size;
    uint32_t nodes;
    uint32_t gets; /* how often it was fetched */
};

static struct {
    pthread_mutex_t lock;
    struct fake_pack *packs;
    size_t pack_count;
    uint8_t **records;
    size_t *record_sizes;
    size_t record_count;
    uint32_t members;    /* alive: what is stored gets so many nodes at most */
    uint64_t puts, gets; /* packs sent, packs fetched */
    uint32_t data_max;   /* 0: any; packs of more data rows find too few nodes, and then no more
                                 than these are advised: a cluster that shrank */
    bool too_few_met;    /* one did */
    uint64_t fail_puts_after; /* 0: never; else puts beyond so many fail */
    bool fail_record;
    bool refuse_record;          /* only this node keeps records */
    uint32_t silent;             /* nodes that do not say what records they have */
    void (*before_answer)(void); /* NULL: nothing happens before client_next answers */
    bool damage;                 /* what is missing is so because it is damaged */
    uint64_t biggest_pack;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .members = FAKE_MEMBERS};

struct client {
    struct client_answer answers[CLIENT_CALLS_MAX];
    size_t count;
    uint64_t calls;
};

static struct fake_pack *fake_find(const struct pack_id *id)
{
    for (size_t i = 0; i < fake.pack_count; i++) {
        if (id_equal(&fake.packs[i].id, id))
            return &fake.packs[i];
    }
    return NULL;
}

/* Puts a pack onto all nodes; takes its bytes. */
static void fake_add(const struct pack_id *id, uint8_t **bytes, size_t size)
{
    fake.packs = alloc_grow(fake.packs, fake.pack_count + 1, sizeof(fake.packs[0]));
    struct fake_pack *new = &fake.packs[fake.pack_count++];
    new->id = *id;
    new->bytes = *bytes;
    new->size = size;
    new->nodes = fake.members;
    new->gets = 0;
    *bytes = NULL;
}

/* Forgets everything. */
static inline void fake_reset(void)
{
    for (size_t i = 0; i < fake.pack_count; i++)
        free(fake.packs[i].bytes);
    for (size_t i = 0; i < fake.record_count; i++)
        free(fake.records[i]);
    free(fake.packs);
    free(fake.records);
    free(fake.record_sizes);
    fake.packs = NULL;
    fake.records = NULL;
    fake.record_sizes = NULL;
    fake.pack_count = fake.record_count = 0;
    fake.puts = fake.gets = fake.fail_puts_after = fake.biggest_pack = 0;
    fake.fail_record = fake.refuse_record = fake.damage = fake.too_few_met = false;
    fake.data_max = fake.silent = 0;
    fake.before_answer = NULL;
    fake.members = FAKE_MEMBERS;
}

int client_open(struct client **client, const char *endpoint, struct err *err)
{
    (void)endpoint;
    (void)err;
    *client = alloc_zero(1, sizeof(**client));
    return 0;
}

int client_open_patient(struct client **client, const char *endpoint, int patience_ms,
                        struct err *err)
{
    (void)patience_ms;
    return client_open(client, endpoint, err);
}

void client_close(struct client **client)
{
    for (size_t i = 0; *client != NULL && i < (*client)->count; i++)
        free((*client)->answers[i].pack);
    free(*client);
    *client = NULL;
}

void client_set_timeout(struct client *client, int timeout_ms)
{
    (void)client;
    (void)timeout_ms;
}

void client_set_patience(struct client *client, int patience_ms)
{
    (void)client;
    (void)patience_ms;
}

int client_status(struct client *client, struct node_status *status, struct err *err)
{
    (void)client;
    (void)err;
    memset(status, 0, sizeof(*status));
    memset(status->cluster.bytes, 0xcc, ID_SIZE);
    memset(status->node.bytes, 0xaa, ID_SIZE);
    status->members_known = FAKE_MEMBERS;
    status->members_alive = fake.members;
    pthread_mutex_lock(&fake.lock);
    status->data = fake.too_few_met ? fake.data_max : FAKE_DATA;
    status->parity = FAKE_PARITY;
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int client_members(struct client *client, struct member_list *list, struct err *err)
{
    (void)client;
    memset(list, 0, sizeof(*list));
    return err_set(err, ERR_NOT_FOUND, "the fake has no members");
}

void member_list_release(struct member_list *list)
{
    memset(list, 0, sizeof(*list));
}

static void fake_held(struct redundancy *held, const struct pack_id *id)
{
    const struct fake_pack *pack = fake_find(id);
    memset(held, 0, sizeof(*held));
    held->pack = *id;
    held->data = FAKE_DATA;
    held->parity = FAKE_PARITY;
    held->nodes = pack != NULL ? pack->nodes : 0;
    held->others = held->nodes > 0 ? held->nodes - 1 : 0;
}

static struct client_answer *fake_answer(struct client *client, uint64_t *call)
{
    struct client_answer *answer = &client->answers[client->count++];
    memset(answer, 0, sizeof(*answer));
    *call = answer->call = ++client->calls;
    return answer;
}

/* The pack that a bundle was made from; malloc'd, NULL when it cannot be had. */
static uint8_t *fake_decode(const struct fragment_bundle *bundle, struct err *err)
{
    const struct object_shape *shape = &bundle->object.shape;
    struct object_row rows[RS_TOTAL_MAX] = {{NULL, NULL}};
    uint8_t *bytes = malloc(object_pack_room(shape));
    for (unsigned i = 0; i < shape->k; i++)
        rows[i].bytes = fragment_bundle_at(bundle, i) + fragment_head_size(shape);
    if (object_decode(&bundle->object, rows, bytes, err) == 0)
        return bytes;
    free(bytes);
    return NULL;
}

int client_put_pack_start(struct client *client, uint64_t *call, struct pack_to_put *put,
                          struct err *err)
{
    (void)err;
    struct client_answer *answer = fake_answer(client, call);
    struct grant g;
    struct writer_cert cert;
    struct cluster_id cluster;
    struct fragment_bundle bundle;
    uint8_t *bytes = NULL;
    memset(cluster.bytes, 0xcc, ID_SIZE);
    if (fragment_bundle_open(&bundle, put->fragments, put->size, &answer->err) == 0 &&
        grant_open_writers(&g, &cert, put->grant, put->grant_size, &cluster, &answer->err) == 0)
        bytes = fake_decode(&bundle, &answer->err);
    pthread_mutex_lock(&fake.lock);
    fake.puts++;
    if (bytes != NULL) {
        const struct pack_id *id = &bundle.object.pack_id;
        size_t pack_size = bundle.object.shape.pack_size;
        if (pack_size > fake.biggest_pack)
            fake.biggest_pack = pack_size;
        if (!id_equal(&g.object, &bundle.object_id) || !id_equal(&g.pack, id))
            err_set(&answer->err, ERR_DENIED, "the grant is for another object");
        else if (fake.data_max > 0 && bundle.object.shape.k > fake.data_max)
            fake.too_few_met = true, err_set(&answer->err, ERR_TOO_FEW, "the fake has shrunk");
        else if (fake.fail_puts_after > 0 && fake.puts > fake.fail_puts_after)
            err_set(&answer->err, ERR_TOO_FEW, "the fake has had enough");
        else if (fake_find(id) == NULL)
            fake_add(id, &bytes, pack_size);
        fake_held(&answer->held, id);
        answer->held.sent_bytes = pack_size * 3 / 2;
    }
    pthread_mutex_unlock(&fake.lock);
    free(bytes);
    free(put->fragments);
    put->fragments = NULL;
    return 0;
}

int client_get_pack_start(struct client *client, uint64_t *call, const struct vault_id *vault,
                          const struct pack_id *pack, struct err *err)
{
    (void)err, (void)vault;
    struct client_answer *answer = fake_answer(client, call);
    pthread_mutex_lock(&fake.lock);
    fake.gets++;
    struct fake_pack *found = fake_find(pack);
    if (found == NULL || found->nodes < FAKE_DATA) {
        err_set(&answer->err, fake.damage ? ERR_DAMAGED : ERR_TOO_FEW,
                "1 of 4 fragments is missing");
        answer->corrupt = fake.damage;
    } else {
        found->gets++;
        answer->pack = alloc_copy(found->bytes, found->size);
        answer->pack_size = found->size;
    }
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int client_next(struct client *client, struct client_answer *answer, struct err *err)
{
    if (client->count == 0)
        return err_set(err, ERR_TIMEOUT, "nothing was asked");
    if (fake.before_answer != NULL)
        fake.before_answer();
    /* The latest question first: no order is promised. */
    *answer = client->answers[--client->count];
    return 0;
}

int client_pin_packs(struct client *client, const struct pin_as *as, const struct pack_id *packs,
                     size_t count, bool repair, struct proofs *proofs, struct redundancy *held,
                     struct err *err)
{
    (void)client;
    (void)proofs;
    (void)as;
    (void)err;
    pthread_mutex_lock(&fake.lock);
    for (size_t i = 0; i < count; i++) {
        struct fake_pack *pack = fake_find(&packs[i]);
        if (repair && pack != NULL && pack->nodes >= FAKE_DATA && pack->nodes < fake.members)
            pack->nodes = fake.members;
        fake_held(&held[i], &packs[i]);
    }
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int client_put_record(struct client *client, const uint8_t *record, size_t size,
                      uint32_t others_wanted, struct record_kept *kept, struct err *err)
{
    (void)client;
    (void)others_wanted;
    if (fake.fail_record)
        return err_set(err, ERR_TIMEOUT, "the fake does not answer");
    *kept = (struct record_kept){.others = fake.members - 1};
    if (fake.refuse_record) {
        *kept = (struct record_kept){.full = fake.members - 1};
        snprintf(kept->why, sizeof(kept->why), "node fake: its share is used up");
    }
    for (size_t i = 0; i < fake.record_count; i++) {
        if (fake.record_sizes[i] == size && memcmp(fake.records[i], record, size) == 0)
            return 0;
    }
    fake.records = alloc_grow(fake.records, fake.record_count + 1, sizeof(fake.records[0]));
    fake.record_sizes =
        alloc_grow(fake.record_sizes, fake.record_count + 1, sizeof(fake.record_sizes[0]));
    fake.records[fake.record_count] = alloc_copy(record, size);
    fake.record_sizes[fake.record_count++] = size;
    return 0;
}

int client_get_records(struct client *client, const struct vault_id *vault,
                       struct record_list *list, struct err *err)
{
    (void)client;
    (void)vault;
    (void)err;
    memset(list, 0, sizeof(*list));
    list->records = alloc_zero(fake.record_count, sizeof(list->records[0]));
    list->sizes = alloc_zero(fake.record_count, sizeof(list->sizes[0]));
    for (size_t i = 0; i < fake.record_count; i++) {
        list->records[i] = alloc_copy(fake.records[i], fake.record_sizes[i]);
        list->sizes[i] = fake.record_sizes[i];
    }
    list->count = fake.record_count;
    list->nodes_asked = FAKE_MEMBERS;
    list->nodes_answered = FAKE_MEMBERS - fake.silent;
    return 0;
}

void record_list_release(struct record_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->records[i]);
    free(list->records);
    free(list->sizes);
    memset(list, 0, sizeof(*list));
}

int client_leave(struct client *client, struct err *err)
{
    (void)client;
    (void)err;
    return 0;
}

#endif
