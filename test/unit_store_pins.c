/* Pins in the store: what is kept of them, what a restart knows of them, and how much they may take. */
#include "coding/base/bytes.h"
#include "node/pins/pin_file.h"
#include "node/trust/record.h"
#include "test/store_bench.h"

/* Nothing here outlives a power cut, and some tests write thousands of files. */
static int fsync_count;

int fsync(int fd)
{
    (void)fd;
    fsync_count++;
    return 0;
}

int fdatasync(int fildes)
{
    (void)fildes;
    return 0;
}

static struct sample other;

static int set_up_pins(void **state)
{
    sample_init(&other, 7, 90000, 2, 2);
    return set_up(state);
}

static int tear_down_pins(void **state)
{
    sample_release(&other);
    return tear_down(state);
}

static struct pin pin_for(uint64_t number)
{
    struct pin pin = small.pin;
    pin.number = number;
    pin.attempt = sample_attempt((unsigned)number);
    return pin;
}

static void pin_small(struct store *store, uint64_t number)
{
    struct err err = ERR_INIT;
    struct pin pin = pin_for(number);
    uint32_t held;
    if (sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, &err) != 0)
        fail_msg("pin %u: %s", (unsigned)number, err.text);
}

static bool has_pin(struct store *store, const struct sample *s, uint64_t number)
{
    struct pin pin = pin_for(number);
    bool has;
    assert_int_equal(catalogue_has_pin(store->catalogue, &s->set.object.pack_id, &pin, &has, NULL),
                     0);
    return has;
}

static void pins_path(char path[DURABLE_PATH_MAX])
{
    struct store where = {0};
    snprintf(where.dir, sizeof(where.dir), "%s", dir);
    store_pins_path(&where, path, &sample_vault, &small.pin.writer);
}

static uint64_t file_size(void)
{
    char path[DURABLE_PATH_MAX];
    struct stat status;
    pins_path(path);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void lose_catalogue(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[160];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/catalogue.db%s", dir, ends[i]);
        unlink(path);
    }
}

/* A record of the sample's writer, at this number of attempts; `after` is the one before. */
static struct record_id put_record(struct store *store, uint64_t number, uint64_t previous_number,
                                   const struct record_id *previous, const uint64_t *voids,
                                   size_t void_count)
{
    struct record r = sample_record_of(number), opened;
    struct attempt_id given_up[4];
    uint8_t *bytes;
    size_t size;
    r.previous_number = previous_number;
    r.previous = previous_number > 0 ? *previous : (struct record_id){{0}};
    for (size_t i = 0; i < void_count; i++)
        given_up[i] = sample_attempt((unsigned)voids[i]);
    r.voids = given_up;
    r.void_count = void_count;
    sample_seal_record(&r, &sample_sponsor, &bytes, &size, &opened);
    assert_int_equal(sample_put_record(store, bytes, size, &opened, NULL), 0);
    struct record_id hash = opened.hash;
    record_release(&opened);
    free(bytes);
    return hash;
}

static void the_bytes_of_the_file_are_settled(void **state)
{
    (void)state;
    struct vault_id vault = {{0x11}}, other_vault = {{0x12}};
    struct writer_id writer = {{0x22}};
    struct err err = ERR_INIT;
    struct pin_entry entry;
    uint8_t bytes[PIN_FILE_HEAD + 9 + PIN_ENTRY_EXTRA], digest[32];
    char text[65];
    uint64_t since = 0;
    pin_file_head(bytes, &vault, &writer, 7);
    pin_entry_write(bytes + PIN_FILE_HEAD, (const uint8_t *)"statement", 9);
    crypto_generichash(digest, sizeof(digest), bytes, sizeof(bytes), NULL, 0);
    assert_string_equal(hex_encode(text, digest, sizeof(digest)),
                        "2a1177347b1fd3ff95d22faea58b454d8b92a5f8e926f523b34c618fb5888a4e");
    assert_int_equal(pin_file_check_head(bytes, sizeof(bytes), &vault, &writer, &since, &err), 0);
    assert_true(since == 7);
    assert_true(pin_entry_read(&entry, bytes, sizeof(bytes), PIN_FILE_HEAD));
    assert_true(entry.kind == PIN_ENTRY_PINS && entry.statement_size == 9 &&
                entry.at + entry.size == sizeof(bytes));
    assert_memory_equal(entry.statement, "statement", 9);
    for (size_t at = PIN_FILE_HEAD; at < sizeof(bytes); at++) {
        bytes[at] ^= 1;
        assert_false(pin_entry_read(&entry, bytes, sizeof(bytes), PIN_FILE_HEAD));
        bytes[at] ^= 1;
        assert_false(pin_entry_read(&entry, bytes, at, PIN_FILE_HEAD));
    }
    assert_int_equal(pin_file_check_head(bytes, sizeof(bytes), &other_vault, &writer, &since, &err),
                     -1);
    assert_int_equal(err.code, ERR_FOREIGN);
    bytes[8] = 2;
    assert_int_equal(pin_file_check_head(bytes, sizeof(bytes), &vault, &writer, &since, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "version 2"));
}

