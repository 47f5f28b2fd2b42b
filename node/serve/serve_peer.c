/* Unpacks, finds the row of the kind, packs what its handler made. */
#include "node/serve/serve_peer.h"

#include <stdlib.h>

#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/serve/serve_peer_internal.h"

static void parts_release(struct reply_parts *parts)
{
    if (parts->at != NULL && parts->reply.body_case == ECBAK__PEER_REPLY__BODY_LOCATE) {
        for (size_t i = 0; i < parts->locate.n_fragments; i++)
            free(parts->at[i].holders);
    }
    free(parts->found);
    free(parts->at);
    free(parts->at_list);
    free(parts->holders);
    free(parts->views);
    for (size_t i = 0; i < parts->grant_count; i++)
        free(parts->grants[i]);
    free(parts->grants);
    free(parts->revoked);
    free(parts->revoked_list);
    free(parts->revoked_bulk);
    free(parts->bytes);
}

void serve_free_payload(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

enum queue serve_peer_queue(const uint8_t *header, size_t header_size)
{
    const struct peer_request *kind = peer_request_find(request_body(header, header_size));
    return kind != NULL ? kind->kind.queue : QUEUE_PEER;
}

static int answer(const struct responder *responder, const struct question *question,
                  const Ecbak__PeerRequest *request, struct reply_parts *parts, struct err *err)
{
    const struct peer_request *kind = peer_request_find(request->body_case);
    if (kind == NULL)
        return err_set(err, ERR_VERSION, "a request that this version does not know");
    if (kind->kind.queue != question->queue)
        return err_set(err, ERR_FORMAT, "a request of several kinds");
    return kind->answer(responder, question, request, parts, err);
}

void serve_peer(const struct responder *responder, const struct question *question, uint8_t **reply,
                size_t *reply_size, struct payload *answer_payload)
{
    struct err err = ERR_INIT;
    struct reply_parts parts = {.found = NULL};
    ecbak__peer_reply__init(&parts.reply);
    Ecbak__PeerRequest *request = NULL;
    if (question->header_size > ASK_REQUEST_MAX)
        err_set(&err, ERR_FORMAT, "a request of %zu bytes", question->header_size);
    else
        request = wire_unpack(&ecbak__peer_request__descriptor, question->header,
                              question->header_size, ASK_REQUEST_BUDGET, &err);
    if (request == NULL)
        count_one(responder->local->counters, COUNTED_MALFORMED);
    if (request == NULL || answer(responder, question, request, &parts, &err) != 0) {
        parts.reply.body_case = ECBAK__PEER_REPLY__BODY__NOT_SET;
        parts.reply.error = err.code == ERR_NONE ? ERR_IO : err.code;
        parts.reply.error_text = err.text;
    }
    wire_free(request);
    *reply = wire_pack(&parts.reply, reply_size);
    *answer_payload = parts.payload;
    parts_release(&parts);
}
