/* Two halves: asking others about ourselves, and dialling others for them. */
#include "node/peers/reach.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/open_files.h"
#include "node/common/wire.h"
#include "node/net/dial.h"
#include "node/peers/nodes.h"
#include "node/peers/peers.h"
#include "node/peers/round.h"

#define FIRST_MS       2000    /* after the start: our own gossip must have reached them */
#define SOON_MS        3000    /* nobody could tell yet */
#define UNREACHABLE_MS 60000   /* until it is asked again */
#define REACHABLE_MS   3600000 /* the same: firewalls change */
#define DIAL_MS        4000
#define ANSWER_MS      9000 /* they dial, perhaps one after another */
#define CALLERS        64
#define DIAL_FILES                                                                                 \
    64 /* more than the sockets of two dials: libzmq ends the process where it gets none */

struct reach {
    struct peers *peers;
    const struct config *config;
    pthread_mutex_t lock;
    struct reachable known;
    int64_t next_ms;
    int64_t callers_ms[CALLERS]; /* the dialling thread's: when those of a slot may be dialled */
};

/* ---- dialling others ----------------------------------------------------------------------- */

/* Whoever shares a slot waits too: two who take turns are dialled no more often than one. */
static bool too_often(struct reach *reach, const struct node_id *node)
{
    int64_t now_ms = monotonic_ms(), *next_ms = &reach->callers_ms[node->bytes[0] % CALLERS];
    if (now_ms < *next_ms)
        return true;
    *next_ms = now_ms + REACH_CALLER_MS;
    return false;
}

/* Where the caller says itself, in gossip, that it is, and from where it asks. */
static int check_place(const struct dialled ports[DIAL_MAX], const char *from, struct err *err)
{
    if (!endpoint_known(&ports[0].endpoint) || !endpoint_known(&ports[1].endpoint))
        return err_set(err, ERR_DENIED,
                       "you do not say where you are: does the name in advertise_address resolve?");
    for (size_t i = 0; i < DIAL_MAX; i++)
        if (!endpoint_is_at(&ports[i].endpoint, from))
            return err_set(err, ERR_DENIED,
                           "you say that you are at %s, and ask from %s: only who asks from where "
                           "it says to be is dialled",
                           endpoint_address(&ports[i].endpoint), from);
    return 0;
}

int reach_dial(struct reach *reach, const struct node_id *node, const char *from,
               Ecbak__DialBackReply *reply, char text[REACH_TEXT_SIZE], struct err *err)
{
    struct member_table *table = membership_table(reach->peers->membership);
    const struct member *member = member_find(table, node);
    struct dialled ports[DIAL_MAX];
    uint8_t curve[32];
    bool known = member != NULL && endpoint_parse(&ports[0].endpoint, member->address, err) == 0;
    if (known) {
        ports[1].endpoint = member->bulk;
        memcpy(curve, member->cert.curve, sizeof(curve));
    }
    member_table_release(&table);
    if (!known)
        return err_set(err, ERR_NOT_FOUND, "this node has not heard of you yet");
    if (check_place(ports, from, err) != 0)
        return -1;
    if (too_often(reach, node))
        return err_set(err, ERR_BUSY, "asked too often");
    if (!open_files_spare(DIAL_FILES))
        return err_set(err, ERR_BUSY, "no open files to spare");
    dial(ports, DIAL_MAX, curve, DIAL_MS);
    reply->member_reached = ports[0].reached;
    reply->bulk_reached = ports[1].reached;
    const struct dialled *worse = !ports[0].reached ? &ports[0] : &ports[1];
    snprintf(text, REACH_TEXT_SIZE, "%s%s%s", worse->reached ? "" : worse->endpoint.text,
             worse->reached ? "" : ": ", worse->why);
    reply->text = text;
    return 0;
}

/* ---- asking about ourselves ---------------------------------------------------------------- */

struct verdicts {
    struct reachable found;
    bool member_failed, bulk_failed;
    char example[REACH_TEXT_SIZE];
    char refused[REACH_TEXT_SIZE]; /* somebody does not try, and says why; "": nobody */
};

