/* Members that prove what they claim, and such as do not: the network is played, the proofs are
 * real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/repair/prove.h"
#include "node/repair/sample.h"
#include "node/trust/node_keys.h"
#include "test/fragment_set.h"

static const struct vault_id vault = {{1}};

#define NODES  2 /* one that is honest, one that is what the test says */
#define PACKS  400
#define DATA   2
#define PARITY 2
#define ODD    1

enum behaviour {
    HONEST,
    FLIPS,         /* a byte of a leaf */
    FLIPS_ROOT,    /* a byte of what goes before the row */
    OTHER_LEAF,    /* a good one, but not the one that was asked for */
    OTHER_ROW,     /* a good proof of another row */
    CUTS,          /* the last byte is missing */
    ADDS,          /* a byte too much */
    ONE_ROW_LESS,  /* in the answer */
    SILENT,        /* no answer */
    REFUSES,       /* an error for all of it */
    NO_SUCH_LEAF,  /* an error for a row that no damage explains */
    BUSY_ONCE,     /* and then honest */
    ONE_DAMAGED,   /* the first row that it is asked for */
    ALL_DAMAGED,   /* whatever it is asked for */
    FIRST_DAMAGED, /* the first row of each request */
};

struct call {
    size_t node;
    Ecbak__PeerRequest *request;
    bool done;
    uint8_t *payload;
};

static struct node_keys keys[NODES];
static struct candidate candidates[NODES];
static enum standing standings[NODES];
static struct member members[NODES];
static struct member_table table = {.count = NODES, .members = members};
static struct counters counters;
static struct peers peers = {.local = {.counters = &counters}};
static struct nodes nodes = {&peers, &table, candidates, standings, NODES};

static struct fragment_set sets[PACKS];
static struct pack_id packs[PACKS];
static enum behaviour behaviour;
static size_t requests[NODES], leaves_asked[NODES];
static bool lied[NODES], proved[NODES]; /* told of */
static int64_t now_ms;

/* ---- the network, at link time ------------------------------------------------------------ */

int64_t monotonic_ms(void)
{
    return now_ms;
}

bool nodes_gone(const struct nodes *n, size_t index)
{
    (void)n, (void)index;
    return false;
}

void nodes_failed(struct nodes *n, size_t index)
{
    n->standings[index] = STANDING_DOUBTFUL;
}

void nodes_lied(struct nodes *n, size_t index)
{
    (void)n;
    lied[index] = true;
}

void nodes_proved(struct nodes *n, size_t index)
{
    (void)n;
    proved[index] = true;
}

void wait_pause(int64_t pause_ms)
{
    now_ms += pause_ms;
}

int local_prove_row(const struct local *local, const struct fragment_key *key,
                    const uint32_t *leaves, size_t count, uint8_t **proof, size_t *size,
                    struct err *err)
{
    (void)local, (void)key, (void)leaves, (void)count, (void)proof, (void)size;
    return err_set(err, ERR_NOT_FOUND, "none of these nodes is this one");
}

int ask_start(struct transport *transport, const struct node_id *node,
              const Ecbak__PeerRequest *request, struct payload *payload, int timeout_ms,
              struct call **call, struct err *err)
{
    (void)transport, (void)payload, (void)timeout_ms, (void)err;
    size_t size;
    uint8_t *bytes = wire_pack(request, &size);
    *call = alloc_zero(1, sizeof(**call));
    (*call)->node = id_equal(node, &candidates[ODD].node) ? ODD : 0;
    (*call)->request = wire_unpack(&ecbak__peer_request__descriptor, bytes, size, 1 << 20, NULL);
    assert_true(size <= ASK_REQUEST_MAX);
    free(bytes);
    return 0;
}

void call_destroy(struct call **call)
{
    if (*call == NULL)
        return;
    wire_free((*call)->request);
    free((*call)->payload);
    free(*call);
    *call = NULL;
}

int calls_wait(struct call *const *calls, size_t count, int64_t deadline_ms)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i] == NULL || calls[i]->done || (calls[i]->node == ODD && behaviour == SILENT))
            continue;
        calls[i]->done = true;
        return (int)i;
    }
    now_ms = deadline_ms;
    return -1;
}

