/* Store and recover when the cluster lost something: packs, for good or for a while, and records. */
#include "test/vault_bench.h"

#include "coding/base/bytes.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

static void what_was_lost_is_read_and_sent_again(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 3 * 1000 * 1000, 1);
    make_file("b", 3 * 1000 * 1000, 2);
    let_times_settle();
    store_well(&result);
    /* Every pack loses more fragments than it can: data, tree and index. */
    for (size_t i = 0; i < fake.pack_count; i++) {
        restart();
        for (size_t j = 0; j < fake.pack_count; j++)
            fake.packs[j].nodes = FAKE_MEMBERS;
        fake.packs[i].nodes = FAKE_DATA - 1;
        uint64_t before = fake.pack_count;
        store_well(&result);
        assert_int_equal(result.outcome, JOB_DONE);
        assert_true(fake.pack_count > before);
        fake.packs[i].nodes = 0;
        forget_cache();
        recover_well("latest", &recovered);
        assert_same_file("a");
        assert_same_file("b");
        assert_int_equal(remove_tree(target), 0);
        if (i == 3)
            break;
    }
}

/* The id of the earliest snapshot. */
static const char *first_snapshot(char id[2 * ID_SIZE + 1])
{
    struct err err = ERR_INIT;
    struct client *client;
    struct snapshot_list list;
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    hex_encode(id, list.snapshots[0].id.bytes, ID_SIZE);
    snapshot_list_release(&list);
    client_close(&client);
    return id;
}

static void what_was_lost_for_a_while_is_recovered_when_it_is_back(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 20 * 1000 * 1000, 1);
    make_file("b", 1000, 2);
    let_times_settle();
    store_well(&result);
    uint32_t nodes = fake.packs[0].nodes;
    size_t first = fake.pack_count;
    for (size_t i = 0; i < first; i++) {
        if (fake.packs[i].size > 15 * 1000 * 1000)
            fake.packs[i].nodes = FAKE_DATA - 1;
    }
    /* "a" is away meanwhile, so that nothing sends it again. */
    char *kept = alloc_format("%s/a", source), *aside = alloc_format("%s/kept", base);
    assert_int_equal(rename(kept, aside), 0);
    restart();
    store_well(&result);
    char earlier[2 * ID_SIZE + 1];
    for (size_t i = 0; i < first; i++)
        fake.packs[i].nodes = nodes;
    assert_int_equal(rename(aside, kept), 0);
    restart();
    recover_well(first_snapshot(earlier), &recovered);
    assert_same_file("a");
    assert_same_file("b");
    free(kept);
    free(aside);
}

static void what_a_lost_pack_had_is_taken_from_another_that_has_it_too(void **state)
{
    (void)state;
    struct store_result result;
    struct recover_result recovered;
    unsigned gone = 0;
    make_file("a", 3 * 1000 * 1000, 1);
    make_file("b", 1000, 2);
    store_well(&result);
    /* Its data is lost, and sent again in other packs; then it is back, and those are lost. */
    size_t first = fake.pack_count;
    for (size_t i = 0; i < first; i++) {
        if (fake.packs[i].size > 1000 * 1000)
            fake.packs[i].nodes = FAKE_DATA - 1;
    }
    restart();
    store_well(&result);
    for (size_t i = 0; i < fake.pack_count; i++) {
        fake.packs[i].nodes = FAKE_MEMBERS;
        if (i >= first && fake.packs[i].size > 1000 * 1000) {
            fake.packs[i].nodes = FAKE_DATA - 1;
            gone++;
        }
    }
    assert_true(gone > 0);
    for (int blank = 0; blank < 2; blank++) {
        if (blank)
            forget_cache();
        recover_well("latest", &recovered);
        assert_same_file("a");
        assert_same_file("b");
        assert_int_equal(remove_tree(target), 0);
    }
}

