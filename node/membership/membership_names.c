/* Names of our own: of the seeds, and of this machine. They are asked for beside (node/net/names.h), again
 * and again, and what comes of it is what is connected to and stated. While the own name does not
 * resolve we state that we are nowhere: others hear us on the connections that we make. */
#include "node/membership/membership_internal.h"

#include <stdio.h>
#include <string.h>

#include "node/base/log.h"
#include "node/common/clock.h"

#define LOOK_MS 1000 /* whether our own name leads elsewhere now */

void membership_add_seed(struct membership *m, const char *address, const uint8_t curve[32])
{
    if (m->seed_count == SWIM_SEEDS_MAX || memcmp(curve, m->trust.keys->curve_public, 32) == 0)
        return;
    for (size_t i = 0; i < m->seed_count; i++)
        if (memcmp(m->seeds[i].curve, curve, 32) == 0 && strcmp(m->seeds[i].address, address) == 0)
            return;
    struct known_seed *seed = &m->seeds[m->seed_count];
    *seed = (struct known_seed){0};
    snprintf(seed->address, sizeof(seed->address), "%s", address);
    memcpy(seed->curve, curve, 32);
    snprintf(seed->name, sizeof(seed->name), "seed %zu", m->seed_count++);
}

bool membership_find_seed(struct membership *m, const char *name, struct link_peer *peer)
{
    struct err ignored; /* names_resolve said so in the log */
    for (size_t i = 0; i < m->seed_count; i++)
        if (strcmp(m->seeds[i].name, name) == 0) {
            memcpy(peer->curve, m->seeds[i].curve, sizeof(peer->curve));
            return names_resolve(m->names, m->seeds[i].address, &peer->endpoint, &ignored) == 0 &&
                   endpoint_known(&peer->endpoint);
        }
    return false;
}

static void contact_seeds(struct membership *m)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < m->seed_count; i++)
        if (swim_join(m->swim, (uint64_t)boottime_ms(), m->seeds[i].name, &err) != 0)
            log_error("membership: %s", err.text);
}

/* Where our own name leads. Debian's /etc/hosts says 127.0.1.1 of a machine's own name, which is no place
 * at which others reach it, unless we listen there alone. */
static bool find_own(struct membership *m, struct endpoint *place)
{
    struct err ignored = ERR_INIT; /* names_resolve said so in the log */
    if (names_resolve(m->names, m->own_name, place, &ignored) != 0 || !endpoint_known(place))
        return false;
    if (!endpoint_is_loopback(place) || m->is_local)
        return true;
    if (!m->loopback_said)
        log_error("advertise_address is %s, which leads to this machine itself here (%s, see "
                  "/etc/hosts): others do not reach this node before it is an address in digits",
                  m->own_name, endpoint_address(place));
    m->loopback_said = true;
    return false;
}

static void state_place(struct membership *m, const struct endpoint *place, uint16_t member_port)
{
    m->meta.bulk = endpoint_on_port(place, m->bulk_port);
    if (endpoint_known(place))
        snprintf(m->address, sizeof(m->address), "%s", endpoint_address(place));
    else
        snprintf(m->address, sizeof(m->address), "0.0.0.0:%u", (unsigned)member_port);
}

void membership_find_ourselves(struct membership *m, const struct config *config)
{
    struct endpoint place, listens;
    struct err ignored = ERR_INIT;
    char listen[META_ADDRESS_MAX];
    snprintf(listen, sizeof(listen), "%s:%u", config->listen_address,
             (unsigned)config->member_port);
    m->is_local = endpoint_parse(&listens, listen, &ignored) == 0 && endpoint_is_loopback(&listens);
    m->bulk_port = config->bulk_port;
    snprintf(m->own_name, sizeof(m->own_name), "%s:%u", config->advertise_address,
             (unsigned)config->member_port);
    if (endpoint_parse(&place, m->own_name, &ignored) == 0)
        m->own_name[0] = '\0';
    else if (!find_own(m, &place))
        place = (struct endpoint){{0}};
    state_place(m, &place, config->member_port);
}

/* The name server may say another address than before; that it says none changes nothing. */
static void follow_own(struct membership *m)
{
    struct endpoint place;
    struct err err = ERR_INIT;
    uint8_t bytes[META_BYTES_MAX];
    size_t size;
    if (m->own_name[0] == '\0' || boottime_ms() - m->looked_ms < LOOK_MS)
        return;
    m->looked_ms = boottime_ms();
    if (!find_own(m, &place) || strcmp(endpoint_address(&place), m->address) == 0)
        return;
    state_place(m, &place, 0);
    log_info("others reach this node at %s (%s)", m->address, m->own_name);
    if (meta_encode(&m->meta, bytes, &size, &err) != 0 ||
        swim_update(m->swim, (uint64_t)boottime_ms(), m->address, bytes, size, &err) != 0)
        log_error("membership: %s", err.text);
    m->changed = true;
}

void membership_follow_names(struct membership *m)
{
    if (names_news(m->names))
        contact_seeds(m);
    follow_own(m);
}