static const struct fragment_set *set_of(ProtobufCBinaryData object)
{
    for (size_t i = 0; i < PACKS; i++)
        if (object.len == ID_SIZE && memcmp(sets[i].object_id.bytes, object.data, ID_SIZE) == 0)
            return &sets[i];
    fail_msg("a row of no object");
    return NULL;
}

static size_t prove_row(uint8_t *to, const Ecbak__RowLeaves *asked, enum behaviour as)
{
    const struct fragment_set *set = set_of(asked->object);
    const struct object_shape *shape = &set->object.shape;
    size_t head = fragment_head_size(shape), used = head;
    uint32_t index = as == OTHER_ROW ? (asked->index + 1) % (DATA + PARITY) : asked->index;
    memcpy(to, set->bytes[index], head);
    for (size_t i = 0; i < asked->n_leaves; i++) {
        size_t leaf =
            as == OTHER_LEAF ? (asked->leaves[i] + 1) % shape->leaf_count : asked->leaves[i];
        size_t size = hash_tree_leaf_size(shape->row_size, leaf);
        assert_true(leaf < shape->leaf_count);
        memcpy(to + used, set->bytes[index] + head + leaf * HASH_TREE_LEAF_SIZE, size);
        used += size;
    }
    if (as == FLIPS)
        to[used - 100] ^= 1;
    if (as == FLIPS_ROOT)
        to[FRAGMENT_HEADER_SIZE + 3] ^= 1;
    return used;
}

Ecbak__PeerReply *ask_reply(struct call *call, Ecbak__PeerReply__BodyCase expected,
                            struct payload *payload, struct err *err)
{
    const Ecbak__ReadLeaves *asked = call->request->read_leaves;
    enum behaviour as = call->node == ODD ? behaviour : HONEST;
    assert_int_equal(expected, ECBAK__PEER_REPLY__BODY_READ_LEAVES);
    size_t request = requests[call->node]++, used = 0;
    if (as == REFUSES || (as == BUSY_ONCE && request == 0)) {
        err_set(err, as == REFUSES ? ERR_VERSION : ERR_BUSY, "no");
        return NULL;
    }
    Ecbak__RowRead rows[ASK_LEAVES_MAX], *list[ASK_LEAVES_MAX];
    Ecbak__ReadLeavesReply body = ECBAK__READ_LEAVES_REPLY__INIT;
    call->payload = alloc_zero(ASK_LEAVES_MAX, HASH_TREE_LEAF_SIZE + FRAGMENT_HEAD_MAX);
    assert_in_range(asked->n_rows, 1, ASK_LEAVES_MAX);
    for (size_t i = 0; i < asked->n_rows; i++) {
        ecbak__row_read__init(&rows[i]);
        list[i] = &rows[i];
        leaves_asked[call->node] += asked->rows[i]->n_leaves;
        bool damaged = as == ALL_DAMAGED || (as == ONE_DAMAGED && request == 0 && i == 0) ||
                       (as == FIRST_DAMAGED && i == 0);
        if (damaged || as == NO_SUCH_LEAF)
            rows[i].error = damaged ? ERR_DAMAGED : ERR_INVALID;
        else
            rows[i].size = (uint32_t)prove_row(call->payload + used, asked->rows[i], as);
        used += rows[i].size;
    }
    body.n_rows = asked->n_rows - (as == ONE_ROW_LESS);
    if (as == CUTS || as == ADDS)
        rows[asked->n_rows - 1].size += as == CUTS ? -1 : 1;
    payload->bytes = call->payload;
    payload->size = used + (as == ADDS) - (as == CUTS);
    body.rows = list;
    Ecbak__PeerReply reply = ECBAK__PEER_REPLY__INIT;
    reply.body_case = ECBAK__PEER_REPLY__BODY_READ_LEAVES;
    reply.read_leaves = &body;
    size_t size;
    uint8_t *bytes = wire_pack(&reply, &size);
    Ecbak__PeerReply *copy =
        wire_unpack(&ecbak__peer_reply__descriptor, bytes, size, ASK_REPLY_BUDGET, err);
    free(bytes);
    return copy;
}

