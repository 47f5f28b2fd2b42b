/* Snapshots as sealed parts of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/vault/pack.h"
#include "cli/vault/snapshot.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/trust/record.h"
#include "test/vault_sample.h"

static char home[] = "/home/ada", etc[] = "/etc/\xff\n", nightly[] = "nightly";
static char host[] = "babbage", user[] = "ada", short_host[] = "b";
static char *paths[] = {home, etc};
static char *tags[] = {nightly};
static struct chunk_id roots[2] = {{"root one"}, {"root two"}};
static struct pack_id index_packs[3] = {{"index 1"}, {"index 2"}, {"index 3"}};

static struct snapshot example(void)
{
    struct snapshot s = {.number = 7,
                         .time_s = 1700000000,
                         .time_ns = 999999999,
                         .host = host,
                         .user = user,
                         .paths = paths,
                         .path_count = 2,
                         .tags = tags,
                         .tag_count = 1,
                         .root = roots,
                         .root_count = 2,
                         .index_packs = index_packs,
                         .index_pack_count = 3,
                         .files = 81237,
                         .bytes = 1390000000,
                         .bytes_new = UINT64_MAX};
    id_set(&s.writer, "writer sixteen b");
    return s;
}

/* The record that carries it; sealed is malloc'd. */
static struct record sealed(const struct snapshot *s)
{
    struct record record = {.number = s->number, .kind = RECORD_SNAPSHOT};
    struct err err = ERR_INIT;
    record.vault = keys->vault;
    record.writer = s->writer;
    memset(record.hash.bytes, 0xab, sizeof(record.hash));
    assert_int_equal(snapshot_seal(s, keys, &record.sealed, &record.sealed_size, &err), 0);
    return record;
}

static void assert_example(const struct snapshot *s)
{
    struct snapshot e = example();
    assert_memory_equal(s->writer.bytes, e.writer.bytes, WRITER_ID_SIZE);
    assert_true(s->number == 7 && s->time_s == e.time_s && s->time_ns == e.time_ns);
    assert_string_equal(s->host, "babbage");
    assert_string_equal(s->user, "ada");
    assert_int_equal(s->path_count, 2);
    assert_string_equal(s->paths[0], paths[0]);
    assert_string_equal(s->paths[1], paths[1]);
    assert_int_equal(s->tag_count, 1);
    assert_string_equal(s->tags[0], tags[0]);
    assert_int_equal(s->root_count, 2);
    assert_memory_equal(s->root, roots, sizeof(roots));
    assert_int_equal(s->index_pack_count, 3);
    assert_memory_equal(s->index_packs, index_packs, sizeof(index_packs));
    assert_true(s->files == e.files && s->bytes == e.bytes && s->bytes_new == e.bytes_new);
}

static void a_snapshot_comes_back(void **state)
{
    (void)state;
    struct snapshot s = example(), back;
    struct record record = sealed(&s);
    struct err err = ERR_INIT;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), 0);
    assert_example(&back);
    assert_memory_equal(back.id.bytes, record.hash.bytes, ID_SIZE);
    snapshot_release(&back);
    free(record.sealed);
}

static void a_snapshot_of_nothing_comes_back(void **state)
{
    (void)state;
    struct snapshot s = {.number = 1}, back;
    struct record record = sealed(&s);
    struct err err = ERR_INIT;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), 0);
    assert_string_equal(back.host, "");
    assert_int_equal(back.path_count + back.tag_count + back.root_count + back.index_pack_count, 0);
    snapshot_release(&back);
    free(record.sealed);
}

static void every_flipped_byte_is_an_error(void **state)
{
    (void)state;
    struct snapshot s = example(), back;
    struct record record = sealed(&s);
    for (size_t i = 0; i < record.sealed_size; i++) {
        struct err err = ERR_INIT;
        record.sealed[i] ^= 0x40;
        assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
        record.sealed[i] ^= 0x40;
    }
    for (size_t size = record.sealed_size - 1; size > 0; size--) {
        struct err err = ERR_INIT;
        record.sealed_size = size;
        assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
    }
    free(record.sealed);
}

