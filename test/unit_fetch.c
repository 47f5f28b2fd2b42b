/* Fetching a pack while members claim what they have not: the network is played, and the clock moves
 * only while something is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/common/clock.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/transfer/fetch.h"
#include "test/fragment_set.h"

#define HONEST  6 /* the first nodes; each has the row of its number */
#define LIARS   8 /* the others claim rows of objects that are none, and do not send them */
#define NODES   (HONEST + LIARS)
#define ROWS    128
#define TAKE_MS 20

struct call {
    size_t node;
    Ecbak__PeerRequest *request;
    int64_t ready_ms;
    bool done, silent;
};

static struct candidate candidates[NODES];
static enum standing standings[NODES];
static struct member members[NODES];
static struct member_table table = {.count = NODES, .members = members};
static struct counters counters;
static struct peers peers = {.local = {.counters = &counters}};
static struct nodes nodes = {&peers, &table, candidates, standings, NODES};
static struct fragment_set set;

static struct {
    size_t liars; /* of the others, how many lie; the rest has nothing */
    size_t rows;  /* that each of them claims */
    size_t objects;
    bool granted,
        by_reader; /* there is a grant of these objects; a reader's, as that of the true one */
} lies;
static const struct vault_id vault = {{7}};
static size_t asked_fake, asked_true;
static bool proved[NODES], failed[NODES];
static int64_t now_ms = 1000;

/* ---- the network, at link time ------------------------------------------------------------ */

int64_t monotonic_ms(void)
{
    return now_ms;
}

int nodes_find(const struct nodes *n, const struct node_id *node)
{
    for (size_t i = 0; i < n->count; i++)
        if (id_equal(&n->candidates[i].node, node))
            return (int)i;
    return -1;
}

size_t nodes_count(const struct nodes *n, enum standing worst)
{
    (void)worst;
    return n->count;
}

bool nodes_gone(const struct nodes *n, size_t index)
{
    (void)n, (void)index;
    return false;
}

void nodes_failed(struct nodes *n, size_t index)
{
    failed[index] = true;
    n->standings[index] = STANDING_DOUBTFUL;
}

void nodes_lied(struct nodes *n, size_t index)
{
    nodes_failed(n, index);
}

void nodes_proved(struct nodes *n, size_t index)
{
    (void)n;
    proved[index] = true;
}

int store_find_pack(struct store *store, const struct pack_question *question,
                    struct fragment_info *found, size_t max, size_t *count, struct err *err)
{
    (void)store, (void)question, (void)found, (void)max, (void)count;
    return err_set(err, ERR_NOT_FOUND, "none of these nodes is this one");
}

int store_get_fragment(struct store *store, const struct fragment_key *key, uint8_t **bytes,
                       size_t *size, struct err *err)
{
    (void)store, (void)key, (void)bytes, (void)size;
    return err_set(err, ERR_NOT_FOUND, "none of these nodes is this one");
}

/* What was granted is remembered here: no grant comes along. */
int store_believed(struct store *store, const struct vault_id *of, const struct object_id *object,
                   const struct writer_id *writer, struct belief *belief, bool *found,
                   struct err *err)
{
    (void)store, (void)writer, (void)err;
    bool is_true = id_equal(object, &set.object_id);
    *belief = (struct belief){.vault = *of,
                              .object = *object,
                              .by_reader = is_true || lies.by_reader,
                              .pack = set.object.pack_id,
                              .data = is_true ? set.object.shape.k : 1,
                              .parity = is_true ? set.object.shape.m : ROWS,
                              .pack_bytes = set.object.shape.pack_size};
    *found = is_true || lies.granted;
    return 0;
}

struct belief belief_of(const struct grant *grant, const struct writer_cert *writer)
{
    (void)grant, (void)writer;
    return (struct belief){.by_reader = false};
}

int ask_start(struct transport *transport, const struct node_id *node,
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err)
{
    (void)transport, (void)payload, (void)err;
    size_t size;
    uint8_t *bytes = wire_pack(request, &size);
    *call = alloc_zero(1, sizeof(**call));
    (*call)->node = (size_t)nodes_find(&nodes, node);
    (*call)->request = wire_unpack(&ecbak__peer_request__descriptor, bytes, size, 1 << 20, NULL);
    (*call)->ready_ms = now_ms;
    free(bytes);
    if (request->body_case != ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT)
        return 0;
    (*call)->silent = (*call)->node >= HONEST;
    (*call)->ready_ms += (*call)->silent ? timeout_ms : TAKE_MS;
    if ((*call)->silent)
        asked_fake++;
    else
        asked_true++;
    return 0;
}

void call_destroy(struct call **call)
{
    if (*call == NULL)
        return;
    wire_free((*call)->request);
    free(*call);
    *call = NULL;
}

int ask_wait(struct call *const *calls, size_t count, int64_t deadline_ms)
{
    int first = -1;
    for (size_t i = 0; i < count; i++)
        if (calls[i] != NULL && !calls[i]->done && calls[i]->ready_ms <= deadline_ms &&
            (first < 0 || calls[i]->ready_ms <= calls[first]->ready_ms)) /* liars are quick */
            first = (int)i;
    int64_t until_ms = first < 0 ? deadline_ms : calls[first]->ready_ms;
    if (until_ms > now_ms)
        now_ms = until_ms;
    if (first >= 0)
        calls[first]->done = true;
    return first;
}

