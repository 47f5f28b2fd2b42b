/* One member that keeps to no rule, among five that do: with what it can say and push, others' packs are
 * neither buried nor blocked, and what it makes up is not counted. It has a certificate, and a transport
 * of which this test says what goes over it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/store/store_internal.h"
#include "node/store/trailer.h"
#include "test/service_lab.h"

#define PACK_BYTES ((size_t)3 << 20)
#define HONEST     6

static struct lab lab;
static struct transport *mallory; /* lab.nodes[HONEST], whose ecbakd never runs */

/* ---- what it can do ---- */

static int find(void *ctx, const struct node_id *id, struct peer_address *address)
{
    (void)ctx;
    for (size_t i = 0; i < HONEST; i++) {
        const struct lab_node *node = &lab.nodes[i];
        if (!id_equal(&node->keys->node, id))
            continue;
        char text[64];
        struct err err = ERR_INIT;
        snprintf(text, sizeof(text), "127.0.0.1:%u", node->config.bulk_port);
        lab_ok(endpoint_parse(&address->endpoint, text, &err));
        memcpy(address->curve_public, node->keys->curve_public, 32);
        return 0;
    }
    return -1;
}

static int arrived(void *ctx, struct incoming *incoming)
{
    (void)ctx, (void)incoming;
    return -1;
}

/* Pushes a fragment; what the node says to it. */
static enum err_code push(size_t node, const uint8_t *fragment, size_t size, const uint8_t *grant,
                          size_t grant_size)
{
    struct err err = ERR_INIT;
    struct call *call;
    Ecbak__PutFragment put = ECBAK__PUT_FRAGMENT__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    put.grant = wire_view(grant, grant_size);
    request.body_case = ECBAK__PEER_REQUEST__BODY_PUT_FRAGMENT;
    request.put_fragment = &put;
    struct payload payload = {(uint8_t *)fragment, size, NULL, NULL};
    lab_ok(ask_start(mallory, &lab.nodes[node].keys->node, &request, &payload, LAB_WAIT_MS, &call,
                     &err));
    assert_int_equal(ask_wait(&call, 1, monotonic_ms() + LAB_WAIT_MS), 0);
    Ecbak__PeerReply *reply = ask_reply(call, ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT, NULL, &err);
    call_destroy(&call);
    wire_free(reply);
    return reply != NULL ? ERR_NONE : err.code;
}

/* The grant of an object, as every holder shows it to every member. */
static uint8_t *ask_for_grant(size_t node, const struct object_id *object, size_t *size)
{
    struct err err = ERR_INIT;
    Ecbak__GetGrants get = ECBAK__GET_GRANTS__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    ProtobufCBinaryData objects = wire_view(object->bytes, ID_SIZE);
    get.vault = wire_view(lab.vault.bytes, ID_SIZE);
    get.n_objects = 1;
    get.objects = &objects;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_GRANTS;
    request.get_grants = &get;
    Ecbak__PeerReply *reply = ask_one(mallory, &lab.nodes[node].keys->node, &request, LAB_WAIT_MS,
                                      ECBAK__PEER_REPLY__BODY_GET_GRANTS, &err);
    if (reply == NULL)
        fail_msg("%s", err.text);
    assert_true(reply->get_grants->n_grants == 1 && reply->get_grants->grants[0].len > 0);
    *size = reply->get_grants->grants[0].len;
    uint8_t *grant = malloc(*size);
    memcpy(grant, reply->get_grants->grants[0].data, *size);
    wire_free(reply);
    return grant;
}

/* Another object of somebody's pack: rows of zeros, of a shape and an id of one's choice. */
struct made_up {
    struct object object;
    struct object_id id;
    uint8_t *leaves;
    size_t size; /* of a fragment */
};

