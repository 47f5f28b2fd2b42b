/* Only we raise our incarnation, and only above what was signed with our key: an accusation counts
 * only against the incarnation that we announced. So nobody else can drive it to its maximum.
 *
 * A liar can still make us refute as often as it likes, each time at the cost of a signature and a
 * write to disk: hence the budget. */
#include "gossip/core/self.h"

#include <assert.h>
#include <string.h>

#include "gossip/claim.h"
#include "gossip/core/news.h"
#include "gossip/core/packet.h"
#include "gossip/core/rival.h"
#include "gossip/core/roster.h"
#include "gossip/core/rumour.h"
#include "gossip/core/swim_internal.h"
#include "gossip/order.h"
#include "gossip/prng.h"

#define FAREWELLS_MAX     32 /* members told directly that we leave */
#define REFUTE_BUDGET_MAX 8

int self_check_text(const char *what, const char *text, size_t size_max, struct err *err)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > size_max)
        return err_set(err, ERR_INVALID, "the %s of a member must have 1 to %zu bytes", what,
                       size_max);
    return 0;
}

int self_check_metadata(const uint8_t *metadata, size_t size, struct err *err)
{
    if (size > SWIM_METADATA_MAX || (metadata == NULL && size > 0))
        return err_set(err, ERR_INVALID, "metadata has %zu bytes, at most %d are allowed", size,
                       SWIM_METADATA_MAX);
    return 0;
}

static void replace_claim(struct swim *swim, const uint8_t *bytes, size_t size)
{
    struct roster_member *self = self_of(swim);
    const uint8_t *old = self->claim;
    self->claim = swim->ops.keep(swim->ops.context, bytes, size);
    if (old != NULL)
        swim->ops.drop(swim->ops.context, old, self->claim_size);
    self->claim_size = (uint16_t)size;
    self->incarnation = swim->own.incarnation;
    self->protocol = swim->config.protocol;
}

void self_announce(struct swim *swim, uint64_t above)
{
    struct own *own = &swim->own;
    uint8_t bytes[SWIM_CLAIM_MAX];
    if (rival_goes_first(swim))
        return; /* it is said when the other one is gone */
    if (above > own->incarnation)
        own->incarnation = above;
    assert(own->incarnation <= SWIM_INCARNATION_MAX);
    if (own->incarnation < SWIM_INCARNATION_MAX)
        own->incarnation++;
    struct claim claim = {
        .state = own->state,
        .version_min = swim->config.protocol.lowest,
        .version = swim->config.protocol.highest,
        .version_max = swim->config.protocol.highest,
        .incarnation = own->incarnation,
        .session = own->session,
        .away_ms = own->away_ms,
        .id = self_of(swim)->id,
        .name = own->name,
        .address = own->address,
        .metadata = own->metadata,
        .metadata_size = own->metadata_size,
    };
    order_persist(&swim->orders, own->incarnation);
    replace_claim(swim, bytes, claim_encode(&claim, &swim->ops, bytes));
    rumour_claim(swim, self_of(swim), true);
}

void self_adopt(struct swim *swim, const struct claim *claim, const uint8_t *bytes, size_t size)
{
    assert(claim->incarnation >= swim->own.incarnation);
    if (claim->incarnation == swim->own.incarnation)
        return;
    swim->own.incarnation = claim->incarnation;
    order_persist(&swim->orders, claim->incarnation);
    replace_claim(swim, bytes, size);
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
    own->session = start->session != 0 ? start->session : prng_next(&swim->prng);
    own->remembers = start->incarnation > 0;
    own->refute_budget = REFUTE_BUDGET_MAX;
    own->refute_ms = swim->now_ms;
    roster_init(&swim->roster, &start->id, swim->config.neighbours)->since_ms = swim->now_ms;
    roster_name(&swim->roster, self_of(swim), own->name);
    self_announce(swim, 0);
}

static void fill_budget(struct swim *swim)
{
    struct own *own = &swim->own;
    assert(own->refute_ms <= swim->now_ms && own->refute_budget <= REFUTE_BUDGET_MAX);
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

int swim_update(struct swim *swim, uint64_t now_ms, const char *address, const uint8_t *metadata,
                size_t metadata_size, struct err *err)
{
    struct own *own = &swim->own;
    if ((address != NULL && self_check_text("address", address, SWIM_ADDRESS_MAX, err) != 0) ||
        (metadata != NULL && self_check_metadata(metadata, metadata_size, err) != 0))
        return -1;
    swim_advance(swim, now_ms);
    if (address != NULL) {
        memset(own->address, 0, sizeof(own->address));
        memcpy(own->address, address, strlen(address));
    }
    if (metadata != NULL) {
        memcpy(own->metadata, metadata, metadata_size);
        own->metadata_size = metadata_size;
    }
    self_announce(swim, 0);
    return 0;
}

static bool alive(const struct roster_member *member, const void *detail)
{
    (void)detail;
    return member->state == SWIM_ALIVE;
}

/* There may be no later tick: tell some members at once, they tell the others. */
static void farewell(struct swim *swim)
{
    struct roster_member *members[FAREWELLS_MAX];
    if (rival_goes_first(swim))
        return;
    size_t count = roster_draw(&swim->roster, &swim->prng, members, FAREWELLS_MAX, alive, NULL);
    for (size_t i = 0; i < count; i++) {
        struct packet packet;
        packet_init(&packet, swim, swim->config.packet_size_max);
        packet_own_claim(&packet);
        packet_to(&packet, members[i], true,
                  swim->now_ms + 4 * (uint64_t)swim->config.probe_interval_ms);
    }
}

void swim_leave(struct swim *swim, uint64_t now_ms)
{
    swim_advance(swim, now_ms);
    if (swim->own.state == SWIM_LEFT)
        return;
    swim->own.state = SWIM_LEFT;
    swim->own.away_ms = 0;
    roster_state(&swim->roster, self_of(swim), SWIM_LEFT);
    self_announce(swim, 0);
    farewell(swim);
}

void swim_away(struct swim *swim, uint64_t now_ms, uint32_t duration_ms)
{
    swim_advance(swim, now_ms);
    if (swim->own.state == SWIM_LEFT)
        return;
    swim->own.state = SWIM_AWAY;
    swim->own.away_ms =
        duration_ms < swim->config.away_max_ms ? duration_ms : swim->config.away_max_ms;
    roster_state(&swim->roster, self_of(swim), SWIM_AWAY);
    self_announce(swim, 0);
    farewell(swim);
}
