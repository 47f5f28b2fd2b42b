/* Packs to and from the node: the calls that run side by side. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/api/client_call.h"
#include "node/common/wire.h"

#define SHAPE_MAX 255

bool client_read_redundancy(struct redundancy *held, const Ecbak__Redundancy *from)
{
    *held = (struct redundancy){.nodes = 0};
    if (from == NULL || !wire_take(held->pack.bytes, ID_SIZE, from->pack))
        return false;
    if (from->object.len != 0 && !wire_take(held->object.bytes, ID_SIZE, from->object))
        return false;
    if (from->data > SHAPE_MAX || from->parity > SHAPE_MAX || from->nodes > SHAPE_MAX ||
        from->others > from->nodes)
        return false;
    held->data = from->data;
    held->parity = from->parity;
    held->nodes = from->nodes;
    held->others = from->others;
    held->sent_bytes = from->sent_bytes;
    held->full = from->full;
    return true;
}

int client_put_pack_start(struct client *client, uint64_t *call, struct pack_to_put *put,
                          struct err *err)
{
    Ecbak__PutPackRequest body = ECBAK__PUT_PACK_REQUEST__INIT;
    body.grant = wire_view(put->grant, put->grant_size);
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_PUT_PACK;
    request.put_pack = &body;
    struct client_call *started;
    if (client_call_start(client, &request, &put->fragments, put->size, &started, err) != 0)
        return -1;
    started->started = true;
    *call = started->number;
    return 0;
}

int client_get_pack_start(struct client *client, uint64_t *call, const struct vault_id *vault,
                          const struct pack_id *pack, struct err *err)
{
    Ecbak__GetPackRequest get = ECBAK__GET_PACK_REQUEST__INIT;
    get.pack = wire_view(pack->bytes, ID_SIZE);
    get.vault = wire_view(vault->bytes, ID_SIZE);
    Ecbak__ClientRequest request = ECBAK__CLIENT_REQUEST__INIT;
    request.body_case = ECBAK__CLIENT_REQUEST__BODY_GET_PACK;
    request.get_pack = &get;
    struct client_call *started;
    if (client_call_start(client, &request, NULL, 0, &started, err) != 0)
        return -1;
    started->started = true;
    *call = started->number;
    return 0;
}

static void take_put(struct client_answer *answer, const Ecbak__PutPackReply *reply)
{
    if (!client_read_redundancy(&answer->held, reply->held))
        err_set(&answer->err, ERR_FORMAT, "the node's answer to a pack makes no sense");
}

static void take_get(struct client_answer *answer, struct client_call *call)
{
    size_t size = call->has_reply_payload ? zmq_msg_size(&call->reply_payload) : 0;
    if (size == 0) {
        err_set(&answer->err, ERR_FORMAT, "the node answered without the pack");
        return;
    }
    answer->corrupt = call->reply->get_pack->corrupt;
    answer->pack = malloc(size);
    if (answer->pack == NULL) {
        err_set(&answer->err, ERR_MEMORY, "no memory for a pack of %zu bytes", size);
        return;
    }
    memcpy(answer->pack, zmq_msg_data(&call->reply_payload), size);
    answer->pack_size = size;
}

int client_next(struct client *client, struct client_answer *answer, struct err *err)
{
    *answer = (struct client_answer){.call = 0};
    struct client_call *call = client_call_wait(client, NULL, err);
    if (call == NULL)
        return -1;
    answer->call = call->number;
    answer->err = call->err;
    answer->corrupt = call->corrupt;
    if (call->err.code == ERR_NONE) {
        assert(call->reply != NULL);
        if (call->reply->body_case == ECBAK__CLIENT_REPLY__BODY_PUT_PACK)
            take_put(answer, call->reply->put_pack);
        else if (call->reply->body_case == ECBAK__CLIENT_REPLY__BODY_GET_PACK)
            take_get(answer, call);
        else
            err_set(&answer->err, ERR_FORMAT, "the node answered another question");
    }
    client_call_end(call);
    return 0;
}
