/* serve_peer_internal.h - an answer to another node while it is made: the inside of serve_peer.h.
 *
 *   Memory   everything that the reply borrows lives in one struct peer_answer, and is freed after
 *            packing; the payload goes to the transport
 */
#ifndef ECBAK_NODE_SERVE_SERVE_PEER_INTERNAL_H
#define ECBAK_NODE_SERVE_SERVE_PEER_INTERNAL_H

#include "node/peers/peer.pb-c.h"
#include "node/serve/serve_peer.h"

struct peer_answer {
    Ecbak__PeerReply reply;
    union {
        Ecbak__PutFragmentReply put;
        Ecbak__LocateReply locate;
        Ecbak__PinReply pin;
        Ecbak__RecordDigestReply digest;
        Ecbak__ListRecordsReply list;
        Ecbak__GetGrantsReply get_grants;
        Ecbak__ListRevocationsReply revocations;
        Ecbak__DialBackReply dial_back;
        Ecbak__ReadLeavesReply leaves;
    };
    Ecbak__RowRead *read;
    Ecbak__RowRead **read_list;
    Ecbak__Revoked *revoked;
    Ecbak__Revoked **revoked_list;
    char (*revoked_bulk)[REVOCATION_ADDRESS_SIZE];
    struct fragment_info *found;
    Ecbak__FragmentAt *at;
    Ecbak__FragmentAt **at_list;
    struct holders *holders;
    ProtobufCBinaryData *views;
    uint8_t **grants; /* some of them NULL */
    size_t grant_count;
    uint8_t *bytes;
    char text[REACH_TEXT_SIZE];
    struct payload payload;
};

/* Answers one kind of request. */
typedef int peer_handler(const struct responder *responder, const struct question *question,
                         const Ecbak__PeerRequest *request, struct peer_answer *answer,
                         struct err *err);

struct peer_request {
    struct request kind;
    peer_handler *answer;
};

/* peer_requests.c; NULL: no such kind. */
const struct peer_request *peer_request_find(unsigned body);

/* serve_fragments.c */
peer_handler answer_put_fragment, answer_get_fragment, answer_locate, answer_pin, answer_get_grants,
    answer_set_holders;
/* serve_leaves.c */
peer_handler answer_read_leaves;
/* serve_records.c */
peer_handler answer_put_record, answer_record_digest, answer_list_records, answer_get_record,
    answer_list_revocations;

/* How a payload that was malloc'd is released. */
void serve_free_payload(void *bytes, void *hint);

#endif
