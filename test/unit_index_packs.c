/* Which pack a chunk is in, by the indexes of all snapshots: the latest one counts, in whatever order
 * the cluster gives them, and also when some of them could not be had at first. */
#include "test/vault_bench.h"

#include "cli/remote/index_packs.h"
#include "cli/vault/index.h"
#include "cli/vault/pack.h"

#define COUNT 6 /* more than are asked for at once */

static struct cache *cache;
static struct client *client;
static struct snapshot snapshots[COUNT]; /* each with an index pack of its own */
static const struct snapshot_list list = {.snapshots = snapshots, .count = COUNT};
static unsigned missing_count;
static struct pack_id missing_id;
static enum err_code missing_why;

static const struct chunk_id sent_again = {"in every pack"};

/* A chunk that only this snapshot has, and the pack that its index names. */
static void names(size_t snapshot, struct chunk_id *chunk, struct pack_id *pack)
{
    memset(chunk->bytes, 'a' + (int)snapshot, ID_SIZE);
    memset(pack->bytes, 'A' + (int)snapshot, ID_SIZE);
}

/* Gives the cluster an index pack that names one pack with two chunks: one that every snapshot sent
 * again, and one of this snapshot alone. */
static void give_index(size_t snapshot)
{
    struct err err = ERR_INIT;
    struct pack_entry chunks[2] = {{.kind = CHUNK_DATA, .size = 10},
                                   {.kind = CHUNK_DATA, .offset = 10, .size = 10}};
    struct pack_id pack;
    struct chunk_id index_id;
    struct buffer index = {0};
    struct pack_writer *writer;
    struct sealed_pack made;
    names(snapshot, &chunks[0].id, &pack);
    chunks[1].id = sent_again;
    index_append(&index, &pack, chunks, 2);
    chunk_id(&index_id, vault->keys->chunk_id_key, index.bytes, index.size);
    struct segment *segment = segment_new(3);
    segment_add(segment, &index_id, CHUNK_INDEX, index.bytes, index.size);
    assert_int_equal(segment_compress(segment, &err), 0);
    assert_int_equal(pack_writer_new(&writer, PACK_INDEX, PACK_BYTES, vault->keys, &err), 0);
    assert_int_equal(pack_writer_add(writer, segment, &err), 0);
    snapshots[snapshot].index_packs = alloc_zero(1, sizeof(struct pack_id));
    snapshots[snapshot].index_pack_count = 1;
    pack_writer_finish(&writer, &made);
    snapshots[snapshot].index_packs[0] = made.id;
    snapshots[snapshot].relied = snapshots[snapshot].index_packs;
    snapshots[snapshot].relied_count = 1;
    fake_add(&made.id, &made.bytes, made.size);
    segment_destroy(&segment);
    sealed_pack_release(&made);
    buffer_release(&index);
}

static int begin(void **state)
{
    struct err err = ERR_INIT;
    if (set_up(state) != 0)
        return -1;
    int result = cache_open(&cache, caches, &err);
    if (result != 0 || client_open(&client, NULL, &err) != 0)
        return -1;
    for (size_t i = 0; i < COUNT; i++)
        give_index(i);
    return 0;
}

static int end(void **state)
{
    for (size_t i = 0; i < COUNT; i++)
        free(snapshots[i].index_packs);
    client_close(&client);
    cache_close(&cache);
    return tear_down(state);
}

static void on_missing(void *ctx, const struct pack_id *pack, const struct err *err)
{
    (void)ctx;
    missing_count++;
    missing_id = *pack;
    missing_why = err->code;
}

/* How many packs were fetched for it. */
static uint64_t load(void)
{
    struct err err = ERR_INIT;
    uint64_t before = fake.gets;
    missing_count = 0;
    const struct index_report to = {.missing = on_missing};
    if (index_packs_load(cache, vault->keys, client, &list, &to, &err) != 0)
        fail_msg("%s", err.text);
    return fake.gets - before;
}

static void set_reachable(size_t snapshot, bool reachable)
{
    fake_find(&snapshots[snapshot].index_packs[0])->nodes = reachable ? FAKE_MEMBERS : 1;
}

/* That every index was read, and the last one's word counts. */
static void assert_read_in_order(void)
{
    struct err err = ERR_INIT;
    struct chunk_location place;
    struct chunk_id chunk;
    struct pack_id pack;
    for (size_t i = 0; i < COUNT; i++) {
        names(i, &chunk, &pack);
        assert_int_equal(cache_find(cache, &chunk, &place, &err), 0);
        assert_memory_equal(place.pack.bytes, pack.bytes, ID_SIZE);
    }
    assert_int_equal(cache_find(cache, &sent_again, &place, &err), 0);
    assert_memory_equal(place.pack.bytes, pack.bytes, ID_SIZE);
}

/* ---- what must hold -------------------------------------------------------------------------- */

static void each_index_is_read_once_and_the_latest_counts(void **state)
{
    (void)state;
    assert_int_equal(load(), COUNT); /* the stand-in gives the latest of those asked for first */
    assert_int_equal(missing_count, 0);
    assert_read_in_order();
    assert_int_equal(load(), 0);
    assert_read_in_order();
}

