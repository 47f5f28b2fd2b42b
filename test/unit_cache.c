/* The cache: chunks are found in living packs only, and losing the file loses nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/home/cache.h"
#include "coding/base/alloc.h"
#include "test/remove_tree.h"

static char base[] = "/tmp/ecbak-unit-cache-XXXXXX";
static char folder[64]; /* of the caches; not there at first */

static int make_base(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "%s/caches", mkdtemp(base));
    return 0;
}

static int remove_caches(void **state)
{
    (void)state;
    return remove_tree(folder);
}

static int remove_base(void **state)
{
    (void)state;
    return rmdir(base);
}

/* The cache's file; there is one. */
static void file_of(char path[128])
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t size = strlen(entry->d_name);
        if (size < 3 || strcmp(entry->d_name + size - 3, ".db") != 0)
            continue;
        snprintf(path, 128, "%s/%.60s", folder, entry->d_name);
        count++;
    }
    closedir(dir);
    assert_int_equal(count, 1);
}

static struct cache *open_cache(void)
{
    struct cache *cache = NULL;
    struct err err = ERR_INIT;
    if (cache_open(&cache, folder, &err) != 0)
        fail_msg("%s", err.text);
    return cache;
}

static void ids(uint8_t id[32], const char *name, uint32_t number)
{
    struct {
        char name[28];
        uint32_t number;
    } what = {.number = number};
    snprintf(what.name, sizeof(what.name), "%s", name);
    crypto_generichash(id, 32, (const uint8_t *)&what, sizeof(what), NULL, 0);
}

static struct pack_entry *chunks(uint32_t first, size_t count)
{
    struct pack_entry *entries = alloc_zero(count, sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        ids(entries[i].id.bytes, "chunk", first + (uint32_t)i);
        entries[i].kind = CHUNK_DATA;
        entries[i].segment = (uint32_t)i / 100;
        entries[i].offset = (uint32_t)i % 100 * 1000;
        entries[i].size = 1000;
    }
    return entries;
}

static uint32_t add(struct cache *cache, uint32_t pack, uint32_t first, size_t count,
                    bool published)
{
    struct pack_id id;
    uint32_t number = 0;
    struct err err = ERR_INIT;
    struct pack_entry *entries = chunks(first, count);
    ids(id.bytes, "pack", pack);
    if (cache_add_pack(cache, &id, entries, count, published, &number, &err) != 0)
        fail_msg("%s", err.text);
    free(entries);
    return number;
}

/* The number of the pack that has the chunk, 0 when none. */
static uint32_t find(struct cache *cache, uint32_t chunk, struct chunk_location *place)
{
    struct chunk_id id;
    struct chunk_location other;
    struct err err = ERR_INIT;
    ids(id.bytes, "chunk", chunk);
    if (place == NULL)
        place = &other;
    if (cache_find(cache, &id, place, &err) == 0)
        return place->pack_number;
    assert_int_equal(err.code, ERR_NOT_FOUND);
    return 0;
}

static void a_chunk_is_found_where_it_was_put_also_after_a_restart(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    uint32_t one = add(cache, 1, 0, 500, true), two = add(cache, 2, 500, 10, false);
    assert_true(one != two);
    for (int round = 0; round < 2; round++) {
        struct chunk_location place;
        struct pack_id id;
        assert_int_equal(find(cache, 345, &place), one);
        ids(id.bytes, "pack", 1);
        assert_memory_equal(place.pack.bytes, id.bytes, 32);
        assert_int_equal(place.segment, 3);
        assert_int_equal(place.offset, 45000);
        assert_int_equal(place.size, 1000);
        assert_int_equal(find(cache, 509, NULL), two);
        assert_int_equal(find(cache, 510, NULL), 0);
        cache_close(&cache);
        assert_null(cache);
        cache = open_cache();
    }
    cache_close(&cache);
}

static void a_pack_added_again_keeps_its_number(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    uint32_t one = add(cache, 1, 0, 5, false);
    uint32_t two = add(cache, 2, 5, 5, false);
    assert_int_equal(add(cache, 1, 0, 5, true), one);
    assert_int_equal(add(cache, 2, 5, 5, true), two);
    cache_close(&cache);
}

static void a_lost_packs_chunks_are_forgotten_until_stored_again(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct pack_id id;
    struct err err = ERR_INIT;
    uint32_t one = add(cache, 1, 0, 10, true);
    uint32_t two = add(cache, 2, 10, 10, true);
    ids(id.bytes, "pack", 2);
    assert_int_equal(cache_drop_pack(cache, &id, &err), 0);
    assert_int_equal(cache_drop_pack(cache, &id, &err), 0);
    assert_int_equal(find(cache, 15, NULL), 0);
    assert_int_equal(find(cache, 5, NULL), one);
    uint32_t three = add(cache, 3, 10, 5, false);
    assert_true(three != one && three != two); /* a number is never used again */
    assert_int_equal(find(cache, 14, NULL), three);
    assert_int_equal(find(cache, 15, NULL), 0);
    cache_close(&cache);
}