/* What a node says that it has. */
static Ecbak__PeerReply *located(size_t node)
{
    Ecbak__FragmentAt at[ROWS], *list[ROWS];
    uint8_t objects[ROWS][ID_SIZE];
    Ecbak__LocateReply body = ECBAK__LOCATE_REPLY__INIT;
    Ecbak__PeerReply reply = ECBAK__PEER_REPLY__INIT;
    body.fragments = list;
    body.n_fragments = node < HONEST ? 1 : node - HONEST < lies.liars ? lies.rows : 0;
    for (size_t i = 0; i < body.n_fragments; i++) {
        ecbak__fragment_at__init(&at[i]);
        memset(objects[i], 0x70 + (int)(i % lies.objects), ID_SIZE);
        at[i].object = wire_view(objects[i], ID_SIZE);
        at[i].index = lies.rows == 1 || lies.objects > 1 ? (uint32_t)(node - HONEST) : (uint32_t)i;
        list[i] = &at[i];
    }
    if (node < HONEST) {
        at[0].object = wire_view(set.object_id.bytes, ID_SIZE);
        at[0].index = (uint32_t)node;
    }
    reply.body_case = ECBAK__PEER_REPLY__BODY_LOCATE;
    reply.locate = &body;
    size_t size;
    uint8_t *bytes = wire_pack(&reply, &size);
    Ecbak__PeerReply *copy =
        wire_unpack(&ecbak__peer_reply__descriptor, bytes, size, ASK_REPLY_BUDGET, NULL);
    free(bytes);
    return copy;
}

Ecbak__PeerReply *ask_reply(struct call *call, Ecbak__PeerReply__BodyCase expected,
                            struct payload *payload, struct err *err)
{
    static const uint8_t nothing[1];
    if (expected == ECBAK__PEER_REPLY__BODY_LOCATE)
        return located(call->node);
    if (call->silent) {
        err_set(err, ERR_TIMEOUT, "no answer");
        return NULL;
    }
    payload->bytes = set.bytes[call->request->get_fragment->index];
    payload->size = set.size;
    return wire_unpack(&ecbak__peer_reply__descriptor, nothing, 0, ASK_REPLY_BUDGET, NULL);
}

/* ---- the tests ---------------------------------------------------------------------------- */

/* Fetches the pack; how long it took. */
static int64_t fetch(size_t liars, size_t rows, size_t objects)
{
    struct err err = ERR_INIT;
    struct fetching *f = alloc_zero(1, sizeof(*f));
    int64_t start_ms = now_ms;
    lies.liars = liars;
    lies.rows = rows;
    lies.objects = objects;
    asked_fake = asked_true = 0;
    for (size_t i = 0; i < NODES; i++)
        proved[i] = failed[i] = false;
    fetch_init(f, &nodes, &(struct wanted_pack){&vault, &set.object.pack_id}, NULL);
    if (fetch_rows(f, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(id_equal(&f->whole->id, &set.object_id));
    assert_true(f->whole->have >= set.object.shape.k);
    fetch_release(f);
    free(f);
    return now_ms - start_ms;
}

static int standings_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODES; i++)
        standings[i] = STANDING_GOOD;
    lies.granted = lies.by_reader = true;
    return 0;
}

static void rows_that_one_node_claims_weigh_as_one(void **state)
{
    (void)state;
    assert_in_range(fetch(1, ROWS, 1), 0, 200);
    assert_int_equal(asked_fake, 0);
    assert_int_equal(asked_true, set.object.shape.k);
    /* All who said that they have something were answered; only who gave it has proven anything. */
    for (size_t i = HONEST; i < NODES; i++)
        assert_false(proved[i]);
}

static void another_object_is_raced_when_the_first_is_late(void **state)
{
    (void)state;
    assert_in_range(fetch(LIARS, 1, 1), 0, 1500); /* and not the 20 s of a call */
    assert_true(asked_fake > 0 && asked_true >= set.object.shape.k);
    /* Next time, who was late comes last. */
    assert_in_range(fetch(LIARS, 1, 1), 0, 900);
}

static void many_objects_that_are_none_cost_no_more_than_a_few(void **state)
{
    (void)state;
    assert_in_range(fetch(LIARS, ROWS, ROWS), 0, 4000);
    assert_true(asked_true >= set.object.shape.k);
}

static void an_object_without_a_grant_is_not_asked_for(void **state)
{
    (void)state;
    lies.granted = false;
    assert_in_range(fetch(LIARS, 1, 1), 0, 200);
    assert_in_range(fetch(LIARS, ROWS, ROWS), 0, 200);
    assert_int_equal(asked_fake, 0);
}

static void what_a_reader_granted_goes_before_what_more_nodes_claim(void **state)
{
    (void)state;
    lies.by_reader = false;
    assert_in_range(fetch(LIARS, 1, 1), 0, 200);
    assert_int_equal(asked_fake, 0);
}

static int setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static uint8_t pack[300000];
    if (sodium_init() < 0 || rs_setup(&err) != 0 ||
        fragment_set_encode(&set, pack, sizeof(pack), 4, 2, &err) != 0)
        return -1;
    for (size_t i = 0; i < NODES; i++)
        candidates[i].node.bytes[0] = (uint8_t)(i + 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fragment_set_release(&set);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_that_one_node_claims_weigh_as_one, standings_good),
        cmocka_unit_test_setup(another_object_is_raced_when_the_first_is_late, standings_good),
        cmocka_unit_test_setup(many_objects_that_are_none_cost_no_more_than_a_few, standings_good),
        cmocka_unit_test_setup(an_object_without_a_grant_is_not_asked_for, standings_good),
        cmocka_unit_test_setup(what_a_reader_granted_goes_before_what_more_nodes_claim,
                               standings_good),
    };
    return cmocka_run_group_tests_name("fetch", tests, setup, teardown);
}
