/* Directories as chunks: what goes in comes out, and no name that could do harm does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/vault/tree.h"
#include "coding/base/alloc.h"

static void put(struct buffer *s, const struct tree_entry *entry)
{
    struct err err = ERR_INIT;
    assert_int_equal(tree_entry_encode(entry, s, &err), 0);
}

static struct tree_entry named(enum entry_kind kind, const char *name)
{
    return (struct tree_entry){.kind = kind,
                               .name = name,
                               .name_size = strlen(name),
                               .mode = 0644,
                               .uid = 1000,
                               .gid = 100,
                               .user = "ada",
                               .user_size = 3,
                               .group = "users",
                               .group_size = 5,
                               .mtime_s = 1700000000,
                               .mtime_ns = 123456789,
                               .target = kind == ENTRY_SYMLINK ? "../x" : NULL,
                               .target_size = kind == ENTRY_SYMLINK ? 4 : 0};
}

static void assert_same(const struct tree_entry *a, const struct tree_entry *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->name_size, b->name_size);
    assert_memory_equal(a->name, b->name, a->name_size);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_int_equal(a->user_size, b->user_size);
    assert_memory_equal(a->user, b->user, a->user_size);
    assert_int_equal(a->group_size, b->group_size);
    assert_memory_equal(a->group, b->group, a->group_size);
    assert_true(a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns);
    assert_true(a->size == b->size && a->hard_link == b->hard_link && a->device == b->device);
    assert_int_equal(a->target_size, b->target_size);
    if (a->target_size > 0)
        assert_memory_equal(a->target, b->target, a->target_size);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->xattr_count, b->xattr_count);
    for (size_t i = 0; i < a->xattr_count; i++) {
        assert_int_equal(a->xattrs[i].name_size, b->xattrs[i].name_size);
        assert_memory_equal(a->xattrs[i].name, b->xattrs[i].name, a->xattrs[i].name_size);
        assert_int_equal(a->xattrs[i].value_size, b->xattrs[i].value_size);
        assert_memory_equal(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].value_size);
    }
    assert_int_equal(a->extent_count, b->extent_count);
    for (size_t i = 0; i < a->extent_count; i++)
        assert_true(a->extents[i].offset == b->extents[i].offset &&
                    a->extents[i].size == b->extents[i].size);
    assert_int_equal(a->chunk_count, b->chunk_count);
    if (a->chunk_count > 0)
        assert_memory_equal(a->chunks, b->chunks, a->chunk_count * ID_SIZE);
}

static struct tree_xattr xattrs[] = {
    {"system.posix_acl_access", 23, (const uint8_t *)"\0\1\2", 3},
    {"user.empty", 10, (const uint8_t *)"", 0},
};
static struct tree_extent extents[] = {{4096, 100}, {8192, 4096}, {1 << 20, 1}};
static struct chunk_id ids[3] = {{"first chunk"}, {"second chunk"}, {"third chunk"}};

/* One entry of each kind, with all that it can carry, in order. */
static size_t every_kind(struct tree_entry list[10])
{
    size_t n = 0;
    list[n++] = named(ENTRY_FILE, " \n\xff odd");
    list[n++] = named(ENTRY_FIFO, "..b");
    list[n++] = named(ENTRY_DIRECTORY, ".a");
    list[n - 1].chunks = ids;
    list[n - 1].chunk_count = 2;
    list[n - 1].mode = 07777;
    list[n - 1].flags = TREE_FLAG_IMMUTABLE;
    list[n++] = named(ENTRY_CHAR_DEVICE, "c");
    list[n - 1].device = 0x100000000a05;
    list[n++] = named(ENTRY_BLOCK_DEVICE, "d");
    list[n - 1].device = 1;
    list[n++] = named(ENTRY_SOCKET, "e");
    list[n - 1].mtime_s = -1;
    list[n++] = named(ENTRY_SYMLINK, "f");
    list[n++] = named(ENTRY_FILE, "sparse");
    list[n - 1].size = (1 << 20) + 1;
    list[n - 1].extents = extents;
    list[n - 1].extent_count = 3;
    list[n - 1].chunks = ids;
    list[n - 1].chunk_count = 3;
    list[n - 1].xattrs = xattrs;
    list[n - 1].xattr_count = 2;
    list[n - 1].flags = TREE_FLAGS_ALL;
    list[n - 1].hard_link = UINT64_MAX;
    list[n - 1].uid = UINT32_MAX;
    list[n - 1].mtime_s = INT64_MIN;
    list[n++] = named(ENTRY_FILE, "sparse2"); /* nothing but a hole */
    list[n - 1].size = INT64_MAX;
    list[n - 1].user_size = list[n - 1].group_size = 0;
    return n;
}

