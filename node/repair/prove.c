/* All nodes are asked side by side, one request a node at a time; this one reads its own rows while
 * the others read theirs. */
#include "node/repair/prove.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/peers/round.h"
#include "node/repair/prove_internal.h"

static void ask_leaves(struct round *round, const struct vault_id *vault, const struct examined *e)
{
    Ecbak__RowLeaves rows[ASK_LEAVES_MAX], *list[ASK_LEAVES_MAX];
    uint32_t leaves[ASK_LEAVES_MAX];
    Ecbak__ReadLeaves body = ECBAK__READ_LEAVES__INIT;
    body.rows = list;
    body.vault = wire_view(vault->bytes, ID_SIZE);
    for (size_t at = e->asked_from, end; examined_next_row(e, &at, &end); at = end) {
        const struct sighting *claim = e->claims[e->drawn[at].row];
        Ecbak__RowLeaves *row = &rows[body.n_rows];
        ecbak__row_leaves__init(row);
        row->object = wire_view(claim->object.bytes, ID_SIZE);
        row->index = claim->index;
        row->leaves = &leaves[at - e->asked_from];
        row->n_leaves = end - at;
        for (size_t i = at; i < end; i++)
            leaves[i - e->asked_from] = e->drawn[i].leaf;
        list[body.n_rows++] = row;
    }
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_READ_LEAVES;
    request.read_leaves = &body;
    round_ask(round, e->node, &request, NULL);
}

static void read_here(const struct local *local, const struct proof_of *what, struct examined *e)
{
    for (size_t at = e->asked_from, end; examined_next_row(e, &at, &end) && !e->over; at = end) {
        const struct sighting *claim = e->claims[e->drawn[at].row];
        uint32_t leaves[ASK_LEAVES_MAX];
        struct err err = ERR_INIT;
        uint8_t *proof;
        size_t size;
        for (size_t i = at; i < end; i++)
            leaves[i - at] = e->drawn[i].leaf;
        const struct fragment_key key = {*what->vault, claim->object, claim->index};
        if (local_prove_row(local, &key, leaves, end - at, &proof, &size, &err) != 0)
            examined_row_error(e, at, &err);
        else
            examined_take_row(e, what->packs, at, end, proof, size);
        free(proof);
    }
    if (!e->over)
        examined_answered(e);
}

static void take_answers(struct round *round, const struct pack_id *packs,
                         struct examined *const *of)
{
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    bool *answered = alloc_zero(round->nodes->count, sizeof(*answered));
    bool pause = false;
    while (round_next(round, INT64_MAX, ECBAK__PEER_REPLY__BODY_READ_LEAVES, &node, &reply, &why)) {
        struct examined *e = of[node];
        answered[node] = true;
        if (reply != NULL)
            examined_take_answer(e, packs, reply->read_leaves, &round->payload);
        else if (why.code == ERR_BUSY && e->busy_tries++ < ASK_BUSY_TRIES)
            pause = true;
        else
            examined_exclude(e, &why);
        wire_free(reply);
    }
    err_set(&why, ERR_TIMEOUT, "it does not answer");
    for (size_t i = 0; i < round->nodes->count; i++) {
        if (of[i] == NULL || of[i]->over || answered[i] ||
            round->nodes->standings[i] == STANDING_SELF)
            continue;
        nodes_failed(round->nodes, i);
        examined_exclude(of[i], &why);
    }
    free(answered);
    if (pause)
        wait_pause(ASK_BUSY_WAIT_MS);
}

/* One request to each node that is not through. */
static bool step(struct nodes *nodes, const struct proof_of *what, struct examined *const *of)
{
    struct round round;
    bool any = false;
    struct examined *here = NULL;
    round_init(&round, nodes, GET_TIMEOUT_MS);
    round.patient = true;
    for (size_t i = 0; i < nodes->count; i++) {
        if (of[i] == NULL || of[i]->over)
            continue;
        any = true;
        if (nodes->standings[i] == STANDING_SELF)
            here = of[i];
        else
            ask_leaves(&round, what->vault, of[i]);
    }
    if (here != NULL)
        read_here(&nodes->peers->local, what, here);
    if (any)
        take_answers(&round, what->packs, of);
    round_release(&round);
    return any && !atomic_load(&nodes->peers->stop);
}

static size_t report(struct nodes *nodes, struct examined *const *of, struct unproven *found)
{
    size_t count = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct examined *e = of[i];
        if (e != NULL && e->lied)
            nodes_lied(nodes, i);
        else if (e != NULL && !e->excluded && e->rows > e->damaged)
            nodes_proved(nodes, i);
        if (e == NULL || (!e->excluded && e->damaged == 0))
            continue;
        struct unproven *to = &found[count++];
        *to = (struct unproven){.excluded = e->excluded};
        to->node = nodes->candidates[i].node;
        memcpy(to->name, nodes->table->members[i].cert.name, sizeof(to->name));
        examined_report(e, to);
        count_one(nodes->peers->local.counters, COUNTED_UNPROVEN);
        log_warn("node %s: %s", to->name, to->text);
    }
    return count;
}

size_t prove_claims(struct nodes *nodes, const struct proof_of *what, struct sightings *seen,
                    uint32_t leaves, struct unproven *found)
{
    struct examined **of = alloc_zero(nodes->count, sizeof(struct examined *));
    for (size_t i = 0; i < seen->count; i++) {
        size_t node = seen->items[i].node;
        if (of[node] != NULL || !seen->items[i].counted || seen->items[i].examined)
            continue;
        of[node] = alloc_zero(1, sizeof(*of[node]));
        examined_init(of[node], node, seen, leaves);
    }
    while (step(nodes, what, of))
        continue;
    size_t count = report(nodes, of, found);
    for (size_t i = 0; i < nodes->count; i++) {
        if (of[i] != NULL)
            examined_release(of[i]);
        free(of[i]);
    }
    free(of);
    return count;
}
