/* The directory of a store: whose it is, that it is there, and the bytes of its files. */
#include "test/store_bench.h"

#include "coding/base/bytes.h"
#include "node/base/sentinel.h"
#include "node/store/trailer.h"

static void a_foreign_or_missing_directory_is_refused(void **state)
{
    (void)state;
    struct store *store;
    struct err err = ERR_INIT;
    struct store_terms terms = terms_with(MIB, 50), others = terms;
    memset(others.node.bytes, 9, ID_SIZE);
    assert_int_equal(store_open(&store, dir, &others, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_null(store);
    assert_int_equal(store_create(dir, &sample_node, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    remove_tree(dir);
    assert_int_equal(store_open(&store, dir, &terms, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(mkdir(dir, 0700), 0); /* an empty mount point */
    assert_int_equal(store_open(&store, dir, &terms, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_create(dir, &sample_node, &err), 0);
}

static void a_new_directory_has_a_new_epoch(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    uint64_t first = store_epoch(store);
    store_close(&store);
    store = open_with(MIB);
    assert_true(store_epoch(store) == first);
    store_close(&store);
    remove_tree(dir);
    assert_int_equal(store_create(dir, &sample_node, NULL), 0);
    store = open_with(MIB);
    assert_true(store_epoch(store) != first);
    store_close(&store);
}

static void a_directory_that_vanishes_takes_storage_out_of_service(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct err err = ERR_INIT;
    uint32_t held;
    char away[128];
    put(store, &small, 0);
    assert_int_equal(store_check(store, &err), 0);
    snprintf(away, sizeof(away), "%s.away", dir);
    assert_int_equal(rename(dir, away), 0);
    assert_int_equal(store_check(store, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(sample_put(store, &small, 1, &err), -1);
    expect_no_fragment(store, &small, 0, ERR_NOT_FOUND);
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &small.pin, &held, &err),
                     -1);
    /* Another in its place is not taken for it. */
    assert_int_equal(store_create(dir, &sample_node, NULL), 0);
    assert_int_equal(store_check(store, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    remove_tree(dir);
    /* Back again, all is well: nothing was forgotten. */
    assert_int_equal(rename(away, dir), 0);
    expect_fragment(store, &small, 0);
    store_close(&store);
}

static void a_directory_has_one_daemon(void **state)
{
    (void)state;
    struct store *store = open_with(MIB), *second;
    struct store_terms terms = terms_with(MIB, 50);
    struct err err = ERR_INIT;
    assert_int_equal(store_open(&second, dir, &terms, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    store_close(&store);
}

static void a_sentinel_with_any_byte_flipped_is_refused(void **state)
{
    (void)state;
    char path[128];
    uint64_t epoch;
    snprintf(path, sizeof(path), "%s/%s", dir, SENTINEL_NAME);
    for (off_t at = 0; at < 96; at++) {
        flip_byte(path, at);
        assert_int_equal(sentinel_read(path, &sample_node, &epoch, NULL), -1);
        flip_byte(path, at);
    }
    assert_int_equal(sentinel_read(path, &sample_node, &epoch, NULL), 0);
}

static void check_digest(const uint8_t *bytes, size_t size, const char *hex)
{
    uint8_t digest[32];
    char text[65];
    crypto_generichash(digest, sizeof(digest), bytes, size, NULL, 0);
    assert_string_equal(hex_encode(text, digest, sizeof(digest)), hex);
}

static void the_bytes_of_the_files_are_settled(void **state)
{
    (void)state;
    uint8_t bytes[TRAILER_SIZE_MAX];
    struct trailer trailer = {.fragment_size = 4096, .grant = (const uint8_t *)"grant"}, back;
    trailer.grant_size = 5;
    trailer.holders.count = 2;
    memset(trailer.holders.node[1].bytes, 0x77, ID_SIZE);
    memset(trailer.bringer.bytes, 0x88, ID_SIZE);
    size_t size = trailer_encode(bytes, &trailer);
    assert_int_equal(size, 64 + 5 + 64 + 32);
    check_digest(bytes, size, "0693ef20ca0557ffe6911fd29cd74ec15e8c8ffdb0c3607039e3374987539772");
    assert_int_equal(trailer_decode(&back, bytes, size, NULL), 0);
    assert_memory_equal(&back.holders, &trailer.holders, sizeof(back.holders));
    assert_memory_equal(&back.bringer, &trailer.bringer, sizeof(back.bringer));
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 1;
        assert_int_equal(trailer_decode(&back, bytes, size, NULL), -1);
        bytes[at] ^= 1;
        assert_int_equal(trailer_decode(&back, bytes, at, NULL), -1);
    }
    /* A sentinel of this version, byte for byte. */
    uint8_t sentinel[96] = "ecbksent\2";
    uint64_t epoch;
    char path[128];
    memset(sentinel + 16, 0x11, ID_SIZE);
    memset(sentinel + 48, 0x22, 8);
    hash_bytes(sentinel + 64, "ecbak sentinel 2", sentinel, 64);
    check_digest(sentinel, sizeof(sentinel),
                 "e5c86a36d9357490c5f813db9c5202a98b43105d4f7d060e6da627057afa714d");
    snprintf(path, sizeof(path), "%s/%s", dir, SENTINEL_NAME);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, sentinel, sizeof(sentinel)), sizeof(sentinel));
    close(fd);
    assert_int_equal(sentinel_read(path, &sample_node, &epoch, NULL), 0);
    assert_true(epoch == 0x2222222222222222);
    /* What older programs wrote is refused by name. */
    struct err err = ERR_INIT;
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\1", 1, 8), 1);
    close(fd);
    assert_int_equal(sentinel_read(path, &sample_node, &epoch, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    bytes[8] = 1;
    assert_int_equal(trailer_decode(&back, bytes, size, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "trailer of version 1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_foreign_or_missing_directory_is_refused),
        TEST(a_new_directory_has_a_new_epoch),
        TEST(a_directory_that_vanishes_takes_storage_out_of_service),
        TEST(a_directory_has_one_daemon),
        TEST(a_sentinel_with_any_byte_flipped_is_refused),
        TEST(the_bytes_of_the_files_are_settled),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
