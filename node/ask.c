/* Packing and unpacking around transport_call. */
#include "node/ask.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/api/wire.h"

int ask_start(struct transport *transport, const uint8_t node[ID_SIZE],
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err)
{
    size_t size;
    uint8_t *header = wire_pack(request, &size);
    int result = transport_call(transport, node, header, size, payload, timeout_ms, call, err);
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
    int64_t wait_ms = deadline_ms - monotonic_ms();
    if (wait_ms > 0) {
        struct timespec pause = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    return -1;
}

void holders_to_wire(ProtobufCBinaryData views[STORE_HOLDERS_MAX], const struct holders *holders)
{
    static const uint8_t nobody[ID_SIZE];
    for (uint32_t i = 0; i < holders->count; i++) {
        bool empty = memcmp(holders->node[i], nobody, ID_SIZE) == 0;
        views[i] = wire_view(holders->node[i], empty ? 0 : ID_SIZE);
    }
}

int holders_from_wire(struct holders *holders, size_t count, const ProtobufCBinaryData *views,
                      struct err *err)
{
    *holders = (struct holders){.count = 0};
    if (count > STORE_HOLDERS_MAX)
        return err_set(err, ERR_FORMAT, "%zu holders; at most %d", count, STORE_HOLDERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (views[i].len != 0 && !wire_take(holders->node[i], ID_SIZE, views[i]))
            return err_set(err, ERR_FORMAT, "holder %zu is no node id", i);
    }
    holders->count = (uint32_t)count;
    return 0;
}
