/* Waits in short slices, to look at the membership between them. */
#include "node/peers/round.h"

#include <stdlib.h>

#include "coding/base/alloc.h"
#include "node/common/clock.h"
#include "node/peers/ask.h"

#define SLICE_MS 250

void round_init(struct round *round, struct nodes *nodes, int timeout_ms)
{
    *round = (struct round){.nodes = nodes, .deadline_ms = monotonic_ms() + timeout_ms};
    round->calls = alloc_zero(nodes->count, sizeof(struct call *));
}

void round_release(struct round *round)
{
    for (size_t i = 0; i < round->nodes->count; i++)
        call_destroy(&round->calls[i]);
    call_destroy(&round->last);
    free(round->calls);
    round->calls = NULL;
}

void round_ask(struct round *round, size_t node, const Ecbak__PeerRequest *request,
               struct payload *payload)
{
    int64_t left_ms = round->deadline_ms - monotonic_ms();
    round->asked++;
    if (ask_start(round->nodes->peers->transport, &round->nodes->candidates[node].node, request,
                  payload, left_ms > 1 ? (int)left_ms : 1, &round->calls[node], NULL) != 0)
        round->calls[node] = NULL;
}

/* Drops calls to nodes that are gone by now; 0: nobody is waited for any more, 1: only doubtful
 * ones, 2: others too. */
static int worth_waiting(struct round *round)
{
    int worth = 0;
    for (size_t i = 0; i < round->nodes->count; i++) {
        if (round->calls[i] == NULL)
            continue;
        if (nodes_gone(round->nodes, i)) {
            nodes_failed(round->nodes, i);
            call_destroy(&round->calls[i]);
        } else if (round->patient || round->nodes->standings[i] == STANDING_GOOD) {
            worth = 2;
        } else if (worth == 0) {
            worth = 1;
        }
    }
    return worth;
}

bool round_next(struct round *round, int64_t until_ms, Ecbak__PeerReply__BodyCase expected,
                size_t *node, Ecbak__PeerReply **reply, struct err *why)
{
    if (until_ms > round->deadline_ms)
        until_ms = round->deadline_ms;
    while (!atomic_load(&round->nodes->peers->stop)) {
        int64_t now = monotonic_ms();
        int worth = worth_waiting(round);
        if (worth == 1 && round->grace_ms == 0)
            round->grace_ms = now + DOUBTFUL_GRACE_MS;
        if (worth == 0 || (worth == 1 && now >= round->grace_ms) || now >= until_ms)
            return false;
        int64_t slice_ms = now + SLICE_MS < until_ms ? now + SLICE_MS : until_ms;
        int done = calls_wait(round->calls, round->nodes->count, slice_ms);
        if (done < 0)
            continue;
        *node = (size_t)done;
        call_destroy(&round->last);
        round->last = round->calls[done];
        round->calls[done] = NULL;
        round->payload = (struct payload){.size = 0};
        *reply = ask_reply(round->last, expected, &round->payload, why);
        if (*reply != NULL) {
            round->answered++;
            nodes_succeeded(round->nodes, *node);
        } else if (why->code == ERR_TIMEOUT || why->code == ERR_IO) {
            nodes_failed(round->nodes, *node);
        }
        return true;
    }
    return false;
}
