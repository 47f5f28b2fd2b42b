/* round.h - one question to many nodes, and their answers as they come.
 *
 * Nobody is waited for who has died meanwhile; doubtful nodes get a moment once all others have
 * answered, so a node that is gone but still listed as alive does not hold up the rest.
 *
 *   Threads  one at a time for one struct round
 */
#ifndef ECBAK_NODE_PEERS_ROUND_H
#define ECBAK_NODE_PEERS_ROUND_H

#include "node/peers/nodes.h"
#include "node/peers/peer.pb-c.h"

struct round {
    struct nodes *nodes;
    struct call **calls; /* by node */
    size_t asked, answered;
    int64_t deadline_ms;
    int64_t grace_ms; /* until when the doubtful are waited for; 0: others are waited for */
    bool patient;     /* the doubtful are waited for like the others: they are alive, as was seen */
    struct call *last;      /* holds the answer that came last */
    struct payload payload; /* of that answer: a view until the next one comes */
};

void round_init(struct round *round, struct nodes *nodes, int timeout_ms);
void round_release(struct round *round);
/* Asks nodes[node]; payload (or NULL) is taken. */
void round_ask(struct round *round, size_t node, const Ecbak__PeerRequest *request,
               struct payload *payload);
/* The next answer: *node gets whose, *reply the reply (to be freed with wire_free) or NULL with
 * *why. false: nobody is left who is worth waiting for, or nothing came until `until_ms`. */
bool round_next(struct round *round, int64_t until_ms, Ecbak__PeerReply__BodyCase expected,
                size_t *node, Ecbak__PeerReply **reply, struct err *why);

#endif
