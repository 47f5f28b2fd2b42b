/* A member whose list brought nothing new knows less than we do and will ask us; it is asked again
 * when its digest or ours has changed. */
#include "node/sync/revoke.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/hash.h"
#include "node/base/date.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/nodes.h"

#define FORGET_MS 3600000

int revoke_open(struct peers *peers, const char *data_dir, const uint8_t authority_public[32],
                struct err *err)
{
    char path[CONFIG_PATH_MAX + 16];
    size_t dropped;
    snprintf(path, sizeof(path), "%s/revocations", data_dir);
    if (revocations_open(&peers->revocations, path, authority_public, date_s(), &dropped, err) != 0)
        return err_context(err, "revocations");
    if (dropped > 0)
        log_error("%s is damaged: what is missing in it comes from the other members", path);
    return 0;
}

int revoke_here(struct peers *peers, const uint8_t *bytes, size_t size, bool *added,
                struct err *err)
{
    if (revocations_add(peers->revocations, bytes, size, NULL, date_s(), added, err) != 0)
        return -1;
    if (*added)
        membership_revocations_changed(peers->membership);
    if (store_check(peers->local.store, err) != 0 || revocations_save(peers->revocations, err) != 0)
        return err_context(err, "it has effect now, but is not on disk");
    return 0;
}

static uint64_t memory_key(const struct member *member, const struct revocation_digest *ours)
{
    struct {
        struct node_id node;
        uint64_t words[4];
    } about = {.words = {member->revocations.digest, member->revocations.count, ours->digest,
                         ours->count}};
    uint8_t hash[HASH_SIZE];
    uint64_t key;
    about.node = member->cert.node;
    hash_bytes(hash, "ecbak rev asked", &about, sizeof(about));
    memcpy(&key, hash, sizeof(key));
    return key;
}

/* Any of those that know others than we do, so that not all ask the same. */
static int choose(const struct nodes *nodes, const struct revoke_memory *memory,
                  const struct revocation_digest *ours, uint64_t *key)
{
    size_t start = nodes->count > 0 ? randombytes_uniform((uint32_t)nodes->count) : 0;
    for (size_t i = 0; i < nodes->count; i++) {
        size_t node = (start + i) % nodes->count;
        const struct member *member = &nodes->table->members[node];
        if (nodes->standings[node] != STANDING_GOOD ||
            (member->revocations.digest == ours->digest &&
             member->revocations.count == ours->count))
            continue;
        *key = memory_key(member, ours);
        if (memory->tried[*key % REVOKE_MEMORY] != *key)
            return (int)node;
    }
    return -1;
}

static Ecbak__PeerReply *ask(struct peers *peers, const struct node_id *node, struct err *err)
{
    Ecbak__ListRevocations body = ECBAK__LIST_REVOCATIONS__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_LIST_REVOCATIONS;
    request.list_revocations = &body;
    return ask_one(peers->transport, node, &request, SMALL_TIMEOUT_MS,
                   ECBAK__PEER_REPLY__BODY_LIST_REVOCATIONS, err);
}

size_t revoke_unite(struct revocations *set, const Ecbak__ListRevocationsReply *list,
                    const char *teller)
{
    size_t news = 0, refused = 0;
    struct err why = ERR_INIT;
    for (size_t i = 0; i < list->n_revoked && i < REVOCATIONS_MAX; i++) {
        const Ecbak__Revoked *revoked = list->revoked[i];
        bool added = false;
        struct err err = ERR_INIT;
        if (revocations_add(set, revoked->revocation.data, revoked->revocation.len, revoked->bulk,
                            date_s(), &added, &err) != 0 &&
            refused++ == 0)
            why = err;
        news += added;
        if (err.code == ERR_FULL)
            break;
    }
    if (refused > 0)
        log_warn("%zu of %zu revocations from node %s: %s", refused, list->n_revoked, teller,
                 why.text);
    return news;
}

static void pull(struct peers *peers, struct revoke_memory *memory)
{
    struct nodes nodes;
    struct err err = ERR_INIT;
    struct revocation_digest ours = revocations_digest(peers->revocations);
    uint64_t key = 0;
    nodes_init(&nodes, peers);
    int node = choose(&nodes, memory, &ours, &key);
    if (node >= 0) {
        const char *name = nodes.table->members[node].cert.name;
        Ecbak__PeerReply *reply = ask(peers, &nodes.candidates[node].node, &err);
        size_t news =
            reply != NULL ? revoke_unite(peers->revocations, reply->list_revocations, name) : 0;
        wire_free(reply);
        if (reply == NULL) {
            nodes_failed(&nodes, (size_t)node);
            log_debug("revocations of node %s: %s", name, err.text);
        } else if (news == 0) {
            memory->tried[key % REVOKE_MEMORY] = key;
        } else {
            log_info("%zu revocation%s from node %s", news, news == 1 ? "" : "s", name);
            membership_revocations_changed(peers->membership);
        }
    }
    nodes_release(&nodes);
}

void revoke_tick(struct peers *peers, struct revoke_memory *memory)
{
    struct err err = ERR_INIT;
    pull(peers, memory);
    if (monotonic_ms() >= memory->forget_ms) {
        revocations_forget(peers->revocations, date_s());
        memory->forget_ms = monotonic_ms() + FORGET_MS;
    }
    if (store_check(peers->local.store, &err) != 0)
        return; /* the folder is not there, or another node's: the chore that announces says so */
    bool failed = revocations_save(peers->revocations, &err) != 0;
    if (failed && !memory->complained)
        log_error("the revocations are not on disk: %s", err.text);
    memory->complained = failed;
}