static void take_verdict(struct verdicts *v, const Ecbak__DialBackReply *reply)
{
    v->found.asked++;
    if (reply->member_reached && reply->bulk_reached)
        return;
    v->found.failed++;
    v->member_failed |= !reply->member_reached;
    v->bulk_failed |= !reply->bulk_reached;
    wire_text(v->example, sizeof(v->example), reply->text);
}

static void ask(struct reach *reach, struct verdicts *v)
{
    struct nodes nodes;
    struct round round;
    Ecbak__DialBack body = ECBAK__DIAL_BACK__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    request.body_case = ECBAK__PEER_REQUEST__BODY_DIAL_BACK;
    request.dial_back = &body;
    nodes_init(&nodes, reach->peers);
    round_init(&round, &nodes, ANSWER_MS);
    size_t start = nodes.count > 0 ? randombytes_uniform((uint32_t)nodes.count) : 0;
    for (size_t i = 0; i < nodes.count && round.asked < REACH_ASKED_MAX; i++)
        if (nodes.standings[(start + i) % nodes.count] == STANDING_GOOD)
            round_ask(&round, (start + i) % nodes.count, &request, NULL);
    size_t node;
    Ecbak__PeerReply *reply;
    struct err why = ERR_INIT;
    while (round_next(&round, INT64_MAX, ECBAK__PEER_REPLY__BODY_DIAL_BACK, &node, &reply, &why)) {
        if (reply != NULL)
            take_verdict(v, reply->dial_back);
        else if (why.code == ERR_DENIED)
            wire_text(v->refused, sizeof(v->refused), why.text);
        else
            log_debug("asking to be dialled: %s", why.text);
        wire_free(reply);
    }
    round_release(&round);
    nodes_release(&nodes);
}

static void describe(struct verdicts *v, const struct config *config)
{
    struct reachable *r = &v->found;
    char ports[32];
    if (v->member_failed && v->bulk_failed)
        snprintf(ports, sizeof(ports), "ports %u and %u", config->member_port, config->bulk_port);
    else
        snprintf(ports, sizeof(ports), "port %u",
                 v->member_failed ? config->member_port : config->bulk_port);
    if (r->failed == 0)
        snprintf(r->text, sizeof(r->text), "yes");
    else
        snprintf(r->text, sizeof(r->text),
                 "not from %u of %u members asked (%.80s): %s TCP %s open to them at %.40s?",
                 r->failed, r->asked, v->example, v->member_failed && v->bulk_failed ? "are" : "is",
                 ports, config->advertise_address);
}

void reach_tick(struct reach *reach)
{
    struct verdicts v = {.found = {0}};
    if (monotonic_ms() < reach->next_ms)
        return;
    ask(reach, &v);
    if (v.found.asked == 0 && v.refused[0] == '\0') {
        reach->next_ms = monotonic_ms() + SOON_MS;
        return;
    }
    if (v.found.asked > 0)
        describe(&v, reach->config);
    else
        snprintf(v.found.text, sizeof(v.found.text), "not tried by %.200s", v.refused);
    pthread_mutex_lock(&reach->lock);
    struct reachable before = reach->known;
    reach->known = v.found;
    pthread_mutex_unlock(&reach->lock);
    bool reached = v.found.asked > 0 && v.found.failed == 0;
    reach->next_ms = monotonic_ms() + (reached ? REACHABLE_MS : UNREACHABLE_MS);
    if (v.found.asked == 0 && strcmp(before.text, v.found.text) != 0)
        log_warn("whether others can reach this node is not known: %s", v.found.text);
    if (v.found.failed > 0 && (before.asked == 0 || before.failed == 0))
        log_warn("others cannot reach this node: %s", v.found.text);
    else if (reached && before.failed > 0)
        log_info("others can reach this node now");
}

void reach_read(struct reach *reach, struct reachable *reachable)
{
    pthread_mutex_lock(&reach->lock);
    *reachable = reach->known;
    pthread_mutex_unlock(&reach->lock);
}

void reach_new(struct reach **reach, struct peers *peers, const struct config *config)
{
    struct reach *r = alloc_zero(1, sizeof(*r));
    r->peers = peers;
    r->config = config;
    r->next_ms = monotonic_ms() + FIRST_MS;
    pthread_mutex_init(&r->lock, NULL);
    *reach = r;
}

void reach_destroy(struct reach **reach)
{
    struct reach *r = *reach;
    if (r == NULL)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
    *reach = NULL;
}