static void an_entry_of_every_kind_comes_back(void **state)
{
    (void)state;
    struct tree_entry list[10], entry;
    struct tree_reader reader = {0};
    struct buffer s = {0};
    struct err err = ERR_INIT;
    bool end = false;
    size_t count = every_kind(list);
    for (size_t i = 0; i < count; i++)
        put(&s, &list[i]);
    assert_int_equal(tree_reader_give(&reader, s.bytes, s.size, &err), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(tree_entry_decode(&entry, &reader, &end, &err), 0);
        assert_false(end);
        assert_same(&list[i], &entry);
        tree_entry_release(&entry);
    }
    assert_int_equal(tree_entry_decode(&entry, &reader, &end, &err), 0);
    assert_true(end);
    assert_int_equal(tree_reader_finish(&reader, &err), 0);
    tree_reader_release(&reader);
    free(s.bytes);
}

static void chunks_may_end_anywhere(void **state)
{
    (void)state;
    struct tree_entry list[10], entry;
    struct buffer s = {0};
    size_t count = every_kind(list);
    for (size_t i = 0; i < count; i++)
        put(&s, &list[i]);
    for (size_t step = 1; step <= s.size; step++) {
        struct tree_reader reader;
        struct err err = ERR_INIT;
        size_t found = 0;
        tree_reader_init(&reader);
        for (size_t at = 0; at < s.size; at += step) {
            size_t size = step < s.size - at ? step : s.size - at;
            uint8_t *chunk = alloc_copy(s.bytes + at, size);
            bool end = false;
            assert_int_equal(tree_reader_give(&reader, chunk, size, &err), 0);
            while (tree_entry_decode(&entry, &reader, &end, &err) == 0 && !end) {
                assert_same(&list[found++], &entry);
                tree_entry_release(&entry);
            }
            assert_true(end);
            free(chunk);
        }
        assert_int_equal(found, count);
        assert_int_equal(tree_reader_finish(&reader, &err), 0);
        tree_reader_release(&reader);
    }
    free(s.bytes);
}

/* Reads all of s; the number of entries, or -1 with err. */
static int read_all(const struct buffer *s, struct err *err)
{
    struct tree_reader reader = {0};
    struct tree_entry entry;
    bool end = false;
    int count = 0, result = tree_reader_give(&reader, s->bytes, s->size, err);
    while (result == 0 && !end) {
        result = tree_entry_decode(&entry, &reader, &end, err);
        if (result == 0 && !end) {
            count++;
            tree_entry_release(&entry);
        }
    }
    if (result == 0)
        result = tree_reader_finish(&reader, err);
    tree_reader_release(&reader);
    return result == 0 ? count : -1;
}

static void a_directory_cut_short_is_an_error(void **state)
{
    (void)state;
    struct tree_entry list[10];
    struct buffer s = {0};
    struct err err = ERR_INIT;
    size_t count = every_kind(list);
    put(&s, &list[0]);
    size_t first = s.size;
    for (size_t i = 1; i < count; i++)
        put(&s, &list[i]);
    struct buffer cut = s;
    for (cut.size = first + 1; cut.size < s.size; cut.size++) {
        int read = read_all(&cut, &err);
        assert_true(read < (int)count);
        if (read < 0)
            assert_int_equal(err.code, ERR_FORMAT);
    }
    free(s.bytes);
}

static void assert_not_stored(const struct tree_entry *entry)
{
    struct buffer s = {0};
    struct err err = ERR_INIT;
    assert_int_equal(tree_entry_encode(entry, &s, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(s.size, 0);
    free(s.bytes);
}

static void names_that_escape_are_not_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "/", "a/b", "../x", "/etc"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tree_entry entry = named(ENTRY_FILE, bad[i]);
        assert_not_stored(&entry);
    }
    struct tree_entry entry = named(ENTRY_FILE, "a");
    entry.name = "a\0b";
    entry.name_size = 3;
    assert_not_stored(&entry);
    char longest[256];
    memset(longest, 'n', sizeof(longest));
    entry.name = longest;
    entry.name_size = 256;
    assert_not_stored(&entry);
    struct buffer s = {0};
    struct err err = ERR_INIT;
    entry.name_size = 255;
    put(&s, &entry);
    assert_int_equal(read_all(&s, &err), 1);
    free(s.bytes);
}

