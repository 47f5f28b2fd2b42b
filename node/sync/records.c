/* Pulling only: whoever lacks something asks for it, so nobody can push more than one record at a
 * time into a store, and a node that was down for long catches up at its own pace. */
#include "node/sync/records.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/round.h"
#include "node/peers/settled.h"
#include "node/trust/record.h"

#define PULL_FLIGHTS     8
#define PUSH_GRACE_MS    300
#define PULL_IDLE_MS     30000 /* a node that brings no new record for so long is left */
#define PULL_REFUSED_MAX 64
#define BUCKET_PAGES_MAX 64 /* a node that lists more hashes under one byte is pulled from again */

/* What goes out is what this node countersigned, whoever did before: who sends it answers for it. */
static void push(struct peers *peers, const uint8_t *record, size_t size, uint32_t wanted,
                 struct records_put *put)
{
    struct nodes nodes;
    struct round round;
    nodes_init(&nodes, peers);
    round_init(&round, &nodes, SMALL_TIMEOUT_MS);
    size_t limit = wanted > RECORDS_PUSH_MAX ? wanted : RECORDS_PUSH_MAX;
    Ecbak__PutRecord body = ECBAK__PUT_RECORD__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_RECORD;
    request.put_record = &body;
    /* From a random place on: in a large cluster it is not always the same who hear first. */
    size_t start = nodes.count > 0 ? randombytes_uniform((uint32_t)nodes.count) : 0;
    for (int standing = STANDING_GOOD; standing <= STANDING_DOUBTFUL; standing++) {
        for (size_t i = 0; i < nodes.count && round.asked < limit; i++) {
            size_t node = (start + i) % nodes.count;
            struct payload payload = {.bytes = (uint8_t *)record, .size = size};
            if (nodes.standings[node] == (enum standing)standing)
                round_ask(&round, node, &request, &payload);
        }
    }
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    int64_t until_ms = INT64_MAX;
    while (round_next(&round, until_ms, ECBAK__PEER_REPLY__BODY__NOT_SET, &node, &reply, &why)) {
        const char *name = nodes.table->members[node].cert.name;
        if (reply != NULL) {
            put->others++;
        } else {
            log_info("a record to node %s: %s", name, why.text);
            if (why.code == ERR_FULL && put->full++ == 0)
                err_set(&put->why, ERR_FULL, "node %s: %s", name, why.text);
        }
        wire_free(reply);
        if (put->others >= wanted)
            until_ms = monotonic_ms() + PUSH_GRACE_MS;
    }
    round_release(&round);
    nodes_release(&nodes);
}

int records_put(struct peers *peers, const uint8_t *record, size_t size, uint32_t wanted,
                struct records_put *put, struct err *err)
{
    struct credentials self = local_credentials(&peers->local);
    uint8_t *sponsored = NULL;
    size_t sponsored_size;
    *put = (struct records_put){.others = 0};
    if (record_countersign(record, size, &self, &sponsored, &sponsored_size, err) != 0)
        return -1;
    int result = local_put_record(&peers->local, sponsored, sponsored_size,
                                  &peers->local.keys->node, NULL, err);
    if (result == 0)
        push(peers, sponsored, sponsored_size, wanted, put);
    free(sponsored);
    return result;
}

/* Who answers slowly and brings nothing must not hold up whoever waits for the records of others. */
static int check_idle(const struct nodes *nodes, int64_t idle_ms, struct err *err)
{
    if (atomic_load(&nodes->peers->stop))
        return err_set(err, ERR_CANCELLED, "this node is stopping");
    if (monotonic_ms() >= idle_ms)
        return err_set(err, ERR_TIMEOUT, "no new record of it within %d s", PULL_IDLE_MS / 1000);
    return 0;
}

static Ecbak__PeerReply *ask_small(struct nodes *nodes, size_t node,
                                   const Ecbak__PeerRequest *request,
                                   Ecbak__PeerReply__BodyCase expected, struct err *err)
{
    return ask_one(nodes->peers->transport, &nodes->candidates[node].node, request,
                   SMALL_TIMEOUT_MS, expected, err);
}

/* One pull: from whom, until when, and what came of it. */
struct pull {
    struct nodes *nodes;
    size_t node;
    int64_t idle_ms; /* until then something new has to come */
    size_t pulled, refused;
};

static int take_record(struct pull *pull, struct call *call, const struct record_id *hash,
                       struct err *err)
{
    struct payload payload = {.size = 0};
    struct peers *peers = pull->nodes->peers;
    Ecbak__PeerReply *reply = ask_reply(call, ECBAK__PEER_REPLY__BODY__NOT_SET, &payload, err);
    if (reply == NULL)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    wire_free(reply);
    if (local_put_record(&peers->local, payload.bytes, payload.size,
                         &pull->nodes->candidates[pull->node].node, hash, err) == 0) {
        pull->pulled++;
        pull->idle_ms = monotonic_ms() + PULL_IDLE_MS;
        return 0;
    }
    /* No room at all, no disk: the others' records have to wait as well. */
    bool lasting = store_has_refused(peers->local.store, hash);
    if (!lasting && (err->code == ERR_FULL || err->code == ERR_IO || err->code == ERR_FOREIGN))
        return err->code == ERR_FOREIGN ? 0 : -1;
    /* Whatever it is, it is none of ours; the next may be. But who has nothing else is left. */
    if (++pull->refused < PULL_REFUSED_MAX)
        return 0;
    return err_set(err, ERR_DENIED, "%zu records of it were refused: others have to wait",
                   pull->refused);
}