static void missing_and_forked_records_are_found(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct client *client;
    struct snapshot_list list;
    const struct snapshot *snapshot;
    for (uint8_t i = 0; i < 3; i++) {
        make_file("a", 100, i);
        store_well(&result);
        restart();
    }
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.finding_count, 0);
    assert_int_equal(snapshot_select(&snapshot, &list, "latest", NULL, &err), 0);
    assert_memory_equal(snapshot->id.bytes, result.snapshot.bytes, ID_SIZE);
    const struct snapshot_filter elsewhere = {.path = "/nowhere"};
    assert_int_equal(snapshot_select(&snapshot, &list, "latest", &elsewhere, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    snapshot_list_release(&list);
    /* The second of three goes missing, then the last. */
    uint8_t *second = fake.records[1];
    size_t second_size = fake.record_sizes[1];
    fake.records[1] = fake.records[2];
    fake.record_sizes[1] = fake.record_sizes[2];
    fake.record_count = 2;
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.finding_count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_GAP);
    snapshot_list_release(&list);
    uint8_t *third = fake.records[1];
    fake.record_count = 1;
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.finding_count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_ROLLBACK);
    snapshot_list_release(&list);
    /* A damaged record is told, and does not hide the others. */
    fake.records[1] = second;
    fake.record_sizes[1] = second_size;
    fake.record_count = 2;
    second[second_size / 2] ^= 1;
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_UNREADABLE);
    snapshot_list_release(&list);
    free(third);
    client_close(&client);
}

/* ---- a vault's folder that was set back ------------------------------------------------------- */

/* Reads the sequence of record numbers, or puts it back as it was. */
static void keep_sequence(uint8_t bytes[256], size_t *size, bool put_back)
{
    char *path = alloc_format("%s/sequence", vault->dir);
    FILE *file = fopen(path, put_back ? "wb" : "rb");
    assert_non_null(file);
    if (put_back)
        assert_int_equal(fwrite(bytes, 1, *size, file), *size);
    else
        *size = fread(bytes, 1, 256, file);
    fclose(file);
    free(path);
}

/* How many findings there are; each number must be there once, unless forks are expected. */
static size_t findings(bool forked)
{
    struct err err = ERR_INIT;
    struct client *client;
    struct snapshot_list list;
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, fake.record_count);
    for (size_t i = 0; i < list.count && !forked; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(list.snapshots[i].number != list.snapshots[j].number);
    size_t count = list.finding_count;
    snapshot_list_release(&list);
    client_close(&client);
    return count;
}

static void a_folder_that_was_set_back_is_noticed_and_uses_no_number_twice(void **state)
{
    (void)state;
    struct store_result result;
    uint8_t sequence[256];
    size_t size;
    make_file("a", 100, 0);
    store_well(&result);
    keep_sequence(sequence, &size, false);
    for (uint8_t i = 1; i < 4; i++) {
        restart();
        make_file("a", 100, i);
        store_well(&result);
    }
    assert_int_equal(notices, 0);
    keep_sequence(sequence, &size, true);
    for (uint8_t i = 4; i < 7; i++) {
        restart();
        make_file("a", 100, i);
        store_well(&result);
        assert_int_equal(notices, 1); /* by the first of them alone */
        assert_int_equal(findings(false), 0);
    }
}

static void a_fork_is_history_once_its_writer_goes_on(void **state)
{
    (void)state;
    struct store_result result;
    uint8_t sequence[256];
    size_t size;
    make_file("a", 100, 0);
    store_well(&result);
    keep_sequence(sequence, &size, false);
    restart();
    make_file("a", 100, 1);
    store_well(&result);
    /* Set back, and stored while no node can be reached that has the newer record. */
    keep_sequence(sequence, &size, true);
    uint8_t *hidden = fake.records[1];
    size_t hidden_size = fake.record_sizes[1];
    fake.record_count = 1;
    restart();
    make_file("a", 100, 2);
    store_well(&result);
    fake.records = alloc_grow(fake.records, 3, sizeof(fake.records[0]));
    fake.record_sizes = alloc_grow(fake.record_sizes, 3, sizeof(fake.record_sizes[0]));
    fake.records[2] = hidden;
    fake.record_sizes[2] = hidden_size;
    fake.record_count = 3;
    assert_true(findings(true) > 0);
    restart();
    make_file("a", 100, 3);
    store_well(&result);
    assert_int_equal(findings(true), 0);
}

static void stores_that_were_given_up_leave_no_gap(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    for (uint8_t i = 0; i < 3; i++) { /* also before the first snapshot */
        make_file("a", 1000, i);
        fake.fail_puts_after = fake.puts + 1;
        make_file("big", 40 * 1000 * 1000, (uint8_t)(10 + i));
        restart();
        assert_int_equal(store(&result, &err), -1);
        fake.fail_puts_after = 0;
        restart();
        store_well(&result);
        assert_int_equal(findings(false), 0);
    }
}

