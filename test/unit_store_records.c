/* Records in the store. */
#include "node/trust/record.h"
#include "test/store_bench.h"

static void records_are_kept_listed_and_checked(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct record records[5];
    struct err err = ERR_INIT;
    static const struct vault_id nobodys = {{1}};
    struct record_id hashes[8];
    uint8_t digest[256][8] = {{0}}, expected[256][8] = {{0}}, *bytes;
    size_t count, size;
    for (uint64_t n = 0; n < 5; n++) {
        sample_record(n + 1, &bytes, &size, &records[n]);
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(sample_put_record(store, bytes, size, &records[n], NULL), 0);
        free(bytes);
        for (size_t i = 0; i < 8; i++)
            expected[records[n].hash.bytes[0]][i] ^= records[n].hash.bytes[8 + i];
    }
    assert_int_equal(store_list_records(store, NULL, NULL, hashes, 8, &count, NULL), 0);
    assert_int_equal(count, 5);
    for (size_t i = 1; i < 5; i++)
        assert_true(id_compare(&hashes[i - 1], &hashes[i]) < 0);
    assert_int_equal(
        store_list_records(store, &sample_vault, &hashes[1], hashes + 5, 2, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_memory_equal(hashes[5].bytes, hashes[2].bytes, ID_SIZE);
    assert_int_equal(store_list_records(store, &nobodys, NULL, hashes, 8, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    assert_memory_equal(digest, expected, sizeof(digest));
    assert_int_equal(store_get_record(store, &records[2].hash, &bytes, &size, NULL), 0);
    free(bytes);
    char path[DURABLE_PATH_MAX];
    store_record_path(store, path, &sample_vault, &records[2].hash);
    flip_byte(path, 40);
    assert_int_equal(store_get_record(store, &records[2].hash, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_int_equal(store_get_record(store, &records[2].hash, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(count_files("damaged"), 1);
    for (size_t i = 0; i < 8; i++)
        expected[records[2].hash.bytes[0]][i] ^= records[2].hash.bytes[8 + i];
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    assert_memory_equal(digest, expected, sizeof(digest));
    for (size_t n = 0; n < 5; n++)
        record_release(&records[n]);
    store_close(&store);
}

/* One more record of a flood: its result. */
static int put_one(struct store *store, uint64_t number, const struct sample_member *sponsor,
                   struct record_id *hash, struct err *err)
{
    struct record r = sample_record_of(number), opened;
    uint8_t *bytes;
    size_t size;
    sample_seal_record(&r, sponsor, &bytes, &size, &opened);
    int result = store_put_record(store, bytes, size, &opened, &sponsor->keys.node, err);
    *hash = opened.hash;
    record_release(&opened);
    free(bytes);
    return result;
}

static void what_one_sponsor_brings_has_a_share_and_others_are_still_taken(void **state)
{
    (void)state;
    struct store *store = open_with_share(16 * MIB, 1);
    struct record_id hash, refused;
    struct err err = ERR_INIT;
    uint64_t number = 1;
    while (number < 200 && put_one(store, number, &sample_sponsor, &refused, &err) == 0)
        number++;
    assert_int_equal(err.code, ERR_FULL);
    assert_non_null(strstr(err.text, "sponsor_share"));
    assert_in_range(number, 30, 41); /* each counts as a block */
    assert_int_equal(put_one(store, 1000, &sample_other_sponsor, &hash, &err), 0);
    assert_int_equal(put_one(store, 1, &sample_sponsor, &hash, &err), 0); /* it is here */
    /* It is remembered, also by the next start, and only for as long as it would be refused. */
    assert_true(store_has_refused(store, &refused) && !store_has_refused(store, &hash));
    store_close(&store);
    store = open_with_share(16 * MIB, 1);
    assert_true(store_has_refused(store, &refused));
    assert_int_equal(put_one(store, number, &sample_sponsor, &refused, &err), -1);
    store_close(&store);
    store = open_with_share(16 * MIB, 2);
    assert_false(store_has_refused(store, &refused));
    assert_int_equal(put_one(store, number, &sample_sponsor, &refused, &err), 0);
    store_close(&store);
}

/* Records that go give their sponsor its share back, also when the catalogue is lost. */
static void a_share_is_what_is_there(void **state)
{
    (void)state;
    struct store *store = open_with_share(16 * MIB, 1);
    struct record_id hash, first;
    struct err err = ERR_INIT;
    char path[DURABLE_PATH_MAX];
    uint64_t number = 2;
    assert_int_equal(put_one(store, 1, &sample_sponsor, &first, &err), 0);
    while (number < 200 && put_one(store, number, &sample_sponsor, &hash, &err) == 0)
        number++;
    store_close(&store);
    for (int lost = 0; lost < 2; lost++) {
        snprintf(path, sizeof(path), "%s/catalogue.db", dir);
        if (lost)
            catalogue_remove(path);
        store = open_with_share(16 * MIB, 1);
        assert_int_equal(put_one(store, number, &sample_sponsor, &hash, &err), -1);
        store_record_path(store, path, &sample_vault, &first);
        assert_int_equal(unlink(path), 0);
        uint8_t *bytes;
        size_t size;
        assert_int_equal(store_get_record(store, &first, &bytes, &size, &err), -1);
        assert_int_equal(put_one(store, 1, &sample_sponsor, &first, &err), 0);
        store_close(&store);
    }
}

static void a_closed_writer_says_nothing_new(void **state)
{
    (void)state;
    struct store *store = open_with(16 * MIB);
    struct record_id hashes[10], fork;
    struct record closed;
    struct node_id sponsor;
    struct err err = ERR_INIT;
    struct pin pin = small.pin;
    uint8_t *bytes;
    uint32_t held;
    size_t size;
    put(store, &small, 0);
    for (uint64_t number = 1; number <= 7; number += 2)
        assert_int_equal(put_one(store, number, &sample_sponsor, &hashes[number], &err), 0);
    sample_closed(&small.pin.writer, 5, &hashes[5], &bytes, &size);
    assert_int_equal(record_open_held(&closed, &sponsor, bytes, size, sample_authority, &err), 0);
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(store_put_record(store, bytes, size, &closed, &sponsor, &err), 0);
    free(bytes);
    assert_int_equal(store_get_record(store, &closed.hash, &bytes, &size, &err), 0);
    free(bytes);
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(put_one(store, 6, &sample_sponsor, &hashes[6], &err), -1);
        assert_int_equal(err.code, ERR_DENIED);
        assert_true(store_has_refused(store, &hashes[6]));
        /* What was before is taken, and what is here stays. */
        assert_int_equal(put_one(store, 4, &sample_sponsor, &hashes[4], &err), 0);
        assert_int_equal(store_get_record(store, &hashes[7], &bytes, &size, &err), 0);
        free(bytes);
        pin.number = 6;
        assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, &err),
                         -1);
        assert_int_equal(err.code, ERR_DENIED);
        pin.number = 4;
        assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, &err),
                         0);
        store_close(&store);
        store = open_with(16 * MIB);
    }
    struct record r = sample_record_of(5), opened;
    r.attempt = sample_attempt(99); /* of the same number as its last */
    sample_seal_record(&r, &sample_sponsor, &bytes, &size, &opened);
    fork = opened.hash;
    assert_memory_not_equal(fork.bytes, hashes[5].bytes, ID_SIZE);
    assert_int_equal(sample_put_record(store, bytes, size, &opened, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    free(bytes);
    record_release(&opened);
    record_release(&closed);
    store_close(&store);
}

static void a_file_whose_record_no_member_brought_is_set_aside(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct record r = sample_record_of(1), opened;
    struct err err = ERR_INIT;
    char path[DURABLE_PATH_MAX], vault[DURABLE_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    store_close(&store);
    sample_seal_record(&r, NULL, &bytes, &size, &opened);
    struct store where = {0};
    snprintf(where.dir, sizeof(where.dir), "%s", dir);
    store_record_path(&where, path, &sample_vault, &opened.hash);
    store_vault_dir(&where, vault, &sample_vault);
    const struct durable_piece piece = {bytes, size};
    assert_int_equal(mkdir(vault, 0700), 0);
    assert_int_equal(durable_write(path, &piece, 1, 0600, DURABLE_NEW, &err), 0);
    store = open_with(MIB);
    assert_int_equal(count_files("records"), 0);
    assert_int_equal(count_files("damaged"), 1);
    free(bytes);
    record_release(&opened);
    store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_kept_listed_and_checked),
        TEST(what_one_sponsor_brings_has_a_share_and_others_are_still_taken),
        TEST(a_share_is_what_is_there),
        TEST(a_closed_writer_says_nothing_new),
        TEST(a_file_whose_record_no_member_brought_is_set_aside),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
