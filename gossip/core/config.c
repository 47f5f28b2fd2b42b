/* The profiles start from the constants that memberlist proved in the field; swim.h says what each
 * knob costs. The limits only exclude what cannot work: a timeout beyond its interval, a budget of
 * nothing, more than an array holds. */
#include "gossip/swim.h"

#include <string.h>

#include "gossip/core/probe.h"
#include "gossip/core/rumour.h"
#include "gossip/core/suspicion.h"

#define DAY_MS (24u * 60 * 60 * 1000)

static const struct swim_config lan = {
    .protocol = {PROTOCOL_LOWEST, PROTOCOL_HIGHEST},
    .probe_interval_ms = 1000,
    .probe_timeout_ms = 500,
    .indirect_count = 3,
    .neighbours = 48,
    .suspicion_mult = 4,
    .suspicion_max_mult = 6,
    .confirmations = 3,
    .confirmed_percent = 25,
    .retransmit_mult = 4,
    .gossip_interval_ms = 200,
    .gossip_fanout = 3,
    .gossip_dead_ms = 30 * 1000,
    .sync_interval_ms = 30 * 1000,
    .reconnect_interval_ms = 30 * 1000,
    .tombstone_ms = DAY_MS,
    .away_max_ms = 60 * 60 * 1000,
    .packet_size_max = 1400,
    .sync_size_max = 256 * 1024,
    .members_max = 10000,
    .orders_max = 4096,
    .awareness_max = 8,
    .local_health = true,
    .nack = true,
    .dynamic_suspicion = true,
    .buddy = true,
    .active_confirmation = true,
    .pause_detection = true,
};

int swim_profile(struct swim_config *config, const char *name, struct err *err)
{
    *config = lan;
    if (strcmp(name, "lan") == 0)
        return 0;
    if (strcmp(name, "wan") == 0) {
        config->probe_interval_ms = 5000;
        config->probe_timeout_ms = 3000;
        config->suspicion_mult = 6;
        config->gossip_interval_ms = 500;
        config->gossip_fanout = 4;
        config->gossip_dead_ms = 60 * 1000;
        config->sync_interval_ms = 60 * 1000;
        return 0;
    }
    if (strcmp(name, "local") == 0) {
        config->probe_timeout_ms = 200;
        config->indirect_count = 1;
        config->suspicion_mult = 3;
        config->retransmit_mult = 2;
        config->gossip_interval_ms = 100;
        config->gossip_dead_ms = 15 * 1000;
        config->sync_interval_ms = 15 * 1000;
        config->reconnect_interval_ms = 15 * 1000;
        return 0;
    }
    return err_set(err, ERR_INVALID, "profile \"%s\" is not one of lan, wan, local", name);
}

int swim_config_check(const struct swim_config *c, struct err *err)
{
    const struct {
        const char *name;
        uint32_t value, min, max;
    } ranges[] = {
        {"probe_interval_ms", c->probe_interval_ms, 10, 600 * 1000},
        {"probe_timeout_ms", c->probe_timeout_ms, 1, c->probe_interval_ms - 1},
        {"indirect_count", c->indirect_count, 0, HELPERS_MAX},
        {"neighbours", c->neighbours, 1, 1000 * 1000},
        {"suspicion_mult", c->suspicion_mult, 1, 64},
        {"suspicion_max_mult", c->suspicion_max_mult, 1, 64},
        {"confirmations", c->confirmations, 1, ACCUSERS_MAX - 1},
        {"confirmed_percent", c->confirmed_percent, 10, 100},
        {"retransmit_mult", c->retransmit_mult, 1, 16},
        {"gossip_interval_ms", c->gossip_interval_ms, 10, 600 * 1000},
        {"gossip_fanout", c->gossip_fanout, 1, FANOUT_MAX},
        {"gossip_dead_ms", c->gossip_dead_ms, 0, DAY_MS},
        {"sync_interval_ms", c->sync_interval_ms, 100, DAY_MS},
        {"reconnect_interval_ms", c->reconnect_interval_ms, 100, DAY_MS},
        {"tombstone_ms", c->tombstone_ms, 1000, 30 * DAY_MS},
        {"away_max_ms", c->away_max_ms, 0, DAY_MS},
        {"packet_size_max", c->packet_size_max, 1400, 64 * 1024},
        {"sync_size_max", c->sync_size_max, 16 * 1024, 4 * 1024 * 1024},
        {"members_max", c->members_max, 1, 100 * 1000},
        {"orders_max", c->orders_max, 64, 1024 * 1024},
        {"awareness_max", c->awareness_max, 0, 32},
        {"the lowest protocol", c->protocol.lowest, 1, c->protocol.highest},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
            return err_set(err, ERR_INVALID, "%s is %u, allowed are %u to %u", ranges[i].name,
                           ranges[i].value, ranges[i].min, ranges[i].max);
    return 0;
}
