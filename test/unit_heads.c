/* The newest records seen: several commands read and write them at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/home/heads.h"
#include "test/remove_tree.h"

#define PROCESSES 8
#define ROUNDS    25

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/ecbak-unit-heads-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return remove_tree(folder);
}

static struct head head_of(uint8_t writer, uint64_t number)
{
    struct head head = {.number = number};
    memset(head.writer.bytes, writer, WRITER_ID_SIZE);
    memset(head.hash.bytes, (int)number, ID_SIZE);
    return head;
}

static void load(struct heads *heads)
{
    struct err err = ERR_INIT;
    if (heads_load(heads, folder, &err) != 0)
        fail_msg("%s", err.text);
}

static void save(struct heads *heads)
{
    struct err err = ERR_INIT;
    if (heads_save(heads, folder, &err) != 0)
        fail_msg("%s", err.text);
    heads_release(heads);
}

static uint64_t number_of(uint8_t writer)
{
    const struct head wanted = head_of(writer, 0);
    struct heads heads;
    uint64_t number = 0;
    load(&heads);
    for (size_t i = 0; i < heads.count; i++)
        if (id_equal(&heads.heads[i].writer, &wanted.writer))
            number = heads.heads[i].number;
    heads_release(&heads);
    return number;
}

static void what_another_command_saw_meanwhile_is_kept(void **state)
{
    (void)state;
    struct heads slow, quick;
    struct head head = head_of(1, 4);
    load(&slow);
    load(&quick);
    heads_see(&quick, &head);
    head = head_of(2, 7);
    heads_see(&quick, &head);
    save(&quick);
    head = head_of(1, 3);
    heads_see(&slow, &head);
    head = head_of(3, 1);
    heads_see(&slow, &head);
    save(&slow);
    assert_int_equal(number_of(1), 4);
    assert_int_equal(number_of(2), 7);
    assert_int_equal(number_of(3), 1);
}

/* One process: each round is what `ecbak snapshots` does, with a newer record of a writer that it
 * alone has seen. */
static int see_and_save(uint8_t writer)
{
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        struct err err = ERR_INIT;
        struct heads heads;
        const struct head head = head_of(writer, round);
        if (heads_load(&heads, folder, &err) != 0)
            return 1;
        heads_see(&heads, &head);
        if (heads_save(&heads, folder, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        heads_release(&heads);
    }
    return 0;
}

static void commands_beside_each_other_neither_fail_nor_forget(void **state)
{
    (void)state;
    pid_t children[PROCESSES];
    for (uint8_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(see_and_save(i));
    }
    for (uint8_t i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (uint8_t i = 0; i < PROCESSES; i++)
        assert_int_equal(number_of(i), ROUNDS);
}

static void what_a_killed_command_left_is_removed_and_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"heads.a1b2c3.tmp", "sequence.a1b2c3.tmp", "heads.tmp"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    struct heads heads;
    const struct head head = head_of(1, 1);
    load(&heads);
    heads_see(&heads, &head);
    save(&heads);
    for (size_t i = 0; i < 3; i++) {
        struct stat status;
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(lstat(path, &status), i == 0 ? -1 : 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_another_command_saw_meanwhile_is_kept),
        TEST(commands_beside_each_other_neither_fail_nor_forget),
        TEST(what_a_killed_command_left_is_removed_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
