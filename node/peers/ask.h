/* ask.h - questions to one other node: a PeerRequest over the transport, and its reply.
 *
 *   Errors   the other node's, by code; ERR_TIMEOUT when it did not answer; ERR_FORMAT when its
 *            answer is none
 *   Threads  any
 */
#ifndef ECBAK_NODE_PEERS_ASK_H
#define ECBAK_NODE_PEERS_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/net/transport.h"
#include "node/peers/peer.pb-c.h"

#define ASK_PACKS_MAX      2048          /* in one LocatePacks or PinPacks */
#define ASK_HASHES_MAX     4096          /* in one ListRecordsReply */
#define ASK_REQUEST_MAX    (256 * 1024)  /* bytes of a PeerRequest */
#define ASK_REQUEST_BUDGET (1024 * 1024) /* memory that unpacking one may take */
#define ASK_REPLY_BUDGET   (8 * 1024 * 1024)
#define ASK_BUSY_WAIT_MS   100 /* a node whose queue is full is asked again after so long, */
#define ASK_BUSY_TRIES     50  /* so often at most */
#define ASK_GRANTS_MAX     512 /* in one GetGrants */
/* A page: rows in one LocateReply, each perhaps with a grant, and in one PinReply. */
#define ASK_LOCATE_ROWS 512
#define ASK_PIN_ROWS    8192
#define ASK_PAGES_MAX   8 /* of one answer; nobody who is honest needs more: what is left is said */
#define ASK_LEAVES_MAX  16 /* in one ReadLeaves: a megabyte, and as many rows read whole */

/* payload (or NULL) is taken, also on failure. */
int ask_start(struct transport *transport, const struct node_id *node,
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err) MUST_CHECK;
/* Of a call that is done: its reply, of the expected kind (BODY__NOT_SET: any), to be released with
 * wire_free; NULL with the error. payload (or NULL) gets a view that ends with the call. */
Ecbak__PeerReply *ask_reply(struct call *call, Ecbak__PeerReply__BodyCase expected,
                            struct payload *payload, struct err *err) MUST_CHECK;

/* One question, waited for: its reply, to be released with wire_free, or NULL with the error. A
 * payload of the answer is lost. */
Ecbak__PeerReply *ask_one(struct transport *transport, const struct node_id *node,
                          const Ecbak__PeerRequest *request, int timeout_ms,
                          Ecbak__PeerReply__BodyCase expected, struct err *err) MUST_CHECK;

/* calls_wait, which also waits when there is no call to wait for. */
int ask_wait(struct call *const *calls, size_t count, int64_t deadline_ms);

#endif
