/* The floor under everything: errors, bounded readers and writers, hex. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "coding/base/err.h"
#include "coding/base/protocol.h"
#include "coding/base/utf8.h"
#include "node/base/log.h"
#include "node/common/wire.h"

static void context_is_put_before_the_reason(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(err_set(&err, ERR_DAMAGED, "checksum differs"), -1);
    assert_int_equal(err_context(&err, "fragment %d of %d", 9, 14), -1);
    assert_string_equal(err.text, "fragment 9 of 14: checksum differs");
    assert_int_equal(err.code, ERR_DAMAGED);
}

static void a_full_disk_has_its_own_code(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    errno = ENOSPC;
    assert_int_equal(err_errno(&err, "writing %s", "x"), -1);
    assert_int_equal(err.code, ERR_FULL);
    assert_string_equal(err.text, "writing x: No space left on device");
}

static void a_long_error_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char big[2 * ERR_TEXT_MAX];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(err_set(&err, ERR_IO, "%s", big), -1);
    char path[4097];
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    errno = EACCES;
    assert_int_equal(err_errno(&err, "opening %s", path), -1);
    assert_int_equal(strncmp(err.text, "opening ppp", 11), 0);
    assert_non_null(strstr(err.text, "...ppp"));
    assert_non_null(strstr(err.text, ": Permission denied"));
    assert_int_equal(err_context(&err, "storing %s", path), -1);
    assert_int_equal(strncmp(err.text, "storing ppp", 11), 0);
    assert_non_null(strstr(err.text, ": Permission denied"));
    assert_int_equal(err_set(&err, ERR_INVALID, "%s: is odd", path), -1);
    assert_string_equal(err.text + strlen(err.text) - 8, ": is odd");
    assert_int_equal(err_context(&err, "%s", big), -1);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void numbers_are_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[15];
    struct writer w;
    writer_init(&w, bytes, sizeof(bytes));
    write_u8(&w, 1);
    write_u16(&w, 0x0302);
    write_u32(&w, 0x07060504);
    write_u64(&w, 0x0f0e0d0c0b0a0908);
    assert_false(w.failed);
    assert_int_equal(w.used, 15);
    for (int i = 0; i < 15; i++)
        assert_int_equal(bytes[i], i + 1);
    struct reader r;
    reader_init(&r, bytes, sizeof(bytes));
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_u16(&r), 0x0302);
    assert_int_equal(read_u32(&r), 0x07060504);
    assert_true(read_u64(&r) == 0x0f0e0d0c0b0a0908);
    assert_false(r.failed);
    assert_int_equal(read_u8(&r), 0);
    assert_true(r.failed);
}

static void reserved_bytes_must_be_zero(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, "\0\0\1", 3);
    read_zero(&r, 2);
    assert_false(r.failed);
    read_zero(&r, 1);
    assert_true(r.failed);
}

static void a_full_writer_writes_nothing_more(void **state)
{
    (void)state;
    uint8_t bytes[3] = {9, 9, 9};
    struct writer w;
    writer_init(&w, bytes, 2);
    write_u32(&w, 1);
    write_u8(&w, 1);
    assert_true(w.failed);
    assert_int_equal(w.used, 0);
    assert_int_equal(bytes[0], 9);
}

static void hex_is_exact(void **state)
{
    (void)state;
    char text[9];
    uint8_t bytes[4];
    assert_string_equal(hex_encode(text, "\x00\x1f\xa0\xff", 4), "001fa0ff");
    assert_int_equal(hex_decode(bytes, 4, "001FA0ff"), 0);
    assert_memory_equal(bytes, "\x00\x1f\xa0\xff", 4);
    assert_int_equal(hex_decode(bytes, 4, "001fa0f"), -1);
    assert_int_equal(hex_decode(bytes, 4, "001fa0fff"), -1);
    assert_int_equal(hex_decode(bytes, 4, "001fa0fg"), -1);
}

static void large_buffers_are_aligned_and_none_is_an_error(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static const size_t sizes[] = {0, 1, 100, 2 << 20, (5 << 20) + 7};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *memory = alloc_large(sizes[i], &err);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % ALLOC_LARGE_ALIGN, 0);
        memset(memory, 1, sizes[i]);
        free(memory);
    }
#ifndef __SANITIZE_ADDRESS__ /* it ends the process instead */
    assert_null(alloc_large(SIZE_MAX / 4, &err));
    assert_int_equal(err.code, ERR_MEMORY);
#endif
}

static void small_memory_is_zeroed_copied_grown_and_formatted(void **state)
{
    (void)state;
    uint8_t *zero = alloc_zero(3, 5);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(zero[i], 0);
    char *copy = alloc_copy("abc", 4);
    assert_string_equal(copy, "abc");
    copy = alloc_grow(copy, 1000, 1);
    assert_string_equal(copy, "abc");
    char *text = alloc_text("seven");
    char *line = alloc_format("%s of %d", text, 9);
    assert_string_equal(line, "seven of 9");
    void *nothing = alloc_zero(0, 8);
    assert_non_null(nothing);
    free(zero);
    free(copy);
    free(text);
    free(line);
    free(nothing);
}

