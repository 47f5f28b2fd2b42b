/* A cache whose rows are other than they were written, though its file can be read: nothing of it gets
 * into a snapshot. */
#include "test/vault_bench.h"

#include <glob.h>
#include <sqlite3.h>

#include "cli/packing/index_merge.h"

/* What a disk might have done to the cache. */
static void alter(const char *sql)
{
    glob_t found;
    char *pattern = alloc_format("%s/*/cache-*.db", caches);
    sqlite3 *db = NULL;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    assert_int_equal(sqlite3_open(found.gl_pathv[0], &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_true(sqlite3_changes(db) > 0);
    sqlite3_close(db);
    globfree(&found);
    free(pattern);
}

/* So that the next store reads every file, and asks the cache for every chunk. */
static void forget_state(void)
{
    glob_t found;
    char *pattern = alloc_format("%s/*/state", caches);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(remove_tree(found.gl_pathv[0]), 0);
    globfree(&found);
    free(pattern);
}

/* Those of data alone: their index is held. */
static void lose_large_packs(void)
{
    unsigned lost = 0;
    for (size_t i = 0; i < fake.pack_count; i++) {
        if (fake.packs[i].size > 1000 * 1000) {
            fake.packs[i].nodes = 1;
            lost++;
        }
    }
    assert_true(lost > 0);
}

/* What a blank machine gets of the latest snapshot. */
static void assert_comes_back(uint64_t files)
{
    struct recover_result recovered;
    forget_cache();
    recover_well("latest", &recovered);
    assert_int_equal(recovered.files, files);
}

static void a_chunk_in_a_pack_that_does_not_have_it_is_not_relied_on(void **state)
{
    (void)state;
    struct store_result result;
    make_file("a", 3 * 1000 * 1000, 1);
    store_well(&result);
    restart();
    make_file("b", 1000, 2);
    store_well(&result);
    lose_large_packs();
    alter("UPDATE chunk SET pack = (SELECT max(number) FROM pack)");
    forget_state();
    notices = 0;
    restart();
    store_well(&result);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_true(notices > 0); /* that the cache is damaged, and that the state is gone */
    assert_comes_back(2);
    assert_same_file("a");
}

static void an_index_is_not_merged_from_altered_rows(void **state)
{
    (void)state;
    struct store_result result;
    char name[32];
    for (int i = 0; i < INDEX_MERGE_COUNT; i++) {
        snprintf(name, sizeof(name), "file-%d", i);
        make_file(name, (size_t)(100 + i), (uint8_t)i);
        if (i == INDEX_MERGE_COUNT - 1) /* a bit of a chunk's id */
            alter("UPDATE index_pack SET block = CAST(substr(block, 1, length(block) - 1) || x'00' "
                  "AS BLOB) WHERE block IS NOT NULL");
        notices = 0;
        restart();
        store_well(&result);
        assert_int_equal(result.outcome, JOB_DONE);
    }
    assert_int_equal(notices, 1);
    assert_comes_back(INDEX_MERGE_COUNT);
}

static void store_cut_off(void)
{
    struct err err = ERR_INIT;
    struct store_result result;
    make_file("big", 20 * 1000 * 1000, 3);
    fake.fail_puts_after = fake.puts + 1;
    assert_int_equal(store(&result, &err), -1);
    fake.fail_puts_after = 0;
    restart();
}

/* A store that was cut off leaves packs that the cache alone knows. */
static void what_no_index_names_yet_is_not_named_from_altered_rows(void **state)
{
    static const char *const alterations[] = {
        "UPDATE pack SET block = CAST(substr(block, 1, length(block) - 1) || x'00' AS BLOB) "
        "WHERE block IS NOT NULL",
        "UPDATE pack SET block = NULL WHERE block IS NOT NULL", /* as if it were published */
        "UPDATE pack SET id = CAST(substr(id, 1, 31) || x'00' AS BLOB)",
    };
    struct store_result result;
    for (size_t i = 0; i < sizeof(alterations) / sizeof(alterations[0]); i++) {
        make_file("a", 1000, 1);
        store_well(&result);
        restart();
        store_cut_off();
        alter(alterations[i]);
        notices = 0;
        store_well(&result);
        assert_int_equal(result.outcome, JOB_DONE);
        if (notices != 1)
            fail_msg("%u notices after %s", notices, alterations[i]);
        assert_comes_back(2);
        if (tear_down(state) != 0 || set_up(state) != 0)
            fail_msg("no next bench");
    }
}

static void a_recover_reads_the_index_again_when_rows_were_altered(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 1000, 1);
    store_well(&result);
    alter("UPDATE chunk SET offset = offset + 1");
    notices = 0;
    recover_well("latest", &recovered);
    assert_int_equal(notices, 1);
    assert_same_file("a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chunk_in_a_pack_that_does_not_have_it_is_not_relied_on),
        TEST(an_index_is_not_merged_from_altered_rows),
        TEST(what_no_index_names_yet_is_not_named_from_altered_rows),
        TEST(a_recover_reads_the_index_again_when_rows_were_altered),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