/* ---- the bench ---------------------------------------------------------------------------- */

static struct unproven found[NODES];
static size_t found_count;
static struct sighting items[NODES * PACKS];
static struct sightings seen;

/* Each node claims a row of each pack, and is to prove 16 leaves. */
static void examine(enum behaviour as)
{
    behaviour = as;
    seen = (struct sightings){.items = items};
    for (size_t node = 0; node < NODES; node++) {
        standings[node] = STANDING_GOOD;
        requests[node] = leaves_asked[node] = 0;
        lied[node] = proved[node] = false;
        for (size_t i = 0; i < PACKS; i++) {
            struct sighting *s = &items[seen.count++];
            *s = (struct sighting){.index = (uint32_t)((i + node) % (DATA + PARITY)),
                                   .data = DATA,
                                   .parity = PARITY,
                                   .pack_bytes = sets[i].object.shape.pack_size,
                                   .node = node,
                                   .pack = i,
                                   .counted = true};
            s->object = sets[i].object_id;
        }
    }
    found_count = prove_claims(&nodes, &(struct proof_of){&vault, packs}, &seen, 16, found);
    for (size_t i = 0; i < seen.count; i++)
        if (items[i].node != ODD && items[i].failed)
            fail_msg("the honest node lost a row");
    assert_int_equal(leaves_asked[0], 16);
    assert_true(proved[0] && !lied[0]);
}

static size_t rows_out(void)
{
    size_t count = 0;
    for (size_t i = 0; i < seen.count; i++)
        count += items[i].node == ODD && items[i].failed;
    return count;
}

/* ---- the tests ---------------------------------------------------------------------------- */

static void who_proves_a_sample_counts_for_all_of_it(void **state)
{
    (void)state;
    examine(HONEST);
    assert_int_equal(found_count, 0);
    assert_int_equal(rows_out(), 0);
    assert_int_equal(leaves_asked[ODD], 16);
    assert_int_equal(requests[ODD], 1);
}

static void who_proves_nothing_counts_for_nothing(void **state)
{
    (void)state;
    static const enum behaviour lies[] = {FLIPS, FLIPS_ROOT,   OTHER_LEAF, OTHER_ROW, CUTS,
                                          ADDS,  ONE_ROW_LESS, SILENT,     REFUSES,   NO_SUCH_LEAF};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        examine(lies[i]);
        if (found_count != 1 || !found[0].excluded || rows_out() != PACKS)
            fail_msg("lie %d: %zu found, %zu rows out", (int)lies[i], found_count, rows_out());
        assert_true(id_equal(&found[0].node, &candidates[ODD].node));
        assert_string_equal(found[0].name, "odd");
        assert_non_null(strstr(found[0].text, "nothing of it counts"));
        /* Silence is no lie; nor does it earn a standing. */
        assert_true(lied[ODD] == (lies[i] != SILENT && lies[i] != REFUSES) && !proved[ODD]);
    }
}

static void who_claims_another_shape_counts_for_nothing(void **state)
{
    (void)state;
    examine(HONEST);
    for (size_t i = 0; i < seen.count; i++) {
        items[i].examined = false;
        if (items[i].node == ODD)
            items[i].parity = PARITY + 1;
    }
    assert_int_equal(prove_claims(&nodes, &(struct proof_of){&vault, packs}, &seen, 16, found), 1);
    assert_true(found[0].excluded);
    assert_int_equal(rows_out(), PACKS);
}

static void a_node_that_is_busy_is_asked_again(void **state)
{
    (void)state;
    examine(BUSY_ONCE);
    assert_int_equal(found_count, 0);
    assert_int_equal(requests[ODD], 2);
    assert_int_equal(rows_out(), 0);
}

static void a_bad_sector_costs_one_row(void **state)
{
    (void)state;
    examine(ONE_DAMAGED);
    assert_int_equal(found_count, 1);
    assert_false(found[0].excluded);
    assert_int_equal(found[0].damaged, 1);
    assert_int_equal(rows_out(), 1);
    assert_in_range(leaves_asked[ODD], 16 + 16, 16 + 32); /* once more, twice as many */
}