static void names_that_escape_are_not_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"..", "a/", "/a", "/."};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tree_entry entry = named(ENTRY_FILE, "aa");
        struct buffer s = {0};
        struct err err = ERR_INIT;
        put(&s, &entry);
        memcpy(s.bytes + 7, bad[i], 2); /* length 4, version, kind, length of the name */
        assert_int_equal(read_all(&s, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        memcpy(s.bytes + 7, "a\0", 2);
        assert_int_equal(read_all(&s, &err), -1);
        free(s.bytes);
    }
    struct tree_entry entry = named(ENTRY_FILE, "a");
    struct buffer s = {0};
    struct err err = ERR_INIT;
    put(&s, &entry);
    s.bytes[7] = '.';
    assert_int_equal(read_all(&s, &err), -1);
    s.bytes[7] = 'b';
    assert_int_equal(read_all(&s, &err), 1);
    free(s.bytes);
}

static void unsorted_and_double_names_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        int result;
    } cases[] = {{"a", "b", 2},   {"a", "aa", 2}, {"a", "a", -1},          {"b", "a", -1},
                 {"aa", "a", -1}, {"Z", "a", 2},  {"\x7f", "\x80\x80", 2}, {"\xff", "a", -1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tree_entry one = named(ENTRY_FILE, cases[i].first);
        struct tree_entry two = named(ENTRY_FILE, cases[i].second);
        struct buffer s = {0};
        struct err err = ERR_INIT;
        put(&s, &one);
        put(&s, &two);
        assert_int_equal(read_all(&s, &err), cases[i].result);
        free(s.bytes);
    }
}

static void what_no_restore_could_use_is_refused(void **state)
{
    (void)state;
    struct tree_entry e = named(ENTRY_FILE, "a");
    e.mode = 010000;
    assert_not_stored(&e);
    e = named(ENTRY_FILE, "a");
    e.mtime_ns = 1000000000;
    assert_not_stored(&e);
    e = named(ENTRY_FILE, "a");
    e.chunks = ids;
    e.chunk_count = 1; /* but of size 0 */
    assert_not_stored(&e);
    e.size = 100;
    struct tree_extent overlap[] = {{0, 50}, {49, 10}};
    e.extents = overlap;
    e.extent_count = 2;
    assert_not_stored(&e);
    overlap[1] = (struct tree_extent){60, 41};
    assert_not_stored(&e);
    overlap[1] = (struct tree_extent){60, 0};
    assert_not_stored(&e);
    overlap[1] = (struct tree_extent){60, UINT64_MAX};
    assert_not_stored(&e);
    e = named(ENTRY_DIRECTORY, "a");
    e.hard_link = 1;
    assert_not_stored(&e);
    e = named(ENTRY_SYMLINK, "a");
    e.target_size = 0;
    assert_not_stored(&e);
    e.target_size = 4;
    e.flags = TREE_FLAG_NO_DUMP; /* a symbolic link has none */
    assert_not_stored(&e);
    e = named(ENTRY_FILE, "a");
    e.flags = 0x80000; /* extents: how a file is kept, not what somebody set */
    assert_not_stored(&e);
    e = named(ENTRY_FILE, "a");
    e.kind = 8;
    assert_not_stored(&e);
    e = named(ENTRY_FILE, "a");
    e.user = "a\0b";
    assert_not_stored(&e);
    e = named(ENTRY_FILE, "a");
    struct tree_xattr many[TREE_XATTRS_MAX + 1];
    for (size_t i = 0; i <= TREE_XATTRS_MAX; i++)
        many[i] = (struct tree_xattr){"user.x", 6, (const uint8_t *)"v", 1};
    e.xattrs = many;
    e.xattr_count = TREE_XATTRS_MAX + 1;
    assert_not_stored(&e);
    uint8_t *large = alloc_zero(65536, 1);
    for (size_t i = 0; i < TREE_XATTRS_MAX; i++) {
        many[i].value = large;
        many[i].value_size = 65536;
    }
    e.xattr_count = TREE_XATTRS_MAX; /* each is allowed, all are too much */
    assert_not_stored(&e);
    free(large);
}

