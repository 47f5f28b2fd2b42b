/* Packing and unpacking around transport_call. */
#include "node/peers/ask.h"

#include <stdlib.h>
#include <time.h>

#include "node/common/wait.h"
#include "node/common/wire.h"

int ask_start(struct transport *transport, const struct node_id *node,
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err)
{
    size_t size;
    uint8_t *header = wire_pack(request, &size);
    int result = transport_call(transport, node, &(struct outgoing){header, size, payload},
                                timeout_ms, call, err);
    free(header);
    return result;
}

Ecbak__PeerReply *ask_reply(struct call *call, Ecbak__PeerReply__BodyCase expected,
                            struct payload *payload, struct err *err)
{
    const uint8_t *header;
    size_t size;
    struct payload view = {.size = 0};
    if (call_result(call, &header, &size, &view, err) != 0)
        return NULL;
    Ecbak__PeerReply *reply =
        wire_unpack(&ecbak__peer_reply__descriptor, header, size, ASK_REPLY_BUDGET, err);
    if (reply == NULL)
        return NULL;
    if (reply->error != ERR_NONE) {
        wire_error(err, reply->error, reply->error_text);
    } else if (expected != ECBAK__PEER_REPLY__BODY__NOT_SET && reply->body_case != expected) {
        err_set(err, ERR_FORMAT, "the answer is to another question");
    } else {
        if (payload != NULL)
            *payload = view;
        return reply;
    }
    wire_free(reply);
    return NULL;
}

int ask_wait(struct call *const *calls, size_t count, int64_t deadline_ms)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i] != NULL)
            return calls_wait(calls, count, deadline_ms);
    }
    wait_pause(deadline_ms - monotonic_ms());
    return -1;
}

Ecbak__PeerReply *ask_one(struct transport *transport, const struct node_id *node,
                          const Ecbak__PeerRequest *request, int timeout_ms,
                          Ecbak__PeerReply__BodyCase expected, struct err *err)
{
    struct call *call = NULL;
    Ecbak__PeerReply *reply = NULL;
    if (ask_start(transport, node, request, NULL, timeout_ms, &call, err) != 0)
        return NULL;
    if (ask_wait(&call, 1, monotonic_ms() + timeout_ms) == 0)
        reply = ask_reply(call, expected, NULL, err);
    else
        err_set(err, ERR_TIMEOUT, "no answer");
    call_destroy(&call);
    return reply;
}