static void it_is_bound_to_its_vault_writer_and_number(void **state)
{
    (void)state;
    struct snapshot s = example(), back;
    struct record record = sealed(&s);
    struct err err = ERR_INIT;
    record.number++;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    record.number--;
    record.writer.bytes[15] ^= 1;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    record.writer.bytes[15] ^= 1;
    assert_int_equal(snapshot_open(&back, other_keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_KEY);
    record.vault = other_keys->vault;
    assert_int_equal(snapshot_open(&back, other_keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    free(record.sealed);
}

static void later_versions_are_refused_by_name(void **state)
{
    (void)state;
    struct snapshot s = example(), back;
    struct record record = sealed(&s);
    struct err err = ERR_INIT;
    record.sealed[0] = 9;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_non_null(strstr(err.text, "version 9"));
    record.sealed[0] = 1;
    record.kind = 2;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    free(record.sealed);
}

static void names_and_sizes_do_not_show(void **state)
{
    (void)state;
    struct snapshot s = example();
    struct record record = sealed(&s), again = sealed(&s);
    assert_int_equal(padme(record.sealed_size), record.sealed_size);
    assert_null(memmem(record.sealed, record.sealed_size, "home", 4));
    assert_null(memmem(record.sealed, record.sealed_size, "babbage", 7));
    assert_null(memmem(record.sealed, record.sealed_size, "root one", 8));
    assert_memory_not_equal(record.sealed + 28, again.sealed + 28, record.sealed_size - 28);
    s.path_count = 1;
    s.host = short_host;
    s.tag_count = 0;
    struct record shorter = sealed(&s);
    assert_true(record.sealed_size - shorter.sealed_size <= record.sealed_size / 8);
    free(record.sealed);
    free(again.sealed);
    free(shorter.sealed);
}

static void too_much_for_a_record_is_refused(void **state)
{
    (void)state;
    struct snapshot s = example();
    uint8_t *bytes = NULL;
    size_t size;
    struct err err = ERR_INIT;
    s.path_count = SNAPSHOT_PATHS_MAX + 1;
    assert_int_equal(snapshot_seal(&s, keys, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    s = example();
    char *long_path = alloc_zero(SNAPSHOT_TEXT_MAX + 2, 1);
    memset(long_path, 'p', SNAPSHOT_TEXT_MAX + 1);
    char *one[] = {long_path};
    s.paths = one;
    s.path_count = 1;
    assert_int_equal(snapshot_seal(&s, keys, &bytes, &size, &err), -1);
    long_path[SNAPSHOT_TEXT_MAX] = '\0';
    char *many[64];
    for (size_t i = 0; i < 64; i++)
        many[i] = long_path;
    s.paths = many;
    s.path_count = 64;
    assert_int_equal(snapshot_seal(&s, keys, &bytes, &size, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    s = example();
    s.time_ns = 1000000000;
    assert_int_equal(snapshot_seal(&s, keys, &bytes, &size, &err), -1);
    assert_null(bytes);
    free(long_path);
}

/* The example, with index packs that are replaced. */
static struct snapshot replacing(void)
{
    static struct pack_id old[2] = {{"index a"}, {"index b"}};
    struct snapshot s = example();
    s.replaced = old;
    s.replaced_count = 2;
    return s;
}

static void assert_replacing(const struct snapshot *s)
{
    struct snapshot e = replacing();
    assert_example(s);
    assert_int_equal(s->replaced_count, 2);
    assert_memory_equal(s->replaced, e.replaced, 2 * ID_SIZE);
}

static void a_snapshot_that_replaces_index_packs_comes_back(void **state)
{
    (void)state;
    struct snapshot s = replacing(), back;
    struct record record = sealed(&s);
    struct err err = ERR_INIT;
    assert_int_equal(record.sealed[0], 2);
    assert_int_equal(snapshot_open(&back, keys, &record, &err), 0);
    assert_replacing(&back);
    snapshot_release(&back);
    record.sealed[0] = 1; /* the version is bound in */
    assert_int_equal(snapshot_open(&back, keys, &record, &err), -1);
    assert_int_equal(err.code, ERR_DAMAGED);
    free(record.sealed);
}

static const char golden_replacing[] =
    "02010000b272ce6fc291f5a67b2c4313934075891a24b24c605f0d4f56f802307576f8c702c9c4af341a40d2"
    "34d19318dccdc2fbb2cfd017fcd7552b34e2444b2e6cb717251409333a7b6d3fa146d030918c6bc85be55478"
    "6a686d8b009b7403840380f9170f3e067d03c6070c7bc9dd3cae32dd906548313505164e6dc67ef17f39ea7f"
    "7cb630f800d6e315c9e25a67d085326b6ceb668b7e968a622d8463c30f4970aa099d22e7337fc4ecf4ef9096"
    "515dced024af541e2f1c40fc46ccf93cabdfbcc238600e2e78d7a6a6383851f5bbbb931fe2903d61f27f8a87"
    "65b563a129646c352966199180c46354e4b3086af50caf14bb0efe40d25a234d296878df8ed6c107d0babb86"
    "9fe9cb3fafa551b935407ce28d2374a41cd81235d0a6ce9739ddb2e3a44923d50071bffb5e45efdeeb416d29"
    "6284a69aa9e98e3af57649bc42a7f241176b6cae10de0a4e26f3648c4971790c13bd6793e121904615d8cb29";

static const char golden[] =
    "01010000442e4ea7359a040123cff31f4767363a6ef15e316f5652af833383d39f62b9f92fe8fd550663caa3"
    "72c7153957eae37809f8524a94eae8b2ced3c1a8b6bd54de5ee7efdec905d16f72f7888ebf9b40823ec4a266"
    "f076617828d084eef28b476c0c068e6082b8bba746e4f4a43f75f0078a0fc795151ea42417c95785e2cfa4ea"
    "741ce527675e9dee6d1a61acc875e5b253a2d3f7f2dda19f7dad141d5cd48120f011f0e7c75d307dcf805e3d"
    "cadbc9f701fd441da4d2aa2fa939d6d1dd6432ccff3c3490721e543de01d475f6629a8960976df6a6bdcf815"
    "e611d962f2b6b3550ab67601c17fa2fa96455f482b6df68875c64e4face9fa8e7ffb374e94983baa59ffcde2"
    "9ac9cdfc598644a5b6a98d2b6d9f6e345789cf317bf25287";

static struct snapshot open_golden(const char *hex)
{
    struct snapshot s = example(), back;
    struct record record = {.number = 7, .kind = RECORD_SNAPSHOT};
    struct err err = ERR_INIT;
    uint8_t bytes[2048];
    record.sealed_size = strlen(hex) / 2;
    assert_true(record.sealed_size <= sizeof(bytes));
    assert_int_equal(hex_decode(bytes, record.sealed_size, hex), 0);
    record.vault = keys->vault;
    record.writer = s.writer;
    record.sealed = bytes;
    assert_int_equal(snapshot_open(&back, keys, &record, &err), 0);
    return back;
}

static void the_snapshots_of_the_format_open(void **state)
{
    (void)state;
    struct snapshot first = open_golden(golden), second = open_golden(golden_replacing);
    assert_example(&first);
    assert_int_equal(first.replaced_count, 0);
    assert_replacing(&second);
    snapshot_release(&first);
    snapshot_release(&second);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_comes_back),
        cmocka_unit_test(a_snapshot_of_nothing_comes_back),
        cmocka_unit_test(every_flipped_byte_is_an_error),
        cmocka_unit_test(it_is_bound_to_its_vault_writer_and_number),
        cmocka_unit_test(later_versions_are_refused_by_name),
        cmocka_unit_test(names_and_sizes_do_not_show),
        cmocka_unit_test(too_much_for_a_record_is_refused),
        cmocka_unit_test(a_snapshot_that_replaces_index_packs_comes_back),
        cmocka_unit_test(the_snapshots_of_the_format_open),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