static void an_index_whose_record_is_missing_is_read_for_those_that_rely_on_it(void **state)
{
    (void)state;
    struct pack_id relied[2] = {snapshots[0].index_packs[0], snapshots[1].index_packs[0]};
    const struct snapshot_list known = {.snapshots = &snapshots[1], .count = COUNT - 1};
    struct err err = ERR_INIT;
    snapshots[1].relied = relied;
    snapshots[1].relied_count = 2;
    assert_int_equal(index_packs_load(cache, vault->keys, client, &known, NULL, &err), 0);
    assert_read_in_order();
}

static void an_index_that_was_out_of_reach_does_not_override_later_ones(void **state)
{
    (void)state;
    for (size_t late = 0; late < COUNT; late++) {
        for (size_t i = 0; i < COUNT; i++)
            set_reachable(i, i != late);
        struct err err = ERR_INIT;
        assert_int_equal(cache_forget_indexes(cache, &err), 0);
        load();
        assert_int_equal(missing_count, 1);
        assert_memory_equal(missing_id.bytes, snapshots[late].index_packs[0].bytes, ID_SIZE);
        assert_int_equal(missing_why, ERR_TOO_FEW);
        set_reachable(late, true);
        load();
        assert_int_equal(missing_count, 0);
        assert_read_in_order();
        assert_int_equal(load(), 0);
    }
}

static void of_several_out_of_reach_that_come_back_one_by_one_none_overrides_later_ones(
    void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < COUNT; i++)
        set_reachable(i, false);
    load();
    assert_int_equal(missing_count, COUNT - 1);
    for (size_t i = COUNT - 1; i-- > 0;) {
        set_reachable(i, true);
        load();
        assert_int_equal(missing_count, i);
    }
    assert_read_in_order();
}

static void an_index_that_stays_out_of_reach_makes_no_other_be_read_again(void **state)
{
    (void)state;
    set_reachable(1, false);
    load();
    assert_int_equal(load(), 2); /* it: may the order be kept? and then, is it there? */
    assert_int_equal(missing_count, 1);
}

static void the_latest_index_alone_is_fetched_when_it_alone_is_new(void **state)
{
    (void)state;
    set_reachable(COUNT - 1, false);
    load();
    set_reachable(COUNT - 1, true);
    assert_int_equal(load(), 1);
    assert_read_in_order();
}

static void what_is_no_index_of_ours_is_not_believed_and_makes_no_other_be_read_again(void **state)
{
    (void)state;
    struct fake_pack *first = fake_find(&snapshots[0].index_packs[0]);
    first->bytes[first->size / 2] ^= 1;
    load();
    assert_int_equal(missing_count, 1);
    assert_memory_equal(missing_id.bytes, first->id.bytes, ID_SIZE);
    assert_int_equal(missing_why, ERR_FOREIGN);
    assert_int_equal(load(), 2);
    assert_int_equal(missing_count, 1);
}

/* ---- beside another command ------------------------------------------------------------------ */

static struct cache *open_again(void)
{
    struct cache *other;
    struct err err = ERR_INIT;
    if (cache_open(&other, caches, &err) != 0)
        fail_msg("%s", err.text);
    return other;
}

/* What a store does beside it. */
static void add_a_pack(void)
{
    struct err err = ERR_INIT;
    struct cache *other = open_again();
    const struct pack_id pack = {"of another command"};
    if (cache_add_pack(other, &pack, NULL, 0, false, NULL, &err) != 0)
        fail_msg("%s", err.text);
    cache_close(&other);
}

static void while_packs_come_from_nodes_others_write_to_the_cache(void **state)
{
    (void)state;
    fake.before_answer = add_a_pack;
    assert_int_equal(load(), COUNT);
    assert_read_in_order();
}

static void load_all_beside(void)
{
    struct err err = ERR_INIT;
    struct client *own;
    struct cache *other = open_again();
    fake.before_answer = NULL;
    assert_int_equal(client_open(&own, NULL, &err), 0);
    assert_int_equal(index_packs_load(other, vault->keys, own, &list, NULL, &err), 0);
    client_close(&own);
    cache_close(&other);
}

static void of_two_that_read_the_same_indexes_the_slower_one_overrides_nothing(void **state)
{
    (void)state;
    fake.before_answer = load_all_beside;
    load();
    assert_read_in_order();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_index_is_read_once_and_the_latest_counts),
        TEST(an_index_whose_record_is_missing_is_read_for_those_that_rely_on_it),
        TEST(an_index_that_was_out_of_reach_does_not_override_later_ones),
        TEST(of_several_out_of_reach_that_come_back_one_by_one_none_overrides_later_ones),
        TEST(an_index_that_stays_out_of_reach_makes_no_other_be_read_again),
        TEST(the_latest_index_alone_is_fetched_when_it_alone_is_new),
        TEST(what_is_no_index_of_ours_is_not_believed_and_makes_no_other_be_read_again),
        TEST(while_packs_come_from_nodes_others_write_to_the_cache),
        TEST(of_two_that_read_the_same_indexes_the_slower_one_overrides_nothing),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
