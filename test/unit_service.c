/* Six whole nodes on loopback, each a process: what is stored comes back from each of them, and what is
 * claimed about it is true. What fails in them is in unit_service_faults.c. */
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"
#include "test/service_bench.h"

#define PACK_BYTES ((size_t)3 << 20)

static void a_pack_lies_on_six_nodes_and_comes_back_from_each(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct redundancy held = assert_puts(0, &pack, 6);
    assert_int_equal(held.others, 5);
    assert_int_equal(held.data, 4);
    assert_int_equal(held.parity, 2);
    assert_true(held.sent_bytes >= PACK_BYTES / 4 * 5);
    for (size_t i = 0; i < lab.count; i++)
        assert_gets(i, &pack, 0);
    held = pinned(3, &pack.id, false);
    assert_int_equal(held.nodes, 6);
    assert_int_equal(held.others, 5);
    free(pack.bytes);
}

static uint64_t used_at(size_t by, size_t of)
{
    struct err err = ERR_INIT;
    struct member_list list;
    uint64_t used = 0;
    lab_ok(client_members(lab_client(&lab, by), &list, &err));
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.members[i].name, lab.nodes[of].config.name) == 0)
            used = list.members[i].used_bytes;
    member_list_release(&list);
    return used;
}

static void what_was_stored_shows_at_once_here_and_soon_everywhere(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    uint64_t before[LAB_NODES_MAX];
    for (size_t i = 0; i < lab.count; i++)
        before[i] = used_at(i, i);
    assert_puts(0, &pack, 6);
    for (size_t i = 0; i < lab.count; i++) {
        assert_true(used_at(i, i) > before[i]);
        assert_true(used_at(0, i) == used_at(i, i));
    }
    int64_t end_ms = monotonic_ms() + LAB_WAIT_MS;
    for (size_t i = 0; i < lab.count; i++)
        while (used_at(1, i) != used_at(i, i)) {
            assert_true(monotonic_ms() < end_ms);
            usleep(20000);
        }
    assert_true(used_at(0, 3) == used_at(3, 3)); /* gossip has not brought back an older figure */
    free(pack.bytes);
}

static void packs_of_every_size_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 65535, 65536, 300001, (size_t)17 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct lab_pack pack = lab_pack(sizes[i]);
        uint32_t small = sizes[i] < 65536; /* then k = 1, and three copies are all there is */
        assert_puts(i % 6, &pack, small ? 3 : 6);
        assert_gets((i + 3) % 6, &pack, 0);
        free(pack.bytes);
    }
}

static void automatic_shape_follows_the_members_known(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct client_answer answer = lab_put(&lab, 0, &pack, 0, 0);
    assert_int_equal(answer.err.code, ERR_NONE);
    assert_int_equal(answer.held.data, 3);
    assert_int_equal(answer.held.parity, 2);
    assert_int_equal(answer.held.nodes, 5);
    assert_int_equal(answer.held.others, 5); /* this machine only when it must be */
    free(pack.bytes);
}

static int put_with(const uint8_t *grant, size_t grant_size, const uint8_t *fragments, size_t size)
{
    struct err err = ERR_INIT;
    struct client_answer answer;
    uint64_t call;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, fragments, size);
    struct pack_to_put put = {bytes, size, grant, grant_size};
    lab_ok(client_put_pack_start(lab_client(&lab, 0), &call, &put, &err));
    lab_ok(client_next(lab_client(&lab, 0), &answer, &err));
    return (int)answer.err.code;
}

