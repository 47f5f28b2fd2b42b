/* What vanishes from a store's directory while it runs, and what comes back. */
#include "node/store/catalogue_sql.h"
#include "node/trust/record.h"
#include "test/store_bench.h"

static char folder[160], away[192];

static void move_away(const char *name)
{
    snprintf(folder, sizeof(folder), "%s/%s", dir, name);
    snprintf(away, sizeof(away), "%s.away", dir);
    assert_int_equal(rename(folder, away), 0);
}

static void look(struct store *store)
{
    struct err err = ERR_INIT;
    if (store_look(store, &err) != 0)
        fail_msg("%s", err.text);
}

static void fragments_that_vanish_are_counted_and_others_are_taken(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    put(store, &small, 0);
    put(store, &small, 1);
    look(store);
    assert_int_equal(store_lost(store), 0);
    move_away("fragments");
    put(store, &small, 2); /* at once */
    look(store);
    assert_int_equal(store_lost(store), 2);
    assert_int_equal(fragments_of(store), 1);
    expect_no_fragment(store, &small, 0, ERR_NOT_FOUND);
    expect_fragment(store, &small, 2);
    store_close(&store);
    remove_tree(away);
}

static void fragments_that_come_back_are_known_again(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct fragment_info found[4];
    uint32_t held;
    size_t count;
    put(store, &small, 0);
    uint64_t used = used_of(store);
    look(store);
    move_away("fragments");
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &small.pin, &held, NULL),
                     0);
    assert_int_equal(held, 0);
    assert_int_equal(store_lost(store), 1);
    assert_int_equal(used_of(store), 0);
    assert_int_equal(rename(away, folder), 0);
    look(store);
    const struct pack_question question = {&sample_vault, &small.set.object.pack_id, NULL};
    assert_int_equal(store_find_pack(store, &question, found, 4, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(store_lost(store), 0);
    assert_int_equal(used_of(store), used);
    expect_fragment(store, &small, 0);
    /* One file alone, which nobody missed meanwhile but a get. */
    char path[DURABLE_PATH_MAX];
    path_of(path, &small, 0);
    assert_int_equal(rename(path, away), 0);
    expect_no_fragment(store, &small, 0, ERR_NOT_FOUND);
    look(store);
    assert_int_equal(rename(away, path), 0);
    look(store);
    assert_int_equal(fragments_of(store), 1);
    /* And one that does not prove itself is no fragment. */
    path_of(path, &small, 1);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("nothing", file);
    fclose(file);
    look(store);
    assert_int_equal(fragments_of(store), 1);
    assert_int_equal(count_files("damaged"), 1);
    store_close(&store);
}

static void an_index_that_vanishes_is_written_anew_with_its_pins(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct pin later = small.pin;
    char path[160];
    uint32_t held;
    put(store, &small, 0);
    later.number = small.pin.number + 5;
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &later, &held, NULL), 0);
    snprintf(path, sizeof(path), "%s/catalogue.db", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/catalogue.db-wal", dir);
    unlink(path);
    look(store);
    put(store, &small, 1);
    later.number++;
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &later, &held, NULL), 0);
    assert_int_equal(held, 2);
    store_close(&store);
    store = open_with(MIB);
    assert_int_equal(fragments_of(store), 2);
    assert_int_equal(pinned(store, &small), later.number);
    assert_int_equal(count_files("."), 6); /* sentinel, two fragments, pins, catalogue, its log */
    store_close(&store);
}

static void records_that_vanish_are_missed_and_known_again(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct record record;
    uint8_t digest[256][8], none[256][8] = {{0}}, *bytes;
    size_t size;
    sample_record(1, &bytes, &size, &record);
    assert_int_equal(sample_put_record(store, bytes, size, &record, NULL), 0);
    look(store);
    move_away("records");
    look(store);
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    assert_memory_equal(digest, none, sizeof(digest));
    assert_int_equal(used_of(store), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rename(away, folder), 0);
    look(store);
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    assert_memory_not_equal(digest, none, sizeof(digest));
    assert_int_equal(used_of(store), size);
    free(bytes);
    record_release(&record);
    store_close(&store);
}

