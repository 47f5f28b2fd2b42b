/* What the last store saw, and how it is told from what is there now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/home/file_state.h"
#include "coding/base/alloc.h"

#define PATH_TEMPLATE "/tmp/ecbak-state-XXXXXX"

struct fixture {
    char dir[sizeof(PATH_TEMPLATE)];
    char *path;
};

static int set_up(void **state)
{
    struct fixture *f = alloc_zero(1, sizeof(*f));
    memcpy(f->dir, PATH_TEMPLATE, sizeof(PATH_TEMPLATE));
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->path = alloc_format("%s/state", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    rmdir(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static struct walk_stat sample_stat(uint64_t inode)
{
    return (struct walk_stat){.device = 7,
                              .inode = inode,
                              .size = 1000 + inode,
                              .mtime_s = -5,
                              .mtime_ns = 999999999,
                              .ctime_s = 1700000000,
                              .ctime_ns = 1,
                              .mode = 0100644};
}

static void append(struct buffer *piece, const char *name, const struct walk_stat *stat,
                   bool trusted, const char *encoded, uint32_t *places, uint32_t place_count)
{
    const struct stored_entry entry = {.encoded = (uint8_t *)encoded,
                                       .encoded_size = (uint32_t)strlen(encoded),
                                       .places = places,
                                       .place_count = place_count,
                                       .trusted = trusted};
    file_state_append(piece, name, stat, &entry);
}

/* Two folders; "/a" in two pieces. Place 0 is pack 1, place 1 no pack, place 2 pack 0. */
static void write_sample(const char *path)
{
    struct err err = ERR_INIT;
    struct file_state_writer *writer;
    struct buffer piece = {0};
    uint8_t key[FILE_STATE_KEY_SIZE];
    struct pack_id ids[2];
    uint32_t places[] = {0, 1, 2}, pack_of_place[] = {1, UINT32_MAX, 0};
    const struct file_state_packs packs = {pack_of_place, 3, ids, 2};
    memset(ids[0].bytes, 0x11, ID_SIZE);
    memset(ids[1].bytes, 0x22, ID_SIZE);
    assert_int_equal(file_state_writer_new(&writer, path, &err), 0);
    struct walk_stat stat = sample_stat(1);
    file_state_key(key, "/a");
    append(&piece, "b", &stat, true, "entry b", places, 3);
    stat = sample_stat(2);
    append(&piece, "d", &stat, false, "entry d", NULL, 0);
    file_state_writer_add(writer, key, 0, &piece);
    piece.size = 0;
    stat = sample_stat(3);
    append(&piece, "dd", &stat, true, "entry dd", places, 1);
    file_state_writer_add(writer, key, 1, &piece);
    piece.size = 0;
    file_state_key(key, "");
    append(&piece, "a", &stat, true, "root", NULL, 0);
    file_state_writer_add(writer, key, 0, &piece);
    buffer_release(&piece);
    assert_int_equal(file_state_writer_finish(&writer, &packs, &err), 0);
    assert_null(writer);
}

static void entries_come_back_in_the_order_of_names(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct file_state *s;
    struct file_state_cursor cursor;
    write_sample(f->path);
    assert_int_equal(file_state_open(&s, f->path, &err), 0);
    assert_int_equal(file_state_pack_count(s), 2);
    assert_int_equal(file_state_pack(s, 1)->bytes[0], 0x22);
    file_state_cursor_init(&cursor, s, "/a");
    assert_false(file_state_cursor_find(&cursor, "a"));
    assert_true(file_state_cursor_find(&cursor, "b"));
    assert_memory_equal(cursor.entry.encoded, "entry b", 7);
    assert_int_equal(cursor.entry.place_count, 3);
    assert_int_equal(file_state_place(s, &cursor.entry, 0), 1);
    assert_int_equal(file_state_place(s, &cursor.entry, 1), UINT32_MAX);
    assert_int_equal(file_state_place(s, &cursor.entry, 2), 0);
    assert_false(file_state_cursor_find(&cursor, "c"));
    assert_true(file_state_cursor_find(&cursor, "dd"));
    assert_memory_equal(cursor.entry.encoded, "entry dd", 8);
    assert_false(file_state_cursor_find(&cursor, "e"));
    file_state_cursor_release(&cursor);
    file_state_cursor_init(&cursor, s, "/nothing");
    assert_false(file_state_cursor_find(&cursor, "b"));
    file_state_cursor_release(&cursor);
    file_state_close(&s);
}

