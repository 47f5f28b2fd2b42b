/* The store on real files: what is acknowledged stays, what is bad goes aside, nothing else is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coding/base/bytes.h"
#include "node/store/sentinel.h"
#include "node/store/store_inside.h"
#include "node/store/trailer.h"
#include "test/store_sample.h"

#define MIB (1024 * 1024ull)

/* Every fsync of this program comes through here; SQLite's are fdatasync. */
static int fsync_fails_after = -1;
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

static char base[64], dir[96];
static struct sample small; /* 2 + 2 of 200000 bytes */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int files;
static int count_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)path, (void)status, (void)walk;
    files += kind == FTW_F;
    return 0;
}

static int count_files(const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    files = 0;
    (void)nftw(path, count_one, 16, FTW_PHYS);
    return files;
}

static int set_up_all(void **state)
{
    (void)state;
    sample_set_up();
    sample_init(&small, 1, 200000, 2, 2);
    snprintf(base, sizeof(base), "/tmp/unit_store.XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/data", base);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    sample_release(&small);
    sample_tear_down();
    remove_tree(base);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return store_create(dir, sample_node, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    fsync_fails_after = -1;
    (void)umount2(dir, MNT_DETACH); /* when the test of the full disk failed half-way */
    remove_tree(dir);
    return 0;
}

static struct store *open_with(uint64_t capacity)
{
    struct store *store = NULL;
    struct err err = ERR_INIT;
    if (store_open(&store, dir, sample_node, sample_cluster, capacity, &err) != 0)
        fail_msg("store_open: %s", err.text);
    return store;
}

static void put(struct store *store, const struct sample *s, unsigned index)
{
    struct err err = ERR_INIT;
    if (sample_put(store, s, index, &err) != 0)
        fail_msg("put: %s", err.text);
}

static void expect_fragment(struct store *store, const struct sample *s, unsigned index)
{
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    if (store_get_fragment(store, s->set.object_id, index, &bytes, &size, &err) != 0)
        fail_msg("get: %s", err.text);
    assert_int_equal(size, s->set.size);
    assert_memory_equal(bytes, s->set.bytes[index], size);
    free(bytes);
}

static void expect_no_fragment(struct store *store, const struct sample *s, unsigned index,
                               enum err_code code)
{
    struct err err = ERR_INIT;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(store_get_fragment(store, s->set.object_id, index, &bytes, &size, &err), -1);
    assert_int_equal(err.code, code);
}

static uint64_t fragments_of(struct store *store)
{
    uint64_t used, fragments, records;
    store_usage(store, &used, &fragments, &records);
    return fragments;
}

static uint64_t used_of(struct store *store)
{
    uint64_t used, fragments, records;
    store_usage(store, &used, &fragments, &records);
    return used;
}

static uint64_t pinned(struct store *store, const struct sample *s)
{
    uint64_t number;
    assert_int_equal(catalogue_pinned(store->catalogue, s->set.object.pack_id, s->pin.vault,
                                      s->pin.writer, &number, NULL),
                     0);
    return number;
}

static void path_of(char path[DURABLE_PATH_MAX], const struct sample *s, unsigned index)
{
    struct store where = {0};
    snprintf(where.dir, sizeof(where.dir), "%s", dir);
    store_fragment_path(&where, path, s->set.object_id, index);
}

static void flip_byte(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void a_fragment_comes_back_with_all_that_came_with_it(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct fragment_info found[4];
    struct holders holders;
    uint8_t *grant;
    size_t count, size;
    put(store, &small, 2);
    expect_fragment(store, &small, 2);
    expect_no_fragment(store, &small, 1, ERR_NOT_FOUND);
    assert_int_equal(store_find_pack(store, small.set.object.pack_id, found, 4, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(found[0].object, small.set.object_id, ID_SIZE);
    assert_memory_equal(found[0].vault, sample_vault, ID_SIZE);
    assert_true(found[0].index == 2 && found[0].data == 2 && found[0].parity == 2);
    assert_true(found[0].pack_bytes == 200000 && found[0].file_bytes == used_of(store));
    assert_int_equal(store_get_grant(store, small.set.object_id, 2, &grant, &size, NULL), 0);
    assert_int_equal(size, small.grant_size);
    assert_memory_equal(grant, small.grant, size);
    free(grant);
    assert_int_equal(store_get_holders(store, small.set.object_id, 2, &holders, NULL), 0);
    assert_memory_equal(&holders, &small.holders, sizeof(holders));
    memset(holders.node[1], 0x99, ID_SIZE);
    assert_int_equal(store_set_holders(store, small.set.object_id, 2, &holders, NULL), 0);
    memset(&holders, 0, sizeof(holders));
    assert_int_equal(store_get_holders(store, small.set.object_id, 2, &holders, NULL), 0);
    assert_int_equal(holders.node[1][0], 0x99);
    assert_int_equal(pinned(store, &small), 1);
    store_close(&store);
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

static void what_does_not_prove_itself_is_not_taken(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct err err = ERR_INIT;
    struct sample other;
    sample_init(&other, 2, 100000, 2, 1);
    /* Every 97th byte flipped: head and row. */
    for (size_t at = 0; at < small.set.size; at += 97) {
        small.set.bytes[0][at] ^= 4;
        assert_int_equal(sample_put(store, &small, 0, &err), -1);
        small.set.bytes[0][at] ^= 4;
    }
    assert_int_equal(store_put_fragment(store, small.set.bytes[0], small.set.size, other.grant,
                                        other.grant_size, &other.opened, &small.holders, &small.pin,
                                        &err),
                     -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    small.pin.vault[0] ^= 1;
    assert_int_equal(sample_put(store, &small, 0, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    small.pin.vault[0] ^= 1;
    small.opened.cluster[0] ^= 1;
    assert_int_equal(sample_put(store, &small, 0, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    small.opened.cluster[0] ^= 1;
    assert_int_equal(count_files("fragments"), 0);
    assert_true(used_of(store) == 0);
    sample_release(&other);
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
    assert_int_equal(fsync_count, 3); /* what a killed process may have left half made */
    store_close(&store);
}

static void a_damaged_file_is_moved_aside_and_can_be_replaced(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    struct stat status;
    path_of(path, &small, 0);
    put(store, &small, 0);
    uint64_t used = used_of(store);
    assert_int_equal(stat(path, &status), 0);
    off_t places[] = {
        3, 100, 170, (off_t)small.set.size - 7, (off_t)small.set.size + 3, status.st_size - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        flip_byte(path, places[i]);
        expect_no_fragment(store, &small, 0, ERR_DAMAGED);
        expect_no_fragment(store, &small, 0, ERR_NOT_FOUND);
        assert_true(store_damaged(store) == i + 1);
        assert_true(used_of(store) == 0);
        assert_int_equal(count_files("damaged"), 1);
        assert_int_equal(count_files("fragments"), 0);
        put(store, &small, 0);
        assert_true(used_of(store) == used);
    }
    assert_int_equal(truncate(path, 1000), 0);
    expect_no_fragment(store, &small, 0, ERR_DAMAGED);
    store_close(&store);
}

static void a_fragment_put_again_is_pinned_again_and_repaired_if_need_be(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    path_of(path, &small, 0);
    put(store, &small, 0);
    small.pin.number = 5;
    put(store, &small, 0);
    small.pin.number = 3; /* an older record's pin lowers nothing */
    put(store, &small, 0);
    small.pin.number = 1;
    assert_true(pinned(store, &small) == 5);
    assert_true(fragments_of(store) == 1);
    flip_byte(path, (off_t)small.set.size - 7);
    put(store, &small, 0);
    expect_fragment(store, &small, 0);
    assert_true(fragments_of(store) == 1 && store_damaged(store) == 1);
    store_close(&store);
}

/* Without a file descriptor left, what is here can neither be read nor be written anew. */
static void what_cannot_be_looked_at_for_now_is_not_taken_for_absent(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct err err = ERR_INIT;
    struct rlimit before, none;
    struct record record;
    uint8_t *bytes;
    size_t size;
    put(store, &small, 0);
    sample_record(1, &bytes, &size, &record);
    assert_int_equal(store_put_record(store, bytes, size, &record, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int fragment_result = sample_put(store, &small, 0, &err);
    int record_result = store_put_record(store, bytes, size, &record, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(fragment_result != 0 && record_result != 0);
    expect_fragment(store, &small, 0);
    assert_int_equal(count_files("fragments"), 1);
    assert_int_equal(count_files("records"), 1);
    assert_int_equal(count_files("damaged"), 0);
    free(bytes);
    record_release(&record);
    store_close(&store);
}

static void a_used_up_capacity_leaves_nothing_behind(void **state)
{
    (void)state;
    struct store *store = open_with(small.set.size + 2000);
    struct err err = ERR_INIT;
    put(store, &small, 0);
    uint64_t used = used_of(store);
    assert_int_equal(sample_put(store, &small, 1, &err), -1);
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(count_files("fragments"), 1);
    assert_true(used_of(store) == used);
    put(store, &small, 0); /* what is here may still be pinned */
    store_close(&store);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct sample big;
    remove_tree(dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("none", dir, "tmpfs", 0, "size=2m") != 0) {
        assert_int_equal(store_create(dir, sample_node, NULL), 0);
        skip(); /* only root may mount */
    }
    sample_init(&big, 3, 4 * MIB, 2, 1);
    assert_int_equal(store_create(dir, sample_node, &err), 0);
    struct store *store = open_with(100 * MIB);
    put(store, &small, 0);
    assert_int_equal(sample_put(store, &big, 0, &err), -1);
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(count_files("fragments"), 1);
    expect_fragment(store, &small, 0);
    /* Filled to the last byte: the catalogue cannot grow either, and nothing is left. */
    char path[128];
    snprintf(path, sizeof(path), "%s/filler", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    static const uint8_t zeros[4096];
    while (write(fd, zeros, sizeof(zeros)) > 0)
        continue;
    assert_int_equal(sample_put(store, &small, 1, &err), -1);
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(count_files("fragments"), 1);
    expect_fragment(store, &small, 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    put(store, &small, 1);
    store_close(&store);
    sample_release(&big);
    assert_int_equal(umount(dir), 0);
}

static void a_foreign_or_missing_directory_is_refused(void **state)
{
    (void)state;
    struct store *store;
    struct err err = ERR_INIT;
    uint8_t other[ID_SIZE] = {9};
    assert_int_equal(store_open(&store, dir, other, sample_cluster, MIB, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_null(store);
    assert_int_equal(store_create(dir, sample_node, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    remove_tree(dir);
    assert_int_equal(store_open(&store, dir, sample_node, sample_cluster, MIB, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(mkdir(dir, 0700), 0); /* an empty mount point */
    assert_int_equal(store_open(&store, dir, sample_node, sample_cluster, MIB, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_create(dir, sample_node, &err), 0);
}

static void a_sentinel_with_any_byte_flipped_is_refused(void **state)
{
    (void)state;
    char path[128];
    uint64_t epoch;
    snprintf(path, sizeof(path), "%s/%s", dir, SENTINEL_NAME);
    for (off_t at = 0; at < 96; at++) {
        flip_byte(path, at);
        assert_int_equal(sentinel_read(path, sample_node, &epoch, NULL), -1);
        flip_byte(path, at);
    }
    assert_int_equal(sentinel_read(path, sample_node, &epoch, NULL), 0);
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
    memset(trailer.holders.node[1], 0x77, ID_SIZE);
    memset(trailer.pin.vault, 0x88, ID_SIZE);
    trailer.pin.number = 9;
    size_t size = trailer_encode(bytes, &trailer);
    assert_int_equal(size, 88 + 5 + 64 + 32);
    check_digest(bytes, size, "4c3b1c16d1987ebf598118ce1cc9359a93840437611a28ef2714975d6fe93574");
    assert_int_equal(trailer_decode(&back, bytes, size, NULL), 0);
    assert_memory_equal(&back.holders, &trailer.holders, sizeof(back.holders));
    assert_memory_equal(&back.pin, &trailer.pin, sizeof(back.pin));
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 1;
        assert_int_equal(trailer_decode(&back, bytes, size, NULL), -1);
        bytes[at] ^= 1;
        assert_int_equal(trailer_decode(&back, bytes, at, NULL), -1);
    }
    /* A sentinel of the first version, byte for byte. */
    uint8_t sentinel[96] = "ecbksent\1";
    uint64_t epoch;
    char path[128];
    memset(sentinel + 16, 0x11, ID_SIZE);
    memset(sentinel + 48, 0x22, 8);
    hash_bytes(sentinel + 64, "ecbak sentinel 1", sentinel, 64);
    check_digest(sentinel, sizeof(sentinel),
                 "15fe80bf821c59c2d03cf6e1413418a7d9e52632573fe7addf4473a137f5b997");
    snprintf(path, sizeof(path), "%s/%s", dir, SENTINEL_NAME);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, sentinel, sizeof(sentinel)), sizeof(sentinel));
    close(fd);
    assert_int_equal(sentinel_read(path, sample_node, &epoch, NULL), 0);
    assert_true(epoch == 0x2222222222222222);
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
    assert_int_equal(store_create(dir, sample_node, NULL), 0);
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
    assert_int_equal(store_pin_packs(store, &small.set.object.pack_id, 1, &small.pin, &held, &err),
                     -1);
    /* Another in its place is not taken for it. */
    assert_int_equal(store_create(dir, sample_node, NULL), 0);
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
    struct err err = ERR_INIT;
    assert_int_equal(store_open(&second, dir, sample_node, sample_cluster, MIB, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
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
    small.pin.number = 4;
    put(store, &small, 0);
    put(store, &small, 3);
    small.pin.number = 1;
    sample_record(1, &bytes, &size, &record);
    assert_int_equal(store_put_record(store, bytes, size, &record, NULL), 0);
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
        assert_true(pinned(store, &small) == 4);
        assert_int_equal(store_get_holders(store, small.set.object_id, 3, &holders, NULL), 0);
        assert_memory_equal(&holders, &small.holders, sizeof(holders));
        assert_int_equal(store_get_grant(store, small.set.object_id, 3, &grant, &size, NULL), 0);
        assert_memory_equal(grant, small.grant, small.grant_size);
        free(grant);
        assert_int_equal(store_get_record(store, record.hash, &bytes, &size, NULL), 0);
        free(bytes);
        assert_int_equal(store_record_digest(store, again, NULL), 0);
        assert_memory_equal(again, digest, sizeof(digest));
    }
    record_release(&record);
    store_close(&store);
}

static void pins_survive_and_are_only_for_the_own_vault(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    uint8_t packs[3][ID_SIZE] = {{1}};
    uint32_t held[3] = {9, 9, 9};
    char path[DURABLE_PATH_MAX];
    struct sample other;
    sample_init(&other, 4, 1000, 2, 2);
    put(store, &small, 0);
    put(store, &small, 1);
    put(store, &other, 2);
    memcpy(packs[1], small.set.object.pack_id, ID_SIZE);
    memcpy(packs[2], other.set.object.pack_id, ID_SIZE);
    small.pin.number = 8;
    fdatasync_count = 0;
    assert_int_equal(store_pin_packs(store, packs, 3, &small.pin, held, NULL), 0);
    assert_true(fdatasync_count >= 1);
    assert_true(held[0] == 0 && held[1] == 2 && held[2] == 1);
    assert_true(pinned(store, &small) == 8 && pinned(store, &other) == 8);
    small.pin.vault[0] ^= 1;
    assert_int_equal(store_pin_packs(store, packs, 3, &small.pin, held, NULL), 0);
    assert_true(held[0] == 0 && held[1] == 0 && held[2] == 0);
    assert_true(pinned(store, &small) == 0);
    small.pin.vault[0] ^= 1;
    store_close(&store);
    store = open_with(MIB);
    assert_true(pinned(store, &small) == 8 && pinned(store, &other) == 8);
    /* A file that is gone is not counted, whatever the catalogue says. */
    path_of(path, &small, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_pin_packs(store, packs, 3, &small.pin, held, NULL), 0);
    assert_true(held[1] == 1 && fragments_of(store) == 2);
    small.pin.number = 1;
    sample_release(&other);
    store_close(&store);
}

static void records_are_kept_listed_and_checked(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct record records[5];
    struct err err = ERR_INIT;
    uint8_t hashes[8][ID_SIZE], digest[256][8] = {{0}}, expected[256][8] = {{0}}, *bytes;
    size_t count, size;
    for (uint64_t n = 0; n < 5; n++) {
        sample_record(n + 1, &bytes, &size, &records[n]);
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(store_put_record(store, bytes, size, &records[n], NULL), 0);
        free(bytes);
        for (size_t i = 0; i < 8; i++)
            expected[records[n].hash[0]][i] ^= records[n].hash[8 + i];
    }
    assert_int_equal(store_list_records(store, NULL, NULL, hashes, 8, &count, NULL), 0);
    assert_int_equal(count, 5);
    for (size_t i = 1; i < 5; i++)
        assert_true(memcmp(hashes[i - 1], hashes[i], ID_SIZE) < 0);
    assert_int_equal(
        store_list_records(store, sample_vault, hashes[1], hashes + 5, 2, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_memory_equal(hashes[5], hashes[2], ID_SIZE);
    assert_int_equal(store_list_records(store, sample_node, NULL, hashes, 8, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    assert_memory_equal(digest, expected, sizeof(digest));
    assert_int_equal(store_get_record(store, records[2].hash, &bytes, &size, NULL), 0);
    free(bytes);
    char path[DURABLE_PATH_MAX];
    store_record_path(store, path, sample_vault, records[2].hash);
    flip_byte(path, 40);
    assert_int_equal(store_get_record(store, records[2].hash, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    assert_int_equal(store_get_record(store, records[2].hash, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(count_files("damaged"), 1);
    for (size_t i = 0; i < 8; i++)
        expected[records[2].hash[0]][i] ^= records[2].hash[8 + i];
    assert_int_equal(store_record_digest(store, digest, NULL), 0);
    assert_memory_equal(digest, expected, sizeof(digest));
    for (size_t n = 0; n < 5; n++)
        record_release(&records[n]);
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
        assert_int_equal(store_create(dir, sample_node, NULL), 0);
    }
    for (unsigned i = 0; i < PACKS; i++)
        sample_release(&many[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fragment_comes_back_with_all_that_came_with_it),
        TEST(a_put_costs_two_fsyncs),
        TEST(what_does_not_prove_itself_is_not_taken),
        TEST(a_file_whose_fsync_failed_is_discarded),
        TEST(a_folder_whose_name_is_not_durable_is_not_relied_on),
        TEST(a_damaged_file_is_moved_aside_and_can_be_replaced),
        TEST(a_fragment_put_again_is_pinned_again_and_repaired_if_need_be),
        TEST(what_cannot_be_looked_at_for_now_is_not_taken_for_absent),
        TEST(a_used_up_capacity_leaves_nothing_behind),
        TEST(a_full_disk_leaves_nothing_behind),
        TEST(a_foreign_or_missing_directory_is_refused),
        TEST(a_sentinel_with_any_byte_flipped_is_refused),
        TEST(the_bytes_of_the_files_are_settled),
        TEST(a_new_directory_has_a_new_epoch),
        TEST(a_directory_that_vanishes_takes_storage_out_of_service),
        TEST(a_directory_has_one_daemon),
        TEST(the_start_cleans_up_after_a_crash),
        TEST(a_lost_catalogue_is_built_anew_from_the_files),
        TEST(pins_survive_and_are_only_for_the_own_vault),
        TEST(records_are_kept_listed_and_checked),
        TEST(threads_may_put_at_once),
        TEST(what_was_acknowledged_survives_sigkill_at_any_moment),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
