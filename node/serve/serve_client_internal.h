/* serve_client_internal.h - an answer to a command while it is made: the inside of serve_client.h.
 *
 *   Memory   everything that the reply borrows lives in one struct command_answer, and is freed after
 *            packing; the payload goes to the transport
 */
#ifndef ECBAK_NODE_SERVE_SERVE_CLIENT_INTERNAL_H
#define ECBAK_NODE_SERVE_SERVE_CLIENT_INTERNAL_H

#include "node/api/client.pb-c.h"
#include "node/serve/report.h"
#include "node/serve/service_internal.h"

struct command_answer {
    Ecbak__ClientReply reply;
    union {
        Ecbak__PutPackReply put_pack;
        Ecbak__PinPacksReply pin_packs;
        Ecbak__GetPackReply get_pack;
        Ecbak__PutRecordReply put_record;
        Ecbak__GetRecordsReply get_records;
        Ecbak__RevokeReply revoke;
    };
    struct report report; /* of status and members */
    struct redundancy *held;
    Ecbak__Redundancy *held_messages;
    Ecbak__Redundancy **held_list;
    struct unproven *unproven;
    Ecbak__Unproven *unproven_messages;
    Ecbak__Unproven **unproven_list;
    struct object_id object;
    struct record_id last;
    ProtobufCBinaryData *records;
    size_t record_count;
    struct payload payload;
};

/* Answers one kind of request. */
typedef int client_handler(struct service *service, const struct question *question,
                           const Ecbak__ClientRequest *request, struct command_answer *answer,
                           struct err *err);

struct client_request {
    struct request kind;
    client_handler *answer;
};

/* client_requests.c; NULL: no such kind. */
const struct client_request *client_request_find(unsigned body);

/* serve_packs.c */
client_handler answer_put_pack, answer_pin_packs, answer_get_pack;

#endif
