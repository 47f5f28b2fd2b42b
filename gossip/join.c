/* Whom to contact for anti-entropy, and when: seeds while we are alone, a random member every now and
 * then, and one of the lost (or a seed that nobody here answers for), so that partitions heal. */
#include <string.h>

#include "gossip/core.h"

#define TRIES_MAX     5 /* the wait between tries doubles this often */
#define SEEDS_AT_ONCE 3

static bool can_sync(const struct swim *swim, const struct member *member, const void *detail)
{
    (void)swim;
    (void)detail;
    return member->state == SWIM_ALIVE;
}

static bool is_lost(const struct swim *swim, const struct member *member, const void *detail)
{
    (void)detail;
    return member->state == SWIM_DEAD || (member->state == SWIM_AWAY && !news_away(swim, member));
}

/* A seed that is the address of a member we believe in, or ours, has nothing to tell that it would
 * not tell anyway. */
static bool seed_is_here(const struct swim *swim, const char *address)
{
    for (size_t i = 0; i < swim->roster.count; i++) {
        const struct member *member = swim->roster.members[i];
        struct statement statement;
        if (sync_believed(member) &&
            statement_parse(&statement, member->statement, member->statement_size) == 0 &&
            strcmp(statement.address, address) == 0)
            return true;
    }
    return false;
}

static void contact_seeds(struct swim *swim, size_t count)
{
    if (swim->seed_count == 0)
        return;
    size_t start = prng_below(&swim->prng, (uint32_t)swim->seed_count);
    for (size_t i = 0; i < swim->seed_count && count > 0; i++) {
        const char *address = swim->seeds[(start + i) % swim->seed_count].address;
        if (seed_is_here(swim, address))
            continue;
        sync_join(swim, address);
        count--;
    }
}

/* While alone: the seeds, again and again, more and more slowly. */
static void alone_tick(struct swim *swim)
{
    if (roster_active(&swim->roster) > 1 || swim->own.state != SWIM_ALIVE) {
        swim->join_tries = 0;
        swim->join_ms = swim->now_ms + swim->config.probe_interval_ms;
        return;
    }
    uint64_t wait_ms = (uint64_t)swim->config.probe_interval_ms << swim->join_tries;
    if (swim->join_tries < TRIES_MAX)
        swim->join_tries++;
    contact_seeds(swim, SEEDS_AT_ONCE);
    swim->join_ms = swim->now_ms + wait_ms / 2 + prng_below(&swim->prng, (uint32_t)wait_ms / 2 + 1);
}

/* One of the lost, or a seed that belongs to nobody here: a partition heals from either side,
 * however long it lasted. */
static void reconnect_tick(struct swim *swim)
{
    struct member *lost;
    uint32_t interval_ms = swim->config.reconnect_interval_ms;
    swim->reconnect_ms = swim->now_ms + interval_ms / 2 + prng_below(&swim->prng, interval_ms);
    if (swim->own.state != SWIM_ALIVE)
        return;
    bool seeds_first = prng_below(&swim->prng, 2) == 0;
    if (seeds_first)
        contact_seeds(swim, 1);
    if (roster_draw(swim, &lost, 1, is_lost, NULL) == 1)
        sync_hello(swim, lost);
    else if (!seeds_first)
        contact_seeds(swim, 1);
}

/* Who has just started asks often, until nothing new has come for a while. */
static bool is_early(struct swim *swim)
{
    if (roster_active(&swim->roster) == 1 || swim->early_quiet == EARLY_SYNCS ||
        swim->early_syncs == EARLY_SYNCS_MAX)
        return false;
    swim->early_syncs++;
    swim->early_quiet += !swim->learnt;
    return true;
}

void join_tick(struct swim *swim)
{
    struct member *partner;
    if (swim->now_ms >= swim->join_ms)
        alone_tick(swim);
    if (swim->now_ms >= swim->reconnect_ms)
        reconnect_tick(swim);
    if (swim->now_ms < swim->sync_ms)
        return;
    uint32_t interval_ms = swim->config.sync_interval_ms;
    if (is_early(swim))
        interval_ms = swim->config.probe_interval_ms;
    swim->learnt = false;
    swim->sync_ms = swim->now_ms + interval_ms / 2 + prng_below(&swim->prng, interval_ms);
    if (swim->own.state == SWIM_ALIVE && roster_draw(swim, &partner, 1, can_sync, NULL) == 1)
        sync_hello(swim, partner);
}