static void a_lost_catalogue_costs_no_pin(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct pack_id packs[3] = {small.set.object.pack_id, {{1}}, other.set.object.pack_id};
    struct pin pin = pin_for(7);
    uint32_t held[3];
    put(store, &small, 0);
    put(store, &other, 1);
    assert_int_equal(sample_put_pins(store, packs, 3, &pin, held, NULL), 0);
    assert_true(held[0] == 1 && held[1] == 0 && held[2] == 1);
    pin_small(store, 9);
    uint64_t used = used_of(store);
    for (int twice = 0; twice < 2; twice++) {
        store_close(&store);
        lose_catalogue();
        store = open_with(MIB);
        assert_true(has_pin(store, &small, 7) && has_pin(store, &small, 9));
        assert_true(has_pin(store, &other, 7) && !has_pin(store, &other, 9));
        assert_true(used_of(store) == used);
    }
    store_close(&store);
}

static void what_says_nothing_new_is_not_kept_again(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct pin pin = pin_for(7);
    uint32_t held;
    put(store, &small, 0);
    pin_small(store, small.pin.number); /* it came with the fragment */
    assert_true(file_size() == 0);
    pin_small(store, 7);
    uint64_t size = file_size(), used = used_of(store);
    for (int i = 0; i < 5; i++)
        pin_small(store, 7);
    assert_int_equal(sample_put_pins(store, &other.set.object.pack_id, 1, &pin, &held, NULL), 0);
    assert_int_equal(held, 0); /* what is not here is not pinned */
    assert_true(file_size() == size && used_of(store) == used && size > 0);
    fsync_count = 0;
    pin_small(store, 8);
    assert_int_equal(fsync_count, 1);
    assert_true(file_size() > size && used_of(store) - used == file_size() - size);
    store_close(&store);
}

static void a_torn_end_is_cut_off_and_the_rest_is_known(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    put(store, &small, 0);
    pin_small(store, 7);
    uint64_t one = file_size();
    pin_small(store, 8);
    uint64_t two = file_size();
    pins_path(path);
    /* Any part of the second entry, and a hole where it should be. */
    for (uint64_t keep = one + 1; keep < two; keep += 97) {
        store_close(&store);
        assert_int_equal(truncate(path, (off_t)keep), 0);
        if (keep % 2 == 0)
            assert_int_equal(truncate(path, (off_t)two), 0);
        store = open_with(MIB);
        assert_true(has_pin(store, &small, 7) && !has_pin(store, &small, 8));
        assert_true(file_size() == one && store_damaged(store) == 0);
        pin_small(store, 8);
        assert_true(has_pin(store, &small, 8) && file_size() == two);
    }
    store_close(&store);
    lose_catalogue();
    store = open_with(MIB);
    assert_true(has_pin(store, &small, 7) && has_pin(store, &small, 8));
    store_close(&store);
}

static void a_damaged_entry_costs_itself_alone(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    put(store, &small, 0);
    pin_small(store, 7);
    uint64_t one = file_size();
    pin_small(store, 8);
    pin_small(store, 9);
    store_close(&store);
    pins_path(path);
    flip_byte(path, (off_t)one + 50);
    lose_catalogue();
    store = open_with(MIB);
    assert_true(has_pin(store, &small, 7) && !has_pin(store, &small, 8) &&
                has_pin(store, &small, 9));
    assert_int_equal(count_files("damaged"), 1);
    store_close(&store);
}

static void a_file_that_vanishes_is_said_again_and_kept_again(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    char path[DURABLE_PATH_MAX];
    put(store, &small, 0);
    pin_small(store, 7);
    pins_path(path);
    assert_int_equal(unlink(path), 0);
    pin_small(store, 8); /* finds out */
    assert_true(has_pin(store, &small, 8) && !has_pin(store, &small, 7));
    pin_small(store, 7);
    assert_true(has_pin(store, &small, 7));
    uint64_t used = used_of(store);
    store_close(&store);
    store = open_with(MIB);
    assert_true(has_pin(store, &small, 7) && has_pin(store, &small, 8) && used_of(store) == used);
    store_close(&store);
}

