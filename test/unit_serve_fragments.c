/* Fragments that other nodes bring, ask for, and want proven. */
#include "test/serve_peer_bench.h"

#include "node/trust/receipt.h"

static void the_fragment_is_given(void)
{
    Ecbak__GetFragment get = ECBAK__GET_FRAGMENT__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    get.object = wire_view(set.object_id.bytes, ID_SIZE);
    get.vault = wire_view(lab.vault.bytes, ID_SIZE);
    get.index = 2;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_FRAGMENT;
    request.get_fragment = &get;
    struct answer answer = ask(&request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.payload.size, set.size);
    assert_memory_equal(answer.payload.bytes, set.bytes[2], set.size);
    answer_free(&answer);
    get.index = 3;
    expect(ERR_NOT_FOUND, &request, NULL, 0);
    struct vault_id other = {{1}}; /* of another vault it is not asked here */
    get.index = 2;
    get.vault = wire_view(other.bytes, ID_SIZE);
    expect(ERR_NOT_FOUND, &request, NULL, 0);
    get.vault = wire_view(NULL, 0);
    expect(ERR_FORMAT, &request, NULL, 0);
}

static void a_fragment_with_a_grant_is_kept_and_receipted(void **state)
{
    (void)state;
    struct put p;
    struct receipt receipt;
    struct err err = ERR_INIT;
    put_init(&p, &set.object);
    for (int twice = 0; twice < 2; twice++) {
        struct answer answer = ask(&p.request, set.bytes[2], set.size);
        assert_int_equal(answer.reply->error, ERR_NONE);
        assert_int_equal(answer.reply->body_case, ECBAK__PEER_REPLY__BODY_PUT_FRAGMENT);
        ProtobufCBinaryData bytes = answer.reply->put_fragment->receipt;
        lab_ok(receipt_open(&receipt, bytes.data, bytes.len, &err));
        assert_memory_equal(receipt.object.bytes, set.object_id.bytes, ID_SIZE);
        assert_memory_equal(receipt.holder.bytes, lab.nodes[0].keys->node.bytes, ID_SIZE);
        assert_memory_equal(receipt.cluster.bytes, lab.cluster.bytes, ID_SIZE);
        assert_int_equal(receipt.index, 2);
        assert_int_equal(receipt.number, lab.pin.number);
        answer_free(&answer);
    }
    free(p.grant);

    the_fragment_is_given();

    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    struct pack_id nothing = {{1}};
    ProtobufCBinaryData packs[2] = {wire_view(nothing.bytes, ID_SIZE),
                                    wire_view(pack.id.bytes, ID_SIZE)};
    locate.n_packs = 2;
    locate.packs = packs;
    locate.vault = wire_view(lab.vault.bytes, ID_SIZE);
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    struct answer answer = ask(&request, NULL, 0);
    assert_int_equal(answer.reply->locate->n_fragments, 1);
    assert_false(answer.reply->locate->more);
    const Ecbak__FragmentAt *at = answer.reply->locate->fragments[0];
    assert_int_equal(at->pack_index, 1);
    assert_int_equal(at->index, 2);
    struct grant grant;
    struct writer_cert writer;
    lab_ok(grant_open(&grant, &writer, at->grant.data, at->grant.len, lab.authority_public, &err));
    assert_memory_equal(&grant.object, &set.object_id, ID_SIZE);
    assert_int_equal(at->n_holders, 2);
    assert_memory_equal(at->holders[0].data, lab.nodes[0].keys->node.bytes, ID_SIZE);
    assert_int_equal(at->holders[1].len, 0);
    answer_free(&answer);
}