static void a_file_of_a_tebibyte_fits(void **state)
{
    (void)state;
    size_t count = 1024 * 1024, found = 0;
    struct chunk_id *list = alloc_zero(count, sizeof(struct chunk_id));
    for (size_t i = 0; i < count; i++)
        memcpy(list[i].bytes, &i, sizeof(i));
    struct tree_entry e = named(ENTRY_FILE, "huge"), entry;
    e.size = 1ull << 40;
    e.chunks = list;
    e.chunk_count = count;
    struct buffer s = {0};
    struct err err = ERR_INIT;
    struct tree_reader reader = {0};
    put(&s, &e);
    for (size_t at = 0; at < s.size; at += CHUNK_BYTES_MAX) {
        bool end = false;
        size_t size = s.size - at < CHUNK_BYTES_MAX ? s.size - at : CHUNK_BYTES_MAX;
        assert_int_equal(tree_reader_give(&reader, s.bytes + at, size, &err), 0);
        while (tree_entry_decode(&entry, &reader, &end, &err) == 0 && !end) {
            assert_same(&e, &entry);
            found++;
            tree_entry_release(&entry);
        }
    }
    assert_int_equal(found, 1);
    assert_int_equal(tree_reader_finish(&reader, &err), 0);
    tree_reader_release(&reader);
    free(s.bytes);
    free(list);
}

static void the_entry_of_the_format(void **state)
{
    (void)state;
    struct tree_entry e = named(ENTRY_SYMLINK, "f");
    e.mtime_s = -2;
    e.mtime_ns = 300;
    struct buffer s = {0};
    struct err err = ERR_INIT;
    put(&s, &e);
    static const uint8_t golden[] = "\x1d\0\0\0\x01\x03\x01"
                                    "f\xa4\x03\xe8\x07\x64\x03"
                                    "ada\x05"
                                    "users\x03\xac\x02\x00\x00\x04../x";
    assert_int_equal(s.size, sizeof(golden) - 1);
    assert_memory_equal(s.bytes, golden, s.size);
    s.bytes[4] = 3;
    assert_int_equal(read_all(&s, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    free(s.bytes);
}

static void the_entry_of_the_format_with_flags(void **state)
{
    (void)state;
    struct tree_entry e = named(ENTRY_FILE, "f");
    e.flags = TREE_FLAG_IMMUTABLE | TREE_FLAG_NO_ATIME | TREE_FLAG_NO_COW;
    struct buffer s = {0};
    struct err err = ERR_INIT;
    put(&s, &e);
    static const uint8_t golden[] = "\x25\0\0\0\x02\x01\x01"
                                    "f\xa4\x03\xe8\x07\x64\x03"
                                    "ada\x05"
                                    "users\x80\xc4\x9f\xd5\x0c\x95\x9a\xef\x3a\x00\x00"
                                    "\x90\x81\x80\x04\x00\x00\x00";
    assert_int_equal(s.size, sizeof(golden) - 1);
    assert_memory_equal(s.bytes, golden, s.size);
    assert_int_equal(read_all(&s, &err), 1);
    memcpy(s.bytes + s.size - 7, "\x80\x80\x80\x00",
           4); /* no flags, in a form that is not the shortest */
    assert_int_equal(read_all(&s, &err), -1);
    s.bytes[0] -= 3;
    s.size -= 3;
    memcpy(s.bytes + s.size - 4, "\x00\x00\x00\x00", 4); /* no flags in the version that has some */
    assert_int_equal(read_all(&s, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    free(s.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_of_every_kind_comes_back),
        cmocka_unit_test(chunks_may_end_anywhere),
        cmocka_unit_test(a_directory_cut_short_is_an_error),
        cmocka_unit_test(names_that_escape_are_not_written),
        cmocka_unit_test(names_that_escape_are_not_read),
        cmocka_unit_test(unsorted_and_double_names_are_refused),
        cmocka_unit_test(what_no_restore_could_use_is_refused),
        cmocka_unit_test(a_file_of_a_tebibyte_fits),
        cmocka_unit_test(the_entry_of_the_format),
        cmocka_unit_test(the_entry_of_the_format_with_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
