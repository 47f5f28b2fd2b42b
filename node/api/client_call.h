/* client_call.h - one connection to a node and the calls under way on it: what the files behind
 * client.h share.
 *
 * A call keeps its request (the pack shared with the socket, not copied) until it is answered: a
 * node that has too much under way says ERR_BUSY, and the call is sent again a little later, so
 * commands never see it.
 *
 *   Threads  one at a time for one struct client
 */
#ifndef ECBAK_NODE_API_CLIENT_CALL_H
#define ECBAK_NODE_API_CLIENT_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zmq.h>

#include "coding/base/err.h"
#include "node/api/client.h"
#include "node/api/client.pb-c.h"

#define CLIENT_REPLY_HEADER_MAX  (1024 * 1024)
#define CLIENT_REPLY_PAYLOAD_MAX (20 * 1024 * 1024)
#define CLIENT_UNPACK_BUDGET     (24 * 1024 * 1024)

/* A request under way or answered. */
struct client_call {
    uint64_t number; /* 0: this place is free */
    bool started;    /* client_next hands it out; else a plain function waits for it */
    bool answered;
    bool keeps;       /* what it asks for is kept by the node: it may have been done, unanswered */
    int64_t again_ms; /* > 0: the node was busy or is away, send again then */
    unsigned tries;
    uint8_t *header;
    size_t header_size;
    bool has_payload;
    zmq_msg_t payload;
    struct err err;            /* of an answer: ERR_NONE when it was done */
    Ecbak__ClientReply *reply; /* of an answer without error */
    uint32_t corrupt;          /* of an answer with one: damaged fragments met */
    bool has_reply_payload;
    zmq_msg_t reply_payload;
};

struct client {
    char *endpoint;
    void *context, *socket, *monitor;
    int timeout_ms;
    uint64_t last_number;
    bool lost;       /* disconnected since the last answer */
    bool met;        /* somebody on the other side spoke our language */
    bool told;       /* that it waits, since the last answer or the last loss */
    bool never_met;  /* nobody was there when it was opened, and nobody answered since */
    int patience_ms; /* for a node that is away to be there */
    int64_t gone_ms; /* > 0: since when it is away, while patience lasts */
    struct client_call calls[CLIENT_CALLS_MAX];
};

/* Does somebody listen at the endpoint? ERR_TIMEOUT when not, ERR_DENIED when we may not ask. Opens
 * and closes a connection of its own. */
int client_knock(const struct client *client, struct err *err) MUST_CHECK;
/* ERR_TIMEOUT: how to start the node. */
int client_no_answer(const struct client *client, struct err *err);
/* ERR_TIMEOUT: somebody listens, and says nothing. */
int client_mute(const struct client *client, struct err *err);

/* Starts a request; its `call` field is filled in. payload (or NULL) is taken, also on failure:
 * *payload is nulled, and its bytes are freed once the call is answered or ended. */
int client_call_start(struct client *client, Ecbak__ClientRequest *request, uint8_t **payload,
                      size_t payload_size, struct client_call **call, struct err *err) MUST_CHECK;
/* Waits for this call, or with NULL for any started one: the call that was answered, or NULL. */
struct client_call *client_call_wait(struct client *client, struct client_call *call,
                                     struct err *err) MUST_CHECK;
void client_call_end(struct client_call *call);

/* The whole of it: NULL with the node's or the connection's error. End the call after reading its
 * reply. */
struct client_call *client_ask(struct client *client, Ecbak__ClientRequest *request,
                               uint8_t **payload, size_t payload_size,
                               ProtobufCBinaryData *reply_payload, struct err *err) MUST_CHECK;

/* The same for a request without payloads; the answer is of the kind that was expected. */
struct client_call *client_ask_for(struct client *client, Ecbak__ClientRequest *request,
                                   Ecbak__ClientReply__BodyCase expected,
                                   struct err *err) MUST_CHECK;
/* Ends the call, and says that its answer about `what` cannot be. Returns -1. */
int client_makes_no_sense(struct client_call *call, const char *what, struct err *err);

/* false: there is none, or it makes no sense. */
bool client_read_redundancy(struct redundancy *held, const Ecbak__Redundancy *from) MUST_CHECK;

#endif