static size_t located(ProtobufCBinaryData vault, Ecbak__RowPlace *after, uint32_t *first)
{
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    Ecbak__LocatePacks locate = ECBAK__LOCATE_PACKS__INIT;
    ProtobufCBinaryData id = wire_view(pack.id.bytes, ID_SIZE);
    locate.n_packs = 1;
    locate.packs = &id;
    locate.vault = vault;
    locate.after = after;
    request.body_case = ECBAK__PEER_REQUEST__BODY_LOCATE;
    request.locate = &locate;
    struct answer answer = ask(&request, NULL, 0);
    assert_int_equal(answer.reply->error, ERR_NONE);
    size_t count = answer.reply->locate->n_fragments;
    *first = count > 0 ? answer.reply->locate->fragments[0]->index : UINT32_MAX;
    answer_free(&answer);
    return count;
}

static void rows_are_told_of_one_vault_and_from_any_row_on(void **state)
{
    (void)state;
    struct put p;
    uint32_t first;
    Ecbak__RowPlace place = ECBAK__ROW_PLACE__INIT;
    ProtobufCBinaryData vault = wire_view(lab.vault.bytes, ID_SIZE);
    put_init(&p, &set.object);
    for (unsigned i = 2; i < 5; i++) {
        expect_as(i > 2, ERR_NONE, &p.request, set.bytes[i], set.size);
    }
    free(p.grant);
    assert_int_equal(located(vault, NULL, &first), 3);
    assert_int_equal(first, 2);
    place.object = wire_view(set.object_id.bytes, ID_SIZE);
    place.index = 2;
    assert_int_equal(located(vault, &place, &first), 2);
    assert_int_equal(first, 3);
    place.index = 4;
    assert_int_equal(located(vault, &place, &first), 0);
    struct vault_id other = {{7}};
    assert_int_equal(located(wire_view(other.bytes, ID_SIZE), NULL, &first), 0);
}

static void grants_are_shown_of_the_objects_that_are_here(void **state)
{
    (void)state;
    struct object_id nothing = {{1}};
    ProtobufCBinaryData objects[2] = {wire_view(nothing.bytes, ID_SIZE),
                                      wire_view(set.object_id.bytes, ID_SIZE)};
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    Ecbak__GetGrants get = ECBAK__GET_GRANTS__INIT;
    get.vault = wire_view(lab.vault.bytes, ID_SIZE);
    get.n_objects = 2;
    get.objects = objects;
    request.body_case = ECBAK__PEER_REQUEST__BODY_GET_GRANTS;
    request.get_grants = &get;
    struct answer answer = ask(&request, NULL, 0);
    struct err err = ERR_INIT;
    struct grant grant;
    struct writer_cert writer;
    assert_int_equal(answer.reply->get_grants->n_grants, 2);
    assert_int_equal(answer.reply->get_grants->grants[0].len, 0);
    ProtobufCBinaryData bytes = answer.reply->get_grants->grants[1];
    lab_ok(grant_open(&grant, &writer, bytes.data, bytes.len, lab.authority_public, &err));
    assert_memory_equal(&grant.object, &set.object_id, ID_SIZE);
    answer_free(&answer);
    get.n_objects = 0;
    expect(ERR_FORMAT, &request, NULL, 0);
    ProtobufCBinaryData *many = calloc(ASK_GRANTS_MAX + 1, sizeof(*many));
    get.objects = many;
    get.n_objects = ASK_GRANTS_MAX + 1;
    expect(ERR_FORMAT, &request, NULL, 0);
    free(many);
}

static void expect_foreign(const struct object *granted)
{
    struct put p;
    put_init(&p, granted);
    expect(ERR_FOREIGN, &p.request, set.bytes[0], set.size);
    free(p.grant);
}

static void a_grant_is_for_one_object_of_its_pack_and_no_other(void **state)
{
    (void)state;
    uint64_t refused = atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]);
    struct object other = set.object; /* of another pack */
    other.pack_id.bytes[0] ^= 1;
    expect_foreign(&other);
    other = set.object; /* of this pack, with another row */
    other.roots[3][0] ^= 1;
    expect_foreign(&other);
    other = set.object;
    other.shape.pack_size++;
    expect_foreign(&other);
    assert_int_equal(atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]), refused + 3);
}

