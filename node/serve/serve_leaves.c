/* What other nodes ask to be proven: each row says for itself whether it can be, and the proofs of
 * those that can follow each other in the payload. */
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer_internal.h"

/* Adds the proof of one row to the payload. An error is the row's, and adds nothing. */
static int add_row(const struct local *local, const struct vault_id *vault,
                   const Ecbak__RowLeaves *asked, struct payload *payload, struct err *err)
{
    struct fragment_key key = {.vault = *vault, .index = asked->index};
    uint8_t *proof;
    size_t size;
    if (!wire_take(key.object.bytes, ID_SIZE, asked->object))
        return err_set(err, ERR_FORMAT, "no object id");
    if (local_prove_row(local, &key, asked->leaves, asked->n_leaves, &proof, &size, err) != 0)
        return -1;
    payload->bytes = alloc_grow(payload->bytes, payload->size + size, 1);
    memcpy(payload->bytes + payload->size, proof, size);
    payload->size += size;
    free(proof);
    return 0;
}

static int check(const Ecbak__ReadLeaves *read, struct err *err)
{
    size_t leaves = 0;
    for (size_t i = 0; i < read->n_rows && leaves <= ASK_LEAVES_MAX; i++) {
        if (read->rows[i]->n_leaves == 0)
            return err_set(err, ERR_FORMAT, "a row, and none of its leaves");
        leaves += read->rows[i]->n_leaves;
    }
    if (leaves == 0 || leaves > ASK_LEAVES_MAX)
        return err_set(err, ERR_FORMAT, "1 to %d leaves can be asked for", ASK_LEAVES_MAX);
    return 0;
}

int answer_read_leaves(const struct responder *responder, const struct question *question,
                       const Ecbak__PeerRequest *request, struct peer_answer *answer,
                       struct err *err)
{
    (void)question;
    const Ecbak__ReadLeaves *read = request->read_leaves;
    struct vault_id vault;
    if (!wire_take(vault.bytes, ID_SIZE, read->vault))
        return err_set(err, ERR_FORMAT, "no vault id");
    if (check(read, err) != 0 || store_check(responder->local->store, err) != 0)
        return -1;
    answer->read = alloc_zero(read->n_rows, sizeof(*answer->read));
    answer->read_list = alloc_zero(read->n_rows, sizeof(struct Ecbak__RowRead *));
    struct payload payload = {.release = serve_free_payload};
    for (size_t i = 0; i < read->n_rows; i++) {
        struct err why = ERR_INIT;
        size_t before = payload.size;
        ecbak__row_read__init(&answer->read[i]);
        answer->read_list[i] = &answer->read[i];
        if (add_row(responder->local, &vault, read->rows[i], &payload, &why) != 0)
            answer->read[i].error = why.code;
        answer->read[i].size = (uint32_t)(payload.size - before);
    }
    if (payload.size > 0)
        answer->payload = payload;
    else
        free(payload.bytes);
    ecbak__read_leaves_reply__init(&answer->leaves);
    answer->leaves.n_rows = read->n_rows;
    answer->leaves.rows = answer->read_list;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_READ_LEAVES;
    answer->reply.read_leaves = &answer->leaves;
    return 0;
}
