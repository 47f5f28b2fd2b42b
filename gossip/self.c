/* Only we raise our incarnation, and only above what we said ourselves before: nobody else can sign
 * a statement of ours, and an accusation counts only against the incarnation that we announced. So
 * nobody can drive it to its maximum.
 *
 * A liar can still make us refute as often as it likes, each time at the cost of a signature and a
 * write to disk: hence the budget. */
#include <string.h>

#include "gossip/core.h"

#define REFUTE_BUDGET_MAX 8

/* After this many statements of ours that we did not make, it is no longer our past that speaks. */
#define FOREIGN_MAX 3

static void replace_statement(struct swim *swim, const uint8_t *bytes, size_t size)
{
    struct member *self = self_of(swim);
    const uint8_t *old = self->statement;
    self->statement = swim->ops.keep(swim->ops.context, bytes, size);
    if (old != NULL)
        swim->ops.drop(swim->ops.context, old, self->statement_size);
    self->statement_size = (uint16_t)size;
    self->incarnation = swim->own.incarnation;
    self->version = SWIM_VERSION_MAX;
}

void self_announce(struct swim *swim, uint64_t above)
{
    struct own *own = &swim->own;
    uint8_t bytes[SWIM_STATEMENT_MAX];
    if (above > own->incarnation)
        own->incarnation = above;
    if (own->incarnation < SWIM_INCARNATION_MAX)
        own->incarnation++;
    struct statement statement = {
        .state = own->state,
        .version_min = SWIM_VERSION_MIN,
        .version = SWIM_VERSION_MAX,
        .version_max = SWIM_VERSION_MAX,
        .incarnation = own->incarnation,
        .session = own->session,
        .away_ms = own->away_ms,
        .id = self_of(swim)->id,
        .name = own->name,
        .address = own->address,
        .metadata = own->metadata,
        .metadata_size = own->metadata_size,
    };
    order_persist(swim, own->incarnation);
    replace_statement(swim, bytes, statement_encode(&statement, &swim->ops, bytes));
    rumour_statement(swim, self_of(swim));
}

void self_start(struct swim *swim, const struct swim_self *start)
{
    struct own *own = &swim->own;
    memcpy(own->name, start->name, strlen(start->name));
    memcpy(own->address, start->address, strlen(start->address));
    if (start->metadata_size > 0)
        memcpy(own->metadata, start->metadata, start->metadata_size);
    own->metadata_size = start->metadata_size;
    own->incarnation = start->incarnation;
    own->session = prng_next(&swim->prng);
    own->refute_budget = REFUTE_BUDGET_MAX;
    own->refute_ms = swim->now_ms;
    table_add(&swim->table, &start->id, 0)->since_ms = swim->now_ms;
    table_name(&swim->table, self_of(swim), own->name);
    swim->table.cursor = 1;
    self_announce(swim, 0);
}

static void fill_budget(struct swim *swim)
{
    struct own *own = &swim->own;
    uint64_t due = (swim->now_ms - own->refute_ms) / swim->config.gossip_interval_ms;
    own->refute_ms += due * swim->config.gossip_interval_ms;
    if (due > REFUTE_BUDGET_MAX - own->refute_budget)
        due = REFUTE_BUDGET_MAX - own->refute_budget;
    own->refute_budget += (uint32_t)due;
}

void self_refute(struct swim *swim, uint64_t above)
{
    struct own *own = &swim->own;
    fill_budget(swim);
    if (own->refute_budget == 0) {
        if (above > own->refute_above)
            own->refute_above = above;
        return;
    }
    own->refute_budget--;
    own->refute_above = 0;
    swim->stats.refute_count++;
    self_announce(swim, above);
}

void self_tick(struct swim *swim)
{
    if (swim->own.refute_above != 0)
        self_refute(swim, swim->own.refute_above);
}

/* Either our past, from before an incarnation was lost with the disk, or a clone that holds our
 * key. Both are overruled, since the member that speaks here is the one that is here; the second is
 * also reported, for it will go on. */
enum news self_heard(struct swim *swim, const struct swim_id *from,
                     const struct statement *statement, const uint8_t *bytes, size_t size)
{
    const struct member *self = self_of(swim);
    if (statement->incarnation < self->incarnation ||
        (size == self->statement_size && memcmp(bytes, self->statement, size) == 0))
        return NEWS_NONE;
    if (!statement_verify(statement, &swim->ops, bytes, size)) {
        news_forged(swim, from);
        return NEWS_NONE;
    }
    if (++swim->own.foreign_count >= FOREIGN_MAX) {
        order_event(swim, SWIM_EVENT_CONFLICT, &self->id, &self->id);
        swim->own.foreign_count = 0;
    }
    self_refute(swim, statement->incarnation);
    return NEWS_NONE;
}