static void nothing_is_kept_without_a_good_grant(void **state)
{
    (void)state;
    struct put p;
    uint64_t refused = atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]);
    put_init(&p, &set.object);
    p.put.grant = wire_view(NULL, 0);
    expect(ERR_FORMAT, &p.request, set.bytes[0], set.size);
    free(p.grant);

    lab.cluster.bytes[5] ^= 1; /* of a foreign cluster */
    put_init(&p, &set.object);
    lab.cluster.bytes[5] ^= 1;
    expect(ERR_FOREIGN, &p.request, set.bytes[0], set.size);
    free(p.grant);

    size_t size; /* by the writer alone */
    put_init(&p, &set.object);
    free(p.grant);
    lab_grant_writers(&lab, &set.object, 0, &p.grant, &size);
    p.put.grant = wire_view(p.grant, size);
    expect(ERR_DENIED, &p.request, set.bytes[0], set.size);
    free(p.grant);

    put_init(&p, &set.object); /* its signature touched */
    p.grant[p.put.grant.len / 2] ^= 1;
    struct answer answer = ask(&p.request, set.bytes[0], set.size);
    assert_int_not_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);
    free(p.grant);

    struct lab honest = lab; /* a writer that may only read */
    lab.writer_cert_bytes = NULL;
    lab_vault(&lab, RIGHT_READ);
    put_init(&p, &set.object);
    expect(ERR_DENIED, &p.request, set.bytes[0], set.size);
    free(p.grant);
    free(lab.writer_cert_bytes);
    lab = honest;

    assert_true(atomic_load(&counters.value[COUNTED_GRANTS_REFUSED]) >= refused + 4);
    struct fragment_info found[4];
    size_t count;
    struct err err = ERR_INIT;
    const struct pack_question question = {&lab.vault, &pack.id, NULL};
    lab_ok(store_find_pack(local.store, &question, found, 4, &count, &err));
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(found[i].key.index, 0);
}

static void a_fragment_that_does_not_prove_itself_is_refused(void **state)
{
    (void)state;
    struct put p;
    uint8_t *bytes = malloc(set.size);
    put_init(&p, &set.object);
    memcpy(bytes, set.bytes[1], set.size);
    bytes[set.size - 5] ^= 1;
    expect(ERR_DAMAGED, &p.request, bytes, set.size);
    memcpy(bytes, set.bytes[1], set.size);
    expect(ERR_FORMAT, &p.request, bytes, set.size - 1);
    expect(ERR_FORMAT, &p.request, bytes, 0);
    free(bytes);
    free(p.grant);
}

static struct answer ask_leaves(uint32_t index, size_t count, uint32_t *leaves)
{
    Ecbak__RowLeaves row = ECBAK__ROW_LEAVES__INIT, *rows[] = {&row};
    Ecbak__ReadLeaves read = ECBAK__READ_LEAVES__INIT;
    Ecbak__PeerRequest request = ECBAK__PEER_REQUEST__INIT;
    row.object = wire_view(set.object_id.bytes, ID_SIZE);
    row.index = index;
    row.leaves = leaves;
    row.n_leaves = count;
    read.vault = wire_view(lab.vault.bytes, ID_SIZE);
    read.rows = rows;
    read.n_rows = 1;
    request.body_case = ECBAK__PEER_REQUEST__BODY_READ_LEAVES;
    request.read_leaves = &read;
    return ask(&request, NULL, 0);
}