static void what_vanished_before_the_start_is_counted_too(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    put(store, &small, 0);
    store_close(&store);
    move_away("fragments");
    store = open_with(MIB);
    assert_int_equal(store_lost(store), 1);
    put(store, &small, 1);
    store_close(&store);
    remove_tree(away);
}

static void run_sql(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static void a_fragment_that_is_written_anew_is_lost_no_more(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    put(store, &small, 0);
    put(store, &small, 1);
    path_of(path, &small, 0);
    assert_int_equal(unlink(path), 0);
    path_of(path, &small, 1);
    assert_int_equal(unlink(path), 0);
    look(store);
    assert_int_equal(store_lost(store), 2);
    put(store, &small, 2); /* none of those */
    look(store);
    assert_int_equal(store_lost(store), 2);
    put(store, &small, 0);
    assert_int_equal(store_lost(store), 1);
    look(store);
    assert_int_equal(store_lost(store), 1);
    store_close(&store);
    store = open_with(MIB);
    assert_int_equal(store_lost(store), 0);
    assert_int_equal(fragments_of(store), 2);
    store_close(&store);
}

static void a_whole_file_of_another_size_than_its_row_says_is_not_lost(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[128];
    sqlite3 *db;
    put(store, &small, 0);
    uint64_t used = used_of(store);
    run_sql(store->catalogue->db, "UPDATE fragment SET file_bytes = file_bytes + 1");
    store->used_bytes++;
    store->seen[small.set.object_id.bytes[0]].known = false;
    look(store);
    assert_true(store_lost(store) == 0 && fragments_of(store) == 1 && used_of(store) == used);
    store_close(&store);
    snprintf(path, sizeof(path), "%s/catalogue.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    run_sql(db, "UPDATE fragment SET file_bytes = file_bytes + 1");
    sqlite3_close(db);
    store = open_with(MIB);
    assert_true(store_lost(store) == 0 && fragments_of(store) == 1 && used_of(store) == used);
    store_close(&store);
}

static void a_row_that_cannot_be_read_is_made_anew_while_the_store_is_open(void **state)
{
    (void)state;
    static const char *const changes[] = {"UPDATE fragment SET data = 0",
                                          "UPDATE fragment SET vault = x'00'",
                                          "UPDATE record SET vault = 'no blob'"};
    struct store *store = open_with(MIB);
    struct pin later = small.pin;
    struct record record;
    uint8_t *bytes;
    size_t size;
    uint32_t held;
    put(store, &small, 0);
    later.number = small.pin.number + 7;
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &later, &held, NULL), 0);
    sample_record(1, &bytes, &size, &record);
    assert_int_equal(sample_put_record(store, bytes, size, &record, NULL), 0);
    uint64_t used = used_of(store);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        run_sql(store->catalogue->db, changes[i]);
        store->seen[small.set.object_id.bytes[0]].known = false;
        store->records_seen.known = false;
        look(store);
        assert_true(used_of(store) == used && fragments_of(store) == 1 && store_lost(store) == 0);
        assert_int_equal(pinned(store, &small), later.number);
        expect_fragment(store, &small, 0);
    }
    free(bytes);
    record_release(&record);
    store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fragments_that_vanish_are_counted_and_others_are_taken),
        TEST(fragments_that_come_back_are_known_again),
        TEST(an_index_that_vanishes_is_written_anew_with_its_pins),
        TEST(records_that_vanish_are_missed_and_known_again),
        TEST(what_vanished_before_the_start_is_counted_too),
        TEST(a_fragment_that_is_written_anew_is_lost_no_more),
        TEST(a_whole_file_of_another_size_than_its_row_says_is_not_lost),
        TEST(a_row_that_cannot_be_read_is_made_anew_while_the_store_is_open),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
