/* Making a membership: what was remembered, what this node says of itself, the core, the link, and
 * last the thread, to which all of it belongs from then on. */
#include "node/membership/membership_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <sodium.h>

#include "coding/base/alloc.h"
#include "node/base/log.h"
#include "node/common/clock.h"
#include "node/common/wait.h"
#include "node/trust/node_keys.h"

#define MESSAGE_MAX ((size_t)4 * 1024 * 1024 + 4096) /* the core's largest sync_size_max */
#define RECEIVE_HWM 64
#define SEND_HWM    32
#define IDLE_MS     600000 /* well above the time in which each of a few hundred members is probed */

_Static_assert(META_BYTES_MAX == SWIM_METADATA_MAX, "what a node says of itself fits its claim");

static void add_seed(struct membership *m, const char *address, const uint8_t curve[32])
{
    if (m->seed_count == SWIM_SEEDS_MAX || memcmp(curve, m->trust.keys->curve_public, 32) == 0)
        return;
    struct known_seed *seed = &m->seeds[m->seed_count];
    *seed = (struct known_seed){0};
    snprintf(seed->peer.endpoint, sizeof(seed->peer.endpoint), "tcp://%s", address);
    memcpy(seed->peer.curve, curve, 32);
    for (size_t i = 0; i < m->seed_count; i++)
        if (memcmp(m->seeds[i].peer.curve, curve, 32) == 0 &&
            strcmp(m->seeds[i].peer.endpoint, seed->peer.endpoint) == 0)
            return;
    snprintf(seed->name, sizeof(seed->name), "seed %zu", m->seed_count++);
}

static int load_notes(struct membership *m, const struct config *config, uint64_t serial,
                      struct err *err)
{
    snprintf(m->notes_path, sizeof(m->notes_path), "%s/membership.state", config->data_dir);
    for (size_t i = 0; i < config->seed_count; i++)
        add_seed(m, config->seeds[i].address, config->seeds[i].curve_public);
    if (member_notes_load(&m->notes, m->notes_path, err) != 0) {
        if (err->code == ERR_IO)
            return -1;
        if (err->code != ERR_NOT_FOUND) /* the others know our incarnation, and tell it */
            log_warn("starting without what was remembered of the members: %s", err->text);
    }
    if (m->notes.left_serial >= serial && m->notes.left_serial != 0)
        return err_set(err, ERR_LEFT,
                       "this node left the cluster for good, and does not come back with the same "
                       "certificate: have the request that `ecbakd --print-request` prints signed, "
                       "put the answer in its place, and start anew");
    m->notes.left_serial = 0;
    for (size_t i = 0; i < m->notes.count; i++)
        add_seed(m, m->notes.members[i].address, m->notes.members[i].curve);
    return 0;
}

static bool is_anywhere(const char *address)
{
    return address[0] == '\0' || strcmp(address, "*") == 0 || strcmp(address, "0.0.0.0") == 0 ||
           strcmp(address, "::") == 0 || strcmp(address, "[::]") == 0;
}