/* With an id that sorts before `before`. */
static void make_up(struct made_up *m, const struct pack_id *pack, size_t pack_size, unsigned data,
                    unsigned parity, const struct object_id *before)
{
    struct err err = ERR_INIT;
    m->object = (struct object){.code = 1, .layout = 1, .pack_id = *pack};
    lab_ok(object_shape_of(&m->object.shape, pack_size, data, parity, &err));
    const struct object_shape *shape = &m->object.shape;
    uint8_t *row = calloc(1, shape->row_size), root[HASH_SIZE];
    m->leaves = malloc((size_t)shape->leaf_count * HASH_SIZE);
    hash_tree_leaves(m->leaves, row, shape->row_size);
    hash_tree_root(root, m->leaves, shape->row_size);
    for (unsigned i = 0; i < data + parity; i++)
        memcpy(m->object.roots[i], root, HASH_SIZE);
    do { /* nobody asks for the last row */
        randombytes_buf(m->object.roots[data + parity - 1], HASH_SIZE);
        object_id(&m->id, &m->object);
    } while (id_compare(&m->id, before) >= 0);
    m->size = fragment_size(shape);
    free(row);
}

static uint8_t *made_up_fragment(const struct made_up *m, unsigned index)
{
    uint8_t *bytes = calloc(1, m->size);
    fragment_write_head(bytes, &m->object, index, m->leaves);
    return bytes;
}

static size_t push_rows(const struct made_up *m, const uint8_t *grant, size_t grant_size)
{
    size_t taken = 0;
    for (size_t node = 0; node < HONEST; node++) {
        for (unsigned row = 0; row < 16; row++) {
            uint8_t *fragment = made_up_fragment(m, (unsigned)(node * 16 + row));
            taken += push(node, fragment, m->size, grant, grant_size) == ERR_NONE;
            free(fragment);
        }
    }
    return taken;
}

/* ---- what the others see ---- */

static struct redundancy assert_puts(const struct lab_pack *pack)
{
    struct client_answer answer = lab_put(&lab, 0, pack, 4, 2);
    if (answer.err.code != ERR_NONE)
        fail_msg("%s", answer.err.text);
    assert_int_equal(answer.held.nodes, HONEST);
    return answer.held;
}

static struct redundancy pinned(size_t node, const struct pack_id *pack)
{
    struct err err = ERR_INIT;
    struct redundancy held;
    lab_ok(lab_pin(&lab, node, pack, 1, false, &held, &err));
    return held;
}

static uint64_t counter_of(size_t node, const char *name)
{
    struct err err = ERR_INIT;
    struct node_status status;
    lab_ok(client_status(lab_client(&lab, node), &status, &err));
    for (size_t i = 0; i < status.counter_count; i++)
        if (strcmp(status.counters[i].name, name) == 0)
            return status.counters[i].value;
    fail_msg("no counter %s", name);
    return 0;
}

/* It is counted on every node, and comes back through every node, at once and without a damaged row. */
static void assert_whole(const struct lab_pack *pack, const struct object_id *object)
{
    for (size_t i = 0; i < HONEST; i++) {
        struct redundancy held = pinned(i, &pack->id);
        assert_true(held.data == 4 && held.parity == 2 && held.nodes == HONEST);
        assert_memory_equal(&held.object, object, ID_SIZE);
        struct client_answer answer = lab_get(&lab, i, &pack->id);
        if (answer.err.code != ERR_NONE)
            fail_msg("through %zu: %s", i, answer.err.text);
        assert_memory_equal(answer.pack, pack->bytes, pack->size);
        assert_int_equal(answer.corrupt, 0);
        free(answer.pack);
    }
}

/* ---- the tests ---- */

static void a_grant_brings_in_no_rows_of_another_object_of_its_pack(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct redundancy held = assert_puts(&pack);
    struct made_up m;
    size_t size;
    uint8_t *grant = ask_for_grant(1, &held.object, &size);
    make_up(&m, &pack.id, pack.size, 200, 50, &held.object);
    uint64_t refused = counter_of(0, "grants_refused");
    assert_int_equal(push_rows(&m, grant, size), 0);
    assert_int_equal(counter_of(0, "grants_refused"), refused + 16);
    assert_whole(&pack, &held.object);
    free(grant);
    free(m.leaves);
    free(pack.bytes);
}

