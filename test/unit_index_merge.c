/* The index of a vault with many snapshots: few packs, from which every snapshot can be read. */
#include "test/vault_bench.h"

#include "cli/packing/index_merge.h"
#include "cli/remote/index_packs.h"
#include "coding/base/bytes.h"

#define STORES 200

/* Stores a small file with other contents, as a new process would. */
static void change_and_store(int number, struct store_result *result)
{
    char name[32];
    snprintf(name, sizeof(name), "file-%d", number % 3);
    make_file(name, (size_t)(100 + number), (uint8_t)number);
    restart();
    store_well(result);
    assert_int_equal(result->outcome, JOB_DONE);
}

static void load_list(struct snapshot_list *list)
{
    struct err err = ERR_INIT;
    struct client *client;
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(list, vault, client, &err), 0);
    assert_int_equal(list->finding_count, 0);
    client_close(&client);
}

/* How many index packs a machine reads that knows none. */
static size_t index_packs(void)
{
    struct snapshot_list list;
    struct id_list packs = {0};
    load_list(&list);
    index_packs_of(&list, NULL, &packs);
    size_t count = packs.count;
    id_list_release(&packs);
    snapshot_list_release(&list);
    return count;
}

/* Recovers the snapshot with this place in the list, on a machine that knows nothing. */
static void assert_comes_back(size_t place)
{
    struct err err = ERR_INIT;
    struct snapshot_list list;
    struct recover_result result;
    char id[2 * ID_SIZE + 1];
    const struct recover_options options = {.to = target};
    load_list(&list);
    hex_encode(id, list.snapshots[place].id.bytes, ID_SIZE);
    snapshot_list_release(&list);
    forget_cache();
    uint64_t gets = fake.gets;
    if (recover(id, &options, &result, &err) != 0)
        fail_msg("snapshot %zu: %s", place, err.text);
    assert_true(fake.gets - gets < 4 * INDEX_MERGE_COUNT);
    assert_int_equal(result.outcome, JOB_DONE);
    assert_int_equal(result.files, place < 2 ? place + 1 : 3);
    assert_int_equal(remove_tree(target), 0);
}

static void many_small_stores_leave_few_index_packs(void **state)
{
    (void)state;
    struct store_result result;
    size_t most = 0;
    for (int i = 0; i < STORES; i++) {
        change_and_store(i, &result);
        if (i % INDEX_MERGE_COUNT != INDEX_MERGE_COUNT - 2 && i != STORES - 1)
            continue; /* just before a merge there are the most */
        size_t now = index_packs();
        most = now > most ? now : most;
    }
    printf("%d stores: at most %zu index packs; the last relies on %llu packs\n", STORES, most,
           (unsigned long long)result.objects);
    assert_true(most < 3 * INDEX_MERGE_COUNT);
    assert_true(result.objects < 4 * INDEX_MERGE_COUNT);
    for (size_t i = 0; i < STORES; i += 67)
        assert_comes_back(i);
    assert_comes_back(STORES - 1);
    recover_well("latest", &(struct recover_result){0});
    assert_same_file("file-0");
    assert_same_file("file-1");
    assert_same_file("file-2");
}

static void stores_that_are_too_large_for_one_pack_are_merged_too(void **state)
{
    (void)state;
    struct store_result result;
    for (int i = 0; i < 3 * INDEX_MERGE_COUNT; i++) {
        make_file("large", 2 * 1000 * 1000, (uint8_t)(100 + i));
        change_and_store(i, &result);
    }
    assert_true(index_packs() < 2 * INDEX_MERGE_COUNT);
    forget_cache();
    recover_well("latest", &(struct recover_result){0});
    assert_same_file("large");
}

/* The pack that stands in for others, and how many it replaced. */
static size_t find_merged(struct pack_id *merged)
{
    struct snapshot_list list;
    size_t replaced = 0;
    load_list(&list);
    for (size_t i = 0; i < list.count; i++) {
        if (list.snapshots[i].replaced_count == 0)
            continue;
        replaced = list.snapshots[i].replaced_count;
        *merged = list.snapshots[i].index_packs[0];
    }
    snapshot_list_release(&list);
    return replaced;
}

static void what_a_lost_merged_index_said_is_read_from_those_before(void **state)
{
    (void)state;
    struct store_result result;
    struct pack_id merged;
    for (int i = 0; i < INDEX_MERGE_COUNT + 1; i++)
        change_and_store(i, &result);
    assert_int_equal(find_merged(&merged), INDEX_MERGE_COUNT - 1);
    fake_find(&merged)->nodes = 1;
    for (size_t i = 0; i < INDEX_MERGE_COUNT - 1; i++)
        assert_comes_back(i);
    /* The next store sends what was lost with it, and is whole. */
    change_and_store(20, &result);
    fake_find(&merged)->nodes = 0;
    assert_comes_back(INDEX_MERGE_COUNT + 1);
}

static void what_was_lost_while_indexes_were_merged_is_recovered_when_it_is_back(void **state)
{
    (void)state;
    struct store_result result;
    change_and_store(0, &result);
    size_t data = fake.pack_count;
    make_file("other", 3 * 1000 * 1000, 9);
    restart();
    store_well(&result);
    char *other = alloc_format("%s/other", source);
    assert_int_equal(unlink(other), 0);
    free(other);
    /* Its data pack is away while many stores follow, one of which finds that out. */
    for (size_t i = data; i < fake.pack_count; i++) {
        if (fake.packs[i].size > 1000 * 1000)
            fake.packs[i].nodes = 1;
    }
    for (int i = 1; i < 3 * INDEX_MERGE_COUNT; i++)
        change_and_store(i, &result);
    for (size_t i = data; i < fake.pack_count; i++)
        fake.packs[i].nodes = FAKE_MEMBERS;
    struct snapshot_list list;
    load_list(&list);
    char id[2 * ID_SIZE + 1];
    hex_encode(id, list.snapshots[1].id.bytes, ID_SIZE);
    snapshot_list_release(&list);
    struct recover_result recovered;
    struct err err = ERR_INIT;
    const struct recover_options options = {.to = target};
    forget_cache();
    assert_int_equal(recover(id, &options, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_int_equal(recovered.files, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_small_stores_leave_few_index_packs),
        TEST(stores_that_are_too_large_for_one_pack_are_merged_too),
        TEST(what_a_lost_merged_index_said_is_read_from_those_before),
        TEST(what_was_lost_while_indexes_were_merged_is_recovered_when_it_is_back),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
