/* Unpacks, finds the row of the kind, packs what its handler made. */
#include "node/serve/serve_peer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer_internal.h"

static void answer_release(struct peer_answer *answer)
{
    if (answer->at != NULL && answer->reply.body_case == ECBAK__PEER_REPLY__BODY_LOCATE) {
        for (size_t i = 0; i < answer->locate.n_fragments; i++)
            free(answer->at[i].holders);
    }
    free(answer->found);
    free(answer->at);
    free(answer->at_list);
    free(answer->holders);
    free(answer->views);
    for (size_t i = 0; i < answer->grant_count; i++)
        free(answer->grants[i]);
    free(answer->grants);
    free(answer->revoked);
    free(answer->revoked_list);
    free(answer->revoked_bulk);
    free(answer->read);
    free(answer->read_list);
    free(answer->bytes);
}

void serve_free_payload(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

bool serve_peer_is_large(const uint8_t *header, size_t header_size)
{
    return request_body(header, header_size) == ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT;
}

enum queue serve_peer_queue(const uint8_t *header, size_t header_size)
{
    const struct peer_request *kind = peer_request_find(request_body(header, header_size));
    return kind != NULL ? kind->kind.queue : QUEUE_PEER;
}

static int answer_it(const struct responder *responder, const struct question *question,
                     const Ecbak__PeerRequest *request, struct peer_answer *answer, struct err *err)
{
    const struct peer_request *kind = peer_request_find(request->body_case);
    if (kind == NULL)
        return err_set(err, ERR_VERSION, "a request that this version does not know");
    if (kind->kind.queue != question->queue)
        return err_set(err, ERR_FORMAT, "a request of several kinds");
    return kind->answer(responder, question, request, answer, err);
}

#define KEPT_EVERY_MS 1000

/* What is not told is logged; an asker cannot fill the log with it. */
static const char *public_text(const struct err *err)
{
    static _Atomic int64_t logged_ms;
    bool kept;
    const char *text = wire_error_text(err, &kept);
    int64_t now_ms = monotonic_ms(), last_ms = atomic_load(&logged_ms);
    if (kept && now_ms - last_ms >= KEPT_EVERY_MS &&
        atomic_compare_exchange_strong(&logged_ms, &last_ms, now_ms))
        log_warn("a node was refused: %s", err->text);
    return text;
}

void serve_peer(const struct responder *responder, const struct question *question, uint8_t **reply,
                size_t *reply_size, struct payload *answer_payload)
{
    struct err err = ERR_INIT;
    struct peer_answer answer = {.found = NULL};
    ecbak__peer_reply__init(&answer.reply);
    Ecbak__PeerRequest *request = NULL;
    if (question->header_size > ASK_REQUEST_MAX)
        err_set(&err, ERR_FORMAT, "a request of %zu bytes", question->header_size);
    else
        request = wire_unpack(&ecbak__peer_request__descriptor, question->header,
                              question->header_size, ASK_REQUEST_BUDGET, &err);
    if (request == NULL)
        count_one(responder->local->counters, COUNTED_MALFORMED);
    if (request == NULL || answer_it(responder, question, request, &answer, &err) != 0) {
        answer.reply.body_case = ECBAK__PEER_REPLY__BODY__NOT_SET;
        answer.reply.error = err.code == ERR_NONE ? ERR_IO : err.code;
        answer.reply.error_text = (char *)public_text(&err);
    }
    wire_free(request);
    *reply = wire_pack(&answer.reply, reply_size);
    *answer_payload = answer.payload;
    answer_release(&answer);
}
