/* What other nodes may ask. Adding a kind: a row here, its message in node/peers/peer.proto, its row
 * in node/README.md; the fuzzer finds it here. */
#include <assert.h>

#include "node/serve/serve_peer_internal.h"

static int answer_dial_back(const struct responder *responder, const struct question *question,
                            const Ecbak__PeerRequest *request, struct peer_answer *answer,
                            struct err *err)
{
    (void)request;
    ecbak__dial_back_reply__init(&answer->dial_back);
    if (reach_dial(responder->reach, question->node, question->from, &answer->dial_back,
                   answer->text, err) != 0)
        return -1;
    answer->reply.body_case = ECBAK__PEER_REPLY__BODY_DIAL_BACK;
    answer->reply.dial_back = &answer->dial_back;
    return 0;
}

#define KIND(NAME) ECBAK__PEER_REQUEST__BODY_##NAME

static const struct peer_request requests[] = {
    {{KIND(PUT_FRAGMENT), "PutFragment", QUEUE_PEER, COST_FILE}, answer_put_fragment},
    {{KIND(GET_FRAGMENT), "GetFragment", QUEUE_PEER, COST_FILE}, answer_get_fragment},
    {{KIND(LOCATE), "LocatePacks", QUEUE_PEER, COST_FILE}, answer_locate},
    {{KIND(PIN), "PinPacks", QUEUE_PEER, COST_FILE}, answer_pin},
    {{KIND(PUT_RECORD), "PutRecord", QUEUE_PEER, COST_FILE}, answer_put_record},
    {{KIND(RECORD_DIGEST), "RecordDigest", QUEUE_PEER, COST_MEMORY}, answer_record_digest},
    {{KIND(LIST_RECORDS), "ListRecords", QUEUE_PEER, COST_CATALOGUE}, answer_list_records},
    {{KIND(GET_RECORD), "GetRecord", QUEUE_PEER, COST_FILE}, answer_get_record},
    {{KIND(SET_HOLDERS), "SetHolders", QUEUE_PEER, COST_CATALOGUE}, answer_set_holders},
    {{KIND(GET_GRANTS), "GetGrants", QUEUE_PEER, COST_FILE}, answer_get_grants},
    {{KIND(LIST_REVOCATIONS), "ListRevocations", QUEUE_PEER, COST_MEMORY}, answer_list_revocations},
    {{KIND(READ_LEAVES), "ReadLeaves", QUEUE_PEER, COST_FILE}, answer_read_leaves},
    {{KIND(DIAL_BACK), "DialBack", QUEUE_DIAL, COST_NETWORK}, answer_dial_back},
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

const struct peer_request *peer_request_find(unsigned body)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        if (requests[i].kind.body != body)
            continue;
        assert(requests[i].kind.queue != QUEUE_PEER || requests[i].kind.cost < COST_NETWORK);
        return &requests[i];
    }
    return NULL;
}

const struct request *serve_peer_request(size_t i)
{
    return i < REQUESTS ? &requests[i].kind : NULL;
}
