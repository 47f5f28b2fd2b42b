/* Whom to contact for anti-entropy, and when: seeds while we are alone, a random member every now and
 * then, and one of the lost (or a seed that nobody here answers for), so that partitions heal. */
#include "gossip/core/join.h"

#include <stdlib.h>
#include <string.h>

#include "coding/base/alloc.h"
#include "gossip/core/news.h"
#include "gossip/core/roster.h"
#include "gossip/core/self.h"
#include "gossip/core/swim_internal.h"
#include "gossip/core/sync.h"
#include "gossip/prng.h"

#define TRIES_MAX       5 /* the wait between tries doubles this often */
#define SEEDS_AT_ONCE   3
#define EARLY_SYNCS     8  /* after the start, one a probe interval, that brought nothing new, */
#define EARLY_SYNCS_MAX 32 /* and in all */

static bool can_sync(const struct roster_member *member, const void *detail)
{
    (void)detail;
    return member->state == SWIM_ALIVE;
}

static bool is_lost(const struct roster_member *member, const void *detail)
{
    const struct swim *swim = detail;
    return member->state == SWIM_DEAD || (member->state == SWIM_AWAY && !news_away(swim, member));
}

/* A seed at the address of a member that we believe in, or at ours, need not be asked: anti-entropy
 * reaches it anyway. */
static bool seed_is_here(const struct swim *swim, const char *address)
{
    for (size_t i = 0; i < swim->roster.count; i++) {
        const struct roster_member *member = swim->roster.members[i];
        if (sync_believed(member) && strcmp(roster_claim(member).address, address) == 0)
            return true;
    }
    return false;
}

static void contact_seeds(struct swim *swim, size_t count)
{
    struct join *join = &swim->join;
    if (join->seed_count == 0)
        return;
    size_t start = prng_below(&swim->prng, (uint32_t)join->seed_count);
    for (size_t i = 0; i < join->seed_count && count > 0; i++) {
        const char *address = join->seeds[(start + i) % join->seed_count].address;
        if (seed_is_here(swim, address))
            continue;
        sync_join(swim, address);
        count--;
    }
}

/* While we are alone, the seeds are tried again and again, with growing pauses. */
static void alone_tick(struct swim *swim)
{
    struct join *join = &swim->join;
    if (roster_active(&swim->roster) > 1 || swim->own.state != SWIM_ALIVE) {
        join->alone_tries = 0;
        join->alone_ms = swim->now_ms + swim->config.probe_interval_ms;
        return;
    }
    uint64_t wait_ms = (uint64_t)swim->config.probe_interval_ms << join->alone_tries;
    if (join->alone_tries < TRIES_MAX)
        join->alone_tries++;
    contact_seeds(swim, SEEDS_AT_ONCE);
    join->alone_ms =
        swim->now_ms + wait_ms / 2 + prng_below(&swim->prng, (uint32_t)wait_ms / 2 + 1);
}

/* One of the lost, or a seed that belongs to nobody here: a partition heals from either side,
 * however long it lasted. */
static void reconnect_tick(struct swim *swim)
{
    struct roster_member *lost;
    uint32_t interval_ms = swim->config.reconnect_interval_ms;
    swim->join.reconnect_ms = swim->now_ms + interval_ms / 2 + prng_below(&swim->prng, interval_ms);
    if (swim->own.state != SWIM_ALIVE)
        return;
    bool seeds_first = prng_below(&swim->prng, 2) == 0;
    if (seeds_first)
        contact_seeds(swim, 1);
    if (roster_draw(&swim->roster, &swim->prng, &lost, 1, is_lost, swim) == 1)
        sync_hello(swim, lost);
    else if (!seeds_first)
        contact_seeds(swim, 1);
}

/* Who has just started asks often, until enough answers brought nothing new. */
static bool is_early(struct swim *swim)
{
    struct join *join = &swim->join;
    if (roster_active(&swim->roster) == 1 || join->early_quiet == EARLY_SYNCS ||
        join->early_syncs == EARLY_SYNCS_MAX)
        return false;
    join->early_syncs++;
    join->early_quiet += !join->learnt;
    return true;
}

void join_tick(struct swim *swim)
{
    struct join *join = &swim->join;
    struct roster_member *partner;
    if (swim->now_ms >= join->alone_ms)
        alone_tick(swim);
    if (swim->now_ms >= join->reconnect_ms)
        reconnect_tick(swim);
    if (swim->now_ms < join->sync_ms)
        return;
    uint32_t interval_ms = swim->config.sync_interval_ms;
    if (is_early(swim))
        interval_ms = swim->config.probe_interval_ms;
    join->learnt = false;
    join->sync_ms = swim->now_ms + interval_ms / 2 + prng_below(&swim->prng, interval_ms);
    if (swim->own.state == SWIM_ALIVE &&
        roster_draw(&swim->roster, &swim->prng, &partner, 1, can_sync, NULL) == 1)
        sync_hello(swim, partner);
}

int swim_join(struct swim *swim, uint64_t now_ms, const char *address, struct err *err)
{
    struct join *join = &swim->join;
    if (self_check_text("address", address, SWIM_ADDRESS_MAX, err) != 0)
        return -1;
    swim_advance(swim, now_ms);
    for (size_t i = 0; i < join->seed_count; i++)
        if (strcmp(join->seeds[i].address, address) == 0) {
            if (swim->own.state == SWIM_ALIVE && roster_active(&swim->roster) == 1)
                sync_join(swim, join->seeds[i].address);
            return 0;
        }
    if (strcmp(address, swim->own.address) == 0)
        return 0;
    if (join->seed_count == SWIM_SEEDS_MAX)
        return err_set(err, ERR_FULL, "at most %d seeds are remembered", SWIM_SEEDS_MAX);
    join->seeds = alloc_grow(join->seeds, join->seed_count + 1, sizeof(struct seed));
    struct seed *seed = &join->seeds[join->seed_count++];
    memset(seed, 0, sizeof(*seed));
    memcpy(seed->address, address, strlen(address));
    if (swim->own.state == SWIM_ALIVE)
        sync_join(swim, seed->address);
    return 0;
}

void join_release(struct join *join)
{
    free(join->seeds);
    *join = (struct join){0};
}