static void of_a_disk_that_forgot_everything_nothing_counts_and_little_is_asked(void **state)
{
    (void)state;
    examine(ALL_DAMAGED);
    assert_int_equal(found_count, 1);
    assert_false(found[0].excluded); /* it says so itself: it is given rows again */
    assert_int_equal(rows_out(), PACKS);
    assert_in_range(leaves_asked[ODD], 16, 48);
}

static void damage_that_goes_on_is_asked_after_for_a_bounded_time(void **state)
{
    (void)state;
    examine(FIRST_DAMAGED);
    assert_int_equal(found_count, 1);
    assert_false(found[0].excluded);
    assert_in_range(leaves_asked[ODD], 200, 16 + 32 + 64 + 128);
    /* A sixteenth of what was read is bad: of the rest nothing is believed. */
    assert_int_equal(rows_out(), PACKS - (found[0].read - found[0].damaged));
}

static void a_sample_is_drawn_over_all_leaves_alike(void **state)
{
    (void)state;
    enum { ROWS = 40, DRAWS = 4000 };
    uint32_t leaves_of[ROWS], all = 0;
    unsigned *times[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        leaves_of[i] = i % 5;
        all += leaves_of[i];
        times[i] = alloc_zero(5, sizeof(unsigned));
    }
    for (size_t n = 0; n < DRAWS; n++) {
        struct leaf_at drawn[SAMPLE_LEAVES_MAX];
        assert_int_equal(sample_draw(leaves_of, ROWS, 16, drawn), 16);
        for (size_t i = 0; i < 16; i++) {
            assert_true(drawn[i].leaf < leaves_of[drawn[i].row]);
            assert_true(i == 0 || drawn[i].row > drawn[i - 1].row ||
                        (drawn[i].row == drawn[i - 1].row && drawn[i].leaf > drawn[i - 1].leaf));
            times[drawn[i].row][drawn[i].leaf]++;
        }
    }
    /* Each 800 times on average, with a deviation of 25: ten of these are never seen. */
    for (uint32_t i = 0; i < ROWS; i++) {
        for (uint32_t leaf = 0; leaf < leaves_of[i]; leaf++)
            assert_in_range(times[i][leaf], DRAWS * 16 / all - 250, DRAWS * 16 / all + 250);
        free(times[i]);
    }
    struct leaf_at drawn[SAMPLE_LEAVES_MAX];
    assert_int_equal(sample_draw(leaves_of, 3, 16, drawn), 3); /* 0 + 1 + 2 leaves: all of them */
    assert_int_equal(sample_draw(leaves_of, 1, 16, drawn), 0);
}

static int setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static uint8_t pack[160 * 1024]; /* rows of two leaves */
    if (sodium_init() < 0 || rs_setup(&err) != 0)
        return -1;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < NODES; i++) {
        randombytes_buf(keys[i].node.bytes, ID_SIZE);
        candidates[i].node = keys[i].node;
        snprintf(members[i].cert.name, sizeof(members[i].cert.name), "%s",
                 i == ODD ? "odd" : "even");
    }
    for (size_t i = 0; i < PACKS; i++) {
        randombytes_buf(pack, 64);
        if (fragment_set_encode(&sets[i], pack, sizeof(pack), DATA, PARITY, &err) != 0)
            return -1;
        assert_int_equal(sets[i].object.shape.leaf_count, 2);
        packs[i] = sets[i].object.pack_id;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKS; i++)
        fragment_set_release(&sets[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_proves_a_sample_counts_for_all_of_it),
        cmocka_unit_test(who_proves_nothing_counts_for_nothing),
        cmocka_unit_test(who_claims_another_shape_counts_for_nothing),
        cmocka_unit_test(a_node_that_is_busy_is_asked_again),
        cmocka_unit_test(a_bad_sector_costs_one_row),
        cmocka_unit_test(of_a_disk_that_forgot_everything_nothing_counts_and_little_is_asked),
        cmocka_unit_test(damage_that_goes_on_is_asked_after_for_a_bounded_time),
        cmocka_unit_test(a_sample_is_drawn_over_all_leaves_alike),
    };
    return cmocka_run_group_tests_name("prove", tests, setup, teardown);
}