static int start_get(struct nodes *nodes, size_t node, const struct record_id *hash,
                     struct call **call, struct err *err)
{
    Ecbak__GetRecord get = ECBAK__GET_RECORD__INIT;
    get.hash = wire_view(hash->bytes, ID_SIZE);
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_RECORD;
    request.get_record = &get;
    return ask_start(nodes->peers->transport, &nodes->candidates[node].node, &request, NULL,
                     SMALL_TIMEOUT_MS, call, err);
}

/* Fetches these records, a few at a time. */
static int fetch(struct pull *pull, struct record_id *hashes, size_t count, struct err *err)
{
    struct call *calls[PULL_FLIGHTS] = {NULL};
    size_t which[PULL_FLIGHTS], next = 0, flying = 0;
    int result = 0;
    while (result == 0 && (next < count || flying > 0)) {
        for (size_t i = 0; i < PULL_FLIGHTS && next < count && result == 0; i++) {
            if (calls[i] != NULL)
                continue;
            which[i] = next;
            result = start_get(pull->nodes, pull->node, &hashes[next++], &calls[i], err);
            flying += result == 0;
        }
        if (result != 0)
            break;
        int done = ask_wait(calls, PULL_FLIGHTS, monotonic_ms() + SMALL_TIMEOUT_MS);
        if (done < 0) {
            result = err_set(err, ERR_TIMEOUT, "no answer");
            break;
        }
        result = take_record(pull, calls[done], &hashes[which[done]], err);
        call_destroy(&calls[done]);
        flying--;
        if (result == 0)
            result = check_idle(pull->nodes, pull->idle_ms, err);
    }
    for (size_t i = 0; i < PULL_FLIGHTS; i++)
        call_destroy(&calls[i]);
    return result;
}

static bool is_ours(struct record_id *own, size_t count, const struct record_id *hash)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = id_compare(&own[middle], hash);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* All our hashes that start with one byte, in ascending order. */
static int list_own(struct peers *peers, uint8_t prefix, struct record_id **own, size_t *count,
                    struct err *err)
{
    struct record_id after;
    bool from_first = prefix == 0;
    size_t room = 0;
    memset(after.bytes, 0xff, sizeof(after));
    after.bytes[0] = (uint8_t)(prefix - 1);
    *own = NULL;
    *count = 0;
    for (;;) {
        size_t got;
        room = *count + 1024;
        *own = alloc_grow(*own, room, sizeof(struct record_id));
        if (store_list_records(peers->local.store, NULL, from_first ? NULL : &after, *own + *count,
                               1024, &got, err) != 0)
            return -1;
        bool more = got == 1024;
        while (got > 0 && (*own)[*count + got - 1].bytes[0] != prefix) {
            got--;
            more = false;
        }
        *count += got;
        if (!more)
            return 0;
        after = (*own)[*count - 1];
        from_first = false;
    }
}

/* Keeps of the node's hashes, in place at the start of `missing`, those that we have not, and would
 * take. */
static size_t take_missing(struct store *store, const Ecbak__ListRecordsReply *list, uint8_t prefix,
                           struct record_id *own, size_t own_count, struct record_id *missing)
{
    size_t count = 0;
    for (size_t i = 0; i < list->n_hashes && i < ASK_HASHES_MAX; i++) {
        struct record_id *hash = &missing[count];
        if (wire_take(hash->bytes, ID_SIZE, list->hashes[i]) && hash->bytes[0] == prefix &&
            !is_ours(own, own_count, hash) && !store_has_refused(store, hash))
            count++;
    }
    return count;
}

static int pull_bucket(struct pull *pull, uint8_t prefix, struct err *err)
{
    struct record_id *own = NULL;
    struct record_id *missing = alloc_zero(ASK_HASHES_MAX + 1, sizeof(struct record_id));
    struct record_id after;
    size_t own_count;
    bool more = true;
    struct peers *peers = pull->nodes->peers;
    int result = list_own(peers, prefix, &own, &own_count, err);
    for (int page = 0; result == 0 && more && page < BUCKET_PAGES_MAX; page++) {
        Ecbak__ListRecords body = ECBAK__LIST_RECORDS__INIT;
        body.prefix = wire_view(&prefix, 1);
        if (page > 0)
            body.after = wire_view(after.bytes, ID_SIZE);
        Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
        request.body_case = ECBAK__PEER_REQUEST__BODY_LIST_RECORDS;
        request.list_records = &body;
        Ecbak__PeerReply *reply =
            ask_small(pull->nodes, pull->node, &request, ECBAK__PEER_REPLY__BODY_LIST_RECORDS, err);
        if (reply == NULL) {
            result = -1;
            break;
        }
        const Ecbak__ListRecordsReply *list = reply->list_records;
        size_t count = take_missing(peers->local.store, list, prefix, own, own_count, missing);
        more = list->more && list->n_hashes > 0 &&
               wire_take(after.bytes, ID_SIZE, list->hashes[list->n_hashes - 1]);
        wire_free(reply);
        result = fetch(pull, missing, count, err);
        if (result == 0)
            result = check_idle(pull->nodes, pull->idle_ms, err);
    }
    free(own);
    free(missing);
    return result;
}

