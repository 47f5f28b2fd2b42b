/* What the store acknowledged stays: through fsyncs that fail, crashes, SIGKILL, a lost catalogue. */
#include <sqlite3.h>

#include "node/trust/record.h"
#include "test/store_bench.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Every fsync of this program comes through here; SQLite's are fdatasync. */
static int fsync_fails_after; /* < 0: none fails */
static int fsync_count, fdatasync_count;

int fdatasync(int fildes)
{
    fdatasync_count++;
    return (int)syscall(SYS_fdatasync, fildes);
}

int fsync(int fd)
{
    fsync_count++;
    if (fsync_fails_after >= 0 && fsync_fails_after-- == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static int set_up_disk(void **state)
{
    fsync_fails_after = -1;
    return set_up(state);
}

static void a_put_costs_two_fsyncs(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    put(store, &small, 0); /* makes the folder */
    fsync_count = fdatasync_count = 0;
    put(store, &small, 1);
    assert_int_equal(fsync_count, 2);
    assert_int_equal(fdatasync_count, 0);
    store_close(&store);
}

static void a_file_whose_fsync_failed_is_discarded(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct err err = ERR_INIT;
    put(store, &small, 1);
    uint64_t used = used_of(store);
    for (int failing = 0; failing < 2; failing++) { /* the file's, then the folder's */
        fsync_fails_after = failing;
        assert_int_equal(sample_put(store, &small, 0, &err), -1);
        assert_int_equal(err.code, ERR_IO);
        fsync_fails_after = -1;
        assert_int_equal(count_files("fragments"), 1);
        assert_true(used_of(store) == used);
        expect_no_fragment(store, &small, 0, ERR_NOT_FOUND);
    }
    put(store, &small, 0);
    store_close(&store);
    store = open_with(MIB);
    expect_fragment(store, &small, 0);
    store_close(&store);
}

/* The first put under a first byte makes a folder, whose name must be durable before its files. */
static void a_folder_whose_name_is_not_durable_is_not_relied_on(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    fsync_fails_after = 0;
    assert_int_equal(sample_put(store, &small, 0, NULL), -1);
    fsync_count = 0;
    put(store, &small, 0);
    assert_int_equal(fsync_count, 3); /* the folder's name, the file, the file's name */
    store_close(&store);
    fsync_count = 0;
    store = open_with(MIB);
    assert_int_equal(fsync_count, 5); /* what a killed process may have left half made */
    store_close(&store);
}

static void pins_survive_and_are_only_for_the_own_vault(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct pack_id packs[3] = {{{1}}};
    uint32_t held[3] = {9, 9, 9};
    char path[DURABLE_PATH_MAX];
    struct sample other;
    sample_init(&other, 4, 1000, 2, 2);
    put(store, &small, 0);
    put(store, &small, 1);
    put(store, &other, 2);
    packs[1] = small.set.object.pack_id;
    packs[2] = other.set.object.pack_id;
    small.pin.number = 8;
    fsync_count = 0;
    assert_int_equal(sample_put_pins(store, packs, 3, &small.pin, held, NULL), 0);
    assert_int_equal(fsync_count, 3); /* the folder's name, the file, the file's name */
    assert_true(held[0] == 0 && held[1] == 2 && held[2] == 1);
    assert_true(pinned(store, &small) == 8 && pinned(store, &other) == 8);
    small.pin.vault.bytes[0] ^= 1;
    assert_int_equal(sample_put_pins(store, packs, 3, &small.pin, held, NULL), 0);
    assert_true(held[0] == 0 && held[1] == 0 && held[2] == 0);
    assert_true(pinned(store, &small) == 0);
    small.pin.vault.bytes[0] ^= 1;
    store_close(&store);
    store = open_with(MIB);
    assert_true(pinned(store, &small) == 8 && pinned(store, &other) == 8);
    /* A file that is gone is not counted, whatever the catalogue says. */
    path_of(path, &small, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sample_put_pins(store, packs, 3, &small.pin, held, NULL), 0);
    assert_true(held[1] == 1 && fragments_of(store) == 2);
    small.pin.number = 1;
    sample_release(&other);
    store_close(&store);
}

static void the_start_cleans_up_after_a_crash(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX], other[DURABLE_PATH_MAX + 16];
    put(store, &small, 0);
    put(store, &small, 1);
    put(store, &small, 2);
    store_close(&store);
    path_of(path, &small, 0);
    snprintf(other, sizeof(other), "%s.a1b2c3" DURABLE_TEMPORARY, path);
    assert_int_equal(link(path, other), 0); /* an unfinished write */
    assert_int_equal(unlink(path), 0);      /* a row without its file */
    path_of(path, &small, 1);
    assert_int_equal(truncate(path, 5000), 0); /* a torn file */
    path_of(path, &small, 3);
    path_of(other, &small, 2);
    assert_int_equal(link(other, path), 0); /* a file under another's name */
    store = open_with(MIB);
    assert_int_equal(count_files("fragments"), 1);
    assert_int_equal(count_files("damaged"), 2);
    assert_true(fragments_of(store) == 1 && store_damaged(store) == 2);
    expect_no_fragment(store, &small, 0, ERR_NOT_FOUND);
    expect_no_fragment(store, &small, 1, ERR_NOT_FOUND);
    expect_fragment(store, &small, 2);
    store_close(&store);
}

static void an_index_that_is_written_anew_is_on_disk_before_it_has_its_name(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct err err = ERR_INIT;
    char path[128];
    put(store, &small, 0);
    snprintf(path, sizeof(path), "%s/catalogue.db", dir);
    assert_int_equal(unlink(path), 0);
    fsync_fails_after = 0;
    assert_int_equal(store_look(store, &err), -1);
    assert_int_not_equal(access(path, F_OK), 0);
    fsync_fails_after = -1;
    assert_int_equal(store_look(store, &err), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(fragments_of(store), 1);
    store_close(&store);
}

static void remove_catalogue(const char *how)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/catalogue.db%s", dir, ends[i]);
        if (strcmp(how, "delete") == 0) {
            unlink(path);
        } else if (i == 0) {
            int fd = open(path, O_WRONLY);
            off_t size = lseek(fd, 0, SEEK_END);
            off_t from = strcmp(how, "garble all") == 0 ? 0 : 4096;
            for (off_t at = from; at < size; at++)
                assert_int_equal(pwrite(fd, "\xa5", 1, at), 1);
            close(fd);
        }
    }
}

