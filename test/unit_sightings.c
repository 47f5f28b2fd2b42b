/* What nodes claim to hold, read page by page: nobody can make a reader go round in circles, or listen
 * without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coding/rs.h"
#include "node/common/wire.h"
#include "node/peers/ask.h"
#include "node/transfer/sightings.h"

#define ROWS 8

static struct member member = {.cert = {.name = "node"}};
static struct member_table table = {.members = &member, .count = 1};
static const struct nodes nodes = {.table = &table, .count = 1};

/* An answer under construction. */
struct answer {
    Ecbak__FragmentAt at[ROWS], *list[ROWS];
    struct object_id objects[ROWS];
    size_t count;
};

static void row(struct answer *answer, uint32_t pack, uint8_t object, uint32_t index)
{
    size_t i = answer->count++;
    ecbak__fragment_at__init(&answer->at[i]);
    answer->objects[i] = (struct object_id){{object}};
    answer->at[i].object = wire_view(answer->objects[i].bytes, ID_SIZE);
    answer->at[i].pack_index = pack;
    answer->at[i].index = index;
    answer->list[i] = &answer->at[i];
}

static bool take(struct sightings *seen, struct pages *pages, struct answer *answer, bool more)
{
    bool again = sightings_add_page(seen, &nodes, 0, 3, pages,
                                    &(struct page){answer->count, answer->list, more});
    answer->count = 0;
    return again;
}

static void the_next_page_is_asked_for_after_the_last_row(void **state)
{
    (void)state;
    struct sightings seen = {.count = 0};
    struct pages pages = {.count = 0};
    struct answer answer = {.count = 0};
    Ecbak__RowPlace place;
    assert_null(pages_after(&pages, &place));
    row(&answer, 0, 5, 1);
    row(&answer, 1, 2, 0);
    row(&answer, 1, 2, 3);
    assert_true(take(&seen, &pages, &answer, true));
    assert_int_equal(pages.pack, 1);
    assert_ptr_equal(pages_after(&pages, &place), &place);
    assert_true(place.object.data[0] == 2 && place.index == 3);
    /* Of the packs from that one on: its number is theirs. */
    row(&answer, 0, 2, 4);
    row(&answer, 1, 1, 0);
    assert_false(take(&seen, &pages, &answer, false));
    assert_int_equal(seen.count, 5);
    assert_true(seen.items[3].pack == 1 && seen.items[3].index == 4);
    assert_true(seen.items[4].pack == 2 && seen.items[4].object.bytes[0] == 1);
    sightings_release(&seen);
}

static void rows_out_of_order_and_rows_that_cannot_be_are_passed_over(void **state)
{
    (void)state;
    struct sightings seen = {.count = 0};
    struct pages pages = {.count = 0};
    struct answer answer = {.count = 0};
    row(&answer, 0, 5, 1);
    row(&answer, 0, 5, 1);            /* again */
    row(&answer, 0, 4, 9);            /* back */
    row(&answer, 3, 5, 2);            /* of no pack that was asked for */
    row(&answer, 0, 6, RS_TOTAL_MAX); /* of no object that can be */
    row(&answer, 0, 6, 0);
    answer.at[5].object.len = 31;
    assert_false(take(&seen, &pages, &answer, false));
    assert_int_equal(seen.count, 1);
    sightings_release(&seen);
}

static void who_says_the_same_again_is_not_asked_again(void **state)
{
    (void)state;
    struct sightings seen = {.count = 0};
    struct pages pages = {.count = 0};
    struct answer answer = {.count = 0};
    row(&answer, 0, 5, 1);
    assert_true(take(&seen, &pages, &answer, true));
    row(&answer, 0, 5, 1);
    assert_false(take(&seen, &pages, &answer, true));
    assert_false(
        take(&seen, &pages, &answer, true)); /* nor who says nothing, and that there is more */
    assert_int_equal(seen.count, 1);
    sightings_release(&seen);
}

static void nobody_is_listened_to_without_end(void **state)
{
    (void)state;
    struct sightings seen = {.count = 0};
    struct pages pages = {.count = 0};
    struct answer answer = {.count = 0};
    unsigned asked = 0;
    do {
        row(&answer, 0, (uint8_t)(asked + 1), 0);
        asked++;
    } while (take(&seen, &pages, &answer, true));
    assert_int_equal(asked, ASK_PAGES_MAX);
    assert_int_equal(seen.count, ASK_PAGES_MAX);
    sightings_release(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_page_is_asked_for_after_the_last_row),
        cmocka_unit_test(rows_out_of_order_and_rows_that_cannot_be_are_passed_over),
        cmocka_unit_test(who_says_the_same_again_is_not_asked_again),
        cmocka_unit_test(nobody_is_listened_to_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