/* ---- lost numbers ---------------------------------------------------------------------------- */

static void lose_in_folder(const char *name)
{
    char *path = alloc_format("%s/%s", vault->dir, name);
    assert_int_equal(remove_tree(path), 0);
    free(path);
}

static void change_and_store(uint8_t seed)
{
    struct store_result result;
    make_file("a", 100, seed);
    restart();
    store_well(&result);
    assert_int_equal(result.outcome, JOB_DONE);
}

static void lost_record_numbers_are_found_again(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0};
    size_t size = 40;
    change_and_store(1);
    change_and_store(2);
    for (uint8_t i = 0; i < 3; i++) {
        if (i == 0)
            lose_in_folder("sequence");
        else
            keep_sequence(bytes, &size, true); /* zeros */
        if (i == 1)
            lose_in_folder("records");
        notices = 0;
        change_and_store(3 + i);
        assert_int_equal(notices, 1);
        assert_int_equal(findings(false), 0);
    }
}

static void a_record_that_only_this_machine_has_counts_too_when_numbers_are_lost(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    change_and_store(1);
    make_file("a", 100, 2);
    restart();
    fake.fail_record = true;
    assert_int_equal(store(&result, &err), -1);
    fake.fail_record = false;
    lose_in_folder("sequence");
    fake.silent = 1; /* who could not know more than this machine */
    change_and_store(3);
    assert_int_equal(fake.record_count, 3);
    assert_int_equal(findings(false), 0);
}

static void numbers_are_not_guessed_while_somebody_might_know_more(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    change_and_store(1);
    lose_in_folder("sequence");
    lose_in_folder("records");
    fake.silent = 1;
    restart();
    assert_int_equal(store(&result, &err), -1);
    assert_int_equal(err.code, ERR_TOO_FEW);
    assert_non_null(strstr(err.text, "record numbers"));
    fake.silent = 0;
    change_and_store(2);
    assert_int_equal(findings(false), 0);
}

/* ---- histories ------------------------------------------------------------------------------- */

/* Signed by this machine's writer, of a kind that nobody knows, and given to the node. */
static void put_record(uint64_t number, const struct record_id *previous, struct record_id *hash)
{
    struct err err = ERR_INIT;
    struct client *client;
    struct node_status *status = calloc(1, sizeof(*status));
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(client_status(client, status, &err), 0);
    static uint8_t sealed; /* so that no two are the same */
    struct record record = {.number = number, .kind = 77, .sealed = &sealed, .sealed_size = 1};
    sealed++;
    const struct signer signer = {vault->writer_secret, vault->writer_cert,
                                  vault->writer_cert_size};
    record.cluster = status->cluster;
    record.vault = vault->keys->vault;
    record.writer = vault->writer;
    record.previous = *previous;
    uint8_t *bytes;
    size_t size;
    uint32_t others;
    assert_int_equal(record_seal(&record, &signer, &bytes, &size, hash, &err), 0);
    assert_int_equal(client_put_record(client, bytes, size, 0, &others, &err), 0);
    client_close(&client);
    free(bytes);
    free(status);
}

#define HISTORY_MAX 6

/* A writer's records, and what is odd about them. */
struct history {
    struct {
        uint64_t number;
        int follows; /* which of these; -1: none */
        bool missing;
    } records[HISTORY_MAX];
    size_t count;
    const char *findings; /* a letter for each kind, and the number concerned, in order */
};

static void history_of(const struct history *history, char *found, size_t room)
{
    static const struct record_id none;
    struct err err = ERR_INIT;
    struct client *client;
    struct snapshot_list list;
    struct record_id hashes[HISTORY_MAX];
    for (size_t i = 0; i < history->count; i++) {
        int follows = history->records[i].follows;
        put_record(history->records[i].number, follows < 0 ? &none : &hashes[follows], &hashes[i]);
        if (history->records[i].missing)
            free(fake.records[--fake.record_count]);
    }
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    size_t used = 0;
    found[0] = '\0';
    for (size_t i = 0; i < list.finding_count; i++) {
        const struct finding *finding = &list.findings[i];
        static const char letters[] = "?gfrunF";
        if (finding->kind != FINDING_NEWER)
            used += (size_t)snprintf(found + used, room - used, "%c%llu ", letters[finding->kind],
                                     (unsigned long long)finding->number);
    }
    snapshot_list_release(&list);
    client_close(&client);
}

