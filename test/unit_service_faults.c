/* Six whole nodes on loopback, each a process: what is stored comes back whatever two of them do, be it
 * that they are killed, stopped, full, damaged or liars. */
#include <glob.h>
#include <sqlite3.h>

#include "test/service_bench.h"

#define PACK_BYTES ((size_t)3 << 20)

static void any_two_of_six_may_be_killed(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    assert_puts(0, &pack, 6);
    for (size_t a = 0; a < 6; a++) {
        for (size_t b = a + 1; b < 6; b++) {
            lab_end_node(&lab, a, SIGKILL);
            lab_end_node(&lab, b, SIGKILL);
            /* At once, while the others still think that they are alive. */
            size_t through = 0;
            while (through == a || through == b)
                through++;
            int64_t start = monotonic_ms();
            assert_gets(through, &pack, 0);
            assert_in_range(monotonic_ms() - start, 0, 3000);
            lab_start_node(&lab, a);
            lab_start_node(&lab, b);
            lab_settle(&lab);
        }
    }
    free(pack.bytes);
}

/* Flips a byte in the middle of every fragment file of the object at a node. */
static void damage(size_t node, const struct object_id *object)
{
    char hex[2 * ID_SIZE + 1], pattern[1200];
    glob_t found;
    hex_encode(hex, object->bytes, ID_SIZE);
    snprintf(pattern, sizeof(pattern), "%s/fragments/*/%s.*", lab.nodes[node].config.data_dir, hex);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    int fd = open(found.gl_pathv[0], O_RDWR);
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 200000), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200000), 1);
    close(fd);
    globfree(&found);
}

static void a_damaged_fragment_is_counted_and_replaced_by_another(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct redundancy held = assert_puts(0, &pack, 6);
    for (size_t i = 0; i < 2; i++)
        damage(i, &held.object);
    struct client_answer answer = lab_get(&lab, 0, &pack.id);
    assert_int_equal(answer.err.code, ERR_NONE);
    assert_memory_equal(answer.pack, pack.bytes, pack.size);
    assert_true(answer.corrupt >= 1); /* its own it meets for certain */
    free(answer.pack);
    assert_true(counter_of(0, "fragments_corrupt") >= 1);
    /* What was moved aside no longer counts, and is made again. */
    held = pinned(0, &pack.id, false);
    assert_in_range(held.nodes, 4, 5);
    held = pinned(0, &pack.id, true);
    assert_in_range(held.nodes, 5, 6);
    free(pack.bytes);
}

