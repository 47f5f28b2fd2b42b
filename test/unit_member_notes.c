/* What a node remembers of the members: its bytes, and that damage shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "node/common/durable.h"
#include "node/membership/member_notes.h"
#include "test/remove_tree.h"

static void notes_are_whole_or_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char folder[] = "/tmp/ecbak-notes-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/notes", folder);
    struct member_notes notes = {.incarnation = 77, .left_serial = 5, .count = 2}, got;
    randombytes_buf(notes.members[0].curve, 32);
    snprintf(notes.members[1].address, sizeof(notes.members[1].address), "host:1");
    assert_int_equal(member_notes_load(&got, path, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(member_notes_save(&notes, path, &err), 0);
    assert_int_equal(member_notes_load(&got, path, &err), 0);
    assert_memory_equal(&got, &notes, sizeof(got));

    uint8_t *bytes;
    size_t size;
    assert_int_equal(durable_read(path, 10000, &bytes, &size, &err), 0);
    assert_int_equal(size, 32 + 2 * 96 + 32);
    assert_memory_equal(bytes, "ecbakmbr\2\0\2\0\0\0\0\0\x4d\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 32);
    assert_memory_equal(bytes + 32, notes.members[0].curve, 32);
    assert_memory_equal(bytes + 32 + 96 + 32, "host:1\0", 8);
    for (size_t i = 0; i < size; i++) {
        struct durable_piece piece = {bytes, size};
        bytes[i] ^= 0x10;
        assert_int_equal(durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, &err), 0);
        assert_int_equal(member_notes_load(&got, path, &err), -1);
        bytes[i] ^= 0x10;
        if (i >= 16)
            assert_int_equal(err.code, ERR_DAMAGED);
    }
    struct durable_piece piece = {bytes, size - 1};
    assert_int_equal(durable_write(path, &piece, 1, 0600, DURABLE_REPLACE, &err), 0);
    assert_int_equal(member_notes_load(&got, path, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    free(bytes);
    assert_int_equal(remove_tree(folder), 0);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