static void a_lost_catalogue_is_built_anew_from_the_files(void **state)
{
    (void)state;
    static const char *const hows[] = {"delete", "garble all", "garble rows"};
    struct store *store = open_with(MIB);
    struct holders holders;
    struct record record;
    uint8_t *bytes, *grant, digest[256][8], again[256][8];
    size_t size;
    const struct fragment_key key = sample_key(&small, 3);
    put(store, &small, 0);
    put(store, &small, 3);
    sample_record(1, &bytes, &size, &record);
    assert_int_equal(sample_put_record(store, bytes, size, &record, NULL), 0);
    free(bytes);
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    uint64_t used = used_of(store);
    for (size_t i = 0; i < 3; i++) {
        store_close(&store);
        remove_catalogue(hows[i]);
        store = open_with(MIB);
        assert_true(used_of(store) == used && fragments_of(store) == 2);
        assert_true(store_damaged(store) == 0);
        expect_fragment(store, &small, 0);
        expect_fragment(store, &small, 3);
        assert_true(pinned(store, &small) == 1); /* the pin that the grant is */
        assert_int_equal(store_get_holders(store, &key, &holders, NULL), 0);
        assert_memory_equal(&holders, &small.holders, sizeof(holders));
        assert_int_equal(
            store_get_grant(store, &sample_vault, &small.set.object_id, NULL, &grant, &size, NULL),
            0);
        assert_memory_equal(grant, small.grant, small.grant_size);
        free(grant);
        assert_int_equal(store_get_record(store, &record.hash, &bytes, &size, NULL), 0);
        free(bytes);
        assert_int_equal(store_record_digest(store, again, NULL), 0);
        assert_memory_equal(again, digest, sizeof(digest));
    }
    record_release(&record);
    store_close(&store);
}

#define THREADS 4
#define PACKS   12
static struct sample many[PACKS];