/* From its next start the node says of all its fragments that one row is enough. */
static void make_liar(size_t node)
{
    char path[1200];
    sqlite3 *db;
    lab_end_node(&lab, node, SIGTERM);
    snprintf(path, sizeof(path), "%s/catalogue.db", lab.nodes[node].config.data_dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE fragment SET data = 1, parity = 5", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    lab_start_node(&lab, node);
    lab_settle(&lab);
}

static void what_shape_an_object_has_is_its_grants_to_say(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct lab_pack other = lab_pack(PACK_BYTES);
    assert_puts(0, &pack, 6);
    make_liar(5);
    struct redundancy held = pinned(0, &pack.id, false);
    assert_int_equal(held.data, 4);
    assert_int_equal(held.nodes, 6);
    assert_gets(0, &pack, 0);
    for (size_t i = 1; i < 4; i++)
        lab_end_node(&lab, i, SIGKILL);
    struct client_answer answer = lab_get(&lab, 0, &pack.id);
    assert_int_equal(answer.err.code, ERR_TOO_FEW);
    /* What it says of the shape is nothing that it has to prove, and its row it can. */
    struct err err = ERR_INIT;
    struct proofs proofs = {.leaves = CLIENT_PROVE_LEAVES};
    const struct signer signer = lab_signer(&lab);
    const struct pin_as as = {&lab.cluster, &lab.pin, &signer};
    lab_ok(client_pin_packs(lab_client(&lab, 0), &as, &pack.id, 1, false, &proofs, &held, &err));
    assert_true(held.data == 4 && held.nodes == 3);
    assert_int_equal(proofs.count, 0);
    for (size_t i = 1; i < 4; i++)
        lab_start_node(&lab, i);
    lab_settle(&lab);
    assert_puts(0, &other, 6);
    free(other.bytes);
    free(pack.bytes);
}

static void a_stopped_node_does_not_hold_up_reading(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    assert_puts(0, &pack, 6);
    lab_signal(&lab, 4, SIGSTOP);
    lab_signal(&lab, 5, SIGSTOP);
    int64_t start = monotonic_ms();
    assert_gets(0, &pack, 0);
    assert_gets(1, &pack, 0);
    assert_in_range(monotonic_ms() - start, 0, 4000);
    lab_signal(&lab, 4, SIGCONT);
    lab_signal(&lab, 5, SIGCONT);
    lab_settle(&lab);
    free(pack.bytes);
}

static void a_stopped_node_does_not_hold_up_storing_for_long(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    lab_signal(&lab, 3, SIGSTOP);
    int64_t start = monotonic_ms();
    assert_puts(0, &pack, 5);
    assert_in_range(monotonic_ms() - start, 0, 15000);
    /* Once bitten: the next ones do not wait for it. */
    start = monotonic_ms();
    for (int i = 0; i < 3; i++)
        assert_puts(0, &pack, 5);
    assert_in_range(monotonic_ms() - start, 0, 4000);
    assert_gets(1, &pack, 0);
    lab_signal(&lab, 3, SIGCONT);
    lab_settle(&lab);
    assert_int_equal(pinned(0, &pack.id, true).nodes, 6);
    free(pack.bytes);
}

static void a_node_that_is_down_is_done_without_and_made_up_for_later(void **state)
{
    (void)state;
    struct lab_pack packs[3];
    lab_end_node(&lab, 2, SIGKILL);
    int64_t start = monotonic_ms();
    for (size_t i = 0; i < 3; i++) {
        packs[i] = lab_pack(PACK_BYTES);
        assert_int_equal(assert_puts(0, &packs[i], 5).others, 4);
    }
    assert_in_range(monotonic_ms() - start, 0, 8000);
    assert_int_equal(pinned(0, &packs[0].id, true).nodes, 5);
    lab_start_node(&lab, 2);
    lab_settle(&lab);
    struct pack_id ids[3];
    struct redundancy held[3];
    struct err err = ERR_INIT;
    for (size_t i = 0; i < 3; i++)
        ids[i] = packs[i].id;
    lab_ok(lab_pin(&lab, 0, ids, 3, true, held, &err));
    for (size_t i = 0; i < 3; i++) {
        assert_memory_equal(held[i].pack.bytes, ids[i].bytes, ID_SIZE);
        assert_int_equal(held[i].nodes, 6);
        assert_int_equal(held[i].others, 5);
    }
    /* And what was made again is as good as the rest. */
    lab_end_node(&lab, 4, SIGKILL);
    lab_end_node(&lab, 5, SIGKILL);
    for (size_t i = 0; i < 3; i++)
        assert_gets(2, &packs[i], 0);
    lab_start_node(&lab, 4);
    lab_start_node(&lab, 5);
    lab_settle(&lab);
    for (size_t i = 0; i < 3; i++)
        free(packs[i].bytes);
}

static void a_store_outlives_the_stop_of_its_own_node(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct err err = ERR_INIT;
    struct client *client;
    struct node_status status;
    uint64_t call;
    struct fragment_bundle bundle;
    uint8_t *grant;
    size_t grant_size;
    lab_ok(fragment_bundle_encode(&bundle, pack.bytes, pack.size, 4, 2, &err));
    lab_grant_writers(&lab, &bundle.object, 0, &grant, &grant_size);
    struct pack_to_put put = {bundle.bytes, bundle.size, grant, grant_size};
    lab_ok(client_status(lab_client(&lab, 0), &status, &err));
    uint64_t used_bytes = status.used_bytes;
    lab_ok(client_open(&client, lab.nodes[0].config.client_endpoint, &err));
    client_set_timeout(client, LAB_WAIT_MS);
    client_set_patience(client, LAB_WAIT_MS);
    for (size_t i = 1; i < 6; i++)
        lab_signal(&lab, i, SIGSTOP);
    lab_ok(client_put_pack_start(client, &call, &put, &err));
    while (status.used_bytes == used_bytes) { /* its own row comes first */
        usleep(10000);
        lab_ok(client_status(lab_client(&lab, 0), &status, &err));
    }
    lab_end_node(&lab, 0, SIGTERM);
    for (size_t i = 1; i < 6; i++)
        lab_signal(&lab, i, SIGCONT);
    lab_start_node(&lab, 0);
    lab_settle(&lab);
    struct client_answer answer;
    lab_ok(client_next(client, &answer, &err));
    if (answer.err.code != ERR_NONE)
        fail_msg("%s", answer.err.text);
    assert_in_range(answer.held.nodes, 4, 6);
    client_close(&client);
    assert_gets(1, &pack, 0);
    free(grant);
    free(pack.bytes);
}

static void too_few_are_refused_with_the_counts(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES), other = lab_pack(PACK_BYTES);
    assert_puts(0, &pack, 6);
    for (size_t i = 3; i < 6; i++)
        lab_end_node(&lab, i, SIGKILL);
    struct client_answer answer = lab_get(&lab, 0, &pack.id);
    assert_int_equal(answer.err.code, ERR_TOO_FEW);
    assert_null(answer.pack);
    assert_non_null(strstr(answer.err.text, "needs 4 fragments and misses 1: 3 found on 3 of"));
    answer = lab_put(&lab, 0, &other, 4, 2);
    assert_int_equal(answer.err.code, ERR_TOO_FEW);
    assert_non_null(strstr(answer.err.text, "4+2 needs at least 4 nodes"));
    /* 2+1 can still be had. */
    answer = lab_put(&lab, 0, &other, 2, 1);
    assert_int_equal(answer.err.code, ERR_NONE);
    assert_int_equal(answer.held.nodes, 3);
    assert_gets(1, &other, 0);
    for (size_t i = 3; i < 6; i++)
        lab_start_node(&lab, i);
    lab_settle(&lab);
    assert_gets(5, &pack, 0);
    struct pack_id nothing = {{1, 2, 3}};
    answer = lab_get(&lab, 0, &nothing);
    assert_int_equal(answer.err.code, ERR_DAMAGED); /* nobody is away who could have it */
    free(pack.bytes);
    free(other.bytes);
}