static int start_core(struct membership *m, const struct config *config, const struct cert *cert,
                      struct err *err)
{
    struct swim_config knobs;
    struct swim_ops ops;
    uint8_t metadata[META_BYTES_MAX];
    size_t metadata_size;
    if (is_anywhere(config->advertise_address))
        return err_set(err, ERR_INVALID,
                       "advertise_address must be the address at which other nodes reach this one, "
                       "\"%s\" is none",
                       config->advertise_address);
    if (swim_profile(&knobs, config->profile, err) != 0)
        return -1;
    m->protocol = knobs.protocol = config->protocol;
    knobs.members_max = config->members_max;
    /* The other connections are for news and anti-entropy, which go to anybody. */
    knobs.neighbours = config->connections_max - config->connections_max / 4;
    snprintf(m->address, sizeof(m->address), "%s:%u", config->advertise_address,
             (unsigned)config->member_port);
    snprintf(m->meta.bulk, sizeof(m->meta.bulk), "%s:%u", config->advertise_address,
             (unsigned)config->bulk_port);
    snprintf(m->meta.version, sizeof(m->meta.version), "%s", ECBAK_VERSION);
    m->serial = cert->serial;
    m->meta.offer = m->offer;
    m->meta.revocations = m->expelled = revocations_digest(m->trust.revocations);
    if (strlen(m->address) >= sizeof(((struct member *)0)->address))
        return err_set(err, ERR_INVALID, "the address %s is too long", m->address);
    if (cert_encode(cert, m->meta.certificate, &m->meta.certificate_size, err) != 0 ||
        meta_encode(&m->meta, metadata, &metadata_size, err) != 0)
        return -1;
    struct swim_self self = {.name = cert->name,
                             .address = m->address,
                             .metadata = metadata,
                             .metadata_size = metadata_size,
                             .incarnation = m->notes.incarnation};
    self.id = cert->node;
    randombytes_buf(&self.seed, sizeof(self.seed));
    self.session = (uint64_t)wall_ms() << 20 | randombytes_uniform(1u << 20);
    trust_fill_ops(&m->trust, &ops);
    if (swim_new(&m->swim, &knobs, &ops, &self, (uint64_t)boottime_ms(), err) != 0)
        return -1;
    for (size_t i = 0; i < m->seed_count; i++)
        if (swim_join(m->swim, (uint64_t)boottime_ms(), m->seeds[i].name, err) != 0)
            return -1;
    return 0;
}

static int start(struct membership *m, const struct config *config,
                 const struct credentials *credentials, struct err *err)
{
    m->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->wake_fd < 0)
        return err_errno(err, "making an eventfd");
    if (load_notes(m, config, credentials->cert->serial, err) != 0 ||
        start_core(m, config, credentials->cert, err) != 0)
        return -1;
    char bind[LINK_ENDPOINT_MAX];
    snprintf(bind, sizeof(bind), "tcp://%s:%u", config->listen_address,
             (unsigned)config->member_port);
    const struct link_options options = {.bind = bind,
                                         .keys = credentials->keys,
                                         .cert = credentials->cert,
                                         .authority_public = credentials->authority_public,
                                         .revocations = m->trust.revocations,
                                         .protocol = m->protocol,
                                         .message_max = MESSAGE_MAX,
                                         .sessions_max = config->members_max,
                                         .peers_max = config->connections_max,
                                         .idle_ms = IDLE_MS,
                                         .receive_hwm = RECEIVE_HWM,
                                         .send_hwm = SEND_HWM};
    const struct link_ops ops = {.ctx = m,
                                 .received = membership_received,
                                 .lost = membership_lost,
                                 .incompatible = membership_incompatible};
    if (link_new(&m->link, &options, &ops, err) != 0)
        return -1;
    /* A folder that cannot be written stops us here, not in the middle of something. */
    if (notes_writer_new(&m->notes_writer, &m->notes, m->notes_path, err) != 0)
        return -1;
    membership_publish(m);
    int error = pthread_create(&m->thread, NULL, membership_run, m);
    if (error != 0) {
        errno = error;
        return err_errno(err, "starting the membership thread");
    }
    pthread_setname_np(m->thread, "ecbak-members");
    m->thread_runs = true;
    return 0;
}

int membership_new(struct membership **membership, const struct config *config,
                   const struct credentials *credentials, struct revocations *revocations,
                   const struct membership_offer *offer, struct err *err)
{
    struct membership *m = alloc_zero(1, sizeof(*m));
    m->wake_fd = -1;
    m->offer = *offer;
    pthread_mutex_init(&m->lock, NULL);
    wait_init(&m->left_cond);
    trust_init(&m->trust, credentials->keys, credentials->authority_public, revocations);
    member_events_init(&m->events, wall_ms());
    if (start(m, config, credentials, err) != 0) {
        membership_destroy(&m);
        return -1;
    }
    *membership = m;
    return 0;
}
