/* What a node does by itself: a member that does not answer holds up only chores that ask members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "node/base/date_file.h"
#include "node/chores/announce.h"
#include "node/chores/chores.h"
#include "node/chores/dates.h"
#include "node/sync/follow.h"
#include "node/sync/revoke.h"
#include "test/wait_for.h"

static atomic_int announced, written, asked, greeted;
static sem_t answers; /* the members' */

/* ---- what chores do, at link time ------------------------------------------------------------- */

void announce(struct announced *a, struct store *store, uint64_t capacity_bytes,
              struct membership *membership)
{
    (void)a, (void)store, (void)capacity_bytes, (void)membership;
    atomic_fetch_add(&announced, 1);
}

void dates_write_down(struct date_floor *floor, struct store *store, const char *data_dir,
                      int64_t step_s)
{
    (void)floor, (void)store, (void)data_dir;
    atomic_fetch_add(&written, step_s == 1);
}

void dates_warn_of_expiry(const struct cert *cert)
{
    (void)cert;
}

void date_file_load(struct date_floor *floor, const char *data_dir, const struct cert *cert,
                    struct err *err)
{
    (void)floor, (void)data_dir, (void)cert, (void)err;
}

void revoke_tick(struct peers *peers, struct revoke_memory *memory)
{
    (void)peers, (void)memory;
    atomic_fetch_add(&asked, 1);
    sem_wait(&answers);
}

void reach_tick(struct reach *reach)
{
    (void)reach;
}

void follow_init(struct follow *follow)
{
    (void)follow;
}

void follow_release(struct follow *follow)
{
    (void)follow;
}

void follow_pull_new(struct follow *follow, struct peers *peers)
{
    (void)follow, (void)peers;
    atomic_fetch_add(&greeted, 1);
    sem_wait(&answers);
}

void follow_pull(struct peers *peers)
{
    (void)peers;
}

void store_usage(struct store *store, uint64_t *used_bytes, uint64_t *fragments, uint64_t *records)
{
    (void)store;
    *used_bytes = *fragments = *records = 0;
}

int store_look(struct store *store, struct err *err)
{
    (void)store, (void)err;
    return 0;
}

int64_t store_waits_ms(struct store *store)
{
    (void)store;
    return 0;
}

int store_state(struct store *store, struct err *err)
{
    (void)store, (void)err;
    return 0;
}

struct member_table *membership_table(struct membership *membership)
{
    (void)membership;
    return NULL;
}

void member_table_release(struct member_table **table)
{
    (void)table;
}

void member_table_count(const struct member_table *table, uint32_t *known, uint32_t *alive)
{
    (void)table;
    *known = *alive = 1;
}

/* ---- tests ------------------------------------------------------------------------------------ */

static void members_that_do_not_answer_hold_up_only_who_asks_them(void **state)
{
    (void)state;
    static struct peers peers;
    static struct config config;
    struct chores *chores;
    struct err err = ERR_INIT;
    const struct chores_options options = {.peers = &peers, .config = &config};
    sem_init(&answers, 0, 0);
    assert_int_equal(chores_new(&chores, &options, &err), 0);
    WAIT_FOR(atomic_load(&asked) == 1 && atomic_load(&greeted) == 1);
    WAIT_FOR(atomic_load(&announced) >= 2);
    assert_int_equal(atomic_load(&asked), 1);
    assert_int_equal(atomic_load(&greeted), 1);
    atomic_store(&peers.stop, true);
    sem_post(&answers);
    sem_post(&answers);
    chores_destroy(&chores);
    assert_int_equal(atomic_load(&written), 1); /* the date, at the end */
    sem_destroy(&answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_do_not_answer_hold_up_only_who_asks_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