static void a_full_node_is_replaced(void **state)
{
    (void)state;
    /* Room for two fragments of this size. */
    struct err err = ERR_INIT;
    struct node_status status = {.used_bytes = 0};
    const uint64_t capacity = (uint64_t)5 << 20, fragment = (uint64_t)2 << 20;
    lab_add_node(&lab, capacity);
    lab_start_node(&lab, 6);
    lab_settle(&lab);
    /* Its weight is small, so that it may take a while until it is chosen; and then it is full. */
    for (int i = 0; i < 200 && status.used_bytes + fragment <= capacity; i++) {
        struct lab_pack pack = lab_pack((size_t)8 << 20);
        assert_puts(i % 2, &pack, 6);
        free(pack.bytes);
        lab_ok(client_status(lab_client(&lab, 6), &status, &err));
    }
    assert_in_range(status.used_bytes, capacity - fragment + 1, capacity);
    for (size_t i = 0; i < 6; i++) { /* those who know it, and those who have to be told */
        struct lab_pack pack = lab_pack((size_t)8 << 20);
        assert_puts(i, &pack, 6);
        free(pack.bytes);
    }
    lab_ok(client_status(lab_client(&lab, 6), &status, &err));
    assert_in_range(status.used_bytes, capacity - fragment + 1, capacity);
    lab_end_node(&lab, 6, SIGKILL);
    lab.count--;
    node_keys_destroy(&lab.nodes[6].keys);
    lab_settle(&lab);
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
        cmocka_unit_test(a_damaged_fragment_is_counted_and_replaced_by_another),
        cmocka_unit_test(what_shape_an_object_has_is_its_grants_to_say),
        cmocka_unit_test(a_stopped_node_does_not_hold_up_reading),
        cmocka_unit_test(a_stopped_node_does_not_hold_up_storing_for_long),
        cmocka_unit_test(a_node_that_is_down_is_done_without_and_made_up_for_later),
        cmocka_unit_test(a_store_outlives_the_stop_of_its_own_node),
        cmocka_unit_test(too_few_are_refused_with_the_counts),
        cmocka_unit_test(a_full_node_is_replaced),
        cmocka_unit_test(any_two_of_six_may_be_killed),
    };
    return cmocka_run_group_tests(tests, setup, lab_down);
}