static void a_row_is_proven_and_a_damaged_one_is_said_to_be_so_once(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fragment fragment;
    struct answer answer;
    uint32_t leaves[ASK_LEAVES_MAX + 1] = {1, 0};
    char path[2048], hex[2 * ID_SIZE + 1], vault[2 * ID_SIZE + 1];
    struct put p;
    put_init(&p, &set.object);
    answer = ask(&p.request, set.bytes[1], set.size);
    assert_int_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);

    answer = ask_leaves(1, 2, leaves);
    assert_int_equal(answer.reply->error, ERR_NONE);
    assert_int_equal(answer.reply->read_leaves->n_rows, 1);
    assert_int_equal(answer.reply->read_leaves->rows[0]->error, ERR_NONE);
    assert_int_equal(answer.reply->read_leaves->rows[0]->size, answer.payload.size);
    lab_ok(fragment_parse_head(&fragment, answer.payload.bytes, answer.payload.size, &err));
    lab_ok(fragment_expect(&fragment, &set.object_id, 1, &err));
    const struct object_shape *shape = &fragment.object.shape;
    assert_true(shape->leaf_count == 2 && shape->row_size < answer.payload.size);
    const uint8_t *at = answer.payload.bytes + fragment_head_size(shape);
    lab_ok(fragment_prove_leaf(&fragment, 1, at, &err));
    lab_ok(fragment_prove_leaf(&fragment, 0, at + hash_tree_leaf_size(shape->row_size, 1), &err));
    answer_free(&answer);

    /* More than may be asked for, none, and such as there are not. */
    for (size_t i = 0; i < 2; i++) {
        answer = ask_leaves(1, i * (ASK_LEAVES_MAX + 1), leaves);
        assert_int_equal(answer.reply->error, ERR_FORMAT);
        answer_free(&answer);
    }
    leaves[1] = 2;
    answer = ask_leaves(1, 2, leaves);
    assert_int_equal(answer.reply->read_leaves->rows[0]->error, ERR_INVALID);
    assert_int_equal(answer.payload.size, 0);
    answer_free(&answer);

    /* Another leaf than the one that is asked for is damaged. */
    hex_encode(vault, lab.vault.bytes, ID_SIZE);
    snprintf(path, sizeof(path), "%s/fragments/%.2s/%s.1.%s", lab.nodes[0].config.data_dir,
             hex_encode(hex, set.object_id.bytes, ID_SIZE), hex, vault);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, (long)fragment_head_size(&set.object.shape) + 10, SEEK_SET);
    fputc(set.bytes[1][fragment_head_size(&set.object.shape) + 10] ^ 1, file);
    fclose(file);
    static const enum err_code expected[] = {ERR_DAMAGED, ERR_NOT_FOUND};
    uint64_t corrupt = atomic_load(&counters.value[COUNTED_CORRUPT]);
    for (size_t i = 0; i < 2; i++) {
        answer = ask_leaves(1, 1, leaves);
        assert_int_equal(answer.reply->read_leaves->rows[0]->error, expected[i]);
        assert_int_equal(answer.payload.size, 0);
        answer_free(&answer);
    }
    assert_int_equal(atomic_load(&counters.value[COUNTED_CORRUPT]), corrupt + 1);
    /* It is taken again, and is then what it should be. */
    answer = ask(&p.request, set.bytes[1], set.size);
    assert_int_equal(answer.reply->error, ERR_NONE);
    answer_free(&answer);
    answer = ask_leaves(1, 1, leaves);
    assert_int_equal(answer.reply->read_leaves->rows[0]->error, ERR_NONE);
    answer_free(&answer);
    free(p.grant);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fragment_with_a_grant_is_kept_and_receipted),
        cmocka_unit_test(rows_are_told_of_one_vault_and_from_any_row_on),
        cmocka_unit_test(grants_are_shown_of_the_objects_that_are_here),
        cmocka_unit_test(a_grant_is_for_one_object_of_its_pack_and_no_other),
        cmocka_unit_test(nothing_is_kept_without_a_good_grant),
        cmocka_unit_test(a_fragment_that_does_not_prove_itself_is_refused),
        cmocka_unit_test(a_row_is_proven_and_a_damaged_one_is_said_to_be_so_once),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}