static void forks_and_gaps_are_found_whatever_numbers_were_left_out(void **state)
{
    static const struct history histories[] = {
        {{{1, -1, 0}, {2, 0, 0}, {5, 1, 0}}, 3, ""},
        {{{1, -1, 0}, {2, 0, 0}, {4, 0, 0}}, 3, "f4 "},               /* two after one */
        {{{3, -1, 0}, {7, 0, 0}, {7, 0, 0}}, 3, "f7 "},               /* two of one number */
        {{{1, -1, 0}, {4, -1, 0}}, 2, "f4 "},                         /* two first ones */
        {{{1, -1, 0}, {2, 0, 0}, {4, 0, 0}, {6, 2, 0}}, 4, ""},       /* gone on from the newest */
        {{{1, -1, 0}, {2, 0, 0}, {4, 0, 0}, {5, 1, 0}}, 4, "f4 "},    /* both go on */
        {{{1, -1, 0}, {2, 0, 1}, {4, 1, 0}}, 3, "g2 "},               /* one is missing */
        {{{1, -1, 0}, {2, 0, 0}, {2, 0, 1}, {3, 2, 0}}, 4, "g2 f3 "}, /* beside its twin */
        {{{1, -1, 0}, {2, 0, 0}, {2, 0, 1}, {3, 2, 0}, {4, 3, 0}}, 5, "g2 "}, /* and gone on */
        {{{1, -1, 0}, {2, 0, 0}, {4, 0, 1}, {9, 2, 0}, {11, 3, 0}}, 5, "g3 "},
    };
    for (size_t i = 0; i < sizeof(histories) / sizeof(histories[0]); i++) {
        char found[200];
        history_of(&histories[i], found, sizeof(found));
        if (strcmp(found, histories[i].findings) != 0)
            fail_msg("history %zu: \"%s\", not \"%s\"", i, found, histories[i].findings);
        if (i + 1 < sizeof(histories) / sizeof(histories[0]) &&
            (tear_down(state) != 0 || set_up(state) != 0))
            fail_msg("no next bench");
    }
}

static void a_record_of_an_unknown_kind_is_told_and_hides_no_snapshot(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct client *client;
    struct snapshot_list list;
    make_file("a", 1000, 1);
    let_times_settle();
    store_well(&result);
    struct record_id hash;
    put_record(2, &result.snapshot, &hash);
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.finding_count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_NEWER);
    snapshot_list_release(&list);
    client_close(&client);
}

static void a_home_that_cannot_be_written_to_keeps_nobody_from_listing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct client *client;
    struct snapshot_list list;
    make_file("a", 1000, 1);
    store_well(&result);
    restart();
    char *heads = alloc_format("%s/heads", vault->dir);
    unlink(heads);
    assert_int_equal(mkdir(heads, 0700), 0); /* as root writes to folders that refuse others */
    free(heads);
    assert_int_equal(client_open(&client, NULL, &err), 0);
    assert_int_equal(snapshot_list_load(&list, vault, client, &err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.finding_count, 1);
    assert_int_equal(list.findings[0].kind, FINDING_FORGETFUL);
    snapshot_list_release(&list);
    client_close(&client);
    make_file("a", 1001, 1);
    store_well(&result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_lost_is_read_and_sent_again),
        TEST(what_was_lost_for_a_while_is_recovered_when_it_is_back),
        TEST(what_a_lost_pack_had_is_taken_from_another_that_has_it_too),
        TEST(missing_and_forked_records_are_found),
        TEST(a_folder_that_was_set_back_is_noticed_and_uses_no_number_twice),
        TEST(a_fork_is_history_once_its_writer_goes_on),
        TEST(stores_that_were_given_up_leave_no_gap),
        TEST(lost_record_numbers_are_found_again),
        TEST(a_record_that_only_this_machine_has_counts_too_when_numbers_are_lost),
        TEST(numbers_are_not_guessed_while_somebody_might_know_more),
        TEST(forks_and_gaps_are_found_whatever_numbers_were_left_out),
        TEST(a_record_of_an_unknown_kind_is_told_and_hides_no_snapshot),
        TEST(a_home_that_cannot_be_written_to_keeps_nobody_from_listing),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
