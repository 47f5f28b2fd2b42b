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
            assert_int_equal(store_put_record(store, bytes, size, &records[n], NULL), 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_kept_listed_and_checked),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