/* The number of the pack that has the chunk too, apart from so many others; 0 when none does. */
static uint32_t find_other(struct cache *cache, uint32_t chunk, unsigned skip)
{
    struct chunk_id id;
    struct chunk_location place;
    struct err err = ERR_INIT;
    ids(id.bytes, "chunk", chunk);
    if (cache_find_other(cache, &id, skip, &place, &err) == 0) {
        assert_int_equal(place.offset, (chunk % 100) * 1000);
        return place.pack_number;
    }
    assert_int_equal(err.code, ERR_NOT_FOUND);
    return 0;
}

static void every_living_pack_that_has_a_chunk_is_known_the_latest_first(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct pack_id id;
    struct err err = ERR_INIT;
    uint32_t packs[3];
    for (int round = 0; round < 2; round++) { /* indexes are read, and may be read again */
        for (uint32_t i = 0; i < 3; i++)
            packs[i] = add(cache, i, 0, 20, true);
        assert_int_equal(find(cache, 10, NULL), packs[2]);
        assert_int_equal(find_other(cache, 10, 0), packs[1]);
        assert_int_equal(find_other(cache, 10, 1), packs[0]);
        assert_int_equal(find_other(cache, 10, 2), 0);
    }
    ids(id.bytes, "pack", 1);
    assert_int_equal(cache_drop_pack(cache, &id, &err), 0);
    assert_int_equal(find_other(cache, 10, 0), packs[0]);
    assert_int_equal(find_other(cache, 10, 1), 0);
    ids(id.bytes, "pack", 2);
    assert_int_equal(cache_drop_pack(cache, &id, &err), 0);
    assert_int_equal(find(cache, 10, NULL), 0);
    assert_int_equal(find_other(cache, 10, 0), packs[0]);
    add(cache, 4, 500, 5, true);
    assert_int_equal(find_other(cache, 502, 0), 0); /* in one pack, like most */
    cache_close(&cache);
}

struct seen {
    size_t packs, chunks;
    struct pack_id first;
};

static int count_pack(void *ctx, const struct pack_id *pack, const struct pack_entry *entries,
                      size_t count, struct err *err)
{
    (void)err;
    struct seen *seen = ctx;
    if (seen->packs++ == 0)
        seen->first = *pack;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(entries[i].size, 1000);
    seen->chunks += count;
    return 0;
}

static struct seen unpublished(struct cache *cache)
{
    struct seen seen = {0};
    struct err err = ERR_INIT;
    assert_int_equal(cache_each_unpublished(cache, count_pack, &seen, &err), 0);
    return seen;
}

static void unpublished_packs_are_listed_whole_until_published(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct err err = ERR_INIT;
    struct pack_id id;
    add(cache, 1, 0, 10, true);
    add(cache, 2, 5, 10, false); /* five of its chunks are in pack 1 too */
    add(cache, 3, 0, 3, false);  /* and these take chunks of it over */
    ids(id.bytes, "pack", 2);
    struct seen seen = unpublished(cache);
    assert_int_equal(seen.packs, 2);
    assert_int_equal(seen.chunks, 13);
    assert_memory_equal(seen.first.bytes, id.bytes, 32);
    assert_int_equal(cache_set_published(cache, &err), 0);
    assert_int_equal(unpublished(cache).packs, 0);
    add(cache, 2, 5, 10, false); /* an index names it already */
    assert_int_equal(unpublished(cache).packs, 0);
    add(cache, 4, 100, 1, false);
    add(cache, 4, 100, 1, true);
    assert_int_equal(unpublished(cache).packs, 0);
    cache_close(&cache);
}

static void indexes_are_read_once(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct err err = ERR_INIT;
    struct pack_id id;
    ids(id.bytes, "index", 1);
    assert_false(cache_has_index(cache, &id));
    assert_int_equal(cache_add_index(cache, &id, NULL, &err), 0);
    assert_int_equal(cache_add_index(cache, &id, NULL, &err), 0);
    assert_true(cache_has_index(cache, &id));
    cache_close(&cache);
}

static void a_batch_is_seen_at_once_and_kept_by_closing(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct err err = ERR_INIT;
    assert_int_equal(cache_commit(cache, &err), 0);
    assert_int_equal(cache_begin(cache, &err), 0);
    assert_int_equal(cache_begin(cache, &err), 0);
    uint32_t last = 0;
    for (uint32_t pack = 0; pack < 12; pack++) /* more than one transaction */
        last = add(cache, pack, pack * 10000, 10000, true);
    assert_int_equal(find(cache, 119999, NULL), last);
    cache_close(&cache);
    cache = open_cache();
    assert_int_equal(find(cache, 119999, NULL), last);
    assert_true(find(cache, 0, NULL) != 0);
    cache_close(&cache);
}

