/* Fragments in the store: what comes back, what is not taken, what is bad, and when there is no room. */
#include "node/trust/record.h"
#include "test/store_bench.h"

#include <sys/mount.h>
#include <sys/resource.h>

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
    const struct pack_question question = {&sample_vault, &small.set.object.pack_id, NULL};
    const struct fragment_key key = sample_key(&small, 2);
    assert_int_equal(store_find_pack(store, &question, found, 4, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(&found[0].key, &key, sizeof(key));
    assert_true(found[0].data == 2 && found[0].parity == 2);
    assert_true(found[0].pack_bytes == 200000 && found[0].file_bytes == used_of(store));
    assert_int_equal(
        store_get_grant(store, &sample_vault, &small.set.object_id, NULL, &grant, &size, NULL), 0);
    assert_int_equal(size, small.grant_size);
    assert_memory_equal(grant, small.grant, size);
    free(grant);
    assert_int_equal(store_get_holders(store, &key, &holders, NULL), 0);
    assert_memory_equal(&holders, &small.holders, sizeof(holders));
    memset(holders.node[1].bytes, 0x99, ID_SIZE);
    assert_int_equal(store_set_holders(store, &key, &holders, NULL, NULL), 0);
    memset(&holders, 0, sizeof(holders));
    assert_int_equal(store_get_holders(store, &key, &holders, NULL), 0);
    assert_int_equal(holders.node[1].bytes[0], 0x99);
    assert_int_equal(pinned(store, &small), 1);
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
    assert_int_equal(store_put_fragment(
                         store,
                         &(struct fragment_to_put){small.set.bytes[0], small.set.size, other.grant,
                                                   other.grant_size, &small.holders, &sample_node},
                         &other.opened, &err),
                     -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    small.opened.grant.cluster.bytes[0] ^= 1;
    assert_int_equal(sample_put(store, &small, 0, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    small.opened.grant.cluster.bytes[0] ^= 1;
    assert_int_equal(count_files("fragments"), 0);
    assert_true(used_of(store) == 0);
    sample_release(&other);
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

static void a_fragment_put_again_leaves_no_other_pin_and_is_repaired_if_need_be(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    path_of(path, &small, 0);
    put(store, &small, 0);
    const struct grant first = small.opened.grant;
    assert_true(pinned(store, &small) == first.number);
    for (unsigned i = 0; i < 20;
         i++) { /* else whoever brings it could fill the catalogue with such */
        small.opened.grant.number = first.number + 1 + i;
        small.opened.grant.attempt = sample_attempt(i);
        put(store, &small, 0);
    }
    small.opened.grant = first;
    assert_true(pinned(store, &small) == first.number);
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
    assert_int_equal(sample_put_record(store, bytes, size, &record, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int fragment_result = sample_put(store, &small, 0, &err);
    int record_result = sample_put_record(store, bytes, size, &record, &err);
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

/* Also when its test failed half-way. */
static int tear_down_disk(void **state)
{
    (void)umount2(dir, MNT_DETACH);
    return tear_down(state);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct sample big;
    remove_tree(dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("none", dir, "tmpfs", 0, "size=2m") != 0) {
        assert_int_equal(store_create(dir, &sample_node, NULL), 0);
        skip(); /* only root may mount */
    }
    sample_init(&big, 3, 4 * MIB, 2, 1);
    assert_int_equal(store_create(dir, &sample_node, &err), 0);
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

/* Puts the sample's rows in [from, to) by this member; how many were taken. */
static unsigned put_rows(struct store *store, const struct sample *s, unsigned from, unsigned to,
                         uint8_t bringer)
{
    const struct node_id node = {{bringer}};
    unsigned taken = 0;
    for (unsigned i = from; i < to; i++) {
        struct err err = ERR_INIT;
        if (sample_put_by(store, s, i, &node, &err) == 0)
            taken++;
        else
            assert_int_equal(err.code, ERR_DENIED);
    }
    return taken;
}

static void rows_of_another_object_are_not_taken_under_a_packs_grant(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct err err = ERR_INIT;
    struct sample other;
    sample_init(&other, 1, 200000, 3, 1); /* the same pack, coded otherwise */
    assert_memory_equal(&other.set.object.pack_id, &small.set.object.pack_id, ID_SIZE);
    const struct fragment_to_put put = {other.set.bytes[0], other.set.size, small.grant,
                                        small.grant_size,   &small.holders, &sample_node};
    assert_int_equal(store_put_fragment(store, &put, &small.opened, &err), -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    assert_int_equal(count_files("fragments"), 0);
    sample_release(&other);
    store_close(&store);
}

static void a_vaults_rows_are_kept_and_found_by_themselves(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct sample other;
    struct fragment_info found[4];
    size_t count;
    const struct vault_id vault = sample_vault;
    sample_use_vault(9, RIGHT_ADD);
    sample_init(&other, 1, 200000, 2, 2); /* the very same object, in another vault */
    put(store, &other, 1);
    put(store, &small, 1);
    put(store, &small, 2);
    assert_int_equal(count_files("fragments"), 3);
    for (int again = 0; again < 2; again++) {
        struct pack_question question = {&vault, &small.set.object.pack_id, NULL};
        assert_int_equal(store_find_pack(store, &question, found, 4, &count, NULL), 0);
        assert_true(count == 2 && found[0].key.index == 1 && found[1].key.index == 2);
        question.vault = &sample_vault;
        assert_int_equal(store_find_pack(store, &question, found, 4, &count, NULL), 0);
        assert_true(count == 1 && id_equal(&found[0].key.vault, &sample_vault));
        expect_fragment(store, &other, 1);
        expect_no_fragment(store, &other, 2, ERR_NOT_FOUND);
        char path[DURABLE_PATH_MAX];
        snprintf(path, sizeof(path), "%s/catalogue.db", dir);
        store_close(&store);
        catalogue_remove(path); /* the files say it, too */
        store = open_with(MIB);
    }
    /* What becomes of one is nothing to the other. */
    char path[DURABLE_PATH_MAX];
    path_of(path, &other, 1);
    flip_byte(path, (off_t)other.set.size - 9);
    expect_no_fragment(store, &other, 1, ERR_DAMAGED);
    expect_fragment(store, &small, 1);
    sample_release(&other);
    sample_use_vault(1, RIGHT_ADD);
    store_close(&store);
}

static void a_member_brings_two_rows_of_an_object_and_keeps_nobody_from_bringing_others(
    void **state)
{
    (void)state;
    struct store *store = open_with(4 * MIB);
    struct sample wide;
    sample_init(&wide, 3, 100000, 4, 6);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(put_rows(store, &wide, 0, 7, 1), 2); /* rows 0 and 1, and these again */
        assert_int_equal(put_rows(store, &wide, 7, 10, 2), 2);
        assert_int_equal(fragments_of(store), 4);
        store_close(&store);
        store = open_with(4 * MIB);
    }
    char path[DURABLE_PATH_MAX];
    snprintf(path, sizeof(path), "%s/catalogue.db", dir);
    store_close(&store);
    catalogue_remove(path); /* who brought it stands in the file */
    store = open_with(4 * MIB);
    assert_int_equal(put_rows(store, &wide, 4, 6, 1), 0);
    assert_int_equal(put_rows(store, &wide, 4, 6, 3), 2);
    sample_release(&wide);
    store_close(&store);
}

static void the_rows_of_a_pack_are_told_page_by_page(void **state)
{
    (void)state;
    struct store *store = open_with(4 * MIB);
    struct sample wide, other;
    sample_init(&wide, 3, 100000, 4, 6);
    sample_init(&other, 3, 100000, 3, 3); /* another object of it */
    for (unsigned i = 0; i < 10; i++)
        put(store, &wide, i);
    for (unsigned i = 0; i < 6; i++)
        put(store, &other, i);
    struct pack_question question = {&sample_vault, &wide.set.object.pack_id, NULL};
    struct fragment_info found[3];
    struct fragment_key last;
    size_t count = 3, told = 0;
    while (count == 3) {
        assert_int_equal(store_find_pack(store, &question, found, 3, &count, NULL), 0);
        for (size_t i = 0; i < count; i++) {
            int order = told + i == 0 ? 1 : id_compare(&found[i].key.object, &last.object);
            assert_true(order > 0 || (order == 0 && found[i].key.index > last.index));
            last = found[i].key;
        }
        told += count;
        question.after = &last;
    }
    assert_int_equal(told, 16);
    sample_release(&wide);
    sample_release(&other);
    store_close(&store);
}

static bool believed(struct store *store, const struct sample *s, const struct writer_id *writer,
                     struct belief *belief)
{
    bool found;
    assert_int_equal(store_believed(store, &s->opened.grant.vault, &s->set.object_id, writer,
                                    belief, &found, NULL),
                     0);
    return found;
}

static void an_object_is_believed_by_a_reader_or_by_its_own_writer(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    const struct writer_id own = {{0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33,
                                   0x33, 0x33, 0x33, 0x33, 0x33}},
                           other = {{1}};
    struct belief belief;
    assert_false(believed(store, &small, &own, &belief));
    put(store, &small, 0); /* its writer may add, and not read */
    for (int again = 0; again < 2; again++) {
        assert_true(believed(store, &small, &own, &belief));
        assert_true(believed(store, &small, NULL, &belief));
        assert_false(believed(store, &small, &other, &belief));
        assert_true(belief.data == 2 && belief.parity == 2 && belief.pack_bytes == 200000);
        assert_memory_equal(&belief.pack, &small.set.object.pack_id, ID_SIZE);
        char path[DURABLE_PATH_MAX];
        snprintf(path, sizeof(path), "%s/catalogue.db", dir);
        store_close(&store);
        catalogue_remove(path); /* the grants of the rows that are here say it again */
        store = open_with(MIB);
    }
    /* A reader's grant, as another holder may show it, counts for everybody. */
    belief.by_reader = true;
    belief.writer.bytes[0] = 9;
    assert_int_equal(store_believe(store, &belief, 1, NULL), 0);
    assert_true(believed(store, &small, &other, &belief));
    assert_int_equal(belief.writer.bytes[0], 9);
    store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fragment_comes_back_with_all_that_came_with_it),
        TEST(what_does_not_prove_itself_is_not_taken),
        TEST(rows_of_another_object_are_not_taken_under_a_packs_grant),
        TEST(a_vaults_rows_are_kept_and_found_by_themselves),
        TEST(a_member_brings_two_rows_of_an_object_and_keeps_nobody_from_bringing_others),
        TEST(the_rows_of_a_pack_are_told_page_by_page),
        TEST(an_object_is_believed_by_a_reader_or_by_its_own_writer),
        TEST(a_damaged_file_is_moved_aside_and_can_be_replaced),
        TEST(a_fragment_put_again_leaves_no_other_pin_and_is_repaired_if_need_be),
        TEST(what_cannot_be_looked_at_for_now_is_not_taken_for_absent),
        TEST(a_used_up_capacity_leaves_nothing_behind),
        TEST(a_full_disk_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