static void ranges_of_versions_meet_or_not(void **state)
{
    (void)state;
    const struct protocol one = {1, 1}, both = {1, 2}, two = {2, 2}, none = {0, 0};
    assert_int_equal(protocol_common(one, both), 1);
    assert_int_equal(protocol_common(two, both), 2);
    assert_int_equal(protocol_common(both, both), 2);
    assert_int_equal(protocol_common(one, two), 0);
    assert_true(protocol_meets(both, one));
    assert_false(protocol_meets(two, one));
    assert_false(protocol_meets(none, both) || protocol_meets(both, none) ||
                 protocol_meets(none, none));
    assert_int_equal(protocol_of(3, 255).highest, 255);
    assert_int_equal(
        protocol_of(3, 2).highest + protocol_of(0, 2).highest + protocol_of(1, 256).highest, 0);
    char text[PROTOCOL_TEXT_MAX], advice[PROTOCOL_ADVICE_MAX];
    assert_string_equal(protocol_text(text, one), "1");
    assert_string_equal(protocol_text(text, both), "1 to 2");
    assert_string_equal(protocol_advice(advice, one, (struct protocol){2, 3}),
                        "speaks protocol 1, this node 2 to 3: upgrade it");
    assert_string_equal(
        protocol_advice(advice, (struct protocol){200, 255}, (struct protocol){100, 199}),
        "speaks protocol 200 to 255, this node 100 to 199: upgrade this node");
}

/* What strangers sent, and what of it may be seen. */
static const struct {
    const char *sent, *seen;
} texts[] = {
    {"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x99", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x99"},
    {"a\x1b[31mb\r\x7f", "a?[31mb??"},
    {"a\xc2\x9b\x33\x31mb", "a??31mb"},  /* U+009B: CSI */
    {"a\x9b\x33\x31mb\x85", "a?31mb?"},  /* the same as one byte of another character set */
    {"a\xc2", "a?"},                     /* cut */
    {"a\xc1\xb1\xed\xa0\x80", "a?????"}, /* longer than need be; half of a pair */
    {"a\xe2\x80\xae"
     "b",
     "a???b"}, /* from right to left */
};

static void what_could_command_a_terminal_is_masked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[64];
        wire_text(text, sizeof(text), texts[i].sent);
        assert_string_equal(text, texts[i].seen);
        assert_int_equal(utf8_mask(text, strlen(text)), 0); /* once is enough */
    }
}

static void the_log_masks_what_could_command_a_terminal(void **state)
{
    (void)state;
    int ends[2], before = dup(STDERR_FILENO);
    char line[256];
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        dup2(ends[1], STDERR_FILENO);
        log_error("%s says %s", "node-1", texts[i].sent);
        dup2(before, STDERR_FILENO);
        ssize_t size = read(ends[0], line, sizeof(line) - 1);
        assert_true(size > 1 && line[size - 1] == '\n');
        line[size - 1] = '\0';
        assert_string_equal(strstr(line, "says ") + 5, texts[i].seen);
    }
    close(ends[0]);
    close(ends[1]);
    close(before);
}

static void no_other_machine_is_told_of_this_ones_files(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        const char *text, *told;
    } cases[] = {
        {ERR_IO, "opening /var/lib/ecbak/x: Permission denied", "it cannot; it has logged why"},
        {ERR_FULL, "writing records/1: No space", "no space is left there; it has logged more"},
        {ERR_DAMAGED, "/srv/a b/f: a digest differs",
         "something is damaged there; it has logged more"},
        {ERR_NOT_FOUND, "no such pack here", "no such pack here"},
        {ERR_IO, "connecting to tcp://192.0.2.1:7412: refused",
         "connecting to tcp://192.0.2.1:7412: refused"},
        {ERR_IO, "tcp://a:1 and /b", "it cannot; it has logged why"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        bool kept;
        err_set(&err, cases[i].code, "%s", cases[i].text);
        assert_string_equal(wire_error_text(&err, &kept), cases[i].told);
        assert_int_equal(kept, strcmp(cases[i].told, cases[i].text) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_is_put_before_the_reason),
        cmocka_unit_test(a_full_disk_has_its_own_code),
        cmocka_unit_test(a_long_error_is_cut_not_overrun),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(reserved_bytes_must_be_zero),
        cmocka_unit_test(a_full_writer_writes_nothing_more),
        cmocka_unit_test(hex_is_exact),
        cmocka_unit_test(ranges_of_versions_meet_or_not),
        cmocka_unit_test(large_buffers_are_aligned_and_none_is_an_error),
        cmocka_unit_test(small_memory_is_zeroed_copied_grown_and_formatted),
        cmocka_unit_test(what_could_command_a_terminal_is_masked),
        cmocka_unit_test(the_log_masks_what_could_command_a_terminal),
        cmocka_unit_test(no_other_machine_is_told_of_this_ones_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