static void what_is_stored_into_a_vault_of_its_own_buries_nothing_of_anothers(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct redundancy held = assert_puts(&pack);
    struct made_up m;
    uint8_t *grant;
    size_t size;
    make_up(&m, &pack.id, pack.size, 200, 50, &held.object);
    struct lab honest = lab;
    lab.writer_cert_bytes = NULL;
    lab_vault(&lab, RIGHT_ADD | RIGHT_READ);
    lab_grant(&lab, &m.object, HONEST, &grant, &size);
    assert_int_equal(push_rows(&m, grant, size), 2 * HONEST); /* two from one member, each node */
    free(grant);
    /* And the pack's own rows, in its vault too. */
    struct err err = ERR_INIT;
    struct fragment_bundle b;
    lab_ok(fragment_bundle_encode(&b, pack.bytes, pack.size, 4, 2, &err));
    lab_grant(&lab, &b.object, HONEST, &grant, &size);
    for (size_t i = 0; i < HONEST; i++)
        assert_int_equal(
            push(i, fragment_bundle_at(&b, (unsigned)(i + 1) % 6), b.fragment_size, grant, size),
            ERR_NONE);
    free(grant);
    free(b.bytes);
    free(lab.writer_cert_bytes);
    memcpy(&lab, &honest, sizeof(lab));
    assert_whole(&pack, &held.object);
    free(m.leaves);
    free(pack.bytes);
}

/* As soon as it can read two rows it copies them to every node, ahead of those who are to have others. */
static void who_copies_rows_to_every_node_first_leaves_room_for_those_that_belong_there(
    void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct fragment_bundle b;
    uint8_t *grant;
    size_t size;
    lab_ok(fragment_bundle_encode(&b, pack.bytes, pack.size, 4, 2, &err));
    lab_grant(&lab, &b.object, 0, &grant, &size);
    for (size_t i = 0; i < HONEST; i++) {
        for (unsigned row = 0; row < 6; row++)
            assert_int_equal(push(i, fragment_bundle_at(&b, row), b.fragment_size, grant, size),
                             row < STORE_ROWS_MAX ? ERR_NONE : ERR_DENIED);
        /* What is there it may bring again. */
        assert_int_equal(push(i, fragment_bundle_at(&b, 1), b.fragment_size, grant, size),
                         ERR_NONE);
    }
    struct redundancy held = assert_puts(&pack);
    assert_memory_equal(&held.object, &b.object_id, ID_SIZE);
    assert_whole(&pack, &held.object);
    free(grant);
    free(b.bytes);
    free(pack.bytes);
}

/* From its next start the node says that it has row 0 of the made-up object: with a file that proves
 * itself, and beside it the grant of the pack's true object. */
static void make_liar(size_t node, const struct made_up *m, const uint8_t *grant, size_t grant_size)
{
    char path[DURABLE_PATH_MAX], text[1024], object[2 * ID_SIZE + 1], vault[2 * ID_SIZE + 1],
        pack[2 * ID_SIZE + 1];
    struct trailer trailer = {.fragment_size = m->size, .grant = grant, .grant_size = grant_size};
    uint8_t trailer_bytes[TRAILER_SIZE_MAX], *fragment = made_up_fragment(m, 0);
    size_t trailer_size = trailer_encode(trailer_bytes, &trailer);
    const char *data_dir = lab.nodes[node].config.data_dir;
    const struct fragment_key key = {lab.vault, m->id, 0};
    struct err err = ERR_INIT;
    struct store where = {0};
    lab_end_node(&lab, node, SIGTERM);
    snprintf(where.dir, sizeof(where.dir), "%s", data_dir);
    store_fragment_dir(&where, path, m->id.bytes[0]);
    lab_ok(durable_make_dir(path, 0700, &err));
    store_fragment_path(&where, path, &key);
    const struct durable_piece pieces[] = {{fragment, m->size}, {trailer_bytes, trailer_size}};
    lab_ok(durable_write(path, pieces, 2, 0600, DURABLE_REPLACE, &err));
    free(fragment);
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/catalogue.db", data_dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    hex_encode(object, m->id.bytes, ID_SIZE);
    hex_encode(vault, lab.vault.bytes, ID_SIZE);
    hex_encode(pack, m->object.pack_id.bytes, ID_SIZE);
    snprintf(
        text, sizeof(text),
        "INSERT INTO fragment (object, vault, idx, pack, writer, reader, bringer, data, parity,"
        " pack_bytes, file_bytes, holders, sponsor) VALUES (x'%s', x'%s', 0, x'%s', zeroblob(16), "
        "1,"
        " zeroblob(32), %u, %u, %llu, %zu, x'', zeroblob(32))",
        object, vault, pack, (unsigned)m->object.shape.k, (unsigned)m->object.shape.m,
        (unsigned long long)m->object.shape.pack_size, m->size + trailer_size);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    lab_start_node(&lab, node);
    lab_settle(&lab);
}

