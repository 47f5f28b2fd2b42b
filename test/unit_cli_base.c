/* What all of the command uses: paths as texts, a queue of work, lists of distinct ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "cli/base/id_list.h"
#include "cli/base/path.h"
#include "cli/base/work_queue.h"

static void a_path_is_cleaned_by_its_names_alone(void **state)
{
    (void)state;
    static const char *const paths[][2] = {
        {"a//b/./c/../d/", "/a/b/d"}, {"/", ""},       {"", ""},           {"..", ""},
        {"/../../a", "/a"},           {"/a/..", ""},   {"/a/b/../..", ""}, {"/...", "/..."},
        {"/a/.b/..c", "/a/.b/..c"},   {"//a//", "/a"}, {".", ""},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char *clean = path_clean(paths[i][0]);
        assert_string_equal(clean, paths[i][1]);
        free(clean);
    }
}

static void what_is_inside_a_folder_begins_with_its_whole_name(void **state)
{
    (void)state;
    assert_true(path_is_inside("/a/b", "/a"));
    assert_true(path_is_inside("/a/b/", "/a/"));
    assert_true(path_is_inside("/a", "/a"));
    assert_true(path_is_inside("/a", "/"));
    assert_true(path_is_inside("/a", ""));
    assert_true(path_is_inside("/", "/"));
    assert_false(path_is_inside("/ab", "/a"));
    assert_false(path_is_inside("/a", "/a/b"));
    assert_false(path_is_inside("/", "/a"));
}

#define ITEMS 1000

struct sums {
    struct work_queue queue;
    _Atomic size_t taken, others, waiting_max;
    _Atomic int other; /* pieces of other work */
};

static bool has_other(void *ctx)
{
    struct sums *sums = ctx;
    return sums->other > 0;
}

static void *take_all(void *ctx)
{
    struct sums *sums = ctx;
    enum work work;
    void *item;
    while ((work = work_queue_take(&sums->queue, &item)) != WORK_ENDED) {
        if (work == WORK_ITEM)
            sums->taken += *(const size_t *)item;
        else if (atomic_fetch_sub(&sums->other, 1) > 0)
            sums->others++;
        else
            sums->other++; /* another thread was faster */
    }
    return NULL;
}

static void all_work_that_is_given_is_done_before_the_queue_ends(void **state)
{
    (void)state;
    struct sums sums = {.taken = 0};
    struct err err = ERR_INIT;
    size_t items[ITEMS], sum = 0;
    work_queue_init(
        &sums.queue,
        &(struct work_queue_options){
            .waiting_max = 3, .threads = 4, .run = take_all, .has_other = has_other, .ctx = &sums});
    for (int round = 0; round < 2; round++) { /* it can be started again */
        assert_int_equal(work_queue_start(&sums.queue, &err), 0);
        for (size_t i = 0; i < ITEMS; i++) {
            items[i] = i;
            sum += i;
            work_queue_give(&sums.queue, &items[i]);
            if (i % 10 == 0) {
                sums.other++;
                work_queue_wake(&sums.queue);
            }
        }
        work_queue_end(&sums.queue);
        assert_int_equal(sums.taken, sum);
        assert_int_equal(sums.others + (size_t)sums.other, (size_t)(round + 1) * ITEMS / 10);
        assert_int_equal(sums.other, 0);
    }
    work_queue_release(&sums.queue);
}

static void *take_in_order(void *ctx)
{
    struct sums *sums = ctx;
    void *item;
    while (work_queue_take(&sums->queue, &item) != WORK_ENDED) {
        assert_int_equal(*(const size_t *)item, sums->taken);
        sums->taken++;
    }
    return NULL;
}

static void one_thread_takes_items_in_the_order_in_which_they_were_given(void **state)
{
    (void)state;
    struct sums sums = {.taken = 0};
    struct err err = ERR_INIT;
    size_t items[ITEMS];
    work_queue_init(&sums.queue,
                    &(struct work_queue_options){
                        .waiting_max = 7, .threads = 1, .run = take_in_order, .ctx = &sums});
    assert_int_equal(work_queue_start(&sums.queue, &err), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = i;
        work_queue_give(&sums.queue, &items[i]);
    }
    work_queue_end(&sums.queue);
    assert_int_equal(sums.taken, ITEMS);
    work_queue_release(&sums.queue);
}

static void an_id_is_listed_once_where_it_came_first(void **state)
{
    (void)state;
    struct id_list list = {0};
    struct pack_id id = {0};
    for (size_t i = 0; i < 500; i++) {
        id.bytes[3] = (uint8_t)(i % 200);
        id_list_add(&list, &id);
    }
    assert_int_equal(list.count, 200);
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.ids[i].bytes[3], i);
    id_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_cleaned_by_its_names_alone),
        cmocka_unit_test(what_is_inside_a_folder_begins_with_its_whole_name),
        cmocka_unit_test(all_work_that_is_given_is_done_before_the_queue_ends),
        cmocka_unit_test(one_thread_takes_items_in_the_order_in_which_they_were_given),
        cmocka_unit_test(an_id_is_listed_once_where_it_came_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