static void any_change_that_matters_is_seen(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct file_state *s;
    struct file_state_cursor cursor;
    write_sample(f->path);
    assert_int_equal(file_state_open(&s, f->path, &err), 0);
    file_state_cursor_init(&cursor, s, "/a");
    assert_true(file_state_cursor_find(&cursor, "b"));
    const struct walk_stat same = sample_stat(1);
    assert_true(file_state_entry_same(&cursor.entry, &same));
    struct walk_stat other = same;
    other.size++;
    assert_false(file_state_entry_same(&cursor.entry, &other));
    other = same;
    other.mtime_ns--;
    assert_false(file_state_entry_same(&cursor.entry, &other));
    other = same;
    other.ctime_ns++;
    assert_false(file_state_entry_same(&cursor.entry, &other));
    other = same;
    other.inode++;
    assert_false(file_state_entry_same(&cursor.entry, &other));
    other = same;
    other.mode = 0100600;
    assert_false(file_state_entry_same(&cursor.entry, &other));
    /* Another device number alone is a restarted machine, unless names are told by it. */
    other = same;
    other.device++;
    assert_true(file_state_entry_same(&cursor.entry, &other));
    other.linked = true;
    assert_false(file_state_entry_same(&cursor.entry, &other));
    /* "d" was looked at too soon after a change. */
    assert_true(file_state_cursor_find(&cursor, "d"));
    other = sample_stat(2);
    assert_false(file_state_entry_same(&cursor.entry, &other));
    file_state_cursor_release(&cursor);
    file_state_close(&s);
}

/* Flips one byte; the file must then be refused, or lose the entries of one piece, or be as good as
 * before, but never give other entries than were written. */
static void a_flipped_byte_never_gives_a_wrong_entry(void **state)
{
    struct fixture *f = *state;
    write_sample(f->path);
    FILE *file = fopen(f->path, "r+b");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    unsigned seen = 0;
    for (long at = 0; at < size; at++) {
        struct err err = ERR_INIT;
        struct file_state *s = NULL;
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 0x40, file);
        fflush(file);
        if (file_state_open(&s, f->path, &err) == 0) {
            struct file_state_cursor cursor;
            file_state_cursor_init(&cursor, s, "/a");
            if (file_state_cursor_find(&cursor, "b")) {
                seen++;
                assert_memory_equal(cursor.entry.encoded, "entry b", 7);
                assert_int_equal(cursor.entry.size, 1001);
                assert_int_equal(file_state_place(s, &cursor.entry, 0), 1);
            }
            file_state_cursor_release(&cursor);
            file_state_close(&s);
        }
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
        fflush(file);
    }
    fclose(file);
    assert_true(seen > 0 && seen < size);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct file_state *s = NULL;
    write_sample(f->path);
    FILE *file = fopen(f->path, "rb");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    for (long left = size - 1; left >= 0; left--) {
        assert_int_equal(truncate(f->path, left), 0);
        assert_int_equal(file_state_open(&s, f->path, &err), -1);
    }
    unlink(f->path);
    assert_int_equal(file_state_open(&s, f->path, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_store_given_up_leaves_the_old_state(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct file_state_writer *writer;
    struct file_state *s;
    write_sample(f->path);
    assert_int_equal(file_state_writer_new(&writer, f->path, &err), 0);
    file_state_writer_destroy(&writer);
    assert_null(writer);
    char *left = alloc_format("%s.new", f->path);
    assert_int_equal(access(left, F_OK), -1);
    free(left);
    assert_int_equal(file_state_open(&s, f->path, &err), 0);
    file_state_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_come_back_in_the_order_of_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_change_that_matters_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flipped_byte_never_gives_a_wrong_entry, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_cut_anywhere_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_given_up_leaves_the_old_state, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