/* All threads put the same fragments, each beginning elsewhere. */
static void *put_many(void *argument)
{
    struct store *store = *(struct store **)argument;
    static unsigned started;
    unsigned first = __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < PACKS; i++)
        if (sample_put(store, &many[(first * 3 + i) % PACKS], 0, NULL) != 0)
            return argument;
    return NULL;
}

static void rows_that_cannot_be_are_built_anew_too(void **state)
{
    (void)state;
    static const char *const changes[] = {"data = 0", "parity = 255", "idx = idx + 200",
                                          "file_bytes = -1"};
    struct store *store = open_with(MIB);
    struct pin later = small.pin;
    uint32_t held;
    put(store, &small, 0);
    later.number = small.pin.number + 7; /* after the fragment */
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &later, &held, NULL), 0);
    uint64_t used = used_of(store);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        char path[128], sql[64];
        sqlite3 *db;
        store_close(&store);
        snprintf(path, sizeof(path), "%s/catalogue.db", dir);
        snprintf(sql, sizeof(sql), "UPDATE fragment SET %s", changes[i]);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        store = open_with(MIB);
        assert_true(used_of(store) == used && fragments_of(store) == 1);
        assert_int_equal(pinned(store, &small), later.number);
        expect_fragment(store, &small, 0);
    }
    store_close(&store);
}

static void threads_may_put_at_once(void **state)
{
    (void)state;
    struct store *store = open_with(100 * MIB);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < PACKS; i++)
        sample_init(&many[i], 100 + i, 70000, 2, 1);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &store), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(fragments_of(store) == PACKS);
    assert_int_equal(count_files("fragments"), PACKS);
    uint64_t used = used_of(store);
    store_close(&store);
    store = open_with(100 * MIB);
    assert_true(used_of(store) == used);
    for (unsigned i = 0; i < PACKS; i++) {
        expect_fragment(store, &many[i], 0);
        sample_release(&many[i]);
    }
    store_close(&store);
}

/* A child puts fragments and says so, one byte each, until it is killed. */
static void put_until_killed(int to)
{
    struct store *store = open_with(100 * MIB);
    for (unsigned i = 0; i < PACKS; i++) {
        uint8_t done = (uint8_t)i;
        if (sample_put(store, &many[i], 0, NULL) != 0 || write(to, &done, 1) != 1)
            break;
    }
    for (;;)
        pause();
}

static void what_was_acknowledged_survives_sigkill_at_any_moment(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PACKS; i++)
        sample_init(&many[i], 200 + i, 70000, 2, 1);
    for (unsigned round = 0; round < PACKS; round++) {
        int pipes[2];
        uint8_t done;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            put_until_killed(pipes[1]);
        close(pipes[1]);
        /* Killed somewhere inside of the put after this one. */
        for (unsigned i = 0; i <= round; i++)
            assert_int_equal(read(pipes[0], &done, 1), 1);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        unsigned acknowledged = round + 1;
        while (read(pipes[0], &done, 1) == 1)
            acknowledged++;
        close(pipes[0]);
        struct store *store = open_with(100 * MIB);
        for (unsigned i = 0; i < acknowledged; i++)
            expect_fragment(store, &many[i], 0);
        assert_true(store_damaged(store) == 0);
        assert_true((uint64_t)count_files("fragments") == fragments_of(store));
        store_close(&store);
        remove_tree(dir);
        assert_int_equal(store_create(dir, &sample_node, NULL), 0);
    }
    for (unsigned i = 0; i < PACKS; i++)
        sample_release(&many[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_disk, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_costs_two_fsyncs),
        TEST(a_file_whose_fsync_failed_is_discarded),
        TEST(a_folder_whose_name_is_not_durable_is_not_relied_on),
        TEST(pins_survive_and_are_only_for_the_own_vault),
        TEST(the_start_cleans_up_after_a_crash),
        TEST(an_index_that_is_written_anew_is_on_disk_before_it_has_its_name),
        TEST(a_lost_catalogue_is_built_anew_from_the_files),
        TEST(rows_that_cannot_be_are_built_anew_too),
        TEST(threads_may_put_at_once),
        TEST(what_was_acknowledged_survives_sigkill_at_any_moment),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