static void an_object_that_a_member_makes_up_is_neither_counted_nor_fetched(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct redundancy held = assert_puts(&pack);
    struct made_up m;
    size_t size;
    uint8_t *grant = ask_for_grant(1, &held.object, &size);
    make_up(&m, &pack.id, pack.size, 1, 1, &held.object);
    make_liar(HONEST - 1, &m, grant, size);
    assert_whole(&pack, &held.object);
    assert_true(counter_of(0, "objects_ungranted") > 0);
    /* Where the true object is lost, the made-up one does not hide it. */
    for (size_t i = 1; i < 4; i++)
        lab_end_node(&lab, i, SIGKILL);
    held = pinned(0, &pack.id);
    assert_true(held.data == 4 && held.nodes == 3);
    struct client_answer answer = lab_get(&lab, 0, &pack.id);
    assert_int_equal(answer.err.code, ERR_TOO_FEW);
    assert_int_equal(answer.corrupt, 0);
    for (size_t i = 1; i < 4; i++)
        lab_start_node(&lab, i);
    lab_settle(&lab);
    assert_whole(&pack, &held.object);
    free(grant);
    free(m.leaves);
    free(pack.bytes);
}

/* A node that never heard of a pack learns from its holders that its object is granted. */
static void what_a_node_has_not_stored_itself_it_counts_by_the_grants_of_holders(void **state)
{
    (void)state;
    struct lab_pack packs[40];
    struct pack_id ids[40];
    struct redundancy held[40];
    struct err err = ERR_INIT;
    for (size_t i = 0; i < 40; i++) {
        packs[i] = lab_pack(1000 + i);
        struct client_answer answer = lab_put(&lab, 0, &packs[i], 2, 1);
        if (answer.err.code != ERR_NONE)
            fail_msg("%s", answer.err.text);
        ids[i] = packs[i].id;
        free(packs[i].bytes);
    }
    for (int round = 0; round < 2; round++) { /* asked, then remembered */
        for (size_t node = 0; node < HONEST; node++) {
            lab_ok(lab_pin(&lab, node, ids, 40, false, held, &err));
            for (size_t i = 0; i < 40; i++)
                assert_true(held[i].data == 1 && held[i].parity == 1 && held[i].nodes == 2);
        }
    }
}

/* ---- the lab ---- */

static int setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    lab_init(&lab);
    for (size_t i = 0; i <= HONEST; i++)
        lab_add_node(&lab, (uint64_t)1 << 30);
    const struct lab_node *node = &lab.nodes[HONEST];
    const struct transport_ops ops = {.find = find, .arrived = arrived};
    lab_ok(transport_new(&mallory, &node->config,
                         &(struct credentials){node->keys, &node->cert, lab.authority_public}, &ops,
                         &err));
    for (size_t i = 0; i < HONEST; i++)
        lab_start_node(&lab, i);
    lab_settle(&lab);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    transport_cancel(mallory);
    transport_destroy(&mallory);
    lab_release(&lab);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--node") == 0)
        return lab_node_main(argv[2]);
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_brings_in_no_rows_of_another_object_of_its_pack),
        cmocka_unit_test(what_is_stored_into_a_vault_of_its_own_buries_nothing_of_anothers),
        cmocka_unit_test(
            who_copies_rows_to_every_node_first_leaves_room_for_those_that_belong_there),
        cmocka_unit_test(an_object_that_a_member_makes_up_is_neither_counted_nor_fetched),
        cmocka_unit_test(what_a_node_has_not_stored_itself_it_counts_by_the_grants_of_holders),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