static void damaged_foreign_and_later_files_are_made_anew(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct err err = ERR_INIT;
    struct pack_id id;
    add(cache, 1, 0, 1000, true);
    ids(id.bytes, "index", 1);
    assert_int_equal(cache_add_index(cache, &id, NULL, &err), 0);
    cache_close(&cache);
    char path[128];
    file_of(path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (int i = 0; i < 5000; i++)
        fputc(i, file);
    fclose(file);
    cache = open_cache();
    assert_non_null(cache_notice(cache, false));
    assert_int_equal(find(cache, 1, NULL), 0);
    assert_false(cache_has_index(cache, &id)); /* so that it is read again */
    add(cache, 1, 0, 10, true);
    cache_close(&cache);

    sqlite3 *db = NULL;
    file_of(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cache = open_cache();
    assert_non_null(cache_notice(cache, false));
    assert_int_equal(find(cache, 1, NULL), 0);
    cache_close(&cache);

    file_of(path); /* of the right version, but a table of it is gone */
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE chunk", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cache = open_cache();
    assert_int_equal(find(cache, 1, NULL), 0);
    cache_close(&cache);
}

static void a_cache_that_is_damaged_inside_is_noticed_and_goes(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct chunk_location place;
    struct chunk_id id;
    struct err err = ERR_INIT;
    char path[128];
    add(cache, 1, 0, 5000, true);
    assert_true(cache_is_whole(cache));
    cache_close(&cache);
    file_of(path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 8 * 4096, SEEK_SET), 0); /* past the tables' own pages */
    for (int i = 0; i < 40 * 4096; i++)
        fputc(0xee, file);
    fclose(file);
    cache = open_cache();
    assert_null(cache_notice(cache, true));
    assert_false(cache_is_whole(cache));
    for (uint32_t chunk = 0; chunk < 5000 && !cache_is_damaged(cache); chunk++) {
        ids(id.bytes, "chunk", chunk);
        if (cache_find(cache, &id, &place, &err) != 0 && err.code != ERR_NOT_FOUND)
            assert_int_equal(err.code, ERR_DAMAGED);
    }
    assert_true(cache_is_damaged(cache));
    cache_close(&cache);
    cache = open_cache();
    assert_non_null(cache_notice(cache, true));
    assert_null(cache_notice(cache, false));
    assert_true(cache_is_whole(cache));
    cache_close(&cache);
}

static void one_that_is_made_anew_is_not_harmed_by_those_who_have_the_old_one(void **state)
{
    (void)state;
    struct cache *old = open_cache();
    add(old, 1, 0, 10, true);
    struct cache *new = open_cache();
    struct err err = ERR_INIT;
    assert_int_equal(cache_renew(&new, &err), 0);
    uint32_t number = add(new, 2, 100, 10, true);
    add(old, 3, 200, 10, true); /* it still works */
    assert_true(find(old, 205, NULL) != 0);
    cache_close(&old); /* and would take the log of its name with it */
    struct cache *later = open_cache();
    assert_int_equal(find(later, 105, NULL), number);
    assert_int_equal(find(later, 205, NULL), 0);
    cache_close(&later);
    cache_close(&new);
}

static void the_file_is_for_its_owner_alone(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct stat status;
    char path[128], wal[140];
    add(cache, 1, 0, 10, true);
    file_of(path);
    snprintf(wal, sizeof(wal), "%s-wal", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    cache_close(&cache);
}

static void where_none_can_be_kept_there_is_one_for_the_time_being(void **state)
{
    (void)state;
    struct cache *cache = NULL;
    struct err err = ERR_INIT;
    FILE *file = fopen(folder, "w"); /* in the way of the folder */
    assert_non_null(file);
    fclose(file);
    assert_int_equal(cache_open(&cache, folder, &err), 0);
    assert_non_null(cache_notice(cache, false));
    uint32_t number = add(cache, 1, 0, 10, true);
    assert_int_equal(find(cache, 5, NULL), number);
    cache_close(&cache);
    unlink(folder);
    cache = open_cache();
    assert_int_equal(find(cache, 5, NULL), 0);
    cache_close(&cache);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_chunk_is_found_where_it_was_put_also_after_a_restart,
                                  remove_caches),
        cmocka_unit_test_teardown(a_pack_added_again_keeps_its_number, remove_caches),
        cmocka_unit_test_teardown(a_lost_packs_chunks_are_forgotten_until_stored_again,
                                  remove_caches),
        cmocka_unit_test_teardown(every_living_pack_that_has_a_chunk_is_known_the_latest_first,
                                  remove_caches),
        cmocka_unit_test_teardown(unpublished_packs_are_listed_whole_until_published,
                                  remove_caches),
        cmocka_unit_test_teardown(indexes_are_read_once, remove_caches),
        cmocka_unit_test_teardown(a_batch_is_seen_at_once_and_kept_by_closing, remove_caches),
        cmocka_unit_test_teardown(damaged_foreign_and_later_files_are_made_anew, remove_caches),
        cmocka_unit_test_teardown(a_cache_that_is_damaged_inside_is_noticed_and_goes,
                                  remove_caches),
        cmocka_unit_test_teardown(one_that_is_made_anew_is_not_harmed_by_those_who_have_the_old_one,
                                  remove_caches),
        cmocka_unit_test_teardown(the_file_is_for_its_owner_alone, remove_caches),
        cmocka_unit_test_teardown(where_none_can_be_kept_there_is_one_for_the_time_being,
                                  remove_caches),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