/* As many pins as make the file double, each of a run that ended in a record: of one chain. */
static void of_pins_in_one_chain_the_latest_is_enough(void **state)
{
    (void)state;
    struct store *store = open_with(64 * MIB);
    struct record_id hash = {{0}};
    uint64_t largest = 0, number;
    put(store, &small, 0);
    put(store, &other, 0);
    struct pin pin = pin_for(2);
    uint32_t held;
    assert_int_equal(sample_put_pins(store, &other.set.object.pack_id, 1, &pin, &held, NULL), 0);
    for (number = 2; number < 1500; number++) {
        pin_small(store, number);
        hash = put_record(store, number, number > 2 ? number - 1 : 0, &hash, NULL, 0);
        largest = file_size() > largest ? file_size() : largest;
    }
    assert_true(largest < MIB / 2);
    assert_true(has_pin(store, &small, number - 1) && !has_pin(store, &small, 3));
    assert_true(has_pin(store, &other, 2)); /* nothing later pins it */
    store_close(&store);
    lose_catalogue();
    store = open_with(64 * MIB);
    assert_true(has_pin(store, &small, number - 1) && !has_pin(store, &small, 3));
    assert_true(has_pin(store, &other, 2));
    store_close(&store);
}

/* Pins of runs that ended in no record, until the file is written anew. */
static void fill_until_rewritten(struct store *store, uint64_t from)
{
    uint64_t before = 0;
    for (uint64_t number = from; number < from + 2000; number++) {
        before = file_size();
        pin_small(store, number);
        if (file_size() < before || file_size() > MIB / 2)
            return;
    }
    fail_msg("the file was never written anew");
}

static void pins_of_another_branch_and_of_no_record_stay(void **state)
{
    (void)state;
    struct store *store = open_with(64 * MIB);
    struct record_id none = {{0}}, five, nine;
    uint64_t void_of_nine[] = {7, 5};
    put(store, &small, 0);
    for (uint64_t number = 4; number <= 10; number++)
        pin_small(store, number);
    /* 4 <- 5, and 4 <- 9: a copy of the vault's folder was used. 9 says that 7 was given up, and, which
     * is not so, that 5 was; 10 has no record yet. */
    struct record_id four = put_record(store, 4, 0, &none, NULL, 0);
    five = put_record(store, 5, 4, &four, NULL, 0);
    nine = put_record(store, 9, 4, &four, void_of_nine, 2);
    assert_memory_not_equal(five.bytes, nine.bytes, ID_SIZE);
    fill_until_rewritten(store, 100);
    struct pin of = pin_for(1);
    assert_int_equal(store_compact_pins(store, &of, NULL), 0);
    assert_false(has_pin(store, &small, 4)); /* 9 is above it */
    assert_true(has_pin(store, &small, 5));  /* of another branch */
    assert_true(has_pin(store, &small, 6));  /* its store may still run */
    assert_false(has_pin(store, &small, 7)); /* given up */
    assert_true(has_pin(store, &small, 9) && has_pin(store, &small, 10));
    store_close(&store);
}

static void a_store_that_was_given_up_pins_no_more(void **state)
{
    (void)state;
    struct store *store = open_with(MIB);
    struct record_id none = {{0}};
    struct pin pin = pin_for(5);
    struct err err = ERR_INIT;
    uint64_t voids[] = {5};
    uint32_t held;
    put(store, &small, 0);
    pin_small(store, 5);
    put_record(store, 6, 0, &none, voids, 1);
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    /* But if its record is there after all, it counts. */
    put_record(store, 5, 0, &none, NULL, 0);
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, NULL), 0);
    store_close(&store);
}

static void a_flood_of_pins_is_bounded_and_others_still_pin(void **state)
{
    (void)state;
    struct store *store = open_with_share(64 * MIB, 50);
    struct err err = ERR_INIT;
    struct pin pin;
    uint32_t held;
    uint64_t number;
    put(store, &small, 0);
    for (number = 2; number < 10000; number++) {
        pin = pin_for(number);
        if (sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, &err) != 0)
            break;
    }
    assert_int_equal(err.code, ERR_FULL);
    assert_true(file_size() < 2 * MIB);
    store_close(&store);
    /* What one node's command says is charged to that node, whatever the vault. */
    store = open_with_share(64 * MIB, 1);
    assert_true(file_size() > 64 * MIB / 100);
    pin = pin_for(number + 1);
    assert_int_equal(sample_put_pins(store, &small.set.object.pack_id, 1, &pin, &held, &err), -1);
    assert_non_null(strstr(err.text, "sponsor_share"));
    assert_int_equal(sample_put_pins_by(store, &small.set.object.pack_id, 1, &pin,
                                        &sample_other_sponsor, &held, &err),
                     -1); /* the vault has had its part, */
    assert_non_null(strstr(err.text, "this vault"));
    store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pins, tear_down_pins)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_bytes_of_the_file_are_settled),
        TEST(a_lost_catalogue_costs_no_pin),
        TEST(what_says_nothing_new_is_not_kept_again),
        TEST(a_torn_end_is_cut_off_and_the_rest_is_known),
        TEST(a_damaged_entry_costs_itself_alone),
        TEST(a_file_that_vanishes_is_said_again_and_kept_again),
        TEST(of_pins_in_one_chain_the_latest_is_enough),
        TEST(pins_of_another_branch_and_of_no_record_stay),
        TEST(a_store_that_was_given_up_pins_no_more),
        TEST(a_flood_of_pins_is_bounded_and_others_still_pin),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
