/* Unpacks, finds the row of the kind, packs what its handler made. */
#include "node/serve/serve_client.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/common/wire.h"
#include "node/serve/serve_client_internal.h"

#define REQUEST_BYTES_MAX (256 * 1024)
#define REQUEST_BUDGET    (1024 * 1024)

static void answer_release(struct command_answer *answer)
{
    for (size_t i = 0; i < answer->record_count; i++)
        free(answer->records[i].data);
    free(answer->records);
    free(answer->held);
    free(answer->held_messages);
    free(answer->held_list);
    free(answer->unproven);
    free(answer->unproven_messages);
    free(answer->unproven_list);
    report_release(&answer->report);
}

enum queue serve_client_queue(const uint8_t *header, size_t header_size)
{
    const struct client_request *kind = client_request_find(request_body(header, header_size));
    return kind != NULL ? kind->kind.queue : QUEUE_CLIENT;
}

static int answer_it(struct service *service, const struct question *question,
                     const Ecbak__ClientRequest *request, struct command_answer *answer,
                     struct err *err)
{
    const struct client_request *kind = client_request_find(request->body_case);
    if (kind == NULL)
        return err_set(err, ERR_VERSION,
                       "a request that this node does not know: are command and ecbakd of the "
                       "same version?");
    if (kind->kind.queue != question->queue)
        return err_set(err, ERR_FORMAT, "a request of several kinds");
    return kind->answer(service, question, request, answer, err);
}

void serve_client(struct service *service, const struct question *question, uint8_t **reply,
                  size_t *reply_size, struct payload *answer_payload)
{
    struct err err = ERR_INIT;
    struct command_answer *answer = alloc_zero(1, sizeof(*answer));
    ecbak__client_reply__init(&answer->reply);
    Ecbak__ClientRequest *request = NULL;
    if (question->header_size > REQUEST_BYTES_MAX)
        err_set(&err, ERR_FORMAT, "a request of %zu bytes", question->header_size);
    else
        request = wire_unpack(&ecbak__client_request__descriptor, question->header,
                              question->header_size, REQUEST_BUDGET, &err);
    if (request == NULL)
        count_one(&service->counters, COUNTED_MALFORMED);
    else
        answer->reply.call = request->call;
    if (request == NULL || answer_it(service, question, request, answer, &err) != 0) {
        answer->reply.error = err.code == ERR_NONE ? ERR_IO : err.code;
        answer->reply.error_text = err.text;
    }
    /* While this node stops, others were not asked to the end, so it failed or says too little: an
     * answer to no call is none, the command sees its connection go and asks again. Not so the
     * command that made it stop. */
    if (atomic_load(&service->peers.stop) && request != NULL &&
        request->body_case != ECBAK__CLIENT_REQUEST__BODY_LEAVE)
        answer->reply.call = 0;
    wire_free(request);
    *reply = wire_pack(&answer->reply, reply_size);
    *answer_payload = answer->payload;
    answer_release(answer);
    free(answer);
}