static void nothing_is_taken_without_a_grant_for_it(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES), other = lab_pack(PACK_BYTES);
    struct err err = ERR_INIT;
    struct fragment_bundle b, others;
    uint8_t *grant;
    size_t size;
    lab_ok(fragment_bundle_encode(&b, pack.bytes, pack.size, 4, 2, &err));
    lab_ok(fragment_bundle_encode(&others, other.bytes, other.size, 4, 2, &err));
    assert_int_not_equal(put_with((const uint8_t *)"", 0, b.bytes, b.size), ERR_NONE);
    lab_grant_writers(&lab, &others.object, 0, &grant, &size); /* for another pack */
    assert_int_equal(put_with(grant, size, b.bytes, b.size), ERR_FOREIGN);
    free(grant);
    lab_grant_writers(&lab, &b.object, 1, &grant, &size); /* through another node */
    assert_int_equal(put_with(grant, size, b.bytes, b.size), ERR_FOREIGN);
    free(grant);
    lab_grant(&lab, &b.object, 0, &grant, &size); /* countersigned already */
    assert_int_equal(put_with(grant, size, b.bytes, b.size), ERR_FORMAT);
    free(grant);
    lab.cluster.bytes[0] ^= 1;
    lab_grant_writers(&lab, &b.object, 0, &grant, &size);
    lab.cluster.bytes[0] ^= 1;
    assert_int_equal(put_with(grant, size, b.bytes, b.size), ERR_FOREIGN);
    free(grant);
    /* Not all of the fragments, one of another object among them, or one that is no more what its
     * object says: then nobody keeps it. */
    lab_grant_writers(&lab, &b.object, 0, &grant, &size);
    assert_int_equal(put_with(grant, size, b.bytes, 5 * b.fragment_size), ERR_FORMAT);
    assert_int_equal(put_with(grant, size, b.bytes, b.size - 1), ERR_FORMAT);
    memcpy(b.bytes + 5 * b.fragment_size, others.bytes + 5 * b.fragment_size, b.fragment_size);
    assert_int_equal(put_with(grant, size, b.bytes, b.size), ERR_FOREIGN);
    free(grant);
    lab_grant_writers(&lab, &others.object, 0, &grant, &size);
    for (unsigned i = 0; i < 3; i++)
        others.bytes[(i + 1) * others.fragment_size - 1] ^= 1;
    assert_int_equal(put_with(grant, size, others.bytes, others.size), ERR_TOO_FEW);
    free(grant);
    assert_int_equal(pinned(1, &pack.id, true).nodes, 0);
    assert_in_range(pinned(1, &other.id, false).nodes, 0, 3);
    free(b.bytes);
    free(others.bytes);
    free(pack.bytes);
    free(other.bytes);
}

static void put_record(size_t node, uint64_t number, uint32_t wanted, uint32_t *others)
{
    struct err err = ERR_INIT;
    struct record_kept kept;
    uint8_t *bytes;
    struct record_id hash;
    size_t size;
    /* Every third is of a kind that this version does not know. */
    lab_record(&lab, number, number % 3 == 0 ? 77 : RECORD_SNAPSHOT, &bytes, &size, &hash);
    lab_ok(client_put_record(lab_client(&lab, node), bytes, size, wanted, &kept, &err));
    *others = kept.others;
    free(bytes);
}

static size_t records_at(size_t node)
{
    struct err err = ERR_INIT;
    struct node_status status;
    lab_ok(client_status(lab_client(&lab, node), &status, &err));
    return status.records;
}

static void records_reach_every_node_also_one_that_was_down(void **state)
{
    (void)state;
    uint32_t others;
    put_record(0, 1, 3, &others);
    assert_true(others >= 3);
    lab_end_node(&lab, 5, SIGKILL);
    for (uint64_t number = 2; number < 40; number++)
        put_record(number % 5, number, 2, &others);
    lab_start_node(&lab, 5);
    int64_t deadline = monotonic_ms() + 30000;
    for (size_t i = 0; i < 6; i++) {
        while (records_at(i) < 39) {
            if (monotonic_ms() > deadline)
                fail_msg("node %zu has %zu records", i, records_at(i));
            usleep(50000);
        }
    }
    lab_settle(&lab);
    struct err err = ERR_INIT;
    struct record_list list;
    lab_ok(client_get_records(lab_client(&lab, 5), &lab.vault, &list, &err));
    assert_int_equal(list.count, 39);
    assert_int_equal(list.nodes_answered, 6);
    for (size_t i = 0; i < list.count; i++) {
        struct record record;
        struct node_id sponsor;
        lab_ok(record_open_held(&record, &sponsor, list.records[i], list.sizes[i],
                                lab.authority_public, &err));
        record_release(&record);
    }
    record_list_release(&list);
}

static void a_record_that_proves_nothing_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct record_kept kept;
    size_t before = records_at(0);
    assert_int_equal(
        client_put_record(lab_client(&lab, 0), (const uint8_t *)"no record", 9, 1, &kept, &err),
        -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(records_at(0), before);
}

static int setup(void **state)
{
    (void)state;
    return lab_up(6);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--node") == 0)
        return lab_node_main(argv[2]);
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_lies_on_six_nodes_and_comes_back_from_each),
        cmocka_unit_test(what_was_stored_shows_at_once_here_and_soon_everywhere),
        cmocka_unit_test(packs_of_every_size_come_back),
        cmocka_unit_test(automatic_shape_follows_the_members_known),
        cmocka_unit_test(records_reach_every_node_also_one_that_was_down),
        cmocka_unit_test(a_record_that_proves_nothing_is_refused),
        cmocka_unit_test(nothing_is_taken_without_a_grant_for_it),
    };
    return cmocka_run_group_tests(tests, setup, lab_down);
}
