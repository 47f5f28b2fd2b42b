/* Tables of members where there is little room, and events as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/base/text.h"
#include "cli/commands/members_show.h"

#define COUNT 100

static struct member_info members[COUNT];
static const struct member_list list = {.members = members, .count = COUNT};
static char *printed;

/* A hundred members, all alive but those that a test changes. */
static int setup(void **state)
{
    (void)state;
    memset(members, 0, sizeof(members));
    for (int i = 0; i < COUNT; i++) {
        snprintf(members[i].name, sizeof(members[i].name), "node-%03d", i);
        snprintf(members[i].address, sizeof(members[i].address), "192.0.2.%d:7411", i);
        snprintf(members[i].zone, sizeof(members[i].zone), "cellar");
        snprintf(members[i].version, sizeof(members[i].version), "0.1.0");
        snprintf(members[i].state, sizeof(members[i].state), "alive");
        members[i].capacity_bytes = 1u << 30;
        members[i].rtt_ms = 1.2;
        members[i].rtt_estimated = i % 2 == 1;
        members[i].since_s = time(NULL) - 3600;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(printed);
    printed = NULL;
    return 0;
}

/* Prints into `printed`, and checks what must hold of every line; returns how many there are. */
static size_t lines_within(size_t columns, size_t rows)
{
    struct members_room room = {.columns = columns, .rows = rows, .line_end = "\n"};
    size_t size, lines = 0;
    free(printed);
    FILE *to = open_memstream(&printed, &size);
    size_t claimed = members_print_within(&list, &room, to);
    fclose(to);
    for (const char *line = printed; *line != '\0'; lines++) {
        size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);
        assert_true(text_width(copy) <= columns);
        free(copy);
        line += length + 1;
    }
    assert_int_equal(lines, claimed);
    return lines;
}

static void all_are_shown_where_there_is_room(void **state)
{
    (void)state;
    assert_int_equal(lines_within(200, COUNT), COUNT + 1); /* and the head */
    assert_null(strstr(printed, "more"));
    assert_non_null(strstr(printed, "node-099"));
    assert_non_null(strstr(printed, " 1.2 ms"));
    assert_non_null(strstr(printed, "~1.2 ms"));
}

static void those_that_are_not_alive_are_shown_first(void **state)
{
    (void)state;
    snprintf(members[97].state, sizeof(members[97].state), "dead");
    snprintf(members[55].state, sizeof(members[55].state), "suspect");
    assert_int_equal(lines_within(200, 5), 6);
    const char *suspect = strstr(printed, "node-055"), *dead = strstr(printed, "node-097");
    assert_true(suspect != NULL && dead != NULL && suspect < dead); /* still by name */
    assert_true(strstr(printed, "node-001") < suspect);
    assert_null(strstr(printed, "node-002"));
    assert_non_null(strstr(printed, "... and 96 more"));
}

static void narrow_windows_lose_columns_and_keep_what_matters(void **state)
{
    (void)state;
    lines_within(200, 5);
    assert_non_null(strstr(printed, "192.0.2.1:7411"));
    assert_non_null(strstr(printed, "VERSION"));
    lines_within(60, 5);
    assert_null(strstr(printed, "192.0.2.1"));
    assert_non_null(strstr(printed, "alive"));
    assert_non_null(strstr(printed, "0 B of 1.0 GiB"));
    assert_non_null(strstr(printed, "1.2 ms"));
    lines_within(20, 5);
    assert_non_null(strstr(printed, "node-001  alive"));
    lines_within(1, 5);
    lines_within(200, 1);
    lines_within(200, 0);
}

/* What members_print() writes of the first `count` members. */
static void print_all(size_t count)
{
    const struct member_list few = {.members = members, .count = count};
    int out = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    members_print(&few);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    long size = ftell(file);
    rewind(file);
    printed = calloc(1, (size_t)size + 1);
    assert_int_equal(fread(printed, 1, (size_t)size, file), size);
    fclose(file);
}

static void what_to_do_about_the_incompatible_stands_below(void **state)
{
    (void)state;
    members[0].self = true;
    members[0].protocol = (struct protocol){2, 3};
    members[1].protocol = (struct protocol){2, 2};
    members[2].protocol = (struct protocol){1, 1};
    snprintf(members[2].state, sizeof(members[2].state), "incompatible");
    print_all(3);
    assert_non_null(strstr(printed, "3 members: 2 alive, 1 incompatible\n"
                                    "node-002 speaks protocol 1, this node 2 to 3: upgrade it\n"));
    members[2].protocol = (struct protocol){4, 4};
    free(printed);
    print_all(3);
    assert_non_null(
        strstr(printed, "node-002 speaks protocol 4, this node 2 to 3: upgrade this node\n"));
    json_t *all = members_json(&list, false);
    const json_t *third = json_array_get(json_object_get(all, "members"), 2);
    assert_int_equal(json_integer_value(json_object_get(third, "protocol_min")), 4);
    assert_int_equal(json_integer_value(json_object_get(third, "protocol_max")), 4);
    assert_string_equal(json_string_value(json_object_get(third, "state")), "incompatible");
    json_decref(all);
}

static void an_event_reads_as_a_sentence(void **state)
{
    (void)state;
    struct member_event_info event = {.name = "node-3", .kind = "dead"};
    char text[MEMBER_EVENT_TEXT_MAX];
    assert_string_equal(member_event_text(text, &event), "node-3 dead");
    snprintf(event.kind, sizeof(event.kind), "suspect");
    snprintf(event.detail, sizeof(event.detail), "node-1");
    assert_string_equal(member_event_text(text, &event), "node-3 suspect, says node-1");
    snprintf(event.kind, sizeof(event.kind), "updated");
    snprintf(event.detail, sizeof(event.detail), "version 0.2.0");
    assert_string_equal(member_event_text(text, &event), "node-3 updated: version 0.2.0");
    snprintf(event.kind, sizeof(event.kind), "joined");
    assert_string_equal(member_event_text(text, &event), "node-3 joined");
    snprintf(event.address, sizeof(event.address), "192.0.2.3:7411");
    assert_string_equal(member_event_text(text, &event), "node-3 joined (192.0.2.3:7411)");
    memset(&event, 0, sizeof(event));
    snprintf(event.kind, sizeof(event.kind), "refused");
    event.id.bytes[0] = 0xab;
    assert_string_equal(member_event_text(text, &event), "ab00000000000000 refused");
}

static void text_is_cut_between_characters(void **state)
{
    (void)state;
    assert_int_equal(text_fit("gr\xc3\xbc\xc3\x9f", 0), 0);
    assert_int_equal(text_fit("gr\xc3\xbc\xc3\x9f", 3), 4);
    assert_int_equal(text_fit("gr\xc3\xbc\xc3\x9f", 4), 6);
    assert_int_equal(text_fit("gr\xc3\xbc\xc3\x9f", SIZE_MAX), 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_are_shown_where_there_is_room),
        TEST(those_that_are_not_alive_are_shown_first),
        TEST(narrow_windows_lose_columns_and_keep_what_matters),
        TEST(what_to_do_about_the_incompatible_stands_below),
        TEST(an_event_reads_as_a_sentence),
        TEST(text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
