/* Whose turn it is in a queue that several share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "node/base/jobs.h"
#include "node/common/wait.h"

#define ORDER_MAX 64

struct work {
    struct node_id owner;
    int pause_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_open;
static size_t done;
static uint8_t order[ORDER_MAX]; /* whose jobs were run, one after another */

static void run(void *ctx, void *job)
{
    (void)ctx;
    struct work *work = job;
    wait_pause(work->pause_ms);
    pthread_mutex_lock(&lock);
    assert_in_range(done, 0, ORDER_MAX - 1);
    order[done++] = work->owner.bytes[0];
    pthread_mutex_unlock(&lock);
    free(work);
}

static void drop(void *ctx, void *job)
{
    (void)ctx;
    free(job);
}

static const struct node_id *owner(void *ctx, const void *job)
{
    (void)ctx;
    return &((const struct work *)job)->owner;
}

static bool may_run(void *ctx, const void *job, size_t running)
{
    (void)ctx, (void)job, (void)running;
    pthread_mutex_lock(&lock);
    bool may = is_open;
    pthread_mutex_unlock(&lock);
    return may;
}

static struct jobs *closed_queue(void)
{
    const struct jobs_options options = {.name = "test",
                                         .threads_max = 1,
                                         .jobs_max = ORDER_MAX,
                                         .bytes_max = 1,
                                         .owner = owner,
                                         .owner_jobs_max = ORDER_MAX / 2,
                                         .may_run = may_run,
                                         .run = run,
                                         .drop = drop};
    struct jobs *jobs;
    is_open = false;
    done = 0;
    jobs_new(&jobs, &options);
    return jobs;
}

static int push(struct jobs *jobs, uint8_t whose, int pause_ms)
{
    struct work *work = calloc(1, sizeof(*work));
    work->owner.bytes[0] = whose;
    work->pause_ms = pause_ms;
    int result = jobs_push(jobs, work, 0);
    if (result != 0)
        free(work);
    return result;
}

static void open_queue(struct jobs *jobs)
{
    pthread_mutex_lock(&lock);
    is_open = true;
    pthread_mutex_unlock(&lock);
    jobs_look_again(jobs);
}

static void wait_for_done(size_t count)
{
    for (int tries = 0; tries < 10000; tries++) {
        pthread_mutex_lock(&lock);
        bool enough = done >= count;
        pthread_mutex_unlock(&lock);
        if (enough)
            return;
        wait_pause(1);
    }
    fail_msg("%zu of %zu were run", done, count);
}

static void who_comes_late_with_little_is_not_behind_who_asked_for_much(void **state)
{
    (void)state;
    struct jobs *jobs = closed_queue();
    for (int i = 0; i < 20; i++)
        assert_int_equal(push(jobs, 1, 2), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(push(jobs, 2, 0), 0);
    open_queue(jobs);
    wait_for_done(23);
    int before = 0; /* jobs of the first before the last of the second */
    for (size_t i = 0, left = 3; i < 23 && left > 0; i++) {
        before += order[i] == 1;
        left -= order[i] == 2;
    }
    assert_in_range(before, 0, 3);
    jobs_destroy(&jobs);
}

static void nobody_has_more_than_its_share_of_the_places(void **state)
{
    (void)state;
    struct jobs *jobs = closed_queue();
    for (int i = 0; i < ORDER_MAX / 2; i++)
        assert_int_equal(push(jobs, 1, 0), 0);
    assert_int_equal(push(jobs, 1, 0), -1);
    assert_int_equal(push(jobs, 2, 0), 0);
    open_queue(jobs);
    wait_for_done(ORDER_MAX / 2 + 1);
    assert_int_equal(push(jobs, 1, 0), 0);
    jobs_destroy(&jobs);
}

static void what_may_not_run_yet_waits_and_is_dropped_at_the_end(void **state)
{
    (void)state;
    struct jobs *jobs = closed_queue();
    assert_int_equal(push(jobs, 1, 0), 0);
    assert_int_equal(push(jobs, 2, 0), 0);
    wait_pause(20);
    pthread_mutex_lock(&lock);
    assert_int_equal(done, 0);
    pthread_mutex_unlock(&lock);
    jobs_destroy(&jobs);
    assert_int_equal(done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_late_with_little_is_not_behind_who_asked_for_much),
        cmocka_unit_test(nobody_has_more_than_its_share_of_the_places),
        cmocka_unit_test(what_may_not_run_yet_waits_and_is_dropped_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