static int pull_buckets(struct pull *pull, const uint8_t own[256][8], const uint8_t theirs[256][8],
                        struct err *err)
{
    /* From a random byte on: pulls that end early still get round to everything. */
    unsigned start = randombytes_uniform(256);
    for (unsigned i = 0; i < 256; i++) {
        unsigned prefix = (start + i) % 256;
        if (memcmp(own[prefix], theirs[prefix], sizeof(own[prefix])) == 0)
            continue;
        if (check_idle(pull->nodes, pull->idle_ms, err) != 0 ||
            pull_bucket(pull, (uint8_t)prefix, err) != 0)
            return -1;
    }
    return 0;
}

int records_pull(struct nodes *nodes, size_t node, size_t *pulled, struct err *err)
{
    uint8_t own[256][8], theirs[256][8];
    struct peers *peers = nodes->peers;
    const struct node_id *id = &nodes->candidates[node].node;
    Ecbak__RecordDigest body = ECBAK__RECORD_DIGEST__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_RECORD_DIGEST;
    request.record_digest = &body;
    *pulled = 0;
    Ecbak__PeerReply *reply =
        ask_small(nodes, node, &request, ECBAK__PEER_REPLY__BODY_RECORD_DIGEST, err);
    if (reply == NULL)
        return -1;
    bool good = wire_take(theirs, sizeof(theirs), reply->record_digest->digest);
    wire_free(reply);
    if (!good)
        return err_set(err, ERR_FORMAT, "its digest makes no sense");
    if (store_record_digest(peers->local.store, own, err) != 0)
        return -1;
    if (settled_is(peers->settled, id, own, theirs))
        return 0;
    struct pull pull = {.nodes = nodes, .node = node, .idle_ms = monotonic_ms() + PULL_IDLE_MS};
    int result = pull_buckets(&pull, own, theirs, err);
    *pulled = pull.pulled;
    /* All of it was looked at, and there was nothing to take. */
    if (result == 0 && pull.pulled == 0)
        settled_note(peers->settled, id, own, theirs);
    return result;
}

/* Digests of all are asked for side by side; only who has something that we have not is then pulled
 * from, one after the other, and mostly the first has it all. */
void records_pull_all(struct peers *peers, uint32_t *asked, uint32_t *answered)
{
    struct nodes nodes;
    struct round round;
    nodes_init(&nodes, peers);
    round_init(&round, &nodes, SMALL_TIMEOUT_MS);
    bool *differs = alloc_zero(nodes.count, sizeof(*differs));
    Ecbak__RecordDigest body = ECBAK__RECORD_DIGEST__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_RECORD_DIGEST;
    request.record_digest = &body;
    for (size_t i = 0; i < nodes.count; i++) {
        if (nodes.standings[i] == STANDING_GOOD || nodes.standings[i] == STANDING_DOUBTFUL)
            round_ask(&round, i, &request, NULL);
    }
    uint8_t own[256][8];
    bool readable = store_record_digest(peers->local.store, own, NULL) == 0;
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    while (
        round_next(&round, INT64_MAX, ECBAK__PEER_REPLY__BODY_RECORD_DIGEST, &node, &reply, &why)) {
        if (reply != NULL) {
            ProtobufCBinaryData digest = reply->record_digest->digest;
            differs[node] = readable && (digest.len != sizeof(own) ||
                                         !settled_is(peers->settled, &nodes.candidates[node].node,
                                                     own, (const uint8_t(*)[8])digest.data));
        }
        wire_free(reply);
    }
    for (size_t i = 0; i < nodes.count; i++) {
        size_t pulled;
        if (!differs[i])
            continue;
        err_set(&why, ERR_TIMEOUT, "others took the time for it");
        if (monotonic_ms() < round.deadline_ms && records_pull(&nodes, i, &pulled, &why) == 0)
            continue;
        log_info("records of node %s: %s", nodes.table->members[i].cert.name, why.text);
        round.answered--; /* not all that it has was seen */
    }
    *asked = (uint32_t)nodes_count(&nodes, STANDING_DEAD);
    *answered = (uint32_t)round.answered + 1; /* this node */
    free(differs);
    round_release(&round);
    nodes_release(&nodes);
}
